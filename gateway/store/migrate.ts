/**
 * Migrations: forward only, numbered, each in one transaction and recorded with a checksum. Needs a direct connection, because a
 * pooler in transaction mode cannot hold the session lock that lets one replica at a time migrate.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { fault } from "../../contract/errors.ts";
import type { Log } from "../telemetry/index.ts";
import { databaseFault } from "./failures.ts";
import { driverUrl } from "./pool-options.ts";
import { untilAnswering } from "./starting.ts";

export type Migration = {
  readonly number: number;
  readonly name: string;
  readonly text: string;
  readonly checksum: string;
};

const FOLDER = new URL("./migrations/", import.meta.url);
/** Any constant will do as long as nobody else locks it in this database: the first eight bytes of "mcpstack". */
const LOCK = "7881705443044027243";
const CONNECT_TIMEOUT_MS = 15_000;
const LOCK_WAIT_MS = 120_000;
const LOCK_POLL_MS = 100;

/** The migrations that came with this code, by number. */
export async function readMigrations(): Promise<Migration[]> {
  const files = (await readdir(FOLDER)).filter((file) => /^\d{4}_\w+\.sql$/.test(file)).sort();
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(new URL(file, FOLDER), "utf8");
      const checksum = createHash("sha256").update(text).digest("hex");
      return { number: Number(file.slice(0, 4)), name: file.slice(5, -4), text, checksum };
    }),
  );
}

export type MigrateOptions = {
  /** Instead of those that came with this code. */
  readonly migrations?: readonly Migration[];
  /** How long another process may migrate, ms. */
  readonly lockWaitMs?: number;
  /** How long a database that refuses connections or is starting is waited for, ms; default 0. */
  readonly startTimeoutMs?: number;
};

/**
 * Brings the database to this code's newest migration; answers how many were applied here. Safe when several replicas start at
 * once. Throws MCPS_DATABASE when the database is away, newer than this code, or was migrated by an altered file.
 */
export async function migrateDatabase(directUrl: string, log: Log, options: MigrateOptions = {}): Promise<number> {
  const migrations = options.migrations ?? (await readMigrations());
  const client = await untilAnswering(directUrl, options.startTimeoutMs ?? 0, log, () => connect(directUrl, log));
  try {
    await lock(client, log, options.lockWaitMs ?? LOCK_WAIT_MS);
    await client.query(
      `create table if not exists schema_migration (
        number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())`,
    );
    await refuseForeign(client, migrations);
    let applied = 0;
    for (const migration of migrations) if (await apply(client, migration, log)) applied++;
    await client.query("select pg_advisory_unlock($1::bigint)", [LOCK]);
    return applied;
  } catch (error) {
    throw databaseFault(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A connection that has answered a query: a pooler accepts connections before it knows its server. */
async function connect(url: string, log: Log): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: driverUrl(url),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: "mcp-stack migrate",
  });
  client.on("error", (error) => log.warn("database.connection_lost", { reason: error.message }));
  try {
    await client.connect();
    await client.query("select 1");
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** Waits with tries, not in the server, so that the wait is bounded without a session setting. */
async function lock(client: pg.Client, log: Log, waitMs: number): Promise<void> {
  const end = performance.now() + waitMs;
  for (let tries = 0; ; tries++) {
    const { rows } = await client.query<{ got: boolean }>("select pg_try_advisory_lock($1::bigint) as got", [LOCK]);
    if (rows[0]?.got === true) return;
    if (tries === 0) log.info("database.migration_waits", { reason: "another process migrates" });
    if (performance.now() > end) {
      throw fault("MCPS_DATABASE", { reason: `another process has been migrating for more than ${waitMs} ms` });
    }
    await pause(LOCK_POLL_MS);
  }
}

async function refuseForeign(client: pg.Client, migrations: readonly Migration[]): Promise<void> {
  const known = new Map(migrations.map((migration) => [migration.number, migration]));
  const newest = Math.max(0, ...known.keys());
  const { rows } = await client.query<{ number: number; name: string; checksum: string }>(
    "select number, name, checksum from schema_migration order by number",
  );
  for (const row of rows) {
    const mine = known.get(row.number);
    if (row.number > newest) {
      throw fault("MCPS_DATABASE", {
        reason: `the database is newer than this program: it has migration ${row.number} (${row.name}), this program knows up to ${newest}; run the newer version`,
      });
    }
    if (mine !== undefined && mine.checksum !== row.checksum) {
      throw fault("MCPS_DATABASE", {
        reason: `migration ${row.number} (${row.name}) was applied with another text than this program has`,
      });
    }
  }
}

/**
 * The table lock and the second look do what the advisory lock does where that does not exclude anybody: the embedded database
 * runs all connections in one session (docs/adr/0022-embedded-database.md).
 */
async function apply(client: pg.Client, migration: Migration, log: Log): Promise<boolean> {
  const { number, name, text, checksum } = migration;
  await client.query("begin");
  try {
    await client.query("lock table schema_migration in exclusive mode");
    const { rows } = await client.query("select 1 from schema_migration where number = $1", [number]);
    if (rows.length === 0) {
      await client.query(text);
      await client.query("insert into schema_migration (number, name, checksum) values ($1, $2, $3)", [
        number,
        name,
        checksum,
      ]);
    }
    await client.query("commit");
    if (rows.length === 0) log.info("database.migrated", { number, name });
    return rows.length === 0;
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}
