/**
 * The log of a supervised child: one JSON object per line on stderr, which the supervisor turns back into calls of its own
 * log. Lines of any other kind (a stack trace of Node, a warning) become one event each.
 */
import type { Log, LogFields } from "../telemetry/index.ts";

/** Longest line that is no record, in characters; the rest is cut. A record's fields are bounded by whoever made it. */
const MAX_LINE_CHARS = 4096;
const LEVELS = ["debug", "info", "warn", "error"] as const;
type Level = (typeof LEVELS)[number];

/** A log whose lines go to `write` (stderr in a child process). */
export function lineLog(write: (line: string) => void, base: LogFields = {}): Log {
  const at = (level: Level) => (event: string, fields?: LogFields) =>
    write(`${JSON.stringify({ level, event, fields: { ...base, ...fields } })}\n`);
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => lineLog(write, { ...base, ...fields }),
  };
}

function parseRecord(line: string): { level: Level; event: string; fields: LogFields } | undefined {
  if (!line.startsWith('{"level":')) return undefined;
  try {
    const record = JSON.parse(line) as { level?: unknown; event?: unknown; fields?: unknown };
    const level = LEVELS.find((known) => known === record.level);
    if (level === undefined || typeof record.event !== "string") return undefined;
    if (typeof record.fields !== "object" || record.fields === null) return undefined;
    return { level, event: record.event, fields: record.fields as LogFields };
  } catch {
    return undefined;
  }
}

/** Hands one line of a child to the log; answers the line's text for people ("" for a record of the child's log). */
export function relayLogLine(log: Log, line: string): string {
  const record = parseRecord(line);
  if (record === undefined) {
    const cut = line.slice(0, MAX_LINE_CHARS);
    log.warn("process.output", { line: cut });
    return cut;
  }
  log[record.level](record.event, record.fields);
  return record.level === "error" ? `${record.event} ${JSON.stringify(record.fields)}` : "";
}
