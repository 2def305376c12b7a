/**
 * How the answer to one POST travels. Starts as nothing; becomes one JSON document when the result is all there is, or an SSE
 * stream as soon as something precedes it or it takes long. In a legacy session the stream is kept for replay and goes on when
 * the client is gone (a disconnect is no cancellation); in the modern era closing it cancels (MCP transports, both eras).
 */
import type { ResponseSink } from "../../contract/http.ts";
import { Ring, type Ringed } from "../../contract/ring.ts";
import type { ClientReply, EventLog } from "../sessions/index.ts";
import { JSON_HEADERS } from "./answers.ts";
import { eventFrame, KEEPALIVE, primingFrame, SSE_HEADERS } from "./sse-frames.ts";

export type StreamSettings = {
  readonly keepaliveMs: number;
  readonly retryMs: number;
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

/** What every reply shares. */
export type ReplyParts = {
  readonly streams: StreamSettings;
  readonly keepalive: Keepalive;
  /** Replies that become a stream when they take long. */
  readonly patience: Patience;
};

/** One timer for all replies that wait: each is told once `afterMs` have passed, unless it was taken back before. */
export function createPatience(afterMs: number, now: () => number): Patience {
  // All wait for the same time, so the order in which they came is the order in which they are due.
  const waiting = new Ring<Waiting>();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    timer = undefined;
    const due = now() - afterMs;
    for (let reply = waiting.first; reply !== undefined; reply = waiting.first) {
      if (reply.since > due) {
        timer = setTimeout(look, reply.since - due).unref();
        return;
      }
      waiting.delete(reply);
      reply.late();
    }
  }

  return {
    add(reply) {
      reply.since = now();
      waiting.add(reply);
      timer ??= setTimeout(look, afterMs).unref();
    },
    delete: (reply) => {
      waiting.delete(reply);
    },
    close: () => clearTimeout(timer),
  };
}

interface Waiting extends Ringed<Waiting> {
  /** When it began to wait. */
  since: number;
  late(): void;
}
export type Patience = { add(reply: Waiting): void; delete(reply: Waiting): void; close(): void };

export class PostReply implements ClientReply {
  readonly canAsk = true;
  /** Send the priming event (protocol 2025-11-25 and later). */
  primes = false;
  /** Everything has been answered, or nothing more will come. */
  onDone: (() => void) | undefined = undefined;
  onFlow: ((isSlow: boolean) => void) | undefined = undefined;
  before: Waiting | undefined = undefined;
  after: Waiting | undefined = undefined;
  since = 0;
  private readonly parts: ReplyParts;
  private readonly sink: ResponseSink;
  private readonly isBatch: boolean;
  /** Opens the log of a resumable stream; undefined where there is no session. */
  private readonly openLog: (() => EventLog) | undefined;
  private pending: number;
  private streamOpen = false;
  private wantsStream = false;
  private ended = false;
  private log: EventLog | undefined = undefined;
  private collected: Buffer[] | undefined = undefined;
  private isSlow = false;
  private isWatched = false;

  /** `pending`: how many requests this POST carries: 1, or more in a batch. */
  constructor(
    parts: ReplyParts,
    sink: ResponseSink,
    pending: number,
    isBatch: boolean,
    openLog: (() => EventLog) | undefined,
  ) {
    this.parts = parts;
    this.sink = sink;
    this.pending = pending;
    this.isBatch = isBatch;
    this.openLog = openLog;
    if (openLog !== undefined) parts.patience.add(this);
  }

  /** It takes long: the client shall know that somebody works for it. */
  late(): void {
    this.open();
  }

  /** An upstream that streams is answered with a stream, opened with its first event, so that one write still does it. */
  streaming(): void {
    this.wantsStream = true;
  }

  /** The client polls as we do (MCP 2025-11-25 transports): an event id, when to come back, and the connection is free. */
  interrupted(retryMs: number): void {
    if (this.ended || this.openLog === undefined || !this.primes) return;
    this.open(retryMs);
    this.parts.keepalive.delete(this.sink);
    if (!this.sink.closed) this.sink.end();
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
    else if (this.pending === 0 && this.collected === undefined && !this.isBatch) {
      this.answer(raw, status, headers);
      return;
    } else {
      this.collected ??= [];
      this.collected.push(raw);
    }
    if (this.pending > 0) return;
    if (this.streamOpen) this.end();
    else this.respondBatch();
  }

  abandon(): void {
    if (this.ended) return;
    this.pending--;
    if (this.pending > 0) return;
    if (!this.streamOpen && this.collected !== undefined) this.respondBatch();
    else {
      this.open();
      this.end();
    }
  }

  /** The only answer: as one document, or as one event and the end, where nothing is left to be resumed. */
  private answer(raw: Buffer, status: number, headers: Readonly<Record<string, string>> | undefined): void {
    this.ended = true;
    if (this.openLog !== undefined) this.parts.patience.delete(this);
    if (this.wantsStream) this.sink.respond(200, SSE_HEADERS, eventFrame(raw));
    else this.sink.respond(status, headers === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...headers }, raw);
    this.onDone?.();
  }

  private respondBatch(): void {
    this.ended = true;
    this.parts.patience.delete(this);
    this.sink.respond(200, JSON_HEADERS, joinArray(this.collected ?? []));
    this.onDone?.();
  }

  private open(retryMs = this.parts.streams.retryMs): void {
    if (this.streamOpen || this.ended) return;
    this.streamOpen = true;
    const { sink } = this;
    this.parts.patience.delete(this);
    this.log = this.openLog?.();
    sink.open(200, SSE_HEADERS);
    this.parts.keepalive.add(sink);
    if (this.log !== undefined && this.primes) sink.write(primingFrame(this.log.announce(), retryMs));
    for (const raw of this.collected?.splice(0) ?? []) this.event(raw);
  }

  private event(raw: Buffer): void {
    const id = this.log?.append(raw);
    if (!this.sink.closed && !this.sink.write(eventFrame(raw, id))) this.slow();
  }

  private slow(): void {
    if (this.isSlow || this.onFlow === undefined) return;
    this.isSlow = true;
    if (!this.isWatched) {
      this.isWatched = true;
      const flows = () => this.flows();
      this.sink.onDrain(flows);
      // Nobody is waited for who is gone: what comes is kept for him, or cancelled.
      this.sink.onClose(flows);
    }
    this.onFlow(true);
  }

  private flows(): void {
    if (!this.isSlow) return;
    this.isSlow = false;
    this.onFlow?.(false);
  }

  private end(): void {
    this.ended = true;
    this.log?.finish();
    this.parts.keepalive.delete(this.sink);
    if (!this.sink.closed) this.sink.end();
    this.onDone?.();
  }
}

function joinArray(items: readonly Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from("["),
    ...items.flatMap((item, index) => (index === 0 ? [item] : [Buffer.from(","), item])),
    Buffer.from("]"),
  ]);
}
