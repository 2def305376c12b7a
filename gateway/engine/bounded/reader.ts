/**
 * A strict reader of HTTP/1.1 request heads. It reads a small grammar and nothing else: what it does not know to the last byte is
 * handed over unread. Where it accepts, it says what node:http would say, about every field and about where the next request
 * starts; anything else would be a way to smuggle requests.
 */

import { shared } from "../shared-values.ts";
import {
  COLON,
  CR,
  type Field,
  fields,
  findField,
  findMethod,
  hashByte,
  LF,
  MAX_LENGTH_DIGITS,
  NAME_BYTE,
  QUESTION,
  SLASH,
  SPACE,
  TAB,
  TARGET_BYTE,
  VALUE_BYTE,
  ZERO,
} from "./grammar.ts";
import type { ParsedHead } from "./memo.ts";
import { HeadMemos } from "./memos.ts";

/** `hand-over`: not for this reader, whatever follows. `incomplete`: to be read again from its start, with more bytes. */
export type HeadReading = ParsedHead | "incomplete" | "hand-over";
type Outcome = "complete" | "incomplete" | "hand-over";

export type ReaderOptions = {
  readonly maxHeadBytes: number;
  /** Whether heads that come again are remembered; it never changes what is read. */
  readonly memo: boolean;
};

const MAX_FIELDS = 100;
/** What follows a request target. */
const VERSION = Buffer.from(" HTTP/1.1\r\n");

// Of the head that is being read. Readings are synchronous and do not overlap, so that one room does for all connections.
/** Per field line: where its name starts and ends, where its value starts and ends. */
const spans = new Uint32Array(MAX_FIELDS * 4);
/** Per field line: undefined for a name that is not known by heart. */
const found = new Array<Field | undefined>(MAX_FIELDS).fill(undefined);
/** By the index of a field: the number of the reading that met it last. */
const met = new Uint32Array(fields.length);
let readings = 0;

/** Reads the heads of one connection, one after the other. */
export class HeadReader {
  private readonly maxHeadBytes: number;
  private readonly memos: HeadMemos | undefined;
  // Of the head that is being read, too; positions count from the start of the bytes.
  private at = 0;
  private limit = 0;
  private question = 0;
  private targetEnd = 0;
  private lines = 0;
  private hasHost = false;
  private digitsAt = 0;
  private contentLength = 0;
  private isLast = false;

  constructor(options: ReaderOptions) {
    this.maxHeadBytes = options.maxHeadBytes;
    this.memos = options.memo ? new HeadMemos(options.maxHeadBytes) : undefined;
  }

  /** The head that starts at `from`. Nothing is kept of one that is incomplete. */
  read(bytes: Buffer, from: number): HeadReading {
    return this.memos?.recall(bytes, from) ?? this.parse(bytes, from);
  }

  /** Nothing more comes. */
  close(): void {
    this.memos?.forget();
  }

  private parse(bytes: Buffer, from: number): HeadReading {
    const isFull = bytes.length - from >= this.maxHeadBytes;
    this.limit = isFull ? from + this.maxHeadBytes : bytes.length;
    const method = findMethod(bytes, from, this.limit);
    if (method === undefined) return "hand-over";
    let outcome: Outcome = "incomplete";
    if (method !== "incomplete") outcome = this.readTarget(bytes, from + method.length + 1);
    if (outcome === "complete") outcome = this.readFields(bytes);
    if (outcome === "complete") return this.finish(bytes, from, method);
    // A head that is longer than it may be is refused by whom it is handed to.
    return isFull ? "hand-over" : outcome;
  }

  /** Origin form (RFC 9112 §3.2.1), and the version behind it. */
  private readTarget(bytes: Buffer, from: number): Outcome {
    const { limit } = this;
    let at = from;
    if (at < limit && bytes[at] !== SLASH) return "hand-over";
    let question = 0;
    for (; at < limit; at++) {
      const byte = bytes[at] ?? 0;
      if (TARGET_BYTE[byte] === 0) break;
      if (byte === QUESTION && question === 0) question = at;
    }
    this.question = question;
    this.targetEnd = at;
    for (let next = 0; next < VERSION.length; next++, at++) {
      if (at >= limit) return "incomplete";
      if (bytes[at] !== VERSION[next]) return "hand-over";
    }
    this.at = at;
    return "complete";
  }

