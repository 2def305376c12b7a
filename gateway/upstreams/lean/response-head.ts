/**
 * Status line and fields of a response (RFC 9112 §4–7) and what they say about its body. It takes the grammar and nothing besides: a
 * head that two readers could understand in two ways is refused.
 */
import type { IncomingHttpHeaders } from "node:http";
import { InvalidResponse } from "./errors.ts";

export type Framing = "none" | "length" | "chunked" | "close";

export type ResponseHead = {
  readonly status: number;
  /** Names in lower case; a name that came several times has an array. */
  readonly headers: IncomingHttpHeaders;
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
/** Larger ones cannot be counted exactly. */
const MAX_LENGTH_DIGITS = 15;

const TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  TOKEN[char.charCodeAt(0)] = 1;
}

/** Fields that decide where the response ends, as they are collected. */
type Said = {
  length: string | undefined;
  coding: string | undefined;
  connection: string;
  keepAlive: string;
};

/** Reads a head as latin1 text, up to and with its empty line. Throws InvalidResponse. */
export function readHead(text: string): ResponseHead {
  const status = readStatus(text);
  const headers: IncomingHttpHeaders = {};
  const said: Said = { length: undefined, coding: undefined, connection: "", keepAlive: "" };
  const last = text.length - 2;
  for (let pos = text.indexOf("\r\n") + 2; pos < last; ) pos = readField(text, pos, headers, said);
  return framed(status, text.charCodeAt(7) === 0x31, headers, said);
}

/** `HTTP/1.1 200 OK`; servers leave the reason out, and the space before it as well. */
function readStatus(text: string): number {
  const status = Number(text.slice(9, 12));
  const version = text.charCodeAt(7);
  if (!text.startsWith("HTTP/1.") || (version !== 0x30 && version !== 0x31) || text.charCodeAt(8) !== SPACE) {
    throw new InvalidResponse("a response begins with HTTP/1.1 or HTTP/1.0");
  }
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw new InvalidResponse("the status of a response has three digits", "HPE_INVALID_STATUS");
  }
  const after = text.charCodeAt(12);
  const end = after === SPACE ? endOfText(text, 13) : 12;
  if (text.charCodeAt(end) !== CR || text.charCodeAt(end + 1) !== LF) {
    throw new InvalidResponse("the status line does not end with CRLF", "HPE_INVALID_STATUS");
  }
  return status;
}

/** The first position that a field's value or a reason may not have. */
function endOfText(text: string, from: number): number {
  let pos = from;
  for (; ; pos++) {
    const char = text.charCodeAt(pos);
    // charCodeAt gives NaN after the end: no comparison with it is true.
    if (!((char >= SPACE && char !== DELETE) || char === TAB)) return pos;
  }
}

/** Reads one field line into the headers and gives the position after it. Trailers are read without `said`. */
export function readField(text: string, start: number, headers: IncomingHttpHeaders, said?: Said): number {
  let colon = start;
  while (TOKEN[text.charCodeAt(colon)] === 1) colon++;
  if (colon === start || text.charCodeAt(colon) !== COLON) {
    throw new InvalidResponse("a field needs a name and a colon", "HPE_INVALID_HEADER_TOKEN");
  }
  let from = colon + 1;
  while (text.charCodeAt(from) === SPACE || text.charCodeAt(from) === TAB) from++;
  const end = endOfText(text, from);
  if (text.charCodeAt(end) !== CR || text.charCodeAt(end + 1) !== LF) {
    throw new InvalidResponse("a field does not end with CRLF", "HPE_INVALID_HEADER_TOKEN");
  }
  let to = end;
  while (to > from && (text.charCodeAt(to - 1) === SPACE || text.charCodeAt(to - 1) === TAB)) to--;
  const name = text.slice(start, colon).toLowerCase();
  const value = text.slice(from, to);
  const known = headers[name];
  if (known === undefined) headers[name] = value;
  else headers[name] = typeof known === "string" ? [known, value] : [...known, value];
  if (said !== undefined) listen(said, name, value);
  return end + 2;
}

function listen(said: Said, name: string, value: string): void {
  switch (name) {
    case "content-length":
      if (said.length !== undefined) {
        throw new InvalidResponse("Content-Length came twice", "HPE_UNEXPECTED_CONTENT_LENGTH");
      }
      said.length = value;
      return;
    case "transfer-encoding":
      if (said.coding !== undefined) {
        throw new InvalidResponse("Transfer-Encoding came twice", "HPE_INVALID_TRANSFER_ENCODING");
      }
      said.coding = value;
      return;
    case "connection":
      said.connection += `,${value}`;
      return;
    case "keep-alive":
      said.keepAlive += `,${value}`;
  }
}

/** Where the response ends and whether its connection stays (RFC 9112 §6.3, §9.3). */
function framed(status: number, isCurrent: boolean, headers: IncomingHttpHeaders, said: Said): ResponseHead {
  const { length, coding } = said;
  const bytes = length === undefined ? 0 : lengthOf(length);
  if (coding !== undefined) checkCoding(coding, isCurrent, length);
  const framing = coding !== undefined ? "chunked" : length === undefined ? "close" : "length";
  const empty = status < 200 || status === 204 || status === 304;
  // A server that announces a body where none can be may send one: it would be taken for the next response.
  const sane = empty ? coding === undefined && bytes === 0 : framing !== "close";
  return {
    status,
    headers,
    framing: empty || (framing === "length" && bytes === 0) ? "none" : framing,
    length: bytes,
    keepAlive: sane && (isCurrent ? !hasToken(said.connection, "close") : hasToken(said.connection, "keep-alive")),
    keepAliveMs: said.keepAlive === "" ? undefined : timeoutOf(said.keepAlive),
  };
}

function lengthOf(value: string): number {
  if (value.length > MAX_LENGTH_DIGITS || !/^\d+$/.test(value)) {
    throw new InvalidResponse("Content-Length is not one number", "HPE_INVALID_CONTENT_LENGTH");
  }
  return Number(value);
}

function checkCoding(coding: string, isCurrent: boolean, length: string | undefined): void {
  if (length !== undefined) {
    throw new InvalidResponse("both Content-Length and Transfer-Encoding came", "HPE_UNEXPECTED_CONTENT_LENGTH");
  }
  if (!isCurrent || coding.toLowerCase() !== "chunked") {
    throw new InvalidResponse("the only transfer coding is chunked, of HTTP/1.1", "HPE_INVALID_TRANSFER_ENCODING");
  }
}

function hasToken(list: string, token: string): boolean {
  if (list === "") return false;
  return list.split(",").some((part) => part.trim().toLowerCase() === token);
}

function timeoutOf(list: string): number | undefined {
  const seconds = /(?:^|[,\s])timeout\s*=\s*(\d{1,9})(?:[,\s]|$)/i.exec(list)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
