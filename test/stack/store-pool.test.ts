/** What the pool's knobs do with the connections of a real PostgreSQL, directly and through PgBouncer in transaction mode. */
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Database, openPool } from "../../gateway/store/pool.ts";
import type { PoolOptions } from "../../gateway/store/pool-options.ts";
import { primaryReads, replicaReads } from "../../gateway/store/replica.ts";
import { recordingLog, silentLog } from "../gateway/coordination/log.ts";
import { type Daemon, missing, startPgBouncer, startPostgres, titled, waitFor } from "../harness/index.ts";

const noServers = missing("postgres", "pgbouncer");
describe.skipIf(noServers !== undefined)(titled("the pool's knobs", noServers), () => {
  let server: Daemon;
  let pooler: Daemon;
  let operator: pg.Client;
  const opened: Database[] = [];
  beforeAll(async () => {
    server = await startPostgres();
    pooler = await startPgBouncer(server.port);
    operator = new pg.Client(server.url);
    operator.on("error", () => undefined);
    await operator.connect();
    await operator.query("create table catalogue (version bigint); insert into catalogue values (5)");
    await operator.query("create table written (n int)");
  });
  afterAll(async () => {
    await operator.end();
    await pooler.stop();
    await server.stop();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((database) => database.close()));
  });
  const pool = (options: Partial<PoolOptions> = {}) => {
    const made = openPool({ url: server.url, poolSize: 2, poolTimeoutMs: 10_000, log: silentLog, ...options });
    opened.push(made);
    return made;
  };
  const pid = async (database: Database) =>
    (await database.query<{ pid: number }>("select pg_backend_pid() as pid"))[0]?.pid;
  const busy = (database: Database) => database.query("select pg_sleep(0.2)");
  const terminateAll = () =>
    operator.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mcp-stack'");

  it("overflows while all are busy and keeps no more than its size", async () => {
    const database = pool({ maxOverflow: 3 });
    const work = Promise.all(Array.from({ length: 8 }, () => busy(database)));
    await waitFor(() => database.gauges().total === 5);
    await work;
    expect(database.gauges()).toEqual({ total: 2, idle: 2, waiting: 0 });
  });

  it("keeps no connection with the class null", async () => {
    const database = pool({ poolClass: "null" });
    const first = await pid(database);
    expect([database.gauges().total, (await pid(database)) === first]).toEqual([0, false]);
  });

  it("finds out before use that a connection is dead, when told to ask", async () => {
    const careful = pool({ prePing: "true" });
    await careful.query("insert into written values (1)");
    // The pool hears of the end at some time; what is written meanwhile must not be lost.
    await terminateAll();
    await careful.query("insert into written values (2)");
    const { rows } = await operator.query("select n from written order by n");
    expect(rows).toEqual([{ n: 1 }, { n: 2 }]);
    await careful.query("select 1");
    expect(careful.figures().statements.ping).toBeGreaterThanOrEqual(1);
  });

  it("repeats a read whose connection is cut, and no write", async () => {
    const database = pool({ poolSize: 1, maxRetries: 3, retryIntervalMs: 1, prePing: "false" });
    const reading = database.query<{ done: number }>("select 1 as done, pg_sleep(0.5)");
    await waitFor(async () => {
      const { rows } = await operator.query(
        "select pid from pg_stat_activity where application_name = 'mcp-stack' and query like '%pg_sleep%' and state = 'active'",
      );
      return rows.length === 1;
    });
    await terminateAll();
    expect(await reading).toMatchObject([{ done: 1 }]);
    expect(database.figures().repeated).toBe(1);
    // Heard from the beginning: it is refused while the operator still waits for his answer.
    const refused = expect(
      database.query("with slow as (select pg_sleep(0.5)) insert into written select 3 from slow"),
    ).rejects.toThrow();
    await waitFor(async () => {
      const { rows } = await operator.query(
        "select pid from pg_stat_activity where application_name = 'mcp-stack' and query like '%insert into written%' and state = 'active'",
      );
      return rows.length === 1;
    });
    await terminateAll();
    await refused;
    expect(database.figures().repeated).toBe(1);
  });

  it("repeats a transaction that the server rolled back, from its beginning", async () => {
    const database = pool({ maxRetries: 3, retryIntervalMs: 1 });
    await operator.query("create table pair (id int primary key, n int); insert into pair values (1, 0), (2, 0)");
    let entered = 0;
    const both: (() => void)[] = [];
    // Each has its first row before either asks for its second: one of them is a deadlock's victim, once.
    const meet = () =>
      new Promise<void>((resolve) => {
        if (++entered > 2) return resolve();
        both.push(resolve);
        if (entered === 2) for (const go of both) go();
      });
    const add = (first: number, second: number) =>
      database.transaction(async (sql) => {
        await sql.query("update pair set n = n + 1 where id = $1", [first]);
        await meet();
        await sql.query("update pair set n = n + 1 where id = $1", [second]);
      });
    await Promise.all([add(1, 2), add(2, 1)]);
    expect((await operator.query("select n from pair order by id")).rows).toEqual([{ n: 2 }, { n: 2 }]);
    expect(database.figures().repeated).toBe(1);
  });

  const named = async (database: Database) =>
    (
      await database.query<{ n: number }>(
        "select count(*)::int as n from pg_prepared_statements where statement like '%$1::int as given%'",
      )
    )[0]?.n;
  const send = async (database: Database) => {
    for (let times = 0; times < 6; times++)
      expect(await database.query("select $1::int as given", [times])).toEqual([{ given: times }]);
  };

  it("names a statement that comes often, where the connection is the server's own", async () => {
    const database = pool({ poolSize: 1, prepareThreshold: 3 });
    await send(database);
    expect(await named(database)).toBe(1);
    const unnamed = pool({ poolSize: 1, prepareThreshold: 0 });
    await send(unnamed);
    expect(await named(unnamed)).toBe(0);
    const off = pool({ poolSize: 1, prepareThreshold: 3, preparedStatements: "off" });
    await send(off);
    expect(await named(off)).toBe(0);
  });

  it("names none behind a pooler; where it was told to, it finds out and goes on without", async () => {
    const careful = pool({ url: pooler.url, poolSize: 4, prepareThreshold: 3 });
    await Promise.all(Array.from({ length: 10 }, () => send(careful)));
    const { log, lines } = recordingLog();
    const wrong = pool({ url: pooler.url, poolSize: 4, prepareThreshold: 3, preparedStatements: "on", log });
    await Promise.all(Array.from({ length: 20 }, () => send(wrong)));
    expect(lines.filter(({ event }) => event === "database.prepared_statements_off").length).toBeGreaterThanOrEqual(1);
  });

  it("logs a slow statement without its values", async () => {
    const { log, lines } = recordingLog();
    const database = pool({ slowStatementMs: 50, log });
    await database.query("select $1::text, pg_sleep(0.1)", ["s3cret"]);
    await database.query("select $1::text", ["s3cret"]);
    expect(lines.map(({ event, fields }) => [event, fields?.statement])).toEqual([
      ["database.slow_statement", "select $1::text, pg_sleep(0.1)"],
    ]);
    expect(JSON.stringify(lines)).not.toContain("s3cret");
  });

  it("tells the server how long statements and idle transactions may take", async () => {
    const database = pool({ statementTimeoutMs: 4321, idleTransactionTimeoutMs: 8765 });
    expect(
      await database.query(
        "select current_setting('statement_timeout') as one, current_setting('idle_in_transaction_session_timeout') as two",
      ),
    ).toEqual([{ one: "4321ms", two: "8765ms" }]);
    await expect(database.query("select pg_sleep(10)")).rejects.toMatchObject({ code: "57014" });
  });

  it("asks a replica only while it has what this process has seen, and never waits for one that is away", async () => {
    const [primary, replica] = [pool(), pool()];
    const seen = { version: 5 };
    const reads = replicaReads(primary, replica, seen, silentLog);
    const list = () => reads.registry((sql) => sql.query("select version::int as version from catalogue"));
    expect(await list()).toEqual([{ version: 5 }]);
    seen.version = 6;
    expect(await list()).toEqual([{ version: 5 }]);
    expect(reads.figures()).toEqual({ answered: 1, behind: 1, failed: 0 });
    const away = pool({ url: "postgresql://postgres@127.0.0.1:1/postgres" });
    const alone = replicaReads(primary, away, { version: 0 }, silentLog, () => 0);
    for (let times = 0; times < 3; times++) expect(await alone.records.query("select 1 as one")).toEqual([{ one: 1 }]);
    expect(alone.figures()).toEqual({ answered: 0, behind: 0, failed: 1 });
    expect(await primaryReads(primary).records.query("select 1 as one")).toEqual([{ one: 1 }]);
  });
});
