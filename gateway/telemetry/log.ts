/** The one log writer: JSON lines or text, to stderr, since stdout belongs to what a program asked for. Never a secret. */
import { redactText, SECRET_FIELD } from "./redaction.ts";
import type { Log, LogFields } from "./types.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogOptions = {
  readonly level: LogLevel;
  readonly format: "json" | "text";
  /** Gets whole lines; default: stderr. */
  readonly write?: (line: string) => void;
  /** Epoch milliseconds. */
  readonly now?: () => number;
};

export const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 10, info: 20, warn: 30, error: 40 };
const MAX_TEXT = 4000;

export function createLog(options: LogOptions): Log {
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  return new Writer({ ...options, write, now: options.now ?? Date.now }, {});
}

class Writer implements Log {
  readonly #options: Required<LogOptions>;
  readonly #fields: LogFields;

  constructor(options: Required<LogOptions>, fields: LogFields) {
    this.#options = options;
    this.#fields = fields;
  }

  debug(event: string, fields?: LogFields): void {
    this.#line("debug", event, fields);
  }
  info(event: string, fields?: LogFields): void {
    this.#line("info", event, fields);
  }
  warn(event: string, fields?: LogFields): void {
    this.#line("warn", event, fields);
  }
  error(event: string, fields?: LogFields): void {
    this.#line("error", event, fields);
  }
  child(fields: LogFields): Log {
    return new Writer(this.#options, { ...this.#fields, ...fields });
  }

  #line(level: LogLevel, event: string, fields: LogFields | undefined): void {
    const { format, now, write } = this.#options;
    if (SEVERITY[level] < SEVERITY[this.#options.level]) return;
    const time = new Date(now()).toISOString();
    const safe = safeFields({ ...this.#fields, ...fields });
    if (format === "json") {
      write(`${JSON.stringify({ ...safe, time, level, event: event.slice(0, MAX_TEXT) })}\n`);
      return;
    }
    const tail = Object.entries(safe).map(([name, value]) => ` ${name}=${textOf(value)}`);
    write(`${time} ${level.padEnd(5)} ${printable(event.slice(0, MAX_TEXT))}${tail.join("")}\n`);
  }
}

/** Without fields that are secret by their name, and without what is secret by its form. */
export function safeFields(fields: LogFields): Record<string, string | number | boolean | null> {
  const safe: Record<string, string | number | boolean | null> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || SECRET_FIELD.test(name)) continue;
    safe[name] = typeof value === "string" ? redactText(value, MAX_TEXT) : value;
  }
  return safe;
}

function textOf(value: string | number | boolean | null): string {
  return typeof value === "string" && /[^!#-~]|=/.test(value) ? printable(JSON.stringify(value)) : String(value);
}

/** Control characters would let logged input move a terminal's cursor or forge a line. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}
