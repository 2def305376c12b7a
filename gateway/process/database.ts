/** Entry file of the embedded database process; started by startEmbeddedDatabase, ends with its parent. */
import * as z from "zod";
import { serveEmbedded } from "../store/embedded/index.ts";
import { serveParent } from "./parent.ts";

const configSchema = z.object({ directory: z.string().min(1), socketPath: z.string().min(1) });

serveParent(async (input, log) => {
  const { directory, socketPath } = configSchema.parse(input);
  const { stop } = await serveEmbedded({
    directory,
    socketPath,
    log,
    // A fresh process reads what was committed; this one can no longer be trusted. The supervisor starts it.
    onBroken(reason) {
      log.error("database.broken", { reason });
      process.exit(1);
    },
  });
  return { ready: {}, stop };
});
