/** The small part of HTTP/1.1 that the strict reader knows, as tables over bytes. Everything else is somebody else's to judge. */

import { SHARED } from "../shared-values.ts";

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SPACE = 0x20;
export const SLASH = 0x2f;
export const ZERO = 0x30;
export const COLON = 0x3a;
export const QUESTION = 0x3f;

/** A length of so many digits is exact as a number. */
export const MAX_LENGTH_DIGITS = 15;

function bytesOf(text: string): readonly number[] {
  return [...text].map((character) => character.charCodeAt(0));
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";
/** RFC 9110 §5.6.2 beside letters and digits. */
const TOKEN_MARKS = "!#$%&'*+-.^_`|~";
/** RFC 3986 §3.3 and §3.4: what a path and a query may have beside letters and digits. */
const TARGET_MARKS = "-._~%!$&'()*+,;=:@/?";

/** A byte of a field name → the same in lower case; 0 for what no name may have. */
export const NAME_BYTE = new Uint8Array(256);
for (const byte of bytesOf(LETTERS + DIGITS + TOKEN_MARKS)) NAME_BYTE[byte] = byte;
for (const byte of bytesOf(LETTERS)) NAME_BYTE[byte - 32] = byte;

/** 1 for a byte of a request target in origin form. */
export const TARGET_BYTE = new Uint8Array(256);
for (const byte of bytesOf(LETTERS + LETTERS.toUpperCase() + DIGITS + TARGET_MARKS)) TARGET_BYTE[byte] = 1;

/** 1 for a byte of a field value: visible ASCII, space and tab. Old texts in other encodings (obs-text) are not read here. */
export const VALUE_BYTE = new Uint8Array(256);
VALUE_BYTE[TAB] = 1;
VALUE_BYTE.fill(1, SPACE, 0x7f);

/**
 * What the reader does with a field:
 * - `plain`: any value; a repeated one is joined by ", ".
 * - `single`: as plain, but a repeated one is not read here: node:http keeps the first, or joins by "; " (cookie).
 * - `host`, `length`, `connection`: read for what they mean.
 * - `foreign`: changes how the message is framed, what the connection becomes, or is no string in node:http: not read here.
 */
export type FieldKind = "plain" | "single" | "host" | "length" | "connection" | "foreign";

export type Field = {
  readonly name: string;
  readonly kind: FieldKind;
  readonly index: number;
  /** Its values come again and again. */
  readonly isShared: boolean;
};

/** Names that come often are known by heart; the others are cut out of the head. */
const FIELDS: Readonly<Record<FieldKind, readonly string[]>> = {
  plain: `accept accept-encoding accept-language accept-charset cache-control dnt forwarded keep-alive last-event-id
    mcp-method mcp-name mcp-protocol-version mcp-session-id origin pragma priority sec-ch-ua sec-ch-ua-mobile
    sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site te traceparent tracestate baggage via x-request-id
    x-correlation-id x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip x-api-key
    access-control-request-method access-control-request-headers if-match if-none-match range`.split(/\s+/),
  // The list of node:http's IncomingMessage (docs: message.headers), without those below.
  single:
    `age authorization content-type cookie etag expires from if-modified-since if-unmodified-since last-modified location
    max-forwards proxy-authorization referer retry-after server user-agent`.split(/\s+/),
  host: ["host"],
  length: ["content-length"],
  connection: ["connection"],
  foreign: `transfer-encoding upgrade expect trailer set-cookie proxy-connection http2-settings __proto__`.split(/\s+/),
};

const KINDS: readonly FieldKind[] = ["plain", "single", "host", "length", "connection", "foreign"];

export const fields: readonly Field[] = KINDS.flatMap((kind) => FIELDS[kind].map((name) => ({ name, kind }))).map(
  (field, index) => ({ ...field, index, isShared: SHARED.has(field.name) }),
);

const SLOTS = 1024;
const table: (Field | undefined)[] = new Array<Field | undefined>(SLOTS).fill(undefined);

/** One step of a name's hash; starts with 0. */
export function hashByte(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 10)) & (SLOTS - 1);
}

for (const field of fields) {
  let slot = slotOf(bytesOf(field.name).reduce(hashByte, 0));
  while (table[slot] !== undefined) slot = (slot + 1) & (SLOTS - 1);
  table[slot] = field;
}

/** The field whose name stands, in whatever case, between two positions; its hash has been taken over NAME_BYTE. */
export function findField(bytes: Uint8Array, from: number, to: number, hash: number): Field | undefined {
  for (let slot = slotOf(hash); ; slot = (slot + 1) & (SLOTS - 1)) {
    const field = table[slot];
    if (field === undefined) return undefined;
    if (isNamed(field.name, bytes, from, to)) return field;
  }
}

function isNamed(name: string, bytes: Uint8Array, from: number, to: number): boolean {
  if (name.length !== to - from) return false;
  for (let at = from; at < to; at++) {
    if (NAME_BYTE[bytes[at] ?? 0] !== name.charCodeAt(at - from)) return false;
  }
  return true;
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** The method that stands, with a space behind it, at a position. */
export function findMethod(bytes: Uint8Array, from: number, limit: number): string | "incomplete" | undefined {
  const first = bytes[from];
  let isBegun = from >= limit;
  for (const method of METHODS) {
    if (method.charCodeAt(0) !== first) continue;
    let at = 1;
    while (at < method.length && bytes[from + at] === method.charCodeAt(at)) at++;
    if (from + at >= limit) isBegun = true;
    else if (at === method.length && bytes[from + at] === SPACE) return method;
  }
  return isBegun ? "incomplete" : undefined;
}
