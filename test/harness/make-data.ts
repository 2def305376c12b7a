/** `node make-data.ts <directory>`: the embedded database of a gateway, migrated, as data-directories.ts copies it. */
import { startEmbeddedDatabase } from "../../gateway/process/index.ts";
import { migrateDatabase } from "../../gateway/store/index.ts";
import { createLog } from "../../gateway/telemetry/index.ts";

const log = createLog({ level: "warn", format: "text" });
const database = await startEmbeddedDatabase({ dataDir: process.argv[2] ?? "", log });
await migrateDatabase(database.directUrl, log);
await database.stop();
