/**
 * Reads one HTTP/1.1 response at a time from bytes that may be split anywhere, and hands on each part of a body as it comes. It never
 * reads past the end of a response: what follows is the connection's to judge.
 */
import { Carry } from "./carry.ts";
import { InvalidResponse } from "./errors.ts";
import {
  type AnswerHeaders,
  beginsLikeHttp,
  notHttp,
  type ResponseHead,
  readHead,
  readTrailer,
} from "./response-head.ts";

export type ResponseEvents = {
  responseHead(status: number, headers: AnswerHeaders): void;
  /** The chunk is the receiver's own memory. */
  responseData(chunk: Buffer): void;
};

const HEAD = 0;
const LENGTH = 1;
const SIZE = 2;
const CHUNK = 3;
const CHUNK_END = 4;
const TRAILERS = 5;
const CLOSE = 6;
const DONE = 7;
const STOPPED = 8;

const CR = 0x0d;
const LF = 0x0a;
const MAX_HEAD = 65_536;
/** A chunk's size with its extensions. */
const MAX_SIZE_LINE = 4096;
/** 13 hexadecimal digits are the most that can be counted exactly. */
const MAX_SIZE_DIGITS = 13;
/** `HTTP/1.` */
const MAX_BEGINNING = 7;
const CRLF = Buffer.from("\r\n");
const EMPTY_LINE = Buffer.from("\r\n\r\n");
const NOTHING = Buffer.alloc(0);
/** A size and extensions (RFC 9112 §7.1.1), which nobody has asked for and nobody reads. */
const SIZE_LINE =
  /^([0-9a-fA-F]+)(?:;[\w!#$%&'*+\-.^`|~]+(?:=(?:[\w!#$%&'*+\-.^`|~]+|"[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]*"))?)*\r\n$/;

const HEX = new Int8Array(256).fill(-1);
for (const [value, char] of [..."0123456789abcdef"].entries()) {
  HEX[char.charCodeAt(0)] = value;
  HEX[char.toUpperCase().charCodeAt(0)] = value;
}

export class ResponseReader {
  /** Why nothing more can be read. */
  failure: InvalidResponse | undefined;
  #state = HEAD;
  /** Bytes of the body or of a chunk to come; of the line end after a chunk. */
  #left = 0;
  #head: ResponseHead | undefined;
  /** The bytes that #head was read from: most heads of a connection are equal within a second. */
  #headBytes: Buffer = NOTHING;
  /** A part of a head or a line that was split. */
  readonly #carry = new Carry();
  #trailerBytes = 0;

  get done(): boolean {
    return this.#state === DONE;
  }

  /** After a response: whether the connection may be used again. */
  get keepAlive(): boolean {
    return this.#head?.keepAlive === true;
  }

  get keepAliveMs(): number | undefined {
    return this.#head?.keepAliveMs;
  }

  /** The next response begins. */
  reset(): void {
    this.#state = HEAD;
    this.#carry.clear();
  }

  /** Nothing is handed on any more; for use inside an event. */
  stop(): void {
    this.#state = STOPPED;
  }

  /** Reads bytes up to `end` and says how many belonged to the response. */
  push(bytes: Buffer, end: number, to: ResponseEvents): number {
    let pos = 0;
    try {
      while (pos < end && this.#state < DONE) pos = this.#step(bytes, pos, end, to);
    } catch (error) {
      if (!(error instanceof InvalidResponse)) throw error;
      this.failure = error;
      this.#state = STOPPED;
    }
    return pos;
  }

  /** The server has closed its side. True when that ends the response in good order. */
  eof(): boolean {
    if (this.#state !== CLOSE) return false;
    this.#state = DONE;
    return true;
  }

  #step(bytes: Buffer, pos: number, end: number, to: ResponseEvents): number {
    switch (this.#state) {
      case HEAD:
        return this.#readHead(bytes, pos, end, to);
      case SIZE:
        return this.#readSize(bytes, pos, end);
      case CHUNK_END:
        return this.#readChunkEnd(bytes, pos);
      case TRAILERS:
        return this.#readTrailers(bytes, pos, end);
      default:
        return this.#readBody(bytes, pos, end, to);
    }
  }

  #readHead(bytes: Buffer, pos: number, end: number, to: ResponseEvents): number {
    const known = this.#headBytes.length;
    if (this.#carry.length === 0) {
      if (
        this.#head !== undefined &&
        end - pos >= known &&
        bytes.compare(this.#headBytes, 0, known, pos, pos + known) === 0
      ) {
        this.#enter(this.#head, to);
        return pos + known;
      }
      const found = bytes.indexOf(EMPTY_LINE, pos) + EMPTY_LINE.length;
      if (found >= pos + EMPTY_LINE.length && found <= end && found - pos <= MAX_HEAD) {
        this.#newHead(bytes, pos, found, to);
        return found;
      }
    }
    const before = this.#carry.length;
    const next = this.#carry.take(bytes, pos, end, EMPTY_LINE, MAX_HEAD);
    if (next < 0) {
      const { bytes: head, length } = this.#carry;
      this.#carry.clear();
      this.#newHead(head, 0, length, to);
      return -next;
    }
    this.#checkBeginning(before);
    if (this.#carry.length >= MAX_HEAD) {
      throw new InvalidResponse(`the head of a response has more than ${MAX_HEAD} bytes`, "UND_ERR_HEADERS_OVERFLOW");
    }
    return next;
  }

  /** What is no HTTP is refused before it has ended: it may never do so. */
  #checkBeginning(before: number): void {
    const { bytes, length } = this.#carry;
    if (!beginsLikeHttp(bytes, 0, Math.min(length, MAX_BEGINNING))) throw notHttp();
    for (let pos = before; pos < length; pos++) {
      if (bytes[pos] === LF && bytes[pos - 1] !== CR) throw new InvalidResponse("LF without CR", "HPE_CR_EXPECTED");
    }
  }

  #newHead(bytes: Buffer, start: number, end: number, to: ResponseEvents): void {
    const head = readHead(bytes, start, end);
    if (head.status === 101) throw new InvalidResponse("nobody asked for another protocol", "HPE_INVALID_UPGRADE");
    if (head.status < 200) {
      // Interim responses (RFC 9110 §15.2) say nothing that is needed here, but another one has to be able to follow.
      if (!head.keepAlive) throw new InvalidResponse("an interim response was the last", "HPE_CLOSED_CONNECTION");
      return;
    }
    this.#head = head;
    this.#headBytes = copyOf(bytes, start, end);
    this.#enter(head, to);
  }

  #enter(head: ResponseHead, to: ResponseEvents): void {
    const { framing, status, headers } = head;
    this.#left = head.length;
    this.#trailerBytes = 0;
    this.#state = framing === "length" ? LENGTH : framing === "chunked" ? SIZE : framing === "none" ? DONE : CLOSE;
    to.responseHead(status, headers);
  }

  #readBody(bytes: Buffer, pos: number, end: number, to: ResponseEvents): number {
    let next = end;
    if (this.#state !== CLOSE) {
      next = Math.min(end, pos + this.#left);
      this.#left -= next - pos;
      if (this.#left === 0) this.#endBody();
    }
    to.responseData(copyOf(bytes, pos, next));
    return next;
  }

  #endBody(): void {
    if (this.#state === LENGTH) this.#state = DONE;
    else {
      this.#state = CHUNK_END;
      this.#left = CRLF.length;
    }
  }

  #readChunkEnd(bytes: Buffer, pos: number): number {
    if (bytes[pos] !== CRLF[CRLF.length - this.#left]) {
      throw new InvalidResponse("a chunk does not end where it should", "HPE_STRICT");
    }
    if (--this.#left === 0) this.#state = SIZE;
    return pos + 1;
  }

  #readSize(bytes: Buffer, pos: number, end: number): number {
    if (this.#carry.length === 0) {
      let size = 0;
      let digits = pos;
      for (; digits < end; digits++) {
        const value = HEX[bytes[digits] ?? 0] ?? -1;
        if (value < 0) break;
        size = size * 16 + value;
      }
      const count = digits - pos;
      if (
        count > 0 &&
        count <= MAX_SIZE_DIGITS &&
        digits + 1 < end &&
        bytes[digits] === CR &&
        bytes[digits + 1] === LF
      ) {
        this.#beginChunk(size);
        return digits + 2;
      }
    }
    const next = this.#carry.take(bytes, pos, end, CRLF, MAX_SIZE_LINE);
    if (next >= 0) {
      if (this.#carry.length >= MAX_SIZE_LINE) {
        throw new InvalidResponse(`the size of a chunk has more than ${MAX_SIZE_LINE} bytes`, "HPE_INVALID_CHUNK_SIZE");
      }
      return next;
    }
    const digits = SIZE_LINE.exec(this.#carry.bytes.toString("latin1", 0, this.#carry.length))?.[1];
    this.#carry.clear();
    if (digits === undefined || digits.length > MAX_SIZE_DIGITS) {
      throw new InvalidResponse("the size of a chunk is no hexadecimal number", "HPE_INVALID_CHUNK_SIZE");
    }
    this.#beginChunk(Number.parseInt(digits, 16));
    return -next;
  }

  #beginChunk(size: number): void {
    this.#left = size;
    this.#state = size === 0 ? TRAILERS : CHUNK;
  }

  /** Fields after the last chunk are checked and dropped. */
  #readTrailers(bytes: Buffer, pos: number, end: number): number {
    if (this.#carry.length === 0 && pos + 1 < end && bytes[pos] === CR && bytes[pos + 1] === LF) {
      this.#state = DONE;
      return pos + 2;
    }
    const next = this.#carry.take(bytes, pos, end, CRLF, MAX_HEAD - this.#trailerBytes);
    if (next >= 0) {
      if (this.#carry.length >= MAX_HEAD - this.#trailerBytes) {
        throw new InvalidResponse(`trailers have more than ${MAX_HEAD} bytes`, "UND_ERR_HEADERS_OVERFLOW");
      }
      return next;
    }
    const line = this.#carry.bytes.subarray(0, this.#carry.length);
    this.#carry.clear();
    this.#trailerBytes += line.length;
    if (line.length === CRLF.length) this.#state = DONE;
    else readTrailer(line);
    return -next;
  }
}

/** The bytes in memory of their own: the ones read into are used again at once. */
function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start);
  copy.set(bytes.subarray(start, end));
  return copy;
}
