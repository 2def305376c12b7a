/** What the settings say of sessions at upstreams. Part of the composition root. */
import { fault } from "../contract/errors.ts";
import type { Settings } from "../contract/settings.ts";
import type { HealthMethod, PoolOptions, UpstreamsOptions } from "./upstreams/index.ts";

const HEALTH_METHODS: readonly HealthMethod[] = ["ping", "list_tools", "list_prompts", "list_resources", "skip"];

type SessionOptions = Pick<UpstreamsOptions, "circuits" | "retries" | "sessionCaps" | "pool" | "maxIdle">;

/** Throws MCPS_SETTINGS for a health check that does not exist. */
export function sessionOptions(settings: Settings): SessionOptions {
  return {
    circuits: {
      threshold: settings.MCP_SESSION_POOL_CIRCUIT_BREAKER_THRESHOLD,
      resetMs: settings.MCP_SESSION_POOL_CIRCUIT_BREAKER_RESET * 1000,
    },
    retries: {
      attempts: settings.RETRY_MAX_ATTEMPTS,
      baseMs: settings.RETRY_BASE_DELAY * 1000,
      maxMs: settings.RETRY_MAX_DELAY * 1000,
      jitter: settings.RETRY_JITTER_MAX,
      budget: settings.RETRY_BUDGET,
    },
    maxIdle: settings.UPSTREAM_IDLE_CONNECTIONS,
    sessionCaps: {
      maxTotal: settings.MCP_SESSION_POOL_MAX_TOTAL_SESSIONS,
      maxPerUpstream: settings.MCP_SESSION_POOL_MAX_PER_UPSTREAM,
    },
    ...(settings.MCP_SESSION_POOL_ENABLED ? { pool: poolOptions(settings) } : {}),
  };
}

function poolOptions(settings: Settings): PoolOptions {
  return {
    maxPerKey: settings.MCP_SESSION_POOL_MAX_PER_KEY,
    ttlMs: settings.MCP_SESSION_POOL_TTL * 1000,
    acquireTimeoutMs: settings.MCP_SESSION_POOL_ACQUIRE_TIMEOUT * 1000,
    createTimeoutMs: settings.MCP_SESSION_POOL_CREATE_TIMEOUT * 1000,
    healthIntervalMs: settings.MCP_SESSION_POOL_HEALTH_CHECK_INTERVAL * 1000,
    healthMethods: settings.MCP_SESSION_POOL_HEALTH_CHECK_METHODS.map(healthMethod),
    healthTimeoutMs: settings.MCP_SESSION_POOL_HEALTH_CHECK_TIMEOUT * 1000,
    idleEvictionMs: settings.MCP_SESSION_POOL_IDLE_EVICTION * 1000,
    identityHeaders: settings.MCP_SESSION_POOL_IDENTITY_HEADERS.map((name) => name.toLowerCase()),
  };
}

function healthMethod(name: string): HealthMethod {
  const found = HEALTH_METHODS.find((method) => method === name);
  if (found !== undefined) return found;
  const allowed = HEALTH_METHODS.join(", ");
  const problems = `MCP_SESSION_POOL_HEALTH_CHECK_METHODS: "${name}" is not one of ${allowed}`;
  throw fault("MCPS_SETTINGS", { count: 1, problems });
}
