/**
 * Header blocks of answers (RFC 7541). No table is kept: a field is literal, with a name from the static table where there is one, so that
 * the bytes of a field are always the same, and nothing that is secret can be guessed at through the size of what others are sent.
 */
import { httpDate } from "../../date.ts";
import { FieldTexts } from "../../field-texts.ts";
import { OF_CONNECTIONS } from "../connection-fields.ts";
import { STATIC_FIELDS } from "./static-table.ts";

/** §7.1.3: what nobody on the way may put into a table. */
const NEVER_INDEXED: ReadonlySet<string> = new Set(["mcp-session-id", "set-cookie"]);
/** Lower-case tokens (RFC 9110 §5.6.2). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

const names = new Map<string, number>();
const statuses = new Map<string, number>();
for (const [index, [name, value]] of STATIC_FIELDS.entries()) {
  if (!names.has(name)) names.set(name, index + 1);
  if (name === ":status") statuses.set(value, index + 1);
}
const STATUS_INDEX = names.get(":status") ?? 0;
const LENGTH_FIELD = literalName("content-length", 0x00);
const DATE_FIELD = literalName("date", 0x00);

/** Told once before the first field of a connection: no table is used (§4.2). */
export const NO_TABLE = "\x20";

const fields = new FieldTexts(fieldName, string);
const statusFields = new Map<number, string>();

/**
 * The block of an answer, a character per byte; undefined when a field cannot be written. `length` is told as Content-Length where there
 * is one.
 */
export function answerBlock(
  status: number,
  headers: Readonly<Record<string, string>>,
  length: number | undefined,
): string | undefined {
  let block = statusField(status);
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || name === "content-length" || OF_CONNECTIONS.has(name)) continue;
    const field = fields.of(name, value);
    if (field === undefined) return undefined;
    block += field;
  }
  block += DATE_FIELD + string(httpDate());
  return length === undefined ? block : block + LENGTH_FIELD + string(String(length));
}

/** An interim answer (RFC 9110 §15.2). */
export function interimBlock(status: number): string {
  return statusField(status);
}

function statusField(status: number): string {
  let field = statusFields.get(status);
  if (field === undefined) {
    const index = statuses.get(String(status));
    field = index === undefined ? number(0x00, 4, STATUS_INDEX) + string(String(status)) : number(0x80, 7, index);
    statusFields.set(status, field);
  }
  return field;
}

function fieldName(given: string): string | undefined {
  const name = given.toLowerCase();
  return NAME.test(name) ? literalName(name, NEVER_INDEXED.has(name) ? 0x10 : 0x00) : undefined;
}

/** §6.2.2 and §6.2.3: without a place in the table, `kind` says for whom. */
function literalName(name: string, kind: number): string {
  const index = names.get(name);
  return index === undefined ? String.fromCharCode(kind) + string(name) : number(kind, 4, index);
}

/** §5.2, as it is. */
function string(text: string): string {
  return number(0x00, 7, text.length) + text;
}

/** §5.1. */
function number(pattern: number, prefixBits: number, value: number): string {
  const most = 2 ** prefixBits - 1;
  if (value < most) return String.fromCharCode(pattern | value);
  let text = String.fromCharCode(pattern | most);
  let rest = value - most;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) text += String.fromCharCode((rest % 0x80) | 0x80);
  return text + String.fromCharCode(rest);
}
