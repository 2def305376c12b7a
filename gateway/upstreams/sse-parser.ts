/**
 * Server-sent events from bytes, split anywhere (WHATWG HTML §9.2.6). It decodes nothing but field names: data stays bytes.
 * Memory is bounded by one event; it never buffers what a line end has settled.
 */

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const NEWLINE = Buffer.from("\n");
const EMPTY = Buffer.alloc(0);
/** What a line may have beside its data: field name, colon, spaces. */
const LINE_SLACK = 64;
/** Longer ids are ignored, as a header (Last-Event-ID) could not carry them anyway. */
const MAX_ID_BYTES = 4096;

/** `data` may be empty: an event that carries only an id (MCP 2025-11-25 transports, polling). */
export type SseEvent = (data: Buffer, type: string) => void;

export class SseParser {
  /** The id of the newest complete event; empty when there was none. */
  lastEventId = "";
  /** Newest `retry` value in milliseconds. */
  retryMs: number | undefined;

  readonly #limit: number;
  readonly #onEvent: SseEvent;
  #carry: Buffer[] = [];
  #carried = 0;
  #data: Buffer[] = [];
  #dataBytes = 0;
  #type = "";
  #id: string | undefined;
  #skipLf = false;
  #first = true;
  #stopped = false;

  /** `limit`: bytes of data one event may have. */
  constructor(limit: number, onEvent: SseEvent) {
    this.#limit = limit;
    this.#onEvent = onEvent;
  }

  /** No event is reported after this; for use inside the event callback. */
  stop(): void {
    this.#stopped = true;
    this.#carry = [];
    this.#data = [];
  }

  /** Reads a piece. False when one event is larger than the limit: the parser has stopped. */
  push(chunk: Buffer): boolean {
    let pos = 0;
    if (this.#skipLf && chunk.length > 0) {
      this.#skipLf = false;
      if (chunk[0] === LF) pos = 1;
    }
    let lf = chunk.indexOf(LF, pos);
    let cr = chunk.indexOf(CR, pos);
    while (!this.#stopped && (lf !== -1 || cr !== -1)) {
      const end = lf === -1 || (cr !== -1 && cr < lf) ? cr : lf;
      if (!this.#endLine(chunk, pos, end)) return this.#overflow();
      pos = end + 1;
      if (end === cr) {
        if (pos === chunk.length) this.#skipLf = true;
        else if (chunk[pos] === LF) pos++;
        cr = chunk.indexOf(CR, pos);
      }
      if (lf !== -1 && lf < pos) lf = chunk.indexOf(LF, pos);
    }
    return this.#stopped || pos >= chunk.length || this.#keep(chunk.subarray(pos)) || this.#overflow();
  }

  #overflow(): false {
    this.stop();
    return false;
  }

  #keep(rest: Buffer): boolean {
    this.#carry.push(rest);
    this.#carried += rest.length;
    return this.#carried <= this.#limit + LINE_SLACK;
  }

  #endLine(chunk: Buffer, start: number, end: number): boolean {
    if (this.#carried === 0) return this.#line(chunk, start, end);
    if (end > start) this.#carry.push(chunk.subarray(start, end));
    const line = Buffer.concat(this.#carry);
    this.#carry = [];
    this.#carried = 0;
    return this.#line(line, 0, line.length);
  }

  #line(bytes: Buffer, from: number, end: number): boolean {
    let start = from;
    if (this.#first) {
      this.#first = false;
      if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf && end - start >= 3)
        start += 3;
    }
    if (end - start > this.#limit + LINE_SLACK) return false;
    if (start === end) {
      this.#dispatch();
      return true;
    }
    let colon = bytes.indexOf(COLON, start);
    if (colon === -1 || colon >= end) colon = end;
    if (colon === start) return true;
    let value = Math.min(colon + 1, end);
    if (value < end && bytes[value] === SPACE) value++;
    return this.#field(bytes, start, colon, value, end);
  }

  #field(bytes: Buffer, start: number, colon: number, value: number, end: number): boolean {
    const length = colon - start;
    if (length === 4 && bytes.toString("latin1", start, colon) === "data") {
      if (this.#data.length > 0) this.#dataBytes++;
      this.#data.push(value === end ? EMPTY : bytes.subarray(value, end));
      this.#dataBytes += end - value;
      // The count bounds the list of empty lines as well.
      return this.#dataBytes <= this.#limit;
    }
    if (length === 2 && bytes.toString("latin1", start, colon) === "id") {
      if (end - value <= MAX_ID_BYTES && !bytes.subarray(value, end).includes(0)) {
        this.#id = bytes.toString("utf8", value, end);
      }
    } else if (length === 5 && end - value <= LINE_SLACK) {
      const name = bytes.toString("latin1", start, colon);
      if (name === "event") this.#type = bytes.toString("utf8", value, end);
      else if (name === "retry") {
        const text = bytes.toString("latin1", value, end);
        if (/^\d{1,9}$/.test(text)) this.retryMs = Number(text);
      }
    }
    return true;
  }

  #dispatch(): void {
    if (this.#id !== undefined) this.lastEventId = this.#id;
    this.#id = undefined;
    const type = this.#type;
    this.#type = "";
    const lines = this.#data;
    if (lines.length === 0) return;
    this.#data = [];
    this.#dataBytes = 0;
    this.#onEvent(lines.length === 1 ? (lines[0] ?? EMPTY) : joinLines(lines), type);
  }
}

function joinLines(lines: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  for (const line of lines) parts.push(line, NEWLINE);
  parts.pop();
  return Buffer.concat(parts);
}
