/** Who changes the schema: the primary before its workers (PRELOAD), or the worker that opens the database. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { startDatabase } from "../../gateway/open-database.ts";
import { loadSettings } from "../../gateway/settings/index.ts";
import { Teardown } from "../../gateway/teardown.ts";
import { createLog } from "../../gateway/telemetry/index.ts";
import { temporaryDirectory } from "../harness/index.ts";

const log = createLog({ level: "error", format: "json" });
const teardown = new Teardown(log);
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let url = "";
const settingsOf = (env: Readonly<Record<string, string>>) => loadSettings({ env, envFile: false }).settings;

beforeAll(async () => {
  directory = await temporaryDirectory();
  const embedded = await startDatabase(settingsOf({}), directory.path, false, {}, log, teardown);
  // A setting has a host; the driver takes the socket's directory, which stands behind it.
  url = embedded.url.replace("@/", "@localhost/");
  // Its own process migrates the embedded one, whatever the settings say.
  expect([embedded.isEmbedded, embedded.isMigrated]).toEqual([true, true]);
}, 180_000);
afterAll(async () => {
  await teardown.run();
  await directory?.remove();
});

it.each([
  [true, "true", true],
  [false, "true", false],
  [true, "false", false],
])(
  "with PRELOAD %s and MIGRATE_ON_START %s it has been changed before there are workers: %s",
  async (preload, migrates, isMigrated) => {
    const settings = settingsOf({ DATABASE_URL: url, MIGRATE_ON_START: migrates });
    const database = await startDatabase(settings, directory.path, preload, {}, log, teardown);
    expect(database).toEqual({ url, isEmbedded: false, isMigrated });
  },
);
