/** Each setting of sessions at upstreams becomes exactly one option. */
import { describe, expect, it } from "vitest";
import { sessionOptions } from "../../gateway/pool-options.ts";
import { loadSettings } from "../../gateway/settings/index.ts";

const optionsOf = (env: Readonly<Record<string, string>>) =>
  sessionOptions(loadSettings({ env, envFile: false, directory: "/" }).settings);

const PLAIN = {
  circuits: { threshold: 5, resetMs: 60_000 },
  recovers: true,
  retries: { attempts: 3, baseMs: 1000, maxMs: 60_000, jitter: 0.5, budget: 0.2 },
  maxIdle: 1000,
  sessionCaps: { maxTotal: 10_000, maxPerUpstream: 5000 },
};
const POOL = {
  maxPerKey: 10,
  ttlMs: 300_000,
  acquireTimeoutMs: 30_000,
  createTimeoutMs: 30_000,
  healthIntervalMs: 60_000,
  healthMethods: ["ping", "skip"],
  healthTimeoutMs: 5000,
  idleEvictionMs: 600_000,
  identityHeaders: ["authorization", "x-tenant-id", "x-user-id", "x-api-key", "cookie"],
};

describe("sessionOptions", () => {
  it("are those of the sources where nothing is set, with no pool", () => {
    expect(optionsOf({})).toEqual(PLAIN);
    expect(optionsOf({ MCP_SESSION_POOL_ENABLED: "true" })).toEqual({ ...PLAIN, pool: POOL });
  });

  it.each([
    ["MCP_SESSION_POOL_MAX_PER_KEY", "200", { maxPerKey: 200 }],
    ["MCP_SESSION_POOL_TTL", "5", { ttlMs: 5000 }],
    ["MCP_SESSION_POOL_ACQUIRE_TIMEOUT", "6", { acquireTimeoutMs: 6000 }],
    ["MCP_SESSION_POOL_CREATE_TIMEOUT", "7", { createTimeoutMs: 7000 }],
    ["MCP_SESSION_POOL_HEALTH_CHECK_INTERVAL", "8", { healthIntervalMs: 8000 }],
    ["MCP_SESSION_POOL_HEALTH_CHECK_METHODS", "list_tools,ping", { healthMethods: ["list_tools", "ping"] }],
    ["MCP_SESSION_POOL_HEALTH_CHECK_TIMEOUT", "9", { healthTimeoutMs: 9000 }],
    ["MCP_SESSION_POOL_IDLE_EVICTION", "10", { idleEvictionMs: 10_000 }],
    ["MCP_SESSION_POOL_IDENTITY_HEADERS", "X-Me", { identityHeaders: ["x-me"] }],
  ])("of the pool: %s=%s", (name, value, changed) => {
    const env = { MCP_SESSION_POOL_ENABLED: "true", [name]: value };
    expect(optionsOf(env)).toEqual({ ...PLAIN, pool: { ...POOL, ...changed } });
  });

  it.each([
    ["MCP_SESSION_POOL_CIRCUIT_BREAKER_THRESHOLD", "1", { circuits: { threshold: 1, resetMs: 60_000 } }],
    ["MCP_SESSION_POOL_CIRCUIT_BREAKER_RESET", "1", { circuits: { threshold: 5, resetMs: 1000 } }],
    ["MCP_SESSION_POOL_MAX_TOTAL_SESSIONS", "7", { sessionCaps: { maxTotal: 7, maxPerUpstream: 5000 } }],
    ["MCP_SESSION_POOL_MAX_PER_UPSTREAM", "7", { sessionCaps: { maxTotal: 10_000, maxPerUpstream: 7 } }],
    ["HTTPX_MAX_KEEPALIVE_CONNECTIONS", "50", { maxIdle: 50 }],
    ["RETRY_MAX_ATTEMPTS", "1", { retries: { ...PLAIN.retries, attempts: 1 } }],
    ["RETRY_BASE_DELAY", "2", { retries: { ...PLAIN.retries, baseMs: 2000 } }],
    ["RETRY_MAX_DELAY", "3", { retries: { ...PLAIN.retries, maxMs: 3000 } }],
    ["RETRY_JITTER_MAX", "0", { retries: { ...PLAIN.retries, jitter: 0 } }],
    ["RETRY_BUDGET", "0.5", { retries: { ...PLAIN.retries, budget: 0.5 } }],
  ])("of every session: %s=%s", (name, value, changed) => {
    expect(optionsOf({ [name]: value })).toEqual({ ...PLAIN, ...changed });
  });

  it("name a health check that does not exist", () => {
    const env = { MCP_SESSION_POOL_ENABLED: "true", MCP_SESSION_POOL_HEALTH_CHECK_METHODS: "ping,knock" };
    expect(() => optionsOf(env)).toThrow(
      'MCP_SESSION_POOL_HEALTH_CHECK_METHODS: "knock" is not one of ping, list_tools, list_prompts, list_resources, skip',
    );
  });
});
