/** The shared state on real servers: the conformance suite, and what only a real server can do (die, stall, come back). */
import { readFile } from "node:fs/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresState, redisState, type SharedState, workerPresence } from "../../gateway/coordination/index.ts";
import { type Sql, sharedStateRepository } from "../../gateway/store/index.ts";
import { describeSharedState, until } from "../gateway/coordination/conformance.ts";
import { recordingLog, silentLog } from "../gateway/coordination/log.ts";
import { type Daemon, missing, startPgBouncer, startPostgres, startRedis, titled } from "../harness/index.ts";

const MIGRATIONS = ["0001_registry", "0002_shared_state", "0009_protection", "0010_leases"].map(
  (name) => new URL(`../../gateway/store/migrations/${name}.sql`, import.meta.url),
);
const REFUSED = expect.objectContaining({ code: "MCPS_STATE" });

const noRedis = missing("redis-server");
describe.skipIf(noRedis !== undefined)(titled("Redis", noRedis), () => {
  let server: Daemon;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server.stop();
  });
  const open = (log = silentLog) =>
    redisState({
      url: server.url,
      prefix: "test:",
      log,
      commandTimeoutMs: 1000,
      maxRetryDelayMs: 100,
      healthIntervalMs: 200,
    });

  describeSharedState("Redis", async () => pairOf(open(), open()));

  it("keeps deployments with different prefixes apart", async () => {
    const mine = open();
    const theirs = redisState({ url: server.url, prefix: "other:", log: silentLog });
    const seen: string[] = [];
    await theirs.subscribe("c", (message) => seen.push(message));
    await mine.set("k", "mine", 10_000);
    expect(await theirs.get("k")).toBeUndefined();
    await mine.publish("c", "mine");
    await theirs.publish("c", "theirs");
    await until(() => seen.length > 0, "their message");
    expect(seen).toEqual(["theirs"]);
    await mine.close();
    await theirs.close();
  });

  it("refuses while Redis is gone, and goes on with its subscriptions when Redis is back", async () => {
    const { log, lines } = recordingLog();
    const state = open(log);
    const other = open();
    const seen: string[] = [];
    await state.subscribe("life", (message) => seen.push(message));
    await other.publish("life", "one");
    await until(() => seen.length === 1, "the first message");

    await server.crash();
    await expect(state.get("k")).rejects.toEqual(REFUSED);
    await expect(state.set("k", "v", 1000)).rejects.toEqual(REFUSED);
    await expect(state.append("l", "v", { cap: 1, ttlMs: 1000 })).rejects.toEqual(REFUSED);
    await expect(state.publish("life", "lost")).rejects.toEqual(REFUSED);
    await expect(state.subscribe("more", () => undefined)).rejects.toEqual(REFUSED);
    await expect(state.ping()).rejects.toEqual(REFUSED);

    await server.start();
    await until(() => state.ping().then(() => true), "Redis to be back");
    // The subscription comes back by itself; until then messages go nowhere, so send until one arrives.
    await until(async () => {
      await other.publish("life", "two").catch(() => undefined);
      return seen.includes("two");
    }, "a message after the restart");
    expect(await state.append("l", "v", { cap: 1, ttlMs: 1000 })).toBe(1);
    const outages = lines.filter((line) => line.event === "state.redis_down");
    expect(outages.map((line) => line.fields?.role).toSorted()).toEqual(["commands", "subscriptions"]);
    expect(lines.filter((line) => line.event === "state.redis_up")).toHaveLength(2);
    await state.close();
    await other.close();
  });

  it("gives up a Redis that stalls, and recovers when it goes on", async () => {
    const state = open();
    const seen: string[] = [];
    await state.subscribe("stall", (message) => seen.push(message));
    await state.set("k", "v", 60_000);
    server.process().kill("SIGSTOP");
    await expect(state.get("k")).rejects.toEqual(REFUSED);
    server.process().kill("SIGCONT");
    await until(async () => (await state.get("k")) === "v", "an answer");
    await until(async () => {
      await state.publish("stall", "again").catch(() => undefined);
      return seen.length > 0;
    }, "a message");
    await state.close();
  });

  it("shows a worker as dead once its lease is over", async () => {
    const [one, two] = [open(), open()];
    const worker = workerPresence(one, "w1", { ttlMs: 300, renewMs: 50 });
    const watcher = workerPresence(two, "w2", { ttlMs: 300 });
    await worker.start();
    expect(await watcher.isAlive("w1")).toBe(true);
    // Its connection goes without a word, as that of a killed process.
    await one.close();
    await until(async () => !(await watcher.isAlive("w1")), "the lease's end");
    await worker.close();
    await two.close();
  });
});

