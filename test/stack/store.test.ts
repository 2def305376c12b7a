/** The store on a real PostgreSQL, directly and through a pooler in transaction mode; two migrators at once. */
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSealer } from "../../gateway/sessions/index.ts";
import { migrateDatabase, openStore, readMigrations } from "../../gateway/store/index.ts";
import { silentLog } from "../gateway/coordination/log.ts";
import { keyOf } from "../gateway/store/conformance.ts";
import { describeWholeStore } from "../gateway/store/whole-conformance.ts";
import { type Daemon, missing, startPgBouncer, startPostgres, titled } from "../harness/index.ts";

const noPostgres = missing("postgres");
const noPooler = missing("pgbouncer");

describe.skipIf(noPostgres !== undefined)(titled("PostgreSQL", noPostgres), () => {
  let server: Daemon;
  let pooler: Daemon | undefined;
  let applied: number[];
  beforeAll(async () => {
    server = await startPostgres();
    if (noPooler === undefined) pooler = await startPgBouncer(server.port);
    applied = await Promise.all([1, 2, 3].map(() => migrateDatabase(server.url, silentLog)));
  });
  afterAll(async () => {
    await pooler?.stop();
    await server.stop();
  });

  it("is migrated once when three start at once", async () => {
    expect(applied.sort()).toEqual([0, 0, (await readMigrations()).length]);
  });

  describeWholeStore("PostgreSQL", async () => server.url.replace("postgresql:", "postgresql+psycopg:"), "copy");
  const open = (poolTimeoutMs: number) =>
    openStore({ url: server.url, poolSize: 1, poolTimeoutMs, log: silentLog, sealing: createSealer([keyOf("k")]) });

  async function withClient(work: (client: pg.Client) => Promise<void>): Promise<void> {
    const client = new pg.Client(server.url);
    await client.connect();
    await work(client).finally(() => client.end());
  }

  it("gives up waiting for a migration that takes too long", async () => {
    await withClient(async (holder) => {
      // The lock of gateway/store/migrate.ts.
      await holder.query("select pg_advisory_lock(7881705443044027243)");
      const waiting = migrateDatabase(server.url, silentLog, { lockWaitMs: 300 });
      await expect(waiting).rejects.toThrow(/another process has been migrating for more than 300 ms/);
    });
    expect(await migrateDatabase(server.url, silentLog)).toBe(0);
  });

  it("answers MCPS_DATABASE when no connection comes free in time, and goes on afterwards", async () => {
    const store = await open(300);
    await withClient(async (holder) => {
      await holder.query("begin");
      await holder.query("lock table catalogue");
      const held = store.catalogueVersion();
      await expect(store.ping()).rejects.toMatchObject({ code: "MCPS_DATABASE", status: 503 });
      await holder.query("rollback");
      await held;
    });
    await store.ping();
    await store.close();
  });

  it("outlives a crash of the server", async () => {
    const store = await open(10_000);
    const version = await store.catalogueVersion();
    await server.crash();
    await expect(store.ping()).rejects.toMatchObject({ code: "MCPS_DATABASE" });
    await expect(store.loadSnapshot()).rejects.toMatchObject({ code: "MCPS_DATABASE" });
    await server.start();
    await expect
      .poll(() => store.catalogueVersion().catch(() => undefined), { timeout: 30_000, interval: 100 })
      .toBe(version);
    await store.close();
  });

  describe.skipIf(noPooler !== undefined)(titled("PgBouncer", noPooler), () => {
    describeWholeStore("PgBouncer in transaction mode", async () => pooler?.url ?? "", "copy");
  });
});
