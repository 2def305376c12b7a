/**
 * JSON by position: finds where values stand in raw bytes and cuts and splices there, so that what is forwarded stays byte
 * for byte as it was sent (numbers above 2^53, `1.0`, key order, unknown fields). It accepts exactly what JSON.parse
 * accepts (RFC 8259) up to a nesting of MAX_DEPTH, and never builds a value that nobody asked for.
 */
import { isUtf8 } from "node:buffer";
import { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "./bytes.ts";

/** Half-open byte range [start, end) of one JSON value. */
export type Span = { readonly start: number; readonly end: number };
export type Member = { readonly key: string; readonly keyStart: number; readonly value: Span };

/** Deeper nesting is refused: no MCP message needs it, and parsers behind us may recurse. */
export const MAX_DEPTH = 256;

export class JsonError extends Error {
  readonly offset: number;
  constructor(reason: string, offset: number) {
    super(`${reason} at byte ${offset}`);
    this.name = "JsonError";
    this.offset = offset;
  }
}

/** 1 for the four JSON white-space bytes. */
const SPACE = new Uint8Array(256);
for (const byte of [0x20, 0x09, 0x0a, 0x0d]) SPACE[byte] = 1;
/** 1 for bytes that need a look inside a string: the quote, the backslash, control characters. */
const STRING_STOP = new Uint8Array(256);
for (let byte = 0; byte < 0x20; byte++) STRING_STOP[byte] = 1;
STRING_STOP[QUOTE] = 1;
STRING_STOP[BACKSLASH] = 1;
/** 1 for what may follow a backslash, 2 for `u`. */
const ESCAPE = new Uint8Array(256);
for (const char of '"\\/bfnrt') ESCAPE[char.charCodeAt(0)] = 1;
ESCAPE[0x75] = 2;
const HEX = new Uint8Array(256);
for (const char of "0123456789abcdefABCDEF") HEX[char.charCodeAt(0)] = 1;

export function skipSpace(bytes: Uint8Array, at: number): number {
  let pos = at;
  while (pos < bytes.length && SPACE[bytes[pos] as number] === 1) pos++;
  return pos;
}

/** Bytes of a string that are looked at one by one before four are looked at together, which costs a view of the memory. */
const ONE_BY_ONE = 512;

/** Where the first byte stands, from `at` on, that needs a look; the end of the bytes when there is none. */
function plainEnd(bytes: Uint8Array, at: number): number {
  let pos = at;
  const near = Math.min(bytes.length, at + ONE_BY_ONE);
  while (pos < near && STRING_STOP[bytes[pos] as number] === 0) pos++;
  if (pos < near || pos === bytes.length) return pos;
  pos = wordsEnd(bytes, pos);
  while (pos < bytes.length && STRING_STOP[bytes[pos] as number] === 0) pos++;
  return pos;
}

/**
 * Skips whole words of four bytes none of which is a quote, a backslash or a control character: of a word the difference to a byte below 1
 * (or below 0x20) leaves the highest bit of that byte set where it was not (Warren, Hacker's Delight, "Find First 0-Byte").
 */
function wordsEnd(bytes: Uint8Array, at: number): number {
  // Words of memory begin at every fourth byte of it.
  const start = at + ((4 - ((bytes.byteOffset + at) & 3)) & 3);
  for (let pos = at; pos < start; pos++) if (STRING_STOP[bytes[pos] ?? QUOTE] !== 0) return pos;
  if (start + 4 > bytes.length) return start;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, (bytes.length - start) >> 2);
  let index = 0;
  for (; index < words.length; index++) {
    const word = words[index] as number;
    const quote = word ^ 0x22222222;
    const backslash = word ^ 0x5c5c5c5c;
    const below = (word - 0x20202020) & ~word;
    if (((below | ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash)) & 0x80808080) !== 0) break;
  }
  return start + index * 4;
}

