/** `mcp-stack migrate`: brings the database's schema up to date, for a job that runs before the gateways do. */
import { fault } from "../../contract/errors.ts";
import { loadSettings } from "../../gateway/settings/index.ts";
import { createLog } from "../../gateway/telemetry/index.ts";
import { type Command, readOptions } from "../command.ts";

const options = {} as const;

export const command: Command = {
  summary: "bring the database schema up to date",
  options,
  async run(argv) {
    readOptions(argv, options);
    const { settings } = loadSettings();
    const url = settings.DATABASE_DIRECT_URL ?? settings.DATABASE_URL;
    if (url === undefined)
      throw fault("MCPS_SETTINGS", {
        count: 1,
        problems: "  DATABASE_DIRECT_URL or DATABASE_URL has to name the database; an embedded one migrates itself",
      });
    const { migrateDatabase } = await import("../../gateway/store/index.ts");
    const log = createLog({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT });
    await migrateDatabase(url, log, { startTimeoutMs: settings.STARTUP_TIMEOUT * 1000 });
    return 0;
  },
};
