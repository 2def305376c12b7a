/** One HTTP/2 connection (RFC 9113): its frames go to its streams, its bounds are kept, and it ends when nothing is left to do. */
import type { Socket } from "node:net";
import { Reads } from "../reads.ts";
import { contentOf, dependsOnItself, shapeError } from "./frame-shapes.ts";
import { ERROR, FLAG, FRAME, type FrameHandler, FrameReader, SETTING } from "./frames.ts";
import type { Peer } from "./head.ts";
import { HeaderBlocks } from "./header-blocks.ts";
import { CompressionError } from "./hpack/decoder.ts";
import { CONNECTION_WINDOW, MAX_STREAMS, STREAM_WINDOW, Strikes } from "./limits.ts";
import { Output } from "./output.ts";
import { DEFAULT_WINDOW, MAX_WINDOW, readSettings } from "./settings.ts";
import { type Carrier, type StreamParts, Streams } from "./streams.ts";

/** §6.8: a shutdown notice, after which streams that are on their way are still served. */
const ANY_STREAM = MAX_WINDOW;

export type SessionParts = StreamParts & {
  readonly peer: Peer;
  readonly isDraining: () => boolean;
  readonly closed: (connection: Http2Connection) => void;
};

export class Http2Connection implements FrameHandler, Carrier {
  readonly output: Output;
  readonly strikes = new Strikes();
  readonly #parts: SessionParts;
  readonly #socket: Socket;
  readonly #reader = new FrameReader(this);
  readonly #blocks: HeaderBlocks;
  readonly #streams: Streams;
  #hasSettings = false;
  /** When it will have done nothing for too long. */
  #idleUntil: number;
  #isNoticed = false;
  /** No new streams: it ends with those that it has. */
  #isEnding = false;
  #isOver = false;

  constructor(socket: Socket, parts: SessionParts) {
    const { options, peer } = parts;
    this.#parts = parts;
    this.#socket = socket;
    this.output = new Output(socket);
    this.#blocks = new HeaderBlocks(options.maxHeadBytes, options.pathPrefix, peer);
    this.#streams = new Streams(socket, parts, this);
    this.#idleUntil = parts.now() + options.headTimeoutMs;
    socket.on("drain", () => this.#streams.pump());
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
    const code = this.#outOfPlace(type, flags, streamId) || shapeError(type, flags, streamId, to - from);
    if (code !== ERROR.none) this.fail(code);
    else {
      const found = this.#handle(type, flags, streamId, bytes, from, to);
      if (found !== ERROR.none) this.fail(found);
    }
  }

  unreadable(code: number): void {
    this.fail(code);
  }

  /** Nothing may come between the frames of one head (§6.10), and nothing before the first SETTINGS (§3.4). */
  #outOfPlace(type: number, flags: number, streamId: number): number {
    const { streamId: within } = this.#blocks;
    const isContinuation = type === FRAME.continuation;
    if (within === 0 ? isContinuation : !isContinuation || streamId !== within) return ERROR.protocol;
    const isSettings = type === FRAME.settings && (flags & FLAG.ack) === 0;
    return this.#hasSettings || isSettings ? ERROR.none : ERROR.protocol;
  }