const noPostgres = missing("postgres");
const noPooler = missing("pgbouncer");
describe.skipIf(noPostgres !== undefined)(titled("PostgreSQL", noPostgres), () => {
  let server: Daemon;
  const pools: pg.Pool[] = [];

  function connection(url: string): SharedState {
    const pool = new pg.Pool({ connectionString: url, max: 5 });
    pool.on("error", () => undefined);
    pools.push(pool);
    const sql: Sql = {
      query: async <Row extends Record<string, unknown>>(text: string, values: readonly unknown[] = []) =>
        (await pool.query<Row>(text, [...values])).rows,
    };
    return postgresState({
      repository: sharedStateRepository(sql),
      log: silentLog,
      pollMinMs: 5,
      pollMaxMs: 50,
      sweepMs: 50,
    });
  }

  beforeAll(async () => {
    server = await startPostgres();
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    for (const migration of MIGRATIONS) await client.query(await readFile(migration, "utf8"));
    await client.end();
  });
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await server.stop();
  });

  describeSharedState("PostgreSQL", async () => pairOf(connection(server.url), connection(server.url)));

  it("loses no message that commits after later ones", async () => {
    const state = connection(server.url);
    const seen: string[] = [];
    await state.subscribe("late", (message) => seen.push(message));
    const slow = new pg.Client({ connectionString: server.url });
    await slow.connect();
    await slow.query("begin");
    await slow.query("insert into shared_messages (channel, message) values ('late', 'slow')");
    await state.publish("late", "quick");
    await until(() => seen.length === 1, "the message with the higher id");
    await slow.query("commit");
    await until(() => seen.length === 2, "the message with the lower id");
    await state.publish("late", "last");
    await until(() => seen.length === 3, "the last message");
    expect(seen).toEqual(["quick", "slow", "last"]);
    await slow.end();
    await state.close();
  });

  it("refuses while PostgreSQL is gone, and delivers to its old subscriptions after a crash emptied the tables", async () => {
    const [state, other] = [connection(server.url), connection(server.url)];
    const seen: string[] = [];
    // The ids begin anew after the crash, below those from before the subscription.
    for (let index = 0; index < 5; index++) await other.publish("crash", "earlier");
    await state.subscribe("crash", (message) => seen.push(message));
    await other.publish("crash", "before");
    await until(() => seen.length === 1, "the message before the crash");
    await state.append("crash", "entry", { cap: 5, ttlMs: 60_000 });
    await server.crash();
    await expect(state.get("k")).rejects.toEqual(REFUSED);
    await expect(state.publish("crash", "lost")).rejects.toEqual(REFUSED);
    await server.start();
    await until(() => state.ping().then(() => true), "PostgreSQL to be back");
    expect(await state.readAfter("crash", 0)).toEqual({ oldest: 0, entries: [] });
    expect(await state.append("crash", "entry", { cap: 5, ttlMs: 60_000 })).toBe(1);
    await other.publish("crash", "after");
    await until(() => seen.length === 2, "the message after the crash");
    expect(seen).toEqual(["before", "after"]);
    await state.close();
    await other.close();
  });

  describe.skipIf(noPooler !== undefined)(titled("behind PgBouncer", noPooler), () => {
    let pooler: Daemon;
    beforeAll(async () => {
      pooler = await startPgBouncer(server.port);
    });
    afterAll(async () => {
      await pooler.stop();
    });
    describeSharedState("PostgreSQL through PgBouncer in transaction mode", async () =>
      pairOf(connection(pooler.url), connection(pooler.url)),
    );
  });
});

function pairOf(a: SharedState, b: SharedState) {
  return {
    a,
    b,
    close: async () => {
      await a.close();
      await b.close();
    },
  };
}