export function skipString(bytes: Uint8Array, at: number): number {
  let pos = at + 1;
  for (;;) {
    pos = plainEnd(bytes, pos);
    if (pos >= bytes.length) throw new JsonError("string without an end", at);
    const byte = bytes[pos];
    if (byte === QUOTE) return pos + 1;
    if (byte !== BACKSLASH) throw new JsonError("control character in a string", pos);
    const kind = ESCAPE[bytes[pos + 1] ?? 0];
    if (kind === 1) pos += 2;
    else if (kind === 2) {
      for (let digit = pos + 2; digit < pos + 6; digit++) {
        if (HEX[bytes[digit] ?? 0] !== 1) throw new JsonError("bad \\u escape", pos);
      }
      pos += 6;
    } else throw new JsonError("bad escape", pos);
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function skipDigits(bytes: Uint8Array, at: number): number {
  let pos = at;
  while (isDigit(bytes[pos])) pos++;
  if (pos === at) throw new JsonError("digit expected", pos);
  return pos;
}

function skipNumber(bytes: Uint8Array, at: number): number {
  let pos = at;
  if (bytes[pos] === 0x2d) pos++;
  if (bytes[pos] === 0x30) pos++;
  else pos = skipDigits(bytes, pos);
  if (bytes[pos] === 0x2e) pos = skipDigits(bytes, pos + 1);
  if (bytes[pos] === 0x65 || bytes[pos] === 0x45) {
    pos++;
    if (bytes[pos] === 0x2b || bytes[pos] === 0x2d) pos++;
    pos = skipDigits(bytes, pos);
  }
  return pos;
}

const LITERALS: Readonly<Record<number, string>> = { 116: "true", 102: "false", 110: "null" };

function skipScalar(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === QUOTE) return skipString(bytes, at);
  if (byte === 0x2d || isDigit(byte)) return skipNumber(bytes, at);
  const literal = byte === undefined ? undefined : LITERALS[byte];
  if (literal === undefined)
    throw new JsonError(byte === undefined ? "value expected, but the text ends" : "value expected", at);
  for (let index = 1; index < literal.length; index++) {
    if (bytes[at + index] !== literal.charCodeAt(index)) throw new JsonError(`${literal} expected`, at);
  }
  return at + literal.length;
}

/**
 * Checks the value that begins at `at` (no white space before it), inside `depth` containers, and answers where it ends. Iterative:
 * depth costs no stack.
 */
export function skipValue(bytes: Uint8Array, at: number, depth = 0): number {
  if (bytes[at] !== OPEN_BRACE && bytes[at] !== OPEN_BRACKET) return skipScalar(bytes, at);
  const closers: number[] = [];
  let pos = at;
  for (;;) {
    const byte = bytes[pos];
    let open = false;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      const closer = byte === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
      pos = skipSpace(bytes, pos + 1);
      if (bytes[pos] === closer) pos++;
      else {
        if (closers.length + depth >= MAX_DEPTH) throw new JsonError(`nesting deeper than ${MAX_DEPTH}`, pos);
        closers.push(closer);
        if (closer === CLOSE_BRACE) pos = skipKey(bytes, pos);
        open = true;
      }
    } else pos = skipScalar(bytes, pos);
    if (open) continue;
    // A value has ended: close containers, or go on to the next value of the innermost one.
    for (;;) {
      const closer = closers.at(-1);
      if (closer === undefined) return pos;
      pos = skipSpace(bytes, pos);
      if (bytes[pos] === COMMA) {
        pos = skipSpace(bytes, pos + 1);
        if (closer === CLOSE_BRACE) pos = skipKey(bytes, pos);
        break;
      }
      if (bytes[pos] !== closer)
        throw new JsonError(closer === CLOSE_BRACE ? "',' or '}' expected" : "',' or ']' expected", pos);
      closers.pop();
      pos++;
    }
  }
}

/** Skips `"key" :` and the space after it. */
function skipKey(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) throw new JsonError("key expected", at);
  const colon = skipSpace(bytes, skipString(bytes, at));
  if (bytes[colon] !== COLON) throw new JsonError("':' expected", colon);
  return skipSpace(bytes, colon + 1);
}

/** Bytes of a string that are looked at one by one before the search for its end is left to native code, which costs a call. */
const NEAR = 64;

/** Where a string ends that has been checked already: only its closing quote is looked for. */
function passString(bytes: Buffer, at: number): number {
  let pos = at + 1;
  for (;;) {
    const near = Math.min(pos + NEAR, bytes.length);
    while (pos < near) {
      const byte = bytes[pos];
      if (byte === QUOTE) return pos + 1;
      pos += byte === BACKSLASH ? 2 : 1;
    }
    const quote = bytes.indexOf(QUOTE, pos);
    if (quote < 0) return bytes.length;
    let slashes = quote;
    while (slashes > pos && bytes[slashes - 1] === BACKSLASH) slashes--;
    if ((quote - slashes) % 2 === 0) return quote + 1;
    pos = quote + 1;
  }
}

