/** What calls cost the database, counted: no statement for a warm one, no connection for a slow one, and a row for each in the end. */
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
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
  titled,
} from "../harness/index.ts";

const RECORDS = {
  AUDIT_TRAIL_ENABLED: "true",
  AUDIT_TRAIL_CALLS: "true",
  SECURITY_LOGGING_ENABLED: "true",
  STRUCTURED_LOGGING_DATABASE_ENABLED: "true",
};

/** Sums by the metric's one label. */
async function figuresOf(gateway: Gateway, name: string): Promise<Record<string, number>> {
  const { text } = await send("GET", `${gateway.url}/metrics`, gateway.headers);
  const found = [...text.matchAll(new RegExp(`^${name}\\{\\w+="(\\w+)"\\} (\\S+)$`, "gm"))];
  return Object.fromEntries(found.map(([, label, value]) => [label, Number(value)]));
}

/** Rows, or with `what` what else is added up of them. */
async function countIn(url: string, table: string, where: string, what = "count(*)"): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query<{ n: number }>(
    `select coalesce(${what}, 0)::int as n from ${table} where ${where}`,
  );
  await client.end();
  return rows[0]?.n ?? 0;
}

const noServers = missing("postgres", "pgbouncer", "redis-server");
describe.skipIf(noServers !== undefined)(titled("a database behind PgBouncer in transaction mode", noServers), () => {
  let postgres: Daemon;
  let pooler: Daemon;
  let redis: Daemon;
  let fixture: Everything;
  const env = (more: Readonly<Record<string, string>> = {}) => ({
    ...RECORDS,
    DATABASE_URL: pooler.url,
    DATABASE_DIRECT_URL: postgres.url,
    REDIS_URL: redis.url,
    UPSTREAM_CONNECTIONS: "300",
    METRICS_BUFFER_FLUSH_INTERVAL: "300",
    METRICS_BUFFER_MAX_SIZE: "5000",
    ...more,
  });
  beforeAll(async () => {
    [postgres, redis, fixture] = await Promise.all([startPostgres(), startRedis(), startEverything()]);
    pooler = await startPgBouncer(postgres.port);
  });
  afterAll(async () => {
    await fixture?.close();
    await pooler?.stop();
    await Promise.all([postgres?.stop(), redis?.stop()]);
  });

  it("serves 200 calls of two seconds with a pool of two connections, and the registry beside them", async () => {
    const gateway = await startGateway({ env: env({ DB_POOL_SIZE: "2" }) });
    try {
      await register(gateway, { name: "slow", url: fixture.url });
      const calls = Array.from({ length: 200 }, (_, index) =>
        callModern(gateway, gateway.mcpUrl, index, "tools/call", {
          name: "slow__wait",
          arguments: { key: `k${index}`, ms: 2000 },
        }),
      );
      const lists = await Promise.all(Array.from({ length: 50 }, () => rest(gateway, "GET", "/gateways")));
      expect(lists.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
      const { active = 0, idle = 0 } = await figuresOf(gateway, "mcp_db_connections");
      expect(active + idle).toBeLessThanOrEqual(2);
      const answers = await Promise.all(calls);
      expect(answers.filter(({ status, text }) => status === 200 && text.includes("waited")).length).toBe(200);
    } finally {
      await gateway.stop();
    }
    expect(await countIn(postgres.url, "call_metric", "gateway_slug = 'slow' and outcome = 'ok'", "sum(calls)")).toBe(
      200,
    );
    expect(await countIn(postgres.url, "audit_row", "action = 'tools/call' and resource_id = 'slow/wait'")).toBe(200);
  });

  it("sends no statement for warm calls, with everything recorded that can be", async () => {
    // The audit trail of calls is written every two seconds by itself; it is counted in the test above.
    const gateway = await startGateway({ env: env({ AUDIT_TRAIL_CALLS: "false", LOG_LEVEL: "warn" }) });
    try {
      await register(gateway, { name: "warm", url: fixture.url });
      const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
      const call = (id: number) => session.call(id, "tools/call", { name: "warm__echo", arguments: { text: "x" } });
      for (let id = 1; id <= 20; id++) expect((await call(id)).status).toBe(200);
      const before = await figuresOf(gateway, "mcp_db_statements_total");
      for (let id = 100; id < 600; id++) expect((await call(id)).status).toBe(200);
      const after = await figuresOf(gateway, "mcp_db_statements_total");
      // By clocks, whatever is called: the version of the registry is looked at, and rows of what was done before are written.
      const { catalogue: _, records: writtenBefore = 0, ...was } = before;
      const { catalogue: __, records: written = 0, ...is } = after;
      expect(is).toEqual(was);
      expect(written - writtenBefore).toBeLessThan(100);
    } finally {
      await gateway.stop();
    }
    expect(await countIn(postgres.url, "call_metric", "gateway_slug = 'warm'", "sum(calls)")).toBe(520);
  });

  it.each(["fastify", "bounded"])(
    "loses no row of a call that was answered when it is stopped under load (%s)",
    async (engine) => {
      const gateway = await startGateway({ env: env({ HTTP_SERVER: engine }) });
      const name = `load-${engine}`;
      await register(gateway, { name, url: fixture.url });
      let [answered, stopping] = [0, false];
      const client = async (): Promise<void> => {
        for (let id = 1; ; id++) {
          const params = { name: `${name}__echo`, arguments: { text: "x" } };
          const answer = await callModern(gateway, gateway.mcpUrl, id, "tools/call", params).catch(() => undefined);
          if (answer?.status === 200 && answer.text.includes('"result"')) answered++;
          else if (stopping) return;
          if (answered >= 300 && !stopping) {
            stopping = true;
            process.kill(gateway.pid, "SIGTERM");
          }
        }
      };
      await Promise.all(Array.from({ length: 20 }, client));
      await gateway.exited;
      await gateway.stop();
      expect(answered).toBeGreaterThanOrEqual(300);
      expect(
        await countIn(postgres.url, "call_metric", `gateway_slug = '${name}' and outcome = 'ok'`, "sum(calls)"),
      ).toBe(answered);
      expect(await countIn(postgres.url, "audit_row", `outcome = 'ok' and resource_id = '${name}/echo'`)).toBe(
        answered,
      );
    },
  );
});
