/** Frames of HTTP/2 (RFC 9113 §4 and §6): their names, and the reader that cuts what arrives into them. */
import { PREFACE } from "../preface.ts";

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** §7. */
export const ERROR = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const FRAME_HEAD_BYTES = 9;
/** An identifier and its value (§6.5.1). */
export const SETTING_BYTES = 6;
/** §4.2: what every peer has to take, and all that is taken here. */
export const MAX_FRAME_BYTES = 16_384;

export interface FrameHandler {
  /** The payload is bytes[from, to); `streamId` without its reserved bit. */
  frame(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void;
  /** It begins otherwise, or a frame is larger than allowed: nothing more is read. */
  unreadable(code: number): void;
}

/** Cuts a connection's bytes into frames, the preface before them. */
export class FrameReader {
  private readonly handler: FrameHandler;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  /** Bytes without which nothing can be read. */
  private needed = PREFACE.length;
  private isOpen = false;
  private isOver = false;

  constructor(handler: FrameHandler) {
    this.handler = handler;
  }

  /** Nothing more is read. */
  stop(): void {
    this.isOver = true;
    this.waiting = [];
  }

  receive(chunk: Buffer): void {
    if (this.isOver) return;
    if (this.waitingBytes + chunk.length < this.needed) {
      this.wait(chunk);
      return;
    }
    let bytes = chunk;
    if (this.waiting.length > 0) {
      this.waiting.push(chunk);
      bytes = Buffer.concat(this.waiting);
      this.waiting = [];
      this.waitingBytes = 0;
    }
    const at = this.read(bytes);
    if (at < bytes.length && !this.isOver) this.wait(bytes.subarray(at));
  }

  private wait(chunk: Buffer): void {
    this.waiting.push(chunk);
    this.waitingBytes += chunk.length;
  }

  /** As far as there are whole frames; answers with where it stopped. */
  private read(bytes: Buffer): number {
    let at = 0;
    if (!this.isOpen) {
      if (bytes.compare(PREFACE, 0, PREFACE.length, 0, PREFACE.length) !== 0) return this.fail(ERROR.protocol);
      this.isOpen = true;
      at = PREFACE.length;
    }
    while (!this.isOver) {
      const left = bytes.length - at;
      this.needed = FRAME_HEAD_BYTES;
      if (left < FRAME_HEAD_BYTES) break;
      const length = bytes.readUIntBE(at, 3);
      if (length > MAX_FRAME_BYTES) return this.fail(ERROR.frameSize);
      this.needed = FRAME_HEAD_BYTES + length;
      if (left < this.needed) break;
      const from = at + FRAME_HEAD_BYTES;
      const streamId = bytes.readUInt32BE(at + 5) % 2 ** 31;
      at = from + length;
      this.handler.frame(bytes[from - 6] ?? 0, bytes[from - 5] ?? 0, streamId, bytes, from, at);
    }
    return at;
  }

  private fail(code: number): number {
    this.stop();
    this.handler.unreadable(code);
    return 0;
  }
}
