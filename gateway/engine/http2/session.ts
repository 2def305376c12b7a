/** One HTTP/2 connection (RFC 9113): its frames become exchanges, its bounds are kept, and it ends when nothing is left to do. */
import type { Socket } from "node:net";
import type { Admitted, Application, RequestHead } from "../../../contract/http.ts";
import type { EngineOptions } from "../engine.ts";
import type { InFlight } from "../in-flight.ts";
import { Reads } from "../reads.ts";
import { takenReader } from "../taken.ts";
import { Exchange, type Surroundings } from "./exchange.ts";
import { ERROR, FLAG, FRAME, type FrameHandler, FrameReader, SETTING } from "./frames.ts";
import { areTrailers, type Peer } from "./head.ts";
import { type Block, HeaderBlocks } from "./header-blocks.ts";
import { CompressionError } from "./hpack/decoder.ts";
import {
  CONNECTION_WINDOW,
  MAX_HELD_BODIES,
  MAX_STREAMS,
  MAX_UNREAD_SESSION_BYTES,
  STREAM_WINDOW,
  Strikes,
} from "./limits.ts";
import { Output } from "./output.ts";
import { PastStreams } from "./past-streams.ts";
import { DEFAULT_WINDOW, MAX_WINDOW, readSettings } from "./settings.ts";

/** §6.8: a shutdown notice, after which streams that are on their way are still served. */
const ANY_STREAM = MAX_WINDOW;
/** Refused on its head: it never had a place. */
const NO_PLACE: Admitted = { ok: true, leave: () => undefined };

export type SessionParts = {
  readonly options: EngineOptions;
  readonly application: Application;
  readonly inFlight: InFlight;
  readonly peer: Peer;
  /** Milliseconds, never too few and by no more than a tick too many: what is due by it is not due too early. */
  readonly now: () => number;
  readonly isDraining: () => boolean;
  readonly closed: (connection: Http2Connection) => void;
};

export class Http2Connection implements Surroundings, FrameHandler {
  readonly output: Output;
  sendWindow = DEFAULT_WINDOW;
  isFirstBlock = true;
  readonly #parts: SessionParts;
  readonly #socket: Socket;
  readonly #reader = new FrameReader(this);
  readonly #blocks: HeaderBlocks;
  readonly #takenNow: () => number;
  readonly #exchanges = new Map<number, Exchange>();
  /** Those with data that wait, the longest waiting first. */
  readonly #lagging = new Set<Exchange>();
  readonly #strikes = new Strikes();
  readonly #past = new PastStreams();
  readonly #maxHeldBytes: number;
  #heldBytes = 0;
  #streamWindow = DEFAULT_WINDOW;
  #lastStreamId = 0;
  /** Received bytes that the peer has not been given back. */
  #owed = 0;
  #hasSettings = false;
  /** When it will have done nothing for too long. */
  #idleUntil: number;
  #taken = 0;
  /** When its peer was last seen to have taken something. */
  #takenAt: number;
  #isNoticed = false;
  /** No new streams: it ends with those that it has. */
  #isEnding = false;
  #isOver = false;

