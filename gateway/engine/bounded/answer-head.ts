/** Heads of answers as text: status line, Date, the application's fields, how the body is framed. */
import { STATUS_CODES } from "node:http";
import { httpDate } from "../date.ts";
import { FieldTexts } from "../field-texts.ts";

/** What follows the fields: a length, chunks, or nothing (204, 304). */
export type Framing = number | "chunked" | "none";

/** RFC 9110 §5.6.2. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const lines = new FieldTexts(
  (name) => (NAME.test(name) ? `${name}: ` : undefined),
  (value) => `${value}\r\n`,
);
const statusLines = new Map<number, string>();
let dated = "";
let line = "";

/** The head of an answer; undefined when a field cannot be written. `isLast`: the connection ends with this answer. */
export function answerHead(
  status: number,
  headers: Readonly<Record<string, string>>,
  framing: Framing,
  isLast: boolean,
): string | undefined {
  let head = statusLine(status) + dateLine();
  for (const name in headers) {
    // How the message is framed and whether the connection goes on is said below, once.
    if (name === "connection" || name === "content-length" || name === "transfer-encoding") continue;
    const line = lines.of(name, headers[name] ?? "");
    if (line === undefined) return undefined;
    head += line;
  }
  if (isLast) head += "Connection: close\r\n";
  if (framing === "chunked") return `${head}Transfer-Encoding: chunked\r\n\r\n`;
  return framing === "none" ? `${head}\r\n` : `${head}Content-Length: ${framing}\r\n\r\n`;
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
