/** A sink that compresses whole answers on their way to an engine. Streams pass through it as they are. */
import type { ResponseSink } from "../../contract/http.ts";
import { type Coding, type Compressor, isWorth, SYNC_BYTES } from "./compression.ts";

type Headers = Readonly<Record<string, string>>;

/** Many answers share one object of headers, and engines keep what they made of it. */
const packedHeaders = new WeakMap<Headers, Map<Coding | "", Headers>>();

export class CompressedSink implements ResponseSink {
  private readonly sink: ResponseSink;
  private readonly compressor: Compressor;
  private readonly coding: Coding | undefined;
  /** The answer is with the thread pool. */
  private pending = false;

  /** `coding` undefined: the client takes none, and caches have to be told that others might. */
  constructor(sink: ResponseSink, compressor: Compressor, coding: Coding | undefined) {
    this.sink = sink;
    this.compressor = compressor;
    this.coding = coding;
  }

  get closed(): boolean {
    return this.pending || this.sink.closed;
  }
  respond(status: number, headers: Headers, body?: Uint8Array | string): void {
    if (body === undefined || !mayPack(status, headers)) {
      this.sink.respond(status, headers, body);
      return;
    }
    const { coding, compressor } = this;
    if (coding === undefined || byteLength(body, compressor.minimumBytes) < compressor.minimumBytes) {
      this.sink.respond(status, headersFor(headers, ""), body);
      return;
    }
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    if (bytes.length <= SYNC_BYTES) {
      this.send(status, headers, bytes, coding, compressor.now(coding, bytes));
      return;
    }
    this.pending = true;
    compressor.later(coding, bytes, (packed) => {
      this.pending = false;
      if (!this.sink.closed) this.send(status, headers, bytes, coding, packed);
    });
  }
  open(status: number, headers: Headers): void {
    this.sink.open(status, headers);
  }
  write(chunk: Uint8Array | string): boolean {
    return this.sink.write(chunk);
  }
  end(): void {
    this.sink.end();
  }
  onDrain(listener: () => void): void {
    this.sink.onDrain(listener);
  }
  onClose(listener: () => void): void {
    this.sink.onClose(listener);
  }
  detach(): void {
    this.sink.detach();
  }

  /** What did not become smaller goes out as it is. */
  private send(status: number, headers: Headers, plain: Uint8Array, coding: Coding, packed: Buffer | undefined): void {
    if (packed === undefined || packed.length >= plain.length)
      this.sink.respond(status, headersFor(headers, ""), plain);
    else this.sink.respond(status, headersFor(headers, coding), packed);
  }
}

/** Not what is encoded already, what nobody may change (RFC 9111 §5.2.2.6), or part of something (RFC 9110 §15.3.7). */
function mayPack(status: number, headers: Headers): boolean {
  if (status === 206 || status === 204 || status === 304) return false;
  if (headers["content-encoding"] !== undefined || headers["cache-control"]?.includes("no-transform") === true)
    return false;
  return isWorth(headers["content-type"]);
}

/** Exact only where it matters: a string of so many characters has at least as many bytes. */
function byteLength(body: Uint8Array | string, least: number): number {
  if (typeof body !== "string" || body.length >= least) return body.length;
  return Buffer.byteLength(body);
}

function headersFor(headers: Headers, coding: Coding | ""): Headers {
  let made = packedHeaders.get(headers);
  if (made === undefined) {
    made = new Map();
    packedHeaders.set(headers, made);
  }
  const known = made.get(coding);
  if (known !== undefined) return known;
  const { vary, etag } = headers;
  const fresh: Record<string, string> = { ...headers };
  // Origin first, as those do who ask for it alone.
  if (vary === undefined) fresh.vary = "Accept-Encoding";
  else if (vary !== "*" && !/\baccept-encoding\b/i.test(vary)) fresh.vary = `${vary}, Accept-Encoding`;
  if (coding !== "") {
    fresh["content-encoding"] = coding;
    // Byte for byte it is another answer: only a weak tag names both (RFC 9110 §8.8.1).
    if (etag !== undefined && !etag.startsWith("W/")) fresh.etag = `W/${etag}`;
  }
  made.set(coding, fresh);
  return fresh;
}