  /** The error of the connection that a frame of the right shape is. */
  #handle(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): number {
    switch (type) {
      case FRAME.data:
        return this.#data(flags, streamId, bytes, from, to);
      case FRAME.headers:
        return this.#headers(flags, streamId, bytes, from, to);
      case FRAME.continuation:
        return this.#head(flags, streamId, bytes.subarray(from, to));
      case FRAME.priority:
        // Deprecated (§5.3.2), and still to be well-formed.
        return dependsOnItself(type, flags, streamId, bytes, from) ? ERROR.protocol : this.strikes.control();
      case FRAME.rstStream:
        return this.#streams.reset(streamId);
      case FRAME.settings:
        return (flags & FLAG.ack) !== 0 ? this.strikes.control() : this.#settings(bytes, from, to);
      case FRAME.ping:
        if ((flags & FLAG.ack) === 0) this.output.acknowledgePing(bytes.subarray(from, to));
        return this.strikes.control();
      case FRAME.goaway:
        return this.#goaway();
      case FRAME.windowUpdate:
        return this.#streams.widen(streamId, bytes.readUInt32BE(from) % 2 ** 31);
      default:
        return this.strikes.control();
    }
  }

  #data(flags: number, streamId: number, bytes: Buffer, from: number, to: number): number {
    const content = contentOf(FRAME.data, flags, bytes, from, to);
    if (content === undefined) return ERROR.protocol;
    return this.#streams.data(streamId, content, to - from, (flags & FLAG.endStream) !== 0);
  }

  #headers(flags: number, streamId: number, bytes: Buffer, from: number, to: number): number {
    const part = contentOf(FRAME.headers, flags, bytes, from, to);
    if (part === undefined || streamId % 2 === 0) return ERROR.protocol;
    if (dependsOnItself(FRAME.headers, flags, streamId, bytes, from)) return ERROR.protocol;
    return this.#head(flags, streamId, part);
  }

  #head(flags: number, streamId: number, part: Buffer): number {
    const isWhole = this.#blocks.add(streamId, flags, part);
    if (isWhole === undefined) return ERROR.enhanceYourCalm;
    if (!isWhole) return ERROR.none;
    const isEnd = (this.#blocks.flags & FLAG.endStream) !== 0;
    const isNew = streamId > this.#streams.lastId;
    try {
      const block = this.#blocks.read(isNew);
      if (isNew) return this.#streams.open(streamId, block, isEnd, this.#isEnding);
      return this.#streams.trailers(streamId, block, isEnd);
    } catch (error) {
      if (error instanceof CompressionError) return ERROR.compression;
      throw error;
    }
  }

  #settings(bytes: Buffer, from: number, to: number): number {
    this.#hasSettings = true;
    const read = readSettings(bytes, from, to);
    if ("error" in read) return read.error;
    this.output.acknowledgeSettings();
    const wrong = read.window === undefined ? ERROR.none : this.#streams.setInitialWindow(read.window);
    return wrong || this.strikes.control();
  }

  /** The peer opens nothing more; what it has opened is still answered. */
  #goaway(): number {
    this.#isEnding = true;
    if (this.#streams.size === 0) this.#end();
    return this.strikes.control();
  }

  // ---- its streams ----

  begins(): void {
    if (this.#parts.isDraining()) this.notice();
  }

  emptied(): void {
    const { now, options, isDraining } = this.#parts;
    this.#idleUntil = now() + options.keepAliveMs;
    if (isDraining() || this.#isEnding) this.#end();
  }

  // ---- the end ----

  /** `now`: in milliseconds, so many seconds after the last tick. */
  tick(now: number, seconds: number): void {
    this.strikes.forgive(seconds);
    if (this.#streams.size > 0) this.#streams.tick(now);
    else if (now >= this.#idleUntil) this.#end();
  }

  /** Without streams: says goodbye and waits for the peer's end, as long as for an answer to be taken. */
  #end(): void {
    if (this.#isOver) this.#socket.destroy();
    else this.#leave(ERROR.none);
  }

  /** RFC 9113 §5.4.1. */
  fail(code: number): void {
    if (!this.#isOver) this.#leave(code);
  }

  #leave(code: number): void {
    const { now, options } = this.#parts;
    this.#isOver = true;
    this.#reader.stop();
    this.#idleUntil = now() + options.bodyTimeoutMs;
    this.output.goaway(this.#streams.lastId, code);
    this.output.release();
    this.#streams.abandon();
    this.#socket.end();
  }

  #closed(): void {
    this.#isOver = true;
    this.#reader.stop();
    this.#streams.abandon();
    if (this.#socket.destroyed) this.#parts.closed(this);
  }

  /** Asks the client to open no more streams here. */
  notice(): void {
    if (this.#isNoticed || this.#isOver) return;
    this.#isNoticed = true;
    this.output.goaway(ANY_STREAM, ERROR.none);
  }

  closeIdle(): void {
    if (this.#streams.size === 0 && !this.#isOver) this.#end();
  }

  cut(): void {
    this.#isOver = true;
    this.#streams.abandon();
    this.#socket.destroy();
  }
}
