/**
 * Status line and fields of a response (RFC 9112 §4–7) and what they say about its body. It takes the grammar and nothing besides: a
 * head that two readers could understand in two ways is refused.
 */
import { InvalidResponse } from "./errors.ts";

/**
 * The fields of a response that this room reads; a field that came twice has its first value. Content-Encoding is undici's only:
 * requests that may be answered with one are sent by it.
 */
export type AnswerHeaders = {
  readonly [Name in
    | "content-type"
    | "content-encoding"
    | "location"
    | "mcp-session-id"
    | "retry-after"
    | "x-mcp-stack-definition"]?: string | readonly string[] | undefined;
};

export type Framing = "none" | "length" | "chunked" | "close";

export type ResponseHead = {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly framing: Framing;
  /** Bytes of the body when framing is "length". */
  readonly length: number;
  /** The connection may be used again after the response. */
  readonly keepAlive: boolean;
  /** For how long the server says that it keeps an idle connection, ms. */
  readonly keepAliveMs: number | undefined;
};

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;
const COLON = 0x3a;
const DELETE = 0x7f;
const ZERO = 0x30;
/** `HTTP/1.1 200`: where the minor version and the status stand. */
const BEGINNING = Buffer.from("HTTP/1.");
const VERSION = BEGINNING.length;
const STATUS = VERSION + 2;
const STATUS_END = STATUS + 3;
/** Larger ones cannot be counted exactly. */
const MAX_LENGTH_DIGITS = 15;

const LOCATION = Buffer.from("location");
const CONNECTION = Buffer.from("connection");
const KEEP_ALIVE = Buffer.from("keep-alive");
const RETRY_AFTER = Buffer.from("retry-after");
const CONTENT_TYPE = Buffer.from("content-type");
const CONTENT_LENGTH = Buffer.from("content-length");
const SESSION = Buffer.from("mcp-session-id");
const CODING = Buffer.from("transfer-encoding");
const DEFINITION = Buffer.from("x-mcp-stack-definition");
const TIMEOUT = Buffer.from("timeout=");
const CHUNKED = Buffer.from("chunked");
const JSON_TYPE = Buffer.from("application/json");
const EVENT_TYPE = Buffer.from("text/event-stream");

/** Which bytes may stand in a name, and which in a value or a reason. */
const IN_NAME = new Uint8Array(256);
const IN_VALUE = new Uint8Array(256).fill(1, SPACE).fill(0, DELETE, DELETE + 1);
IN_VALUE[TAB] = 1;
for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  IN_NAME[char.charCodeAt(0)] = 1;
}

/** What has been read of the fields; everything else is only checked. */
type Fields = {
  contentType: string | undefined;
  location: string | undefined;
  session: string | undefined;
  retryAfter: string | undefined;
  definition: string | undefined;
  /** -1: none came. */
  length: number;
  isChunked: boolean;
  /** Connection said close, or keep-alive. */
  closes: boolean;
  stays: boolean;
  keepAliveMs: number | undefined;
};

function noFields(): Fields {
  return {
    contentType: undefined,
    location: undefined,
    session: undefined,
    retryAfter: undefined,
    definition: undefined,
    length: -1,
    isChunked: false,
    closes: false,
    stays: false,
    keepAliveMs: undefined,
  };
}

/** Reads the head that ends, with its empty line, at `end`. Throws InvalidResponse. */
export function readHead(bytes: Buffer, start: number, end: number): ResponseHead {
  const status = readStatus(bytes, start);
  const fields = noFields();
  let pos = endOfStatus(bytes, start + STATUS_END);
  while (pos < end - 2) pos = readField(bytes, pos, fields);
  return framed(status, bytes[start + VERSION] === ZERO + 1, fields);
}

/** Checks one field after a body and drops it; what says where a response ends has no place there (RFC 9110 §6.5.1). */
export function readTrailer(line: Buffer): void {
  const fields = noFields();
  readField(line, 0, fields);
  if (fields.length >= 0 || fields.isChunked) {
    throw new InvalidResponse("a length or a coding came after the body", "HPE_UNEXPECTED_CONTENT_LENGTH");
  }
}

