/** The database of this gateway: the configured one, or the embedded one. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { startEmbeddedDatabase } from "./process/index.ts";
import { sealerOf } from "./sealers.ts";
import type { Secrets } from "./settings/index.ts";
import { migrateDatabase, openStore, type Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";

export type Database = {
  readonly url: string;
  readonly isEmbedded: boolean;
  /** Its schema is the one this program needs; otherwise whoever opens it sees to that. */
  readonly isMigrated: boolean;
};

/** The configured PostgreSQL, or the embedded one, which is started here and always migrated. */
export async function startDatabase(
  settings: Settings,
  dataDir: string,
  migrates: boolean,
  childEnvironment: Readonly<Record<string, string>>,
  log: Log,
  teardown: Teardown,
): Promise<Database> {
  if (settings.DATABASE_URL !== undefined) {
    const database = { url: settings.DATABASE_URL, isEmbedded: false, isMigrated: false };
    return migrates ? await migrated(database, settings, log) : database;
  }
  const embedded = await startEmbeddedDatabase({ dataDir, env: childEnvironment, log });
  teardown.add("embedded database", () => embedded.stop());
  return await migrated({ url: embedded.url, isEmbedded: true, isMigrated: false }, settings, log);
}

/** The store of one worker, on a schema that is migrated by then. */
export async function openDatabase(
  database: Database,
  settings: Settings,
  secrets: Secrets,
  log: Log,
  teardown: Teardown,
): Promise<Store> {
  const { url } = await migrated(database, settings, log);
  const store = await openStore({
    url,
    readUrl: database.isEmbedded ? undefined : settings.DATABASE_READ_URL,
    poolSize: settings.DB_POOL_SIZE,
    poolTimeoutMs: settings.DB_POOL_TIMEOUT * 1000,
    ...poolKnobs(settings, database),
    startTimeoutMs: settings.STARTUP_TIMEOUT * 1000,
    log,
    sealing: sealerOf(secrets.encryptionSecret, "AUTH_ENCRYPTION_SECRET"),
  });
  teardown.add("store", () => store.close());
  return store;
}

/** The pool's knobs beyond its size and its patience. */
function poolKnobs(settings: Settings, { isEmbedded }: Database) {
  return {
    maxOverflow: settings.DB_MAX_OVERFLOW,
    idleTimeoutMs: settings.DB_POOL_IDLE_TIMEOUT * 1000,
    recycleMs: settings.DB_POOL_RECYCLE * 1000,
    prePing: settings.DB_POOL_PRE_PING,
    poolClass: settings.DB_POOL_CLASS,
    maxRetries: settings.DB_MAX_RETRIES,
    retryIntervalMs: settings.DB_RETRY_INTERVAL_MS,
    maxBackoffMs: settings.DB_MAX_BACKOFF_SECONDS * 1000,
    prepareThreshold: settings.DB_PREPARE_THRESHOLD,
    // The embedded one has one session for all connections, and no COPY from a client.
    preparedStatements: isEmbedded ? "off" : settings.DB_PREPARED_STATEMENTS,
    canCopy: !isEmbedded,
    queryTimeoutMs: settings.DB_QUERY_TIMEOUT * 1000,
    statementTimeoutMs: settings.DB_STATEMENT_TIMEOUT * 1000,
    idleTransactionTimeoutMs: settings.DB_IDLE_TRANSACTION_TIMEOUT * 1000,
    slowStatementMs: settings.DB_SLOW_STATEMENT_MS,
  } as const;
}

async function migrated(database: Database, settings: Settings, log: Log): Promise<Database> {
  const { url, isEmbedded, isMigrated } = database;
  if (isMigrated || !(settings.MIGRATE_ON_START || isEmbedded)) return database;
  const direct = isEmbedded ? url : (settings.DATABASE_DIRECT_URL ?? url);
  await migrateDatabase(direct, log, { startTimeoutMs: settings.STARTUP_TIMEOUT * 1000 });
  return { ...database, isMigrated: true };
}
