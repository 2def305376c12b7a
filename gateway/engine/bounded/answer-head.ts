/** Heads of answers as text: status line, Date, the application's fields, how the body is framed. */
import { STATUS_CODES } from "../../../contract/node-http.ts";
import { httpDate } from "../date.ts";
import { FieldTexts } from "../field-texts.ts";

/** What follows the fields: a length, chunks, or nothing (204, 304). */
export type Framing = number | "chunked" | "none";

/** RFC 9110 §5.6.2. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LENGTH = "Content-Length: ";

const lines = new FieldTexts(
  (name) => (NAME.test(name) ? `${name}: ` : undefined),
  (value) => `${value}\r\n`,
);
const statusLines = new Map<number, string>();
let dated = "";
let line = "";

type Start = { status: number; isLast: boolean; date: string; bytes: Buffer };

/** By the fields as one object: those that are the same object with many answers are put together once a second. */
const starts = new WeakMap<Readonly<Record<string, string>>, Start>();

/**
 * The head of an answer up to the digits of its Content-Length, for fields that never change (a frozen object); undefined for others, and
 * where a field cannot be written.
 */
export function answerStart(
  status: number,
  headers: Readonly<Record<string, string>>,
  isLast: boolean,
): Buffer | undefined {
  const date = httpDate();
  const known = starts.get(headers);
  if (known !== undefined && known.date === date && known.status === status && known.isLast === isLast)
    return known.bytes;
  if (!Object.isFrozen(headers)) return undefined;
  const fields = answerFields(status, headers, isLast);
  if (fields === undefined) return undefined;
  const bytes = Buffer.from(`${fields}${LENGTH}`, "latin1");
  starts.set(headers, { status, isLast, date, bytes });
  return bytes;
}

/** The head of an answer; undefined when a field cannot be written. `isLast`: the connection ends with this answer. */
export function answerHead(
  status: number,
  headers: Readonly<Record<string, string>>,
  framing: Framing,
  isLast: boolean,
): string | undefined {
  const head = answerFields(status, headers, isLast);
  if (head === undefined) return undefined;
  if (framing === "chunked") return `${head}Transfer-Encoding: chunked\r\n\r\n`;
  return framing === "none" ? `${head}\r\n` : `${head}${LENGTH}${framing}\r\n\r\n`;
}

function answerFields(status: number, headers: Readonly<Record<string, string>>, isLast: boolean): string | undefined {
  let head = statusLine(status) + dateLine();
  for (const name in headers) {
    // How the message is framed and whether the connection goes on is said below, once.
    if (name === "connection" || name === "content-length" || name === "transfer-encoding") continue;
    const line = lines.of(name, headers[name] ?? "");
    if (line === undefined) return undefined;
    head += line;
  }
  return isLast ? `${head}Connection: close\r\n` : head;
}

function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
    statusLines.set(status, line);
  }
  return line;
}

function dateLine(): string {
  const date = httpDate();
  if (date !== dated) {
    dated = date;
    line = `Date: ${date}\r\n`;
  }
  return line;
}