/** `HTTP/1.1 200` */
function readStatus(bytes: Buffer, start: number): number {
  const version = bytes[start + VERSION];
  if (!beginsLikeHttp(bytes, start, VERSION) || (version !== ZERO && version !== ZERO + 1)) throw notHttp();
  if (bytes[start + VERSION + 1] !== SPACE) throw notHttp();
  let status = 0;
  for (let at = start + STATUS; at < start + STATUS_END; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    status = digit >= 0 && digit <= 9 ? status * 10 + digit : Number.NaN;
  }
  if (!(status >= 100)) throw new InvalidResponse("the status of a response has three digits", "HPE_INVALID_STATUS");
  return status;
}

/** The reason, or nothing: servers leave it out, and the space before it as well. */
function endOfStatus(bytes: Buffer, pos: number): number {
  const end = bytes[pos] === SPACE ? endOfValue(bytes, pos) : pos;
  if (!endsLine(bytes, end)) {
    throw new InvalidResponse("the status line does not end with CRLF", "HPE_INVALID_STATUS");
  }
  return end + 2;
}

/** True when the first `length` bytes, up to seven, are those of `HTTP/1.`. */
export function beginsLikeHttp(bytes: Buffer, start: number, length: number): boolean {
  for (let at = 0; at < length; at++) if (bytes[start + at] !== BEGINNING[at]) return false;
  return true;
}

export function notHttp(): InvalidResponse {
  return new InvalidResponse("a response begins with HTTP/1.1 or HTTP/1.0");
}

/** The first position that is not of a value. The end of the head is none. */
function endOfValue(bytes: Buffer, from: number): number {
  let pos = from;
  while (IN_VALUE[bytes[pos] ?? 0] === 1) pos++;
  return pos;
}

function endsLine(bytes: Buffer, end: number): boolean {
  if (bytes[end] === LF) throw new InvalidResponse("LF without CR", "HPE_CR_EXPECTED");
  return bytes[end] === CR && bytes[end + 1] === LF;
}

/** Reads one field line and gives the position after it. */
function readField(bytes: Buffer, start: number, fields: Fields): number {
  let colon = start;
  while (IN_NAME[bytes[colon] ?? 0] === 1) colon++;
  if (colon === start || bytes[colon] !== COLON) {
    throw new InvalidResponse("a field needs a name and a colon", "HPE_INVALID_HEADER_TOKEN");
  }
  let from = colon + 1;
  while (bytes[from] === SPACE || bytes[from] === TAB) from++;
  const end = endOfValue(bytes, from);
  if (!endsLine(bytes, end)) throw new InvalidResponse("a field does not end with CRLF", "HPE_INVALID_HEADER_TOKEN");
  keep(fields, bytes, start, colon, from, end);
  return end + 2;
}

/** Only names of a length that is of interest are looked at. */
function keep(fields: Fields, bytes: Buffer, start: number, colon: number, from: number, end: number): void {
  switch (colon - start) {
    case 8:
      if (isWord(bytes, start, colon, LOCATION)) fields.location ??= textOf(bytes, from, end);
      return;
    case 10:
      if (isWord(bytes, start, colon, CONNECTION)) readConnection(fields, bytes, from, end);
      else if (isWord(bytes, start, colon, KEEP_ALIVE)) fields.keepAliveMs ??= timeoutOf(bytes, from, end);
      return;
    case 11:
      if (isWord(bytes, start, colon, RETRY_AFTER)) fields.retryAfter ??= textOf(bytes, from, end);
      return;
    case 12:
      if (isWord(bytes, start, colon, CONTENT_TYPE)) fields.contentType ??= mediaOf(bytes, from, end);
      return;
    case 14:
      if (isWord(bytes, start, colon, CONTENT_LENGTH)) readLength(fields, bytes, from, end);
      else if (isWord(bytes, start, colon, SESSION)) fields.session ??= textOf(bytes, from, end);
      return;
    case 17:
      if (isWord(bytes, start, colon, CODING)) readCoding(fields, bytes, from, end);
      return;
    case 22:
      if (isWord(bytes, start, colon, DEFINITION)) fields.definition ??= textOf(bytes, from, end);
  }
}

/** True when these bytes are the word, which is in lower case, in any case. */
function isWord(bytes: Buffer, start: number, end: number, word: Buffer): boolean {
  if (end - start !== word.length) return false;
  // Of the bytes that a name may have, only a letter becomes another one that it may have.
  for (let at = 0; at < word.length; at++) if (((bytes[start + at] ?? 0) | 0x20) !== word[at]) return false;
  return true;
}

