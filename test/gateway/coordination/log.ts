/** A log that says nothing, and one that remembers. */
import type { Log, LogFields } from "../../../gateway/telemetry/index.ts";

export function recordingLog(): { log: Log; lines: { level: string; event: string; fields: LogFields | undefined }[] } {
  const lines: { level: string; event: string; fields: LogFields | undefined }[] = [];
  const write = (level: string) => (event: string, fields?: LogFields) => {
    lines.push({ level, event, fields });
  };
  const log: Log = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: () => log,
  };
  return { log, lines };
}

export const silentLog: Log = recordingLog().log;
