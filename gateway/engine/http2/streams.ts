/** The streams of one HTTP/2 connection: requests open them, windows and bounds hold for all of them, what waits is sent in turn. */
import type { Socket } from "node:net";
import type { Admitted, Application, RequestHead } from "../../../contract/http.ts";
import type { EngineOptions } from "../engine.ts";
import type { InFlight } from "../in-flight.ts";
import { takenReader } from "../taken.ts";
import { Exchange, type Surroundings } from "./exchange.ts";
import { ERROR } from "./frames.ts";
import { areTrailers } from "./head.ts";
import type { Block } from "./header-blocks.ts";
import { CONNECTION_WINDOW, MAX_HELD_BODIES, MAX_STREAMS, MAX_UNREAD_SESSION_BYTES, type Strikes } from "./limits.ts";
import type { Output } from "./output.ts";
import { PastStreams } from "./past-streams.ts";
import { DEFAULT_WINDOW, MAX_WINDOW } from "./settings.ts";

/** Refused on its head: it never had a place. */
const NO_PLACE: Admitted = { ok: true, leave: () => undefined };

export type StreamParts = {
  readonly options: EngineOptions;
  readonly application: Application;
  readonly inFlight: InFlight;
  /** Milliseconds, never too few and by no more than a tick too many: what is due by it is not due too early. */
  readonly now: () => number;
};

/** The connection, as its streams see it. */
export interface Carrier {
  readonly output: Output;
  readonly strikes: Strikes;
  /** An answer begins. */
  begins(): void;
  /** The connection ends with this error. */
  fail(code: number): void;
  /** No stream is left. */
  emptied(): void;
}

/** Where a method answers with a number, that is the error of the connection that it found. */
export class Streams implements Surroundings {
  readonly output: Output;
  sendWindow = DEFAULT_WINDOW;
  isFirstBlock = true;
  /** The newest that was opened. */
  lastId = 0;
  readonly #parts: StreamParts;
  readonly #carrier: Carrier;
  readonly #takenNow: () => number;
  readonly #exchanges = new Map<number, Exchange>();
  /** Those with data that wait, the longest waiting first. */
  readonly #lagging = new Set<Exchange>();
  readonly #past = new PastStreams();
  readonly #maxHeldBytes: number;
  #heldBytes = 0;
  #initialWindow = DEFAULT_WINDOW;
  /** Received bytes that the peer has not been given back. */
  #owed = 0;
  #taken = 0;
  /** When its peer was last seen to have taken something. */
  #takenAt: number;
  #isOver = false;

  constructor(socket: Socket, parts: StreamParts, carrier: Carrier) {
    this.output = carrier.output;
    this.#parts = parts;
    this.#carrier = carrier;
    this.#takenNow = takenReader(socket);
    this.#takenAt = parts.now();
    this.#maxHeldBytes = MAX_HELD_BODIES * parts.application.maxBodyBytes;
  }

  get size(): number {
    return this.#exchanges.size;
  }

  // ---- what arrives ----

  /** `isEnding`: no stream may be opened any more. */
  open(streamId: number, block: Block, isEnd: boolean, isEnding: boolean): number {
    this.lastId = streamId;
    this.#past.open(streamId);
    if (block.kind === "large") return this.#refuse(streamId, ERROR.enhanceYourCalm);
    if (block.kind !== "request") return this.#refuse(streamId, ERROR.protocol);
    if (isEnding || this.#exchanges.size >= MAX_STREAMS) return this.#refuse(streamId, ERROR.refusedStream);
    const { application, options, now } = this.#parts;
    const { head } = block;
    const decision = application.admit(head);
    const exchange = this.#enter(streamId, head, decision.ok ? decision : NO_PLACE, isEnd);
    if (!decision.ok) exchange.answerAtOnce(decision.status, decision.headers, decision.body);
    else if (isEnd) exchange.serveHead();
    else exchange.readBody(now() + (decision.bodyWithinMs ?? options.bodyTimeoutMs));
    return ERROR.none;
  }

  #enter(streamId: number, head: RequestHead, admitted: Admitted, isEnd: boolean): Exchange {
    const { application, inFlight } = this.#parts;
    const exchange = new Exchange(streamId, head, admitted, application, this, this.#initialWindow, isEnd);
    this.#exchanges.set(streamId, exchange);
    inFlight.enter();
    return exchange;
  }

  /** A stream that never was. */
  #refuse(streamId: number, code: number): number {
    this.#past.leave(streamId);
    this.output.resetStream(streamId, code);
    return this.#carrier.strikes.reset();
  }

