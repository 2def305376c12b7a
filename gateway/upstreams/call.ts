/**
 * One JSON-RPC message sent by POST and everything that comes back for it: JSON, an event stream (resumed where the upstream
 * gave event ids, MCP 2025-11-25 transports), 202, or an error status. It decides when the answer is complete and drops what follows.
 */

import { Fault } from "../../contract/errors.ts";
import { beginsArray, type Envelope, elements, scanJson, scanMessage, sliceAt, valueAt } from "../mcp/index.ts";
import type { Prepared } from "./address.ts";
import type { Deadlines, Expiring } from "./deadlines.ts";
import {
  busyFault,
  networkFault,
  protocolFault,
  redirectFault,
  statusFault,
  timeoutFault,
  tooLargeFault,
} from "./failures.ts";
import { Flight, type HttpReceiver } from "./flight.ts";
import type { AnswerHeaders } from "./lean/response-head.ts";
import { first, isMalformedNotification, mediaType, sameId, scanned, shortError } from "./messages.ts";
import type { PoolPair } from "./origins.ts";
import { isRepeatable } from "./repeatable.ts";
import { SseParser } from "./sse-parser.ts";
import type { Exchange, ReplySink, UpstreamTarget } from "./types.ts";

/** What the calls of a wire share. */
export type CallParts = {
  readonly maxMessageBytes: number;
  readonly deadlines: Deadlines;
  /** How long a call may wait for a connection; 0 = as long as for its answer. */
  readonly connectionWaitMs: number;
  /** A request of this target was sent once more. */
  readonly retried: (target: UpstreamTarget) => void;
};

/** A message and how it travels. */
export type Sending = {
  readonly headers: readonly string[];
  readonly body: Buffer;
  readonly method: string;
  /** Raw JSON id of the request; undefined for notifications and responses, which are done with any 2xx. */
  readonly id: string | undefined;
  /** The tool that is called declares that it may be called twice; other methods speak for themselves. */
  readonly repeatable?: boolean | undefined;
  /** Counted from start(). 0 = none: the caller has a limit of its own and cancels. */
  readonly timeoutMs: number;
  /** The whole time limit, when part of it has been used up before; what a timeout names. */
  readonly limitMs?: number | undefined;
  /** Headers for GET with Last-Event-ID; absent where streams cannot be resumed (modern era). */
  readonly resumeHeaders?: readonly string[] | undefined;
  readonly onHead?: ((status: number, headers: AnswerHeaders) => void) | undefined;
  /** An error status with its body, before it is reported; true = the caller takes over and nothing more is called. */
  readonly onRefused?: ((refusal: Refusal) => boolean) | undefined;
};

export type Refusal = {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Buffer;
  /** The envelope of the body when it is a JSON-RPC message. */
  readonly envelope: Envelope | undefined;
};

/** How long a stream may stay open after the final response before its connection is destroyed. */
const LINGER_MS = 1000;
const DEFAULT_RETRY_MS = 1000;
const RETRY_STEP_MS = 10;
const MAX_RETRY_MS = 60_000;
/** Resumptions of a call without a time limit. */
const MAX_RESUMPTIONS = 100;

type Mode = "head" | "json" | "sse" | "refused" | "ignore";

export class Call implements HttpReceiver, Exchange, Expiring {
  before: Expiring | undefined = undefined;
  after: Expiring | undefined = undefined;
  expiresAt = 0;
  readonly #parts: CallParts;
  readonly #prepared: Prepared;
  readonly #pair: PoolPair;
  readonly #plan: Sending;
  readonly #sink: ReplySink;
  #flight: Flight | undefined;
  /** Where the call had to wait for a connection. */
  #turn: Expiring | undefined;
  #linger: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #mode: Mode = "head";
  #status = 0;
  #headers: AnswerHeaders = {};
  #chunks: Buffer[] = [];
  #bytes = 0;
  #parser: SseParser | undefined;
  #resumptions = 0;
  #paused = false;
  /** Nothing is told to the sink any more. */
  #over = false;

  constructor(parts: CallParts, prepared: Prepared, pair: PoolPair, sending: Sending, sink: ReplySink) {
    this.#parts = parts;
    this.#prepared = prepared;
    this.#pair = pair;
    this.#plan = sending;
    this.#sink = sink;
  }

