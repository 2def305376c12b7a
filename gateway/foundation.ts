/** What exists once, however many workers serve: data directory, secrets, database, stdio host. Part of the composition root. */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { fault } from "../contract/errors.ts";
import { type Database, startDatabase } from "./open-database.ts";
import { startStdioHost } from "./process/index.ts";
import { ensureSecrets, type LoadedSettings, type Secrets } from "./settings/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";

/** Plain data: it is told to workers. Holds secrets. */
export type Foundation = {
  readonly secrets: Secrets;
  readonly database: Database;
  readonly stdioSocket: string;
};

/** `migrates`: the schema is changed here, and not by whoever opens the database first. Throws MCPS_DATA_DIR and what the database throws. */
export async function layFoundation(
  { settings, environment }: LoadedSettings,
  migrates: boolean,
  childEnvironment: Readonly<Record<string, string>>,
  log: Log,
  teardown: Teardown,
): Promise<Foundation> {
  const dataDir = resolve(settings.DATA_DIR);
  await mkdir(dataDir, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw fault("MCPS_DATA_DIR", { path: dataDir, reason: error instanceof Error ? error.message : String(error) });
  });
  const secrets = await ensureSecrets(dataDir, settings);
  const hostStarting = startStdioHost({
    dataDir,
    maxChildren: settings.STDIO_MAX_CHILDREN,
    idleMs: settings.STDIO_IDLE_TIMEOUT * 1000,
    maxMessageBytes: settings.UPSTREAM_MAX_MESSAGE_BYTES,
    environment,
    childEnvironment,
    log,
  });
  // Stopped whatever happens to the database meanwhile.
  teardown.add("stdio host", async () => (await hostStarting).stop());
  const database = await startDatabase(settings, dataDir, migrates, childEnvironment, log, teardown);
  const stdioHost = await hostStarting;
  return { secrets, database, stdioSocket: stdioHost.socketPath };
}
