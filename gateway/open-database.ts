/** The database of this gateway: the configured one, or the embedded one. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { startEmbeddedDatabase } from "./process/index.ts";
import { sealerOf } from "./sealers.ts";
import type { Secrets } from "./settings/index.ts";
import { migrateDatabase, openStore, type Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";

type Database = { readonly store: Store; readonly isEmbedded: boolean };

/** The configured PostgreSQL, or the embedded one; migrated before anything reads it. */
export async function openDatabase(
  settings: Settings,
  dataDir: string,
  secrets: Secrets,
  log: Log,
  teardown: Teardown,
): Promise<Database> {
  const isEmbedded = settings.DATABASE_URL === undefined;
  let url = settings.DATABASE_URL ?? "";
  if (isEmbedded) {
    const embedded = await startEmbeddedDatabase({ dataDir, log });
    teardown.add("embedded database", () => embedded.stop());
    url = embedded.url;
  }
  const startTimeoutMs = settings.STARTUP_TIMEOUT * 1000;
  if (settings.MIGRATE_ON_START || isEmbedded)
    await migrateDatabase(isEmbedded ? url : (settings.DATABASE_DIRECT_URL ?? url), log, { startTimeoutMs });
  const store = await openStore({
    url,
    poolSize: settings.DB_POOL_SIZE,
    poolTimeoutMs: settings.DB_POOL_TIMEOUT * 1000,
    idleTimeoutMs: settings.DB_POOL_IDLE_TIMEOUT * 1000,
    recycleMs: settings.DB_POOL_RECYCLE * 1000,
    queryTimeoutMs: settings.DB_QUERY_TIMEOUT * 1000,
    startTimeoutMs,
    log,
    sealing: sealerOf(secrets.encryptionSecret, "AUTH_ENCRYPTION_SECRET"),
  });
  teardown.add("store", () => store.close());
  return { store, isEmbedded };
}