function textOf(bytes: Buffer, from: number, end: number): string {
  let to = end;
  while (to > from && (bytes[to - 1] === SPACE || bytes[to - 1] === TAB)) to--;
  return bytes.toString("latin1", from, to);
}

/** The two types that nearly all answers have are no new text each time. */
function mediaOf(bytes: Buffer, from: number, end: number): string {
  if (isWord(bytes, from, end, JSON_TYPE)) return "application/json";
  return isWord(bytes, from, end, EVENT_TYPE) ? "text/event-stream" : textOf(bytes, from, end);
}

function readConnection(fields: Fields, bytes: Buffer, from: number, end: number): void {
  if (isWord(bytes, from, end, KEEP_ALIVE)) {
    fields.stays = true;
    return;
  }
  const tokens = textOf(bytes, from, end).split(",");
  for (const token of tokens.map((part) => part.trim().toLowerCase())) {
    if (token === "close") fields.closes = true;
    else if (token === "keep-alive") fields.stays = true;
  }
}

function readLength(fields: Fields, bytes: Buffer, from: number, end: number): void {
  if (fields.length >= 0) throw new InvalidResponse("Content-Length came twice", "HPE_UNEXPECTED_CONTENT_LENGTH");
  const last = endOfSpaces(bytes, from, end);
  let length = 0;
  for (let at = from; at < last; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    length = digit >= 0 && digit <= 9 ? length * 10 + digit : Number.NaN;
  }
  if (last === from || last - from > MAX_LENGTH_DIGITS || Number.isNaN(length)) {
    throw new InvalidResponse("Content-Length is not one number", "HPE_INVALID_CONTENT_LENGTH");
  }
  fields.length = length;
}

function readCoding(fields: Fields, bytes: Buffer, from: number, end: number): void {
  if (fields.isChunked) throw new InvalidResponse("Transfer-Encoding came twice", "HPE_INVALID_TRANSFER_ENCODING");
  if (!isWord(bytes, from, endOfSpaces(bytes, from, end), CHUNKED)) throw otherCoding();
  fields.isChunked = true;
}

/** Without the spaces at the end; a tab there stays, for llhttp takes "chunked" and a tab for another coding. */
function endOfSpaces(bytes: Buffer, from: number, end: number): number {
  let to = end;
  while (to > from && bytes[to - 1] === SPACE) to--;
  return to;
}

function otherCoding(): InvalidResponse {
  return new InvalidResponse("the only transfer coding is chunked, of HTTP/1.1", "HPE_INVALID_TRANSFER_ENCODING");
}

/** Where the response ends and whether its connection stays (RFC 9112 §6.3, §9.3). */
function framed(status: number, isCurrent: boolean, fields: Fields): ResponseHead {
  const { length, isChunked } = fields;
  if (isChunked && length >= 0) {
    throw new InvalidResponse("both Content-Length and Transfer-Encoding came", "HPE_UNEXPECTED_CONTENT_LENGTH");
  }
  if (isChunked && !isCurrent) throw otherCoding();
  const isEmpty = status < 200 || status === 204 || status === 304;
  const framing = isEmpty || length === 0 ? "none" : isChunked ? "chunked" : length > 0 ? "length" : "close";
  // A server that announces a body where none can be may send one: it would be taken for the next response.
  const isSane = isEmpty ? !isChunked && length <= 0 : framing !== "close";
  return {
    status,
    headers: {
      "content-type": fields.contentType,
      location: fields.location,
      "mcp-session-id": fields.session,
      "retry-after": fields.retryAfter,
      "x-mcp-stack-definition": fields.definition,
    },
    framing,
    length: Math.max(length, 0),
    keepAlive: isSane && !fields.closes && (isCurrent || fields.stays),
    keepAliveMs: fields.keepAliveMs,
  };
}

/** `timeout=5`, with other parameters before or after it, in milliseconds. */
function timeoutOf(bytes: Buffer, from: number, end: number): number | undefined {
  let at = from + TIMEOUT.length;
  if (at < end && isWord(bytes, from, at, TIMEOUT)) {
    let seconds = 0;
    for (; at < end && isDigit(bytes[at]); at++) seconds = seconds * 10 + (bytes[at] ?? 0) - ZERO;
    if (at === end && at > from + TIMEOUT.length) return seconds * 1000;
  }
  const seconds = /(?:^|[,\s])timeout\s*=\s*(\d+)(?:[,\s]|$)/i.exec(textOf(bytes, from, end))?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= ZERO + 9;
}