  /** Field lines up to the empty one (RFC 9112 §5), without folded ones. */
  private readFields(bytes: Buffer): Outcome {
    const { limit } = this;
    let { at } = this;
    readings = (readings + 1) >>> 0;
    this.hasHost = false;
    this.digitsAt = 0;
    this.contentLength = 0;
    this.isLast = false;
    for (let line = 0; ; line++) {
      if (at < limit && bytes[at] === CR) {
        if (at + 1 >= limit) return "incomplete";
        this.at = at + 2;
        this.lines = line;
        return bytes[at + 1] === LF && this.hasHost ? "complete" : "hand-over";
      }
      if (line === MAX_FIELDS) return "hand-over";

      const nameFrom = at;
      let hash = 0;
      for (; at < limit; at++) {
        const byte = NAME_BYTE[bytes[at] ?? 0] ?? 0;
        if (byte === 0) break;
        hash = hashByte(hash, byte);
      }
      const nameTo = at;
      if (at >= limit) return "incomplete";
      if (bytes[at] !== COLON || nameFrom === nameTo) return "hand-over";
      const valueFrom = skipBlanks(bytes, at + 1, limit);
      at = valueFrom;
      while (at < limit && VALUE_BYTE[bytes[at] ?? 0] === 1) at++;
      if (at < limit && bytes[at] !== CR) return "hand-over";
      if (at + 1 >= limit) return "incomplete";
      if (bytes[at + 1] !== LF) return "hand-over";
      const valueTo = trimBlanks(bytes, valueFrom, at);

      const field = findField(bytes, nameFrom, nameTo, hash);
      if (field !== undefined && !this.understand(field, bytes, valueFrom, valueTo, at)) return "hand-over";
      const span = line * 4;
      spans[span] = nameFrom;
      spans[span + 1] = nameTo;
      spans[span + 2] = valueFrom;
      spans[span + 3] = valueTo;
      found[line] = field;
      at += 2;
    }
  }

  /** What a known field means for the message; false when that is not for this reader. */
  private understand(field: Field, bytes: Buffer, from: number, to: number, lineEnd: number): boolean {
    const { kind, index } = field;
    if (kind === "plain") return true;
    if (kind === "foreign" || met[index] === readings) return false;
    met[index] = readings;
    if (kind === "host") this.hasHost = true;
    else if (kind === "length") return to === lineEnd && this.readLength(bytes, from, to);
    else if (kind === "connection") {
      const value = bytes.toString("latin1", from, to).toLowerCase();
      this.isLast = value === "close";
      return this.isLast || value === "keep-alive";
    }
    return true;
  }

  /** Plain digits without zeros in front. */
  private readLength(bytes: Buffer, from: number, to: number): boolean {
    const digits = to - from;
    if (digits === 0 || digits > MAX_LENGTH_DIGITS || (digits > 1 && bytes[from] === ZERO)) return false;
    let length = 0;
    for (let at = from; at < to; at++) {
      const digit = (bytes[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) return false;
      length = length * 10 + digit;
    }
    this.digitsAt = from;
    this.contentLength = length;
    return true;
  }

  private finish(bytes: Buffer, from: number, method: string): ParsedHead {
    const { at, question, targetEnd, contentLength, isLast } = this;
    // One text for all that is cut out of it: calls into native code are what costs here.
    const text = bytes.toString("latin1", from, at);
    const target = method.length + 1;
    const path = text.slice(target, question === 0 ? targetEnd - from : question - from);
    const query = question === 0 ? "" : text.slice(question - from + 1, targetEnd - from);
    const headers = this.headersOf(text, from);
    const head: ParsedHead = { method, path, query, headers, contentLength, isLast, size: at - from };
    this.memos?.remember(bytes, from, head, this.digitsAt === 0 ? 0 : this.digitsAt - from);
    return head;
  }

  private headersOf(text: string, from: number): Readonly<Record<string, string>> {
    const headers: Record<string, string> = {};
    for (let line = 0; line < this.lines; line++) {
      const span = line * 4;
      const name =
        found[line]?.name ?? text.slice((spans[span] ?? 0) - from, (spans[span + 1] ?? 0) - from).toLowerCase();
      const cut = text.slice((spans[span + 2] ?? 0) - from, (spans[span + 3] ?? 0) - from);
      const value = found[line]?.isShared === true ? shared(cut) : cut;
      const before = headers[name];
      // Inherited names (constructor) are no strings.
      headers[name] = typeof before === "string" ? `${before}, ${value}` : value;
    }
    return Object.freeze(headers);
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function skipBlanks(bytes: Buffer, from: number, limit: number): number {
  let at = from;
  while (at < limit && isBlank(bytes[at])) at++;
  return at;
}

function trimBlanks(bytes: Buffer, from: number, to: number): number {
  let at = to;
  while (at > from && isBlank(bytes[at - 1])) at--;
  return at;
}
