/** A log whose lines are rows as well. What is secret is left out of both. */
import { type LogLevel, SEVERITY, safeFields } from "./log.ts";
import type { Log, LogFields } from "./types.ts";

export type LogEntry = {
  readonly at: number;
  readonly level: LogLevel;
  readonly event: string;
  readonly worker: string | null;
  readonly correlationId: string | null;
  /** JSON. */
  readonly fields: string;
};

export type LogRowsOptions = {
  /** Less severe lines are no rows. */
  readonly level: LogLevel;
  /** Of every line. */
  readonly fields: LogFields;
  readonly add: (entry: LogEntry) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
};

const MAX_EVENT = 300;

/** Says everything to `log`, and keeps a row of it. Whoever writes the rows has to speak to `log` itself. */
export function logWithRows(log: Log, options: LogRowsOptions): Log {
  const { level: least, add, now } = options;
  const keep = (level: LogLevel, event: string, fields: LogFields | undefined) => {
    if (SEVERITY[level] < SEVERITY[least]) return;
    const { worker, correlationId, ...rest } = safeFields({ ...options.fields, ...fields });
    add({
      at: now(),
      level,
      event: event.slice(0, MAX_EVENT),
      worker: worker === undefined || worker === null ? null : String(worker),
      correlationId: correlationId === undefined || correlationId === null ? null : String(correlationId),
      fields: JSON.stringify(rest),
    });
  };
  const say = (level: LogLevel) => (event: string, fields?: LogFields) => {
    log[level](event, fields);
    keep(level, event, fields);
  };
  return {
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    child: (fields) => logWithRows(log.child(fields), { ...options, fields: { ...options.fields, ...fields } }),
  };
}
