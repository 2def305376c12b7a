/** The audit trail without a gateway around it: its rows and its keys, for whoever verifies it. Part of the composition root. */
import { hkdfSync } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fault } from "../contract/errors.ts";
import type { Settings } from "../contract/settings.ts";
import { startEmbeddedDatabase } from "./process/index.ts";
import { sealerOf } from "./sealers.ts";
import { parseKeyRing } from "./sessions/index.ts";
import { ensureSecrets } from "./settings/index.ts";
import { openStore, type RecordRepository } from "./store/index.ts";
import { Teardown } from "./teardown.ts";
import type { ChainKey, ChainKeys, Log } from "./telemetry/index.ts";

/** Keys of the audit trail's chain, one for each key of the ring (HKDF, RFC 5869): the first signs, all verify. */
export function chainKeysOf(encryptionSecret: string): ChainKeys {
  const derive = ({ id, secret }: { id: string; secret: Buffer }): ChainKey => ({
    id,
    secret: Buffer.from(hkdfSync("sha256", secret, "mcp-stack audit", "chain", 32)),
  });
  const [first, ...others] = parseKeyRing(encryptionSecret);
  return [derive(first), ...others.map(derive)];
}

/** The keys of the gateway that these settings are of. Throws MCPS_SETTINGS where it has none yet: new ones would verify nothing. */
export async function readChainKeys(settings: Settings): Promise<ChainKeys> {
  const { AUTH_ENCRYPTION_SECRET: secret, DATA_DIR } = settings;
  if (secret !== undefined) return chainKeysOf(secret);
  if (!existsSync(join(DATA_DIR, "secrets"))) throw missing(`no secrets are kept in ${resolve(DATA_DIR)}`);
  return chainKeysOf((await ensureSecrets(DATA_DIR, settings)).encryptionSecret);
}

/** What `work` answers of the rows. The database is opened for reading what is there: nothing is migrated and none is made. */
export async function withAuditTrail<T>(
  settings: Settings,
  log: Log,
  work: (records: RecordRepository) => Promise<T>,
): Promise<T> {
  const teardown = new Teardown(log);
  try {
    const url = settings.DATABASE_URL ?? (await embeddedUrl(settings, log, teardown));
    const store = await openStore({
      url,
      poolSize: 1,
      poolTimeoutMs: settings.DB_POOL_TIMEOUT * 1000,
      preparedStatements: "off",
      log,
      // Nothing that is sealed is read.
      sealing: sealerOf("0".repeat(64), "AUTH_ENCRYPTION_SECRET"),
    });
    teardown.add("store", () => store.close());
    return await work(store.records);
  } finally {
    await teardown.run();
  }
}

async function embeddedUrl({ DATA_DIR }: Settings, log: Log, teardown: Teardown): Promise<string> {
  const dataDir = resolve(DATA_DIR);
  if (!existsSync(join(dataDir, "database"))) throw missing(`there is no database in ${dataDir}`);
  const embedded = await startEmbeddedDatabase({ dataDir, log });
  teardown.add("embedded database", () => embedded.stop());
  return embedded.url;
}

function missing(problem: string) {
  const problems = `  ${problem}: set DATABASE_URL and AUTH_ENCRYPTION_SECRET, or DATA_DIR, as the gateway has them`;
  return fault("MCPS_SETTINGS", { count: 1, problems });
}