  start(): this {
    const { headers, body, timeoutMs } = this.#plan;
    const { path, target } = this.#prepared;
    const stream = this.#isStream();
    const waitMs = timeoutMs === 0 && stream ? target.requestTimeoutMs : timeoutMs;
    if (waitMs > 0) this.#parts.deadlines.add(this, waitMs);
    const { connectionWaitMs, deadlines } = this.#parts;
    if (this.#pair.isBusy && !stream && connectionWaitMs > 0) {
      const expired = () => this.#waited(connectionWaitMs);
      this.#turn = { before: undefined, after: undefined, expiresAt: 0, expired };
      deadlines.add(this.#turn, connectionWaitMs);
    }
    const repeatable = isRepeatable(this.#plan.method, this.#plan.id, this.#plan.repeatable);
    this.#launch(new Flight({ pair: this.#pair, method: "POST", path, headers, body, stream, repeatable }, this));
    return this;
  }

  retried(): void {
    this.#parts.retried(this.#prepared.target);
  }

  /** The answer stays open: it gets a connection of its own, and without a limit the target's holds for its beginning. */
  #isStream(): boolean {
    return this.#plan.method === "subscriptions/listen";
  }

  #launch(flight: Flight): void {
    this.#flight = flight;
    if (this.#paused) flight.pause();
    try {
      flight.start();
    } catch (error) {
      this.#fail(error instanceof Fault ? error : networkFault(this.#prepared.target, asError(error), false));
    }
  }

  /** What cannot start in time is dropped, not sent late. */
  #waited(ms: number): void {
    if (this.#flight?.hasConnection === false) this.#fail(busyFault(this.#prepared.target, ms));
  }

  cancel(): void {
    if (this.#over) return;
    this.#settle();
    this.#flight?.abort();
  }

  pause(): void {
    if (this.#over) return;
    this.#paused = true;
    this.#flight?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#flight?.resume();
  }

  expired(): void {
    const { method, timeoutMs, limitMs = timeoutMs } = this.#plan;
    const { target } = this.#prepared;
    this.#fail(timeoutFault(target, method, limitMs > 0 ? limitMs : target.requestTimeoutMs));
  }

  head(status: number, headers: AnswerHeaders): void {
    this.#status = status;
    this.#headers = headers;
    if (this.#resumptions === 0) this.#plan.onHead?.(status, headers);
    if (this.#plan.timeoutMs === 0) this.#landed();
    if (status >= 400) this.#mode = "refused";
    else if (status >= 300) this.#fail(redirectFault(this.#prepared.target, status, first(headers.location)));
    else if (this.#plan.id === undefined && this.#resumptions === 0) this.#accepted();
    else this.#success(status, mediaType(headers));
  }

  /** A notification or a response has been taken; a body is not waited for. */
  #accepted(): void {
    this.#mode = "ignore";
    this.#complete();
  }

  #success(status: number, type: string): void {
    const target = this.#prepared.target;
    if (type === "text/event-stream") {
      this.#mode = "sse";
      if (this.#resumptions === 0) this.#sink.streaming?.();
      const lastEventId = this.#parser?.lastEventId ?? "";
      const retryMs = this.#parser?.retryMs;
      this.#parser = new SseParser(this.#parts.maxMessageBytes, this.#event);
      this.#parser.lastEventId = lastEventId;
      this.#parser.retryMs = retryMs;
    } else if (type === "application/json" && this.#resumptions === 0) this.#mode = "json";
    else if (status === 202 || status === 204) {
      this.#fail(protocolFault(target, `it took the request ${this.#plan.method} with HTTP ${status} and no response`));
    } else this.#fail(protocolFault(target, `Content-Type of its answer is ${type === "" ? "absent" : type}`));
  }

  data(chunk: Buffer): void {
    if (this.#mode === "sse") {
      if (this.#over || this.#parser === undefined) return;
      if (!this.#parser.push(chunk)) this.#fail(this.#tooLarge());
      return;
    }
    if (this.#mode === "ignore" || this.#over) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#parts.maxMessageBytes) {
      this.#fail(this.#tooLarge());
      return;
    }
    this.#chunks.push(chunk);
  }

  end(): void {
    if (this.#over) {
      this.#landed();
      return;
    }
    if (this.#mode === "json") this.#answer(this.#collected());
    else if (this.#mode === "refused") this.#refused();
    else this.#streamEnded(undefined);
  }

  failed(error: Error, begun: boolean): void {
    if (this.#over) {
      this.#landed();
      return;
    }
    const fault = networkFault(this.#prepared.target, error, begun);
    if (this.#mode === "sse" || this.#resumptions > 0) this.#streamEnded(fault);
    else this.#fail(fault);
  }

  /** A body that is a whole answer. */
  #answer(raw: Buffer): void {
    this.#deliver(raw);
    if (this.#over) return;
    this.#fail(protocolFault(this.#prepared.target, `its answer holds no response to ${this.#plan.method}`));
  }

  #refused(): void {
    const { onRefused, method, id } = this.#plan;
    const body = this.#collected();
    const envelope = scanned(body);
    // A resumption that is refused must not lead to the message being sent again: it has been received.
    const refusal = { status: this.#status, headers: this.#headers, body, envelope };
    if (this.#resumptions === 0 && onRefused?.(refusal) === true) {
      this.#settle();
      return;
    }
    if (id !== undefined && envelope?.kind === "response" && sameId(body, envelope, id)) {
      this.#deliver(body);
      return;
    }
    const error = envelope?.error === undefined ? undefined : shortError(valueAt(body, envelope.error));
    const retryAfter = first(this.#headers["retry-after"]);
    this.#fail(statusFault(this.#prepared.target, method, this.#status, error, retryAfter));
  }

  #event = (data: Buffer): void => {
    if (!this.#over && data.length > 0) this.#deliver(data);
  };

  #deliver(raw: Buffer): void {
    if (!beginsArray(raw)) {
      this.#deliverOne(raw);
      return;
    }
    for (const part of this.#batch(raw)) {
      this.#deliverOne(part);
      if (this.#over) return;
    }
  }

  #deliverOne(raw: Buffer): void {
    const envelope = this.#envelope(raw);
    if (envelope !== undefined) this.#message(raw, envelope);
  }

  /** Servers of 2025-03-26 may answer with a batch. */
  #batch(raw: Buffer): Buffer[] {
    try {
      return elements(raw, scanJson(raw)).map((span) => sliceAt(raw, span));
    } catch (error) {
      this.#unreadable(error);
      return [];
    }
  }

  #envelope(raw: Buffer): Envelope | undefined {
    try {
      return scanMessage(raw);
    } catch (error) {
      // A notification that is slightly wrong (`"params":null`) shall not cost the answer.
      if (!isMalformedNotification(raw)) this.#unreadable(error);
      return undefined;
    }
  }

  #unreadable(error: unknown): void {
    const reason = error instanceof Fault ? error.message : "it cannot be read";
    this.#fail(protocolFault(this.#prepared.target, `in its answer to ${this.#plan.method}: ${reason}`));
  }

  #message(raw: Buffer, envelope: Envelope): void {
    const { id } = this.#plan;
    const sink = this.#sink;
    if (envelope.kind !== "response") {
      sink.message(raw, this.#status, envelope);
      return;
    }
    if (id === undefined || sameId(raw, envelope, id)) {
      sink.message(raw, this.#status, envelope);
      if (!this.#over) this.#complete();
      return;
    }
    // A replay may bring responses of other streams along; the reference servers do that.
    if (this.#resumptions > 0) return;
    const got = envelope.id === undefined ? "null" : raw.toString("utf8", envelope.id.start, envelope.id.end);
    this.#fail(protocolFault(this.#prepared.target, `wrong id: ${got.slice(0, 100)} instead of ${id.slice(0, 100)}`));
  }

  /** The stream ended or broke before the final response. */
  #streamEnded(fault: Fault | undefined): void {
    const { timeoutMs, resumeHeaders, method } = this.#plan;
    const eventId = this.#parser?.lastEventId ?? "";
    if (resumeHeaders !== undefined && eventId !== "" && (timeoutMs > 0 || this.#resumptions < MAX_RESUMPTIONS)) {
      // The upstream's wish counts, but many resumptions in a row become slower.
      const slowest = Math.min(this.#resumptions * RETRY_STEP_MS, DEFAULT_RETRY_MS);
      const delay = Math.min(Math.max(this.#parser?.retryMs ?? DEFAULT_RETRY_MS, slowest), MAX_RETRY_MS);
      if (fault === undefined) this.#sink.interrupted?.(delay);
      this.#retryTimer = setTimeout(reconnect, delay, this);
      return;
    }
    if (fault !== undefined) {
      this.#fail(fault);
      return;
    }
    if (!this.#isStream()) {
      this.#fail(protocolFault(this.#prepared.target, `its stream ended before the response to ${method}`));
      return;
    }
    this.#settle();
    this.#sink.end();
  }

  reconnect(): void {
    const { resumeHeaders = [] } = this.#plan;
    this.#resumptions++;
    this.#mode = "head";
    this.#chunks = [];
    this.#bytes = 0;
    const headers = [...resumeHeaders, "last-event-id", this.#parser?.lastEventId ?? ""];
    const { path } = this.#prepared;
    const request = {
      pair: this.#pair,
      method: "GET",
      path,
      headers,
      body: null,
      stream: true,
      repeatable: true,
    } as const;
    this.#launch(new Flight(request, this));
  }

  #collected(): Buffer {
    const only = this.#chunks[0];
    const raw = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
    this.#chunks = [];
    return raw;
  }

  #tooLarge(): Fault {
    return tooLargeFault(this.#prepared.target, this.#parts.maxMessageBytes);
  }

  /** Good end. The connection may finish its response by itself and be used again. */
  #complete(): void {
    this.#settle();
    // What is left of the stream is dropped; its end sets the connection free.
    this.resume();
    if (this.#flight !== undefined && (this.#mode === "sse" || this.#mode === "ignore")) {
      this.#linger = setTimeout(abandon, LINGER_MS, this.#flight);
    }
    this.#sink.end();
  }

  #fail(fault: Fault): void {
    if (this.#over) return;
    this.#settle();
    this.#flight?.abort();
    this.#sink.fail(fault);
  }

  #settle(): void {
    this.#over = true;
    if (this.#turn !== undefined) this.#parts.deadlines.delete(this.#turn);
    this.#landed();
    if (this.#retryTimer !== undefined) clearTimeout(this.#retryTimer);
    this.#parser?.stop();
    this.#chunks = [];
  }

  #landed(): void {
    if (this.expiresAt > 0) this.#parts.deadlines.delete(this);
    if (this.#linger === undefined) return;
    clearTimeout(this.#linger);
    this.#linger = undefined;
  }
}

function reconnect(call: Call): void {
  call.reconnect();
}
function abandon(flight: Flight): void {
  flight.abort();
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
