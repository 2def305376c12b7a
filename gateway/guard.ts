/** What must not end a process that serves. Part of the composition root. */
import type { Log } from "./telemetry/index.ts";

/** A forgotten rejection is a defect to be told, not a reason to drop every other client; nor is a reader of stdout that left. */
export function guardProcess(log: Log): void {
  process.on("unhandledRejection", (reason) => {
    log.error("an unhandled rejection", {
      reason: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason),
    });
  });
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}
