/** The shortest HTTP/1.1 response reader (RFC 9112) that is right for one request after the other on a connection. */

export type HttpAnswer = {
  readonly status: number;
  /** By lower-case name; undefined where the answer has no such header. */
  header(name: string): string | undefined;
  readonly body: Buffer;
  /** Whether the connection may carry another request. */
  readonly keepAlive: boolean;
};

/** An answer that cannot be read: the connection is lost, the reason is for the report. */
export class UnreadableAnswer extends Error {
  override readonly name = "UnreadableAnswer";
}

const MAX_HEAD = 64 * 1024;
const MAX_BODY = 16 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

type Head = { readonly status: number; readonly text: string };

export class ResponseReader {
  #pending: Buffer = EMPTY;
  #head: Head | undefined;
  /** Bytes of body still to come; "chunks" and "close" where the head does not say. */
  #framing: number | "chunks" | "close" = 0;
  #parts: Buffer[] = [];
  #size = 0;

  /** The whole answer, once `chunk` completes it. Throws UnreadableAnswer. */
  push(chunk: Buffer): HttpAnswer | undefined {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#head === undefined) if (!this.#readHead()) return undefined;
    const isWhole = this.#framing === "chunks" ? this.#readChunks() : this.#readBytes();
    return isWhole ? this.#answer() : undefined;
  }

  /** The peer has closed: the answer that this completes, if any. */
  end(): HttpAnswer | undefined {
    return this.#head !== undefined && this.#framing === "close" ? this.#answer() : undefined;
  }

  /** False once a byte of an answer is there. */
  get isIdle(): boolean {
    return this.#head === undefined && this.#pending.length === 0;
  }

  #readHead(): boolean {
    const end = this.#pending.indexOf("\r\n\r\n");
    if (end < 0) {
      if (this.#pending.length > MAX_HEAD) throw new UnreadableAnswer("a head of more than 64 KiB");
      return false;
    }
    const text = this.#pending.toString("latin1", 0, end);
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
    if (status === undefined) throw new UnreadableAnswer("not HTTP/1.1");
    this.#pending = this.#pending.subarray(end + 4);
    // RFC 9110 §15.2: interim answers come before the one that counts.
    if (status.startsWith("1")) return this.#readHead();
    this.#head = { status: Number(status), text };
    this.#framing = framingOf(this.#head);
    return true;
  }

  #readBytes(): boolean {
    const wanted = this.#framing === "close" ? Number.POSITIVE_INFINITY : Number(this.#framing);
    const taken = this.#pending.subarray(0, Math.min(wanted, this.#pending.length));
    this.#take(taken);
    this.#pending = this.#pending.subarray(taken.length);
    if (this.#framing === "close") return false;
    this.#framing = wanted - taken.length;
    return this.#framing === 0;
  }

  /** RFC 9112 §7.1: size in hexadecimal, bytes, CRLF, until a chunk of size 0 and its trailers. */
  #readChunks(): boolean {
    for (;;) {
      const lineEnd = this.#pending.indexOf("\r\n");
      if (lineEnd < 0) return false;
      const size = Number.parseInt(this.#pending.toString("latin1", 0, lineEnd), 16);
      if (!(size >= 0)) throw new UnreadableAnswer("a chunk without size");
      const start = lineEnd + 2;
      if (size === 0) return this.#readTrailers(start);
      if (this.#pending.length < start + size + 2) {
        if (size > MAX_BODY) throw new UnreadableAnswer("a body of more than 16 MiB");
        return false;
      }
      this.#take(this.#pending.subarray(start, start + size));
      this.#pending = this.#pending.subarray(start + size + 2);
    }
  }

  #readTrailers(start: number): boolean {
    const hasNone = this.#pending.subarray(start, start + 2).toString("latin1") === "\r\n";
    const end = hasNone ? start : this.#pending.indexOf("\r\n\r\n", start);
    if (end < 0) return false;
    this.#pending = this.#pending.subarray(hasNone ? end + 2 : end + 4);
    return true;
  }

  #take(part: Buffer): void {
    if (part.length === 0) return;
    this.#size += part.length;
    if (this.#size > MAX_BODY) throw new UnreadableAnswer("a body of more than 16 MiB");
    this.#parts.push(part);
  }

  #answer(): HttpAnswer {
    const { status, text } = this.#head ?? { status: 0, text: "" };
    const header = (name: string) => headerOf(text, name);
    const [only = EMPTY] = this.#parts;
    const body = this.#parts.length > 1 ? Buffer.concat(this.#parts) : only;
    const isLast = this.#framing === "close" || this.#pending.length > 0 || /^close$/i.test(header("connection") ?? "");
    this.#head = undefined;
    this.#parts = [];
    this.#size = 0;
    return { status, header, body, keepAlive: !isLast };
  }
}

function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}:[ \\t]*([^\\r\\n]*)`, "i").exec(head)?.[1]?.trim();
}

/** RFC 9112 §6.3, for answers to POST, GET and DELETE. */
function framingOf({ status, text }: Head): number | "chunks" | "close" {
  if (status === 204 || status === 304) return 0;
  if (/chunked$/i.test(headerOf(text, "transfer-encoding") ?? "")) return "chunks";
  const length = headerOf(text, "content-length");
  if (length === undefined) return "close";
  if (!/^\d+$/.test(length) || Number(length) > MAX_BODY)
    throw new UnreadableAnswer(`content-length ${length.slice(0, 20)}`);
  return Number(length);
}
