/**
 * What warm calls cost with everything on that a deployment may switch on: an API token that is watched, limits, quotas, pins, schema
 * checks, caches, records. No statement and no command of Redis is sent for a call; what is sent behind them is counted and named.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { echoed, startUpstream, type Upstream } from "../../bench/upstream.ts";
import {
  type Answer,
  callModern,
  type Daemon,
  type Gateway,
  missing,
  openLegacySession,
  register,
  rest,
  send,
  startGateway,
  startPgBouncer,
  startPostgres,
  startRedis,
  temporaryDirectory,
  titled,
} from "../harness/index.ts";

const CALLS = 1000;
const LANES = 10;
/** Of callers and of the upstream that they call; they are its name too. */
const ERAS = ["legacy", "modern"] as const;
/** Purposes of statements that are sent from time to time. */
const BY_CLOCKS = ["catalogue", "ping", "registry", "state", "records"];
const sumOf = (counts: readonly (readonly [string, number])[]) => counts.reduce((sum, [, count]) => sum + count, 0);
const EVERYTHING = {
  AUDIT_TRAIL_ENABLED: "true",
  SECURITY_LOGGING_ENABLED: "true",
  STRUCTURED_LOGGING_DATABASE_ENABLED: "true",
  METRICS_BUFFER_FLUSH_INTERVAL: "300",
  METRICS_BUFFER_MAX_SIZE: "5000",
  RATE_LIMITING_ENABLED: "true",
  RATE_LIMIT_CRITICAL_RPM: "600000",
  RATE_LIMIT_HIGH_RPM: "600000",
  RATE_LIMIT_MEDIUM_RPM: "600000",
  RATE_LIMIT_LOW_RPM: "600000",
  RATE_LIMITS: "address=100000/min, token=100000/min, principal&tool=100000/min, upstream=100000/min",
  QUOTAS: "principal=10000000/month, tool=10000000/day",
  TOOL_PIN_POLICY: "quarantine",
  TOOL_ARGUMENTS_CHECK: "enforce",
  TOOL_RESULTS_CHECK: "enforce",
  LOG_LEVEL: "warn",
};

// The upstream is in C: calls have to be many more than what clocks send while they last.
const noServers = missing("postgres", "pgbouncer", "redis-server", "cc");

describe.skipIf(noServers !== undefined)(titled("warm calls with everything on", noServers), () => {
  const daemons: Daemon[] = [];
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let redis: Redis;
  let upstream: Upstream;
  let gateway: Gateway;
  let token: string;
  beforeAll(async () => {
    directory = await temporaryDirectory();
    const [postgres, store] = await Promise.all([startPostgres(), startRedis()]);
    daemons.push(postgres, store);
    const pooler = await startPgBouncer(postgres.port);
    daemons.push(pooler);
    redis = new Redis(store.port, "127.0.0.1");
    upstream = await startUpstream(directory.path);
    gateway = await startGateway({
      env: { ...EVERYTHING, DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: postgres.url, REDIS_URL: store.url },
    });
    for (const name of ERAS) await register(gateway, { name, url: upstream.url(name) });
    const made = await rest(gateway, "POST", "/tokens", {
      name: "agent",
      scope: { usageLimits: { perDay: 1_000_000 } },
    });
    expect(made.status).toBe(201);
    token = /"(?:access_token|token)":"([^"]{20,})"/.exec(JSON.stringify(made.body))?.[1] ?? "none";
  });
  afterAll(async () => {
    await gateway?.stop();
    await upstream?.stop();
    redis?.disconnect();
    for (const daemon of daemons.reverse()) await daemon.stop();
    await directory?.remove();
  });

  /** Statements by purpose, as the gateway counts them. */
  async function statements(): Promise<Map<string, number>> {
    const { text } = await send("GET", `${gateway.url}/metrics`, gateway.headers);
    const found = text.matchAll(/^mcp_db_statements_total\{\w+="(\w+)"\} (\S+)$/gm);
    return new Map([...found].map(([, purpose, count]) => [purpose ?? "", Number(count)]));
  }
  /** Commands by name, as Redis counts them. */
  async function commands(): Promise<Map<string, number>> {
    const found = (await redis.info("commandstats")).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
    return new Map([...found].map(([, name, count]) => [name ?? "", Number(count)]));
  }
  const more = (before: Map<string, number>, after: Map<string, number>) =>
    [...after]
      .map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const)
      .filter(([, grown]) => grown > 0);

  it.each(ERAS)("of the %s era send nothing to the database or Redis", async (era) => {
    const headers = { authorization: `Bearer ${token}` };
    const echo = { name: `${era}__echo`, arguments: { text: "x" } };
    const session = await openLegacySession(gateway.mcpUrl, headers);
    const call = (id: number): Promise<Answer> =>
      era === "legacy"
        ? session.call(id, "tools/call", echo)
        : callModern({ ...gateway, headers }, gateway.mcpUrl, id, "tools/call", echo);
    for (let id = 1; id <= 50; id++) expect((await call(id)).text).toContain(echoed(upstream));
    const before = { statements: await statements(), commands: await commands() };
    const lane = async (from: number): Promise<void> => {
      for (let id = from; id < from + CALLS / LANES; id++) expect((await call(id)).text).toContain(echoed(upstream));
    };
    await Promise.all(Array.from({ length: LANES }, (_, index) => lane((index + 1) * CALLS)));
    const sent = more(before.statements, await statements());
    const told = more(before.commands, await commands());
    // By clocks, whatever is called: the versions of registry and identity, uses of tokens, what quotas and limits take ahead, leases.
    expect(sent.map(([purpose]) => purpose).filter((purpose) => !BY_CLOCKS.includes(purpose))).toEqual([]);
    // One for each call would be twice as many.
    expect(sumOf(sent)).toBeLessThan(CALLS / 2);
    expect(sumOf(told)).toBeLessThan(CALLS / 2);
  });
});
