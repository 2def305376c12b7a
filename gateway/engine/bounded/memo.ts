/**
 * One head of a connection, byte for byte. Clients send the same head again and again, with another Content-Length at most:
 * such a head is compared instead of read, and what was read before is used again, as the very same objects. It never changes what
 * a head means: one that differs in anything but those digits is not recognised.
 */
import { MAX_LENGTH_DIGITS, ZERO } from "./grammar.ts";

export type ParsedHead = {
  readonly method: string;
  /** As sent, without query. */
  readonly path: string;
  /** Without the question mark; empty when absent. */
  readonly query: string;
  /** Lower-case names; repeated headers joined by ", ". Heads of the same bytes share one object. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of body behind the head. */
  readonly contentLength: number;
  /** The peer asked for the connection to end with the answer. */
  readonly isLast: boolean;
  /** Bytes of the head, the empty line included. */
  readonly size: number;
};

/** Heads kept that differ in their Content-Length alone. */
const MAX_VARIANTS = 8;
/** Up to here a loop is faster than a call into native code. */
const SHORT_BYTES = 64;
const MIN_BYTES = 512;

export class HeadMemo {
  private readonly maxHeadBytes: number;
  private bytes: Buffer = Buffer.alloc(0);
  /** Bytes up to the digits of Content-Length, or the whole head when it has none; 0 when nothing is remembered. */
  private prefix = 0;
  /** Bytes from those digits to the end; 0 when it has none. */
  private suffix = 0;
  private variants: ParsedHead[] = [];
  /** Where the next variant goes. */
  private next = 1;

  constructor(maxHeadBytes: number) {
    this.maxHeadBytes = maxHeadBytes;
  }

  get isEmpty(): boolean {
    return this.prefix === 0;
  }

  /** `digitsAt`: where those of Content-Length start, counted from the head's start; 0 when it has none. */
  remember(bytes: Buffer, from: number, head: ParsedHead, digitsAt: number): void {
    if (this.bytes.length < head.size) this.bytes = Buffer.allocUnsafeSlow(Math.max(MIN_BYTES, head.size * 2));
    this.prefix = digitsAt === 0 ? head.size : digitsAt;
    this.suffix = digitsAt === 0 ? 0 : head.size - digitsAt - countDigits(head.contentLength);
    bytes.copy(this.bytes, 0, from, from + this.prefix);
    if (this.suffix > 0) bytes.copy(this.bytes, this.prefix, from + head.size - this.suffix, from + head.size);
    this.variants = [head];
    this.next = 1;
  }

  /** Whether so many bytes at this place are the same: nearly every other head is told apart by them. */
  looksLike(bytes: Buffer, from: number, place: number, count: number): boolean {
    for (let at = place; at < place + count; at++) if (bytes[from + at] !== this.bytes[at]) return false;
    return true;
  }

  /** Where these bytes first differ from the remembered head; its size when they do not. */
  difference(bytes: Buffer, from: number, size: number): number {
    let at = 0;
    while (at < size && bytes[from + at] === this.bytes[at]) at++;
    return at;
  }

  /** The head at `from`, when it is the remembered one but for its Content-Length. */
  recall(bytes: Buffer, from: number): ParsedHead | undefined {
    const { prefix, suffix } = this;
    if (prefix === 0 || !this.isSame(bytes, from, 0, prefix)) return undefined;
    if (suffix === 0) return this.variants[0];
    let at = from + prefix;
    let length = 0;
    const first = (bytes[at] ?? 0) - ZERO;
    for (let digit = first; digit >= 0 && digit <= 9; digit = (bytes[at] ?? 0) - ZERO) {
      length = length * 10 + digit;
      at++;
    }
    const digits = at - from - prefix;
    // As the reader has it: no digit, too many, or zeros in front are not for us.
    if (digits === 0 || digits > MAX_LENGTH_DIGITS || (first === 0 && digits > 1)) return undefined;
    const size = prefix + digits + suffix;
    if (size > this.maxHeadBytes || !this.isSame(bytes, at, prefix, suffix)) return undefined;
    return this.variant(length, size);
  }

  private isSame(bytes: Buffer, from: number, ownFrom: number, count: number): boolean {
    const own = this.bytes;
    if (from + count > bytes.length) return false;
    if (count > SHORT_BYTES) return bytes.compare(own, ownFrom, ownFrom + count, from, from + count) === 0;
    for (let at = 0; at < count; at++) {
      if (bytes[from + at] !== own[ownFrom + at]) return false;
    }
    return true;
  }

  private variant(contentLength: number, size: number): ParsedHead | undefined {
    for (const known of this.variants) if (known.contentLength === contentLength) return known;
    const [model] = this.variants;
    if (model === undefined) return undefined;
    const headers = Object.freeze({ ...model.headers, "content-length": String(contentLength) });
    const { method, path, query, isLast } = model;
    const head: ParsedHead = { method, path, query, headers, contentLength, isLast, size };
    this.variants[this.next] = head;
    this.next = (this.next + 1) % MAX_VARIANTS;
    return head;
  }
}

function countDigits(length: number): number {
  return String(length).length;
}
