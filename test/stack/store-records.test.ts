/** Records on a real PostgreSQL, directly and through a pooler in transaction mode. */
import { afterAll, beforeAll, describe } from "vitest";
import { migrateDatabase } from "../../gateway/store/index.ts";
import { silentLog } from "../gateway/coordination/log.ts";
import { describeRecords } from "../gateway/store/records-conformance.ts";
import { type Daemon, missing, startPgBouncer, startPostgres, titled } from "../harness/index.ts";

const noPostgres = missing("postgres");
const noPooler = missing("pgbouncer");

describe.skipIf(noPostgres !== undefined)(titled("PostgreSQL", noPostgres), () => {
  let server: Daemon;
  let pooler: Daemon | undefined;
  beforeAll(async () => {
    server = await startPostgres();
    if (noPooler === undefined) pooler = await startPgBouncer(server.port);
    await migrateDatabase(server.url, silentLog);
  });
  afterAll(async () => {
    await pooler?.stop();
    await server.stop();
  });

  describeRecords("PostgreSQL", async () => server.url, "copy");
  describe.skipIf(noPooler !== undefined)(titled("PgBouncer", noPooler), () => {
    describeRecords("PgBouncer in transaction mode", async () => pooler?.url ?? "", "copy");
  });
});
