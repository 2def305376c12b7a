/**
 * How the answer to one POST travels. Starts as nothing; becomes one JSON document when the result is all there is, or an SSE
 * stream as soon as something precedes it or it takes long. In a legacy session the stream is kept for replay and goes on when
 * the client is gone (a disconnect is no cancellation); in the modern era closing it cancels (MCP transports, both eras).
 */
import type { ResponseSink } from "../../contract/http.ts";
import type { ClientReply, EventLog } from "../sessions/index.ts";
import { JSON_HEADERS } from "./answers.ts";
import { eventFrame, KEEPALIVE, primingFrame, SSE_HEADERS } from "./sse-frames.ts";

export type StreamSettings = {
  readonly keepaliveMs: number;
  readonly retryMs: number;
  readonly streamAfterMs: number;
};

/** One timer for all open streams. */
export function createKeepalive(intervalMs: number): {
  add(sink: ResponseSink): void;
  delete(sink: ResponseSink): void;
  size(): number;
  close(): void;
} {
  const open = new Set<ResponseSink>();
  const timer = setInterval(() => {
    for (const sink of open) {
      if (sink.closed) open.delete(sink);
      else sink.write(KEEPALIVE);
    }
  }, intervalMs);
  timer.unref();
  return {
    add: (sink) => open.add(sink),
    delete: (sink) => open.delete(sink),
    size: () => open.size,
    close: () => clearInterval(timer),
  };
}

export type Keepalive = ReturnType<typeof createKeepalive>;

export type PostReplyOptions = {
  readonly sink: ResponseSink;
  /** How many requests this POST carries: 1, or more in a batch. */
  readonly pending: number;
  readonly isBatch: boolean;
  readonly canAsk: boolean;
  /** Opens the log of a resumable stream; undefined where there is no session. */
  readonly log: (() => EventLog) | undefined;
  /** Send the priming event (protocol 2025-11-25 and later). */
  readonly primes: boolean;
  readonly settings: StreamSettings;
  readonly keepalive: Keepalive;
  /** Everything has been answered, or nothing more will come. */
  readonly onDone: () => void;
};

export class PostReply implements ClientReply {
  readonly canAsk: boolean;
  private readonly options: PostReplyOptions;
  private pending: number;
  private streamOpen = false;
  private wantsStream = false;
  private ended = false;
  private log: EventLog | undefined;
  private readonly collected: Buffer[] = [];
  private readonly timer: NodeJS.Timeout | undefined;

  constructor(options: PostReplyOptions) {
    this.options = options;
    this.canAsk = options.canAsk;
    this.pending = options.pending;
    if (options.log !== undefined) this.timer = setTimeout(() => this.open(), options.settings.streamAfterMs).unref();
  }

  /** An upstream that streams is answered with a stream, opened with its first event, so that one write still does it. */
  streaming(): void {
    this.wantsStream = true;
  }

  /** The client polls as we do (MCP 2025-11-25 transports): an event id, when to come back, and the connection is free. */
  interrupted(retryMs: number): void {
    if (this.ended || this.options.log === undefined || !this.options.primes) return;
    this.open(retryMs);
    this.options.keepalive.delete(this.options.sink);
    if (!this.options.sink.closed) this.options.sink.end();
  }

  message(raw: Buffer): void {
    if (this.ended) return;
    this.open();
    this.event(raw);
  }

  finish(raw: Buffer, status: number, headers?: Readonly<Record<string, string>>): void {
    if (this.ended) return;
    this.pending--;
    if (this.streamOpen) this.event(raw);
    else this.collected.push(raw);
    if (this.pending > 0) return;
    if (this.streamOpen) this.end();
    else if (this.wantsStream && !this.options.isBatch) this.respondAsStream();
    else this.respond(status, headers);
  }

  abandon(): void {
    if (this.ended) return;
    this.pending--;
    if (this.pending > 0) return;
    if (!this.streamOpen && this.collected.length > 0) this.respond(200);
    else {
      this.open();
      this.end();
    }
  }

  private respond(status: number, headers?: Readonly<Record<string, string>>): void {
    this.ended = true;
    clearTimeout(this.timer);
    const [only] = this.collected;
    const body = this.options.isBatch ? joinArray(this.collected) : (only ?? Buffer.from(""));
    // Of one message: those of several would be of any of them.
    const own = headers === undefined || this.options.isBatch ? JSON_HEADERS : { ...JSON_HEADERS, ...headers };
    this.options.sink.respond(this.options.isBatch ? 200 : status, own, body);
    this.options.onDone();
  }

  /** One event and the end: nothing to resume, because nothing is left to come. */
  private respondAsStream(): void {
    this.ended = true;
    clearTimeout(this.timer);
    const [only = Buffer.alloc(0)] = this.collected;
    this.options.sink.respond(200, SSE_HEADERS, eventFrame(only));
    this.options.onDone();
  }

  private open(retryMs = this.options.settings.retryMs): void {
    if (this.streamOpen || this.ended) return;
    this.streamOpen = true;
    clearTimeout(this.timer);
    const { sink, keepalive } = this.options;
    this.log = this.options.log?.();
    sink.open(200, SSE_HEADERS);
    keepalive.add(sink);
    if (this.log !== undefined && this.options.primes) sink.write(primingFrame(this.log.announce(), retryMs));
    for (const raw of this.collected.splice(0)) this.event(raw);
  }

  private event(raw: Buffer): void {
    const id = this.log?.append(raw);
    if (!this.options.sink.closed) this.options.sink.write(eventFrame(raw, id));
  }

  private end(): void {
    this.ended = true;
    this.log?.finish();
    this.options.keepalive.delete(this.options.sink);
    if (!this.options.sink.closed) this.options.sink.end();
    this.options.onDone();
  }
}

function joinArray(items: readonly Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from("["),
    ...items.flatMap((item, index) => (index === 0 ? [item] : [Buffer.from(","), item])),
    Buffer.from("]"),
  ]);
}
