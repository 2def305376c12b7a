/**
 * A database that fails while a gateway works on it, with everything recorded that can be: calls go on, what was acknowledged is there
 * afterwards, and so is the row of its change.
 */
import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  type Daemon,
  type Gateway,
  missing,
  noDisks,
  openLegacySession,
  register,
  rest,
  send,
  startGateway,
  startPgBouncer,
  startPostgres,
  startRedis,
  titled,
  waitFor,
} from "../harness/index.ts";

type Outcome = {
  /** Names of virtual servers whose registration was answered with 201. */
  readonly acknowledged: readonly string[];
  readonly refused: number;
  readonly calls: number;
  readonly failedCalls: readonly string[];
};

const noServers = missing("postgres", "pgbouncer", "redis-server");
describe.skipIf(noServers !== undefined)(titled("a database that fails under work", noServers), () => {
  let postgres: Daemon & { readonly directory?: string };
  let pooler: Daemon;
  let redis: Daemon;
  let fixture: Everything;
  let gateway: Gateway;
  beforeAll(async () => {
    [postgres, redis, fixture] = await Promise.all([startPostgres(), startRedis(), startEverything()]);
    pooler = await startPgBouncer(postgres.port);
    gateway = await startWorking(pooler.url);
  });
  async function startWorking(url: string): Promise<Gateway> {
    const started = await startGateway({
      env: {
        DATABASE_URL: url,
        DATABASE_DIRECT_URL: postgres.url,
        REDIS_URL: redis.url,
        DB_POOL_TIMEOUT: "3",
        AUDIT_TRAIL_ENABLED: "true",
        SECURITY_LOGGING_ENABLED: "true",
        STRUCTURED_LOGGING_DATABASE_ENABLED: "true",
        METRICS_BUFFER_ENABLED: "false",
      },
    });
    await register(started, { name: "up", url: fixture.url });
    return started;
  }
  afterAll(async () => {
    await gateway?.stop();
    await fixture?.close();
    await pooler?.stop();
    await Promise.all([postgres?.stop(), redis?.stop()]);
  });

  async function query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const client = new pg.Client(postgres.url);
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(text, [...values])).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** Calls and registrations one after the other while `fail` does its work, and until some were acknowledged after it. */
  async function workDuring(tag: string, fail: (refusals: () => number) => Promise<void>): Promise<Outcome> {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const echo = { name: "up__echo", arguments: { text: tag } };
    expect((await session.call(0, "tools/call", echo)).status).toBe(200);
    const acknowledged: string[] = [];
    const failedCalls: string[] = [];
    let [refused, calls, over] = [0, 0, false];
    const calling = async () => {
      while (!over) {
        const answer = await session.call(++calls, "tools/call", echo);
        if (!answer.text.includes(`"${tag}"`)) failedCalls.push(`${answer.status} ${answer.text.slice(0, 200)}`);
      }
    };
    const registering = async () => {
      for (let index = 0; !over; index++) {
        const name = `${tag}-${index}`;
        const { status } = await rest(gateway, "POST", "/servers", { name });
        if (status === 201) acknowledged.push(name);
        else refused++;
      }
    };
    const working = Promise.all([calling(), registering()]);
    try {
      await waitFor(() => acknowledged.length >= 2, 60_000, "work before the fault");
      await fail(() => refused);
      const before = acknowledged.length;
      await waitFor(() => acknowledged.length >= before + 3, 60_000, "work after the fault");
    } finally {
      over = true;
      await working;
    }
    return { acknowledged, refused, calls, failedCalls };
  }

  /** All that was acknowledged is there, and each change has its row once they have all been written. */
  async function expectAllThere(tag: string, { acknowledged, failedCalls, calls }: Outcome): Promise<void> {
    expect(failedCalls).toEqual([]);
    const stored = await query<{ name: string }>("select name from virtual_server where name like $1", [`${tag}-%`]);
    expect(acknowledged.filter((name) => !stored.some((row) => row.name === name))).toEqual([]);
    const audited = async () => {
      const rows = await query<{ change: string }>(
        "select change from audit_row where action = 'servers.create' and outcome = 'ok' and change like $1",
        [`%"${tag}-%`],
      );
      return acknowledged.filter((name) => !rows.some(({ change }) => change.includes(`"${name}"`)));
    };
    await expect.poll(audited, { timeout: 30_000, interval: 500 }).toEqual([]);
    // One more for the call before the work began.
    const counted = async () =>
      (
        await query<{ n: number }>(
          "select coalesce(sum(calls), 0)::int as n from call_metric where gateway_slug = 'up'",
        )
      )[0]?.n;
    total += calls + 1;
    await expect.poll(counted, { timeout: 30_000, interval: 500 }).toBe(total);
    const { body } = await rest(gateway, "GET", "/admin/audit/verify");
    expect(body).toMatchObject({ ok: true, broken: [] });
    expect((await send("GET", `${gateway.url}/ready`, gateway.headers)).status).toBe(200);
  }
  let total = 0;

  it("PostgreSQL crashes and comes back", async () => {
    const outcome = await workDuring("crashed", async () => {
      await postgres.crash();
      await postgres.start();
    });
    await expectAllThere("crashed", outcome);
  });

  it("every connection is cut, three times", async () => {
    const outcome = await workDuring("cut", async () => {
      for (let times = 0; times < 3; times++)
        await query(
          "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'",
        );
    });
    await expectAllThere("cut", outcome);
  });

  it("PgBouncer is killed and started again", async () => {
    const outcome = await workDuring("pooler", async () => {
      await pooler.crash();
      await pooler.start();
    });
    await expectAllThere("pooler", outcome);
  });

  const noDisk = noDisks();
  it.skipIf(noDisk !== undefined)(titled("the disk is full for a while", noDisk), { timeout: 180_000 }, async () => {
    const others = { postgres, gateway, total };
    const wal = { min_wal_size: "32MB", max_wal_size: "64MB" };
    const small = await startPostgres(wal, "220m");
    postgres = small;
    total = 0;
    gateway = await startWorking(small.url);
    try {
      const junk = join(small.directory, "junk");
      let refusals = 0;
      const outcome = await workDuring("full", async (refused) => {
        fillDisk(junk);
        // What fits into pages that are there is still written.
        await waitFor(() => refused() > 0, 60_000, "a refusal");
        refusals = refused();
        rmSync(junk);
        // A server that could not write its log has ended, or is recovering.
        await query("select 1").catch(() => small.start().catch(() => undefined));
        await waitFor(async () => (await query("select 1")).length === 1, 60_000, "the database");
      });
      expect(refusals).toBeGreaterThan(0);
      await expectAllThere("full", outcome);
    } finally {
      await gateway.stop();
      await small.stop();
      ({ postgres, gateway, total } = others);
    }
  });
});

/** Until nothing fits any more, however small. */
function fillDisk(path: string): void {
  for (const bytes of [1_048_576, 4096])
    try {
      for (;;) appendFileSync(path, Buffer.alloc(bytes));
    } catch {
      // That much is not left.
    }
}