  constructor(socket: Socket, parts: SessionParts) {
    const { options, application, peer } = parts;
    this.#parts = parts;
    this.#socket = socket;
    this.output = new Output(socket);
    this.#blocks = new HeaderBlocks(options.maxHeadBytes, options.pathPrefix, peer);
    this.#takenNow = takenReader(socket);
    this.#takenAt = parts.now();
    this.#maxHeldBytes = MAX_HELD_BODIES * application.maxBodyBytes;
    this.#idleUntil = parts.now() + options.headTimeoutMs;
    socket.on("drain", () => this.#pump());
    socket.on("close", () => this.#closed());
    socket.on("end", () => this.#closed());
    this.output.settings([
      [SETTING.maxConcurrentStreams, MAX_STREAMS],
      [SETTING.initialWindowSize, STREAM_WINDOW],
      [SETTING.maxHeaderListSize, options.maxHeadBytes],
    ]);
    this.output.windowUpdate(0, CONNECTION_WINDOW - DEFAULT_WINDOW);
    const reads = new Reads(socket, (chunk) => this.#reader.receive(chunk));
    const early = reads.early();
    if (early !== undefined) this.#reader.receive(early);
  }

  // ---- what arrives ----

  frame(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    if (this.#isOver) return;
    const code = this.#handle(type, flags, streamId, bytes, from, to);
    if (code !== ERROR.none) this.#fail(code);
  }

  unreadable(code: number): void {
    this.#fail(code);
  }

  /** The error of the connection that a frame is. */
  #handle(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): number {
    // Nothing may come between the frames of one head (§6.10), and nothing before the first SETTINGS (§3.4).
    const isWithinHead = this.#blocks.streamId !== 0;
    if (isWithinHead && (type !== FRAME.continuation || streamId !== this.#blocks.streamId)) return ERROR.protocol;
    if (!this.#hasSettings && (type !== FRAME.settings || (flags & FLAG.ack) !== 0)) return ERROR.protocol;
    switch (type) {
      case FRAME.data:
        return this.#data(flags, streamId, bytes, from, to);
      case FRAME.headers:
        return this.#headers(flags, streamId, bytes, from, to);
      case FRAME.continuation:
        return isWithinHead ? this.#head(flags, streamId, bytes.subarray(from, to)) : ERROR.protocol;
      case FRAME.priority:
        return this.#priority(streamId, bytes, from, to);
      case FRAME.rstStream:
        return this.#reset(streamId, to - from);
      case FRAME.settings:
        return this.#settings(flags, streamId, bytes, from, to);
      case FRAME.ping:
        return this.#ping(flags, streamId, bytes, from, to);
      case FRAME.goaway:
        return this.#goaway(streamId, to - from);
      case FRAME.windowUpdate:
        return this.#windowUpdate(streamId, bytes, from, to);
      case FRAME.pushPromise:
        return ERROR.protocol;
      default:
        return this.#counted();
    }
  }

  /** Of a frame that costs its sender nothing. */
  #counted(): number {
    return this.#strikes.control() ? ERROR.enhanceYourCalm : ERROR.none;
  }

  #data(flags: number, streamId: number, bytes: Buffer, from: number, to: number): number {
    const cost = to - from;
    const start = (flags & FLAG.padded) === 0 ? from : from + 1;
    const end = start === from ? to : to - (bytes[from] ?? 0);
    if (streamId === 0 || end < start || (start > from && cost === 0)) return ERROR.protocol;
    if (streamId > this.#lastStreamId) return ERROR.protocol;
    this.#owed += cost;
    if (this.#owed > CONNECTION_WINDOW) return ERROR.flowControl;
    if (this.#owed > CONNECTION_WINDOW / 2) {
      this.output.windowUpdate(0, this.#owed);
      this.#owed = 0;
    }
    const isEnd = (flags & FLAG.endStream) !== 0;
    const exchange = this.#exchanges.get(streamId);
    if (exchange === undefined) return this.#past.wasLeft(streamId) ? this.#counted() : ERROR.streamClosed;
    const wrong = exchange.receive(bytes.subarray(start, end), cost, isEnd);
    if (wrong !== ERROR.none) exchange.reset(wrong);
    return end === start && !isEnd ? this.#counted() : ERROR.none;
  }

  #headers(flags: number, streamId: number, bytes: Buffer, from: number, to: number): number {
    const isPadded = (flags & FLAG.padded) !== 0;
    const hasPriority = (flags & FLAG.priority) !== 0;
    const start = from + (isPadded ? 1 : 0) + (hasPriority ? 5 : 0);
    const end = to - (isPadded ? (bytes[from] ?? 0) : 0);
    if (streamId % 2 === 0 || end < start) return ERROR.protocol;
    if (hasPriority && bytes.readUInt32BE(start - 5) % 2 ** 31 === streamId) return ERROR.protocol;
    return this.#head(flags, streamId, bytes.subarray(start, end));
  }

  #head(flags: number, streamId: number, part: Buffer): number {
    const isWhole = this.#blocks.add(streamId, flags, part);
    if (isWhole === undefined) return ERROR.enhanceYourCalm;
    if (!isWhole) return ERROR.none;
    const isEnd = (this.#blocks.flags & FLAG.endStream) !== 0;
    const isNew = streamId > this.#lastStreamId;
    try {
      const block = this.#blocks.read(isNew);
      return isNew ? this.#open(streamId, block, isEnd) : this.#trailers(streamId, block, isEnd);
    } catch (error) {
      if (error instanceof CompressionError) return ERROR.compression;
      throw error;
    }
  }

  #open(streamId: number, block: Block, isEnd: boolean): number {
    this.#lastStreamId = streamId;
    this.#past.open(streamId);
    if (block.kind === "large") return this.#refuse(streamId, ERROR.enhanceYourCalm);
    if (block.kind !== "request") return this.#refuse(streamId, ERROR.protocol);
    if (this.#isEnding || this.#exchanges.size >= MAX_STREAMS) return this.#refuse(streamId, ERROR.refusedStream);
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
    const exchange = new Exchange(streamId, head, admitted, application, this, this.#streamWindow, isEnd);
    this.#exchanges.set(streamId, exchange);
    inFlight.enter();
    return exchange;
  }

  /** A stream that never was. */
  #refuse(streamId: number, code: number): number {
    this.#past.leave(streamId);
    this.output.resetStream(streamId, code);
    return this.#strikes.reset() ? ERROR.enhanceYourCalm : ERROR.none;
  }

  #trailers(streamId: number, block: Block, isEnd: boolean): number {
    const exchange = this.#exchanges.get(streamId);
    if (exchange === undefined) {
      if (this.#past.wasLeft(streamId)) return this.#counted();
      return this.#past.wasOpened(streamId) ? ERROR.streamClosed : ERROR.protocol;
    }
    const isWrong = !isEnd || block.kind !== "trailers" || !areTrailers(block.fields);
    const code = isWrong ? ERROR.protocol : exchange.receiveTrailers();
    if (code !== ERROR.none) exchange.reset(code);
    return ERROR.none;
  }

  /** Deprecated (§5.3.2), and still to be well-formed. */
  #priority(streamId: number, bytes: Buffer, from: number, to: number): number {
    if (streamId === 0) return ERROR.protocol;
    if (to - from !== 5) return ERROR.frameSize;
    return bytes.readUInt32BE(from) % 2 ** 31 === streamId ? ERROR.protocol : this.#counted();
  }

  #reset(streamId: number, length: number): number {
    if (length !== 4) return ERROR.frameSize;
    if (streamId === 0 || streamId > this.#lastStreamId) return ERROR.protocol;
    const exchange = this.#exchanges.get(streamId);
    if (exchange === undefined) return this.#counted();
    exchange.isEndedByPeer = true;
    exchange.finish(ERROR.none);
    // A client that has its answer, or none to wait for, has no reason to.
    return this.#strikes.reset() ? ERROR.enhanceYourCalm : ERROR.none;
  }

  #settings(flags: number, streamId: number, bytes: Buffer, from: number, to: number): number {
    if (streamId !== 0) return ERROR.protocol;
    if ((flags & FLAG.ack) !== 0) return to === from ? this.#counted() : ERROR.frameSize;
    this.#hasSettings = true;
    const read = readSettings(bytes, from, to);
    if ("error" in read) return read.error;
    this.output.acknowledgeSettings();
    const { window } = read;
    if (window !== undefined) {
      const change = window - this.#streamWindow;
      this.#streamWindow = window;
      for (const exchange of this.#exchanges.values()) {
        exchange.sendWindow += change;
        if (exchange.sendWindow > MAX_WINDOW) return ERROR.flowControl;
      }
      this.#pump();
    }
    return this.#counted();
  }

  #ping(flags: number, streamId: number, bytes: Buffer, from: number, to: number): number {
    if (streamId !== 0) return ERROR.protocol;
    if (to - from !== 8) return ERROR.frameSize;
    if ((flags & FLAG.ack) === 0) this.output.acknowledgePing(bytes.subarray(from, to));
    return this.#counted();
  }

  /** The peer opens nothing more; what it has opened is still answered. */
  #goaway(streamId: number, length: number): number {
    if (streamId !== 0) return ERROR.protocol;
    if (length < 8) return ERROR.frameSize;
    this.#isEnding = true;
    if (this.#exchanges.size === 0) this.#end();
    return this.#counted();
  }

  #windowUpdate(streamId: number, bytes: Buffer, from: number, to: number): number {
    if (to - from !== 4) return ERROR.frameSize;
    const more = bytes.readUInt32BE(from) % 2 ** 31;
    if (streamId > this.#lastStreamId) return ERROR.protocol;
    if (streamId === 0) {
      if (more === 0) return ERROR.protocol;
      this.sendWindow += more;
      if (this.sendWindow > MAX_WINDOW) return ERROR.flowControl;
      this.#pump();
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

  // ---- what is sent ----

  /** Each in its turn, as long as there is room. */
  #pump(): void {
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
    if (this.#parts.isDraining()) this.notice();
  }

  holds(bytes: number): boolean {
    this.#heldBytes += bytes;
    return this.#heldBytes <= this.#maxHeldBytes;
  }

  lags(exchange: Exchange): void {
    this.#lagging.add(exchange);
    let unread = 0;
    for (const one of this.#lagging) unread += one.unread;
    if (unread > MAX_UNREAD_SESSION_BYTES) this.#fail(ERROR.enhanceYourCalm);
  }

  finished(exchange: Exchange, code: number): void {
    const { inFlight, now, options, isDraining } = this.#parts;
    this.#exchanges.delete(exchange.id);
    if (!exchange.isEndedByPeer) this.#past.leave(exchange.id);
    this.#lagging.delete(exchange);
    inFlight.leave();
    exchange.admitted.leave();
    if (this.#isOver) return;
    if (code !== ERROR.none && this.#strikes.reset()) this.#fail(ERROR.enhanceYourCalm);
    if (this.#exchanges.size > 0 || this.#isOver) return;
    this.#idleUntil = now() + options.keepAliveMs;
    if (isDraining() || this.#isEnding) this.#end();
  }

  // ---- the end ----

  /** `now`: in milliseconds, so many seconds after the last tick. */
  tick(now: number, seconds: number): void {
    this.#strikes.forgive(seconds);
    if (this.#exchanges.size === 0) {
      if (now >= this.#idleUntil) this.#end();
      return;
    }
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

  /** Without streams: says goodbye and waits for the peer's end, as long as for an answer to be taken. */
  #end(): void {
    if (this.#isOver) this.#socket.destroy();
    else this.#leave(ERROR.none);
  }

  /** RFC 9113 §5.4.1. */
  #fail(code: number): void {
    if (!this.#isOver) this.#leave(code);
  }

  #leave(code: number): void {
    const { now, options } = this.#parts;
    this.#isOver = true;
    this.#reader.stop();
    this.#idleUntil = now() + options.bodyTimeoutMs;
    this.output.goaway(this.#lastStreamId, code);
    this.output.release();
    this.#abandon();
    this.#socket.end();
  }

  #abandon(): void {
    for (const exchange of [...this.#exchanges.values()]) exchange.finish(ERROR.none);
  }

  #closed(): void {
    this.#isOver = true;
    this.#reader.stop();
    this.#abandon();
    if (this.#socket.destroyed) this.#parts.closed(this);
  }

  /** Asks the client to open no more streams here. */
  notice(): void {
    if (this.#isNoticed || this.#isOver) return;
    this.#isNoticed = true;
    this.output.goaway(ANY_STREAM, ERROR.none);
  }

  closeIdle(): void {
    if (this.#exchanges.size === 0 && !this.#isOver) this.#end();
  }

  cut(): void {
    this.#isOver = true;
    this.#abandon();
    this.#socket.destroy();
  }
}