  /** `cost`: what it takes of the windows, padding included. */
  data(streamId: number, content: Buffer, cost: number, isEnd: boolean): number {
    if (streamId > this.lastId) return ERROR.protocol;
    this.#owed += cost;
    if (this.#owed > CONNECTION_WINDOW) return ERROR.flowControl;
    if (this.#owed > CONNECTION_WINDOW / 2) {
      this.output.windowUpdate(0, this.#owed);
      this.#owed = 0;
    }
    const { strikes } = this.#carrier;
    const exchange = this.#exchanges.get(streamId);
    if (exchange === undefined) return this.#past.wasLeft(streamId) ? strikes.control() : ERROR.streamClosed;
    const wrong = exchange.receive(content, cost, isEnd);
    if (wrong !== ERROR.none) exchange.reset(wrong);
    return content.length === 0 && !isEnd ? strikes.control() : ERROR.none;
  }

  trailers(streamId: number, block: Block, isEnd: boolean): number {
    const exchange = this.#exchanges.get(streamId);
    if (exchange === undefined) {
      if (this.#past.wasLeft(streamId)) return this.#carrier.strikes.control();
      return this.#past.wasOpened(streamId) ? ERROR.streamClosed : ERROR.protocol;
    }
    const isRight = isEnd && block.kind === "trailers" && areTrailers(block.fields);
    // Whatever comes behind the end is wrong for that alone (RFC 9113 §5.1, half-closed).
    const code = isRight || exchange.isEndedByPeer ? exchange.receiveTrailers() : ERROR.protocol;
    if (code !== ERROR.none) exchange.reset(code);
    return ERROR.none;
  }

  /** Its peer gives it up. */
  reset(streamId: number): number {
    const { strikes } = this.#carrier;
    if (streamId > this.lastId) return ERROR.protocol;
    const exchange = this.#exchanges.get(streamId);
    if (exchange === undefined) return strikes.control();
    exchange.isEndedByPeer = true;
    exchange.finish(ERROR.none);
    // A client that has its answer, or none to wait for, has no reason to.
    return strikes.reset();
  }

  /** So many bytes more may be sent. */
  widen(streamId: number, more: number): number {
    if (streamId > this.lastId) return ERROR.protocol;
    if (streamId === 0) {
      if (more === 0) return ERROR.protocol;
      this.sendWindow += more;
      if (this.sendWindow > MAX_WINDOW) return ERROR.flowControl;
      this.pump();
      return ERROR.none;
    }
    const exchange = this.#exchanges.get(streamId);
    if (exchange === undefined) return ERROR.none;
    exchange.sendWindow += more;
    if (more === 0) exchange.reset(ERROR.protocol);
    else if (exchange.sendWindow > MAX_WINDOW) exchange.reset(ERROR.flowControl);
    else if (this.#lagging.has(exchange)) this.#flush(exchange);
    return ERROR.none;
  }

  /** What streams begin with; those that are open change by the difference (RFC 9113 §6.9.2). */
  setInitialWindow(window: number): number {
    const change = window - this.#initialWindow;
    this.#initialWindow = window;
    for (const exchange of this.#exchanges.values()) {
      exchange.sendWindow += change;
      if (exchange.sendWindow > MAX_WINDOW) return ERROR.flowControl;
    }
    this.pump();
    return ERROR.none;
  }

  // ---- what is sent ----

  /** Each in its turn, as long as there is room. */
  pump(): void {
    for (const exchange of [...this.#lagging]) {
      if (this.sendWindow <= 0 || this.output.isFull) return;
      this.#flush(exchange);
    }
  }

  /** Whoever still waits goes to the end of those that do. */
  #flush(exchange: Exchange): void {
    this.#lagging.delete(exchange);
    exchange.flush();
    if (exchange.unread > 0) this.#lagging.add(exchange);
  }

  begins(): void {
    this.#carrier.begins();
  }

  holds(bytes: number): boolean {
    this.#heldBytes += bytes;
    return this.#heldBytes <= this.#maxHeldBytes;
  }

  lags(exchange: Exchange): void {
    this.#lagging.add(exchange);
    let unread = 0;
    for (const one of this.#lagging) unread += one.unread;
    if (unread > MAX_UNREAD_SESSION_BYTES) this.#carrier.fail(ERROR.enhanceYourCalm);
  }

  // ---- the end ----

  finished(exchange: Exchange, code: number): void {
    this.#exchanges.delete(exchange.id);
    if (!exchange.isEndedByPeer) this.#past.leave(exchange.id);
    this.#lagging.delete(exchange);
    this.#parts.inFlight.leave();
    exchange.admitted.leave();
    if (this.#isOver) return;
    const wrong = code === ERROR.none ? ERROR.none : this.#carrier.strikes.reset();
    if (wrong !== ERROR.none) this.#carrier.fail(wrong);
    else if (this.#exchanges.size === 0) this.#carrier.emptied();
  }

  /** `now`: in milliseconds. */
  tick(now: number): void {
    const isTaking = this.#isTaking(now);
    for (const exchange of [...this.#exchanges.values()]) {
      if (now >= exchange.bodyDueAt)
        exchange.refuseBody(exchange.admitted.bodyWithinMs === undefined ? "aborted" : "late");
      else if (exchange.isStuck(now, this.#parts.options.bodyTimeoutMs, isTaking)) exchange.reset(ERROR.cancel);
    }
  }

  /** Whether anything of all streams was taken within the time that an answer has. */
  #isTaking(now: number): boolean {
    const taken = this.#takenNow();
    if (taken !== this.#taken) this.#takenAt = now;
    this.#taken = taken;
    return now - this.#takenAt < this.#parts.options.bodyTimeoutMs;
  }

  /** With their connection. */
  abandon(): void {
    this.#isOver = true;
    for (const exchange of [...this.#exchanges.values()]) exchange.finish(ERROR.none);
  }
}