/** Where a value ends that has been checked already. */
function passValue(bytes: Buffer, at: number): number {
  const first = bytes[at];
  if (first === QUOTE) return passString(bytes, at);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return passScalar(bytes, at);
  let depth = 0;
  let pos = at;
  while (pos < bytes.length) {
    const byte = bytes[pos];
    if (byte === QUOTE) {
      pos = passString(bytes, pos);
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
    pos++;
    if (depth === 0) break;
  }
  return pos;
}

/** Where a number or literal ends that has been checked already. */
function passScalar(bytes: Buffer, at: number): number {
  let pos = at;
  while (pos < bytes.length) {
    const byte = bytes[pos] as number;
    if (byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || SPACE[byte] === 1) break;
    pos++;
  }
  return pos;
}

/** Checks that the bytes are one JSON value in UTF-8 and nothing else; answers its span. */
export function scanDocument(bytes: Uint8Array): Span {
  if (!isUtf8(bytes)) throw new JsonError("invalid UTF-8", 0);
  const start = skipSpace(bytes, 0);
  const end = skipValue(bytes, start);
  const rest = skipSpace(bytes, end);
  if (rest !== bytes.length) throw new JsonError("text after the value", rest);
  return { start, end };
}

export function isObject(bytes: Uint8Array, span: Span): boolean {
  return bytes[span.start] === OPEN_BRACE;
}
export function isArray(bytes: Uint8Array, span: Span): boolean {
  return bytes[span.start] === OPEN_BRACKET;
}
/** Is what stands in the bytes, valid or not, meant as an array? */
export function beginsArray(bytes: Uint8Array): boolean {
  return bytes[skipSpace(bytes, 0)] === OPEN_BRACKET;
}
export function isString(bytes: Uint8Array, span: Span): boolean {
  return bytes[span.start] === QUOTE;
}

/** The text of a string value; undefined when the value is no string. */
export function stringAt(bytes: Buffer, span: Span | undefined): string | undefined {
  if (span === undefined || bytes[span.start] !== QUOTE) return undefined;
  const inner = bytes.toString("utf8", span.start + 1, span.end - 1);
  return inner.includes("\\") ? (JSON.parse(`"${inner}"`) as string) : inner;
}

/** JSON.parse of one value; only for values that are looked into, never for what is forwarded. */
export function valueAt(bytes: Buffer, span: Span): unknown {
  return JSON.parse(bytes.toString("utf8", span.start, span.end));
}

/** The bytes of a value; a view, not a copy. */
export function sliceAt(bytes: Buffer, span: Span): Buffer {
  return bytes.subarray(span.start, span.end);
}

/**
 * A walk over the members of an object, one level deep, duplicates included, that builds nothing: the hot path asks for a few
 * keys and positions. The span must come from a scan (valid JSON).
 */
export class MemberWalk {
  keyStart = 0;
  keyEnd = 0;
  /** The value of the present member: [start, end). */
  start = 0;
  end = 0;
  readonly #bytes: Buffer;
  #next: number;

  constructor(bytes: Buffer, object: Span) {
    this.#bytes = bytes;
    this.#next = skipSpace(bytes, object.start + 1);
  }

  /** False after the last member. */
  next(): boolean {
    const bytes = this.#bytes;
    if (bytes[this.#next] !== QUOTE) return false;
    this.keyStart = this.#next;
    this.keyEnd = passString(bytes, this.keyStart);
    this.start = skipSpace(bytes, skipSpace(bytes, this.keyEnd) + 1);
    this.end = passValue(bytes, this.start);
    const rest = skipSpace(bytes, this.end);
    this.#next = bytes[rest] === COMMA ? skipSpace(bytes, rest + 1) : rest;
    return true;
  }

  /** The present key as JSON.parse gives it. */
  get key(): string {
    return stringAt(this.#bytes, { start: this.keyStart, end: this.keyEnd }) as string;
  }

  get value(): Span {
    return { start: this.start, end: this.end };
  }

  /** Is the present key, however it is written, this one? */
  keyIs(key: string): boolean {
    return isText(this.#bytes, this.keyStart, this.keyEnd, key);
  }
}

/**
 * Does the string literal in [start, end) stand for `text`? Compares byte by byte and decodes only from the first escape or
 * non-ASCII character on: up to there bytes and characters have the same places, so a difference is final.
 */
export function isText(bytes: Buffer, start: number, end: number, text: string): boolean {
  let length = 0;
  for (let pos = start + 1; pos < end - 1; pos++) {
    const byte = bytes[pos] as number;
    if (byte === BACKSLASH || byte > 0x7f) return stringAt(bytes, { start, end }) === text;
    if (byte !== text.charCodeAt(length)) return false;
    length++;
  }
  return length === text.length;
}

/** Members of an object in order, one level deep, duplicates included. The span must come from a scan (valid JSON). */
export function members(bytes: Buffer, object: Span): Member[] {
  const found: Member[] = [];
  const walk = new MemberWalk(bytes, object);
  while (walk.next()) found.push({ key: walk.key, keyStart: walk.keyStart, value: walk.value });
  return found;
}

/** The value of a key as JSON.parse would give it: the last one wins. Undefined when absent or when the span is no object. */
export function memberAt(bytes: Buffer, object: Span | undefined, key: string): Span | undefined {
  if (object === undefined || !isObject(bytes, object)) return undefined;
  const walk = new MemberWalk(bytes, object);
  let start = -1;
  let end = -1;
  while (walk.next()) {
    if (!walk.keyIs(key)) continue;
    start = walk.start;
    end = walk.end;
  }
  return start < 0 ? undefined : { start, end };
}

/** Follows keys through nested objects. */
export function pathAt(bytes: Buffer, object: Span | undefined, ...keys: readonly string[]): Span | undefined {
  let span = object;
  for (const key of keys) span = memberAt(bytes, span, key);
  return span;
}

/** Elements of an array in order; empty when the span is no array. */
export function elements(bytes: Buffer, array: Span | undefined): Span[] {
  const found: Span[] = [];
  if (array === undefined || !isArray(bytes, array)) return found;
  let pos = skipSpace(bytes, array.start + 1);
  while (bytes[pos] !== CLOSE_BRACKET) {
    const end = passValue(bytes, pos);
    found.push({ start: pos, end });
    pos = skipSpace(bytes, end);
    if (bytes[pos] === COMMA) pos = skipSpace(bytes, pos + 1);
  }
  return found;
}
