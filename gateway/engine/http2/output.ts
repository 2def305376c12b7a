/** The writing half of a connection: frames put one behind the other and sent at the end of the turn of the event loop, all in one write. */
import type { Socket } from "node:net";
import { type Held, releaseLater } from "../../../contract/turn.ts";
import { FLAG, FRAME, FRAME_HEAD_BYTES, MAX_FRAME_BYTES, SETTING_BYTES } from "./frames.ts";

/** Frames are put together in pieces of memory of this size. */
const SLAB_BYTES = 64 * 1024;
/** Bytes of a body that are worth a copy rather than a piece of their own in the system call. */
const MAX_COPIED_BYTES = 4096;
/** What waits in the socket beyond this is not added to: data wait in their streams, where a reset finds them. */
const MAX_QUEUED_BYTES = 256 * 1024;

/** One for all connections, which fill it in turn: what is sent was put there just before. */
let slab: Buffer = Buffer.alloc(0);
let used = 0;
let owner: Output | undefined;

export class Output implements Held {
  private readonly socket: Socket;
  /** Of the slab: what is not yet a piece begins here; it ends where the slab's use does. */
  private from = 0;
  private pieces: Buffer[] = [];
  private pieceBytes = 0;
  private isAwaited = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** The peer takes less than it is sent: only what answers its frames is written. */
  get isFull(): boolean {
    return this.waiting >= MAX_QUEUED_BYTES;
  }

  /** Bytes that the kernel has not taken yet. */
  get waiting(): number {
    return this.socket.writableLength + this.pieceBytes + (owner === this ? used - this.from : 0);
  }

  /** SETTINGS (§6.5): pairs of an identifier and its value. */
  settings(entries: readonly (readonly [identifier: number, value: number])[]): void {
    let at = this.head(entries.length * SETTING_BYTES, FRAME.settings, 0, 0);
    for (const [identifier, value] of entries) {
      slab.writeUInt16BE(identifier, at);
      slab.writeUInt32BE(value, at + 2);
      at += SETTING_BYTES;
    }
  }

  /** Says that the peer's SETTINGS hold from here on. */
  acknowledgeSettings(): void {
    this.head(0, FRAME.settings, FLAG.ack, 0);
  }

  /** Answers a PING with its eight bytes (§6.7). */
  acknowledgePing(bytes: Buffer): void {
    const at = this.head(bytes.length, FRAME.ping, FLAG.ack, 0);
    bytes.copy(slab, at);
  }

  /** RST_STREAM (§6.4). */
  resetStream(streamId: number, code: number): void {
    const at = this.head(4, FRAME.rstStream, 0, streamId);
    slab.writeUInt32BE(code, at);
  }

  /** So many bytes more may be sent, on stream 0 by all of them together (§6.9). */
  windowUpdate(streamId: number, bytes: number): void {
    const at = this.head(4, FRAME.windowUpdate, 0, streamId);
    slab.writeUInt32BE(bytes, at);
  }

  /** Streams beyond `lastStreamId` are not served (§6.8). */
  goaway(lastStreamId: number, code: number): void {
    const at = this.head(8, FRAME.goaway, 0, 0);
    slab.writeUInt32BE(lastStreamId, at);
    slab.writeUInt32BE(code, at + 4);
  }

  /** A header block, in as many frames as its peer wants it (§6.10). */
  block(streamId: number, block: string, isLast: boolean): void {
    let type: number = FRAME.headers;
    for (let at = 0; type === FRAME.headers || at < block.length; at += MAX_FRAME_BYTES) {
      const part = block.length <= MAX_FRAME_BYTES ? block : block.slice(at, at + MAX_FRAME_BYTES);
      const isEnd = at + part.length === block.length ? FLAG.endHeaders : 0;
      const isLastFlag = isLast && type === FRAME.headers ? FLAG.endStream : 0;
      const place = this.head(part.length, type, isEnd | isLastFlag, streamId);
      slab.write(part, place, "latin1");
      type = FRAME.continuation;
    }
  }

  /** A DATA frame; no more than MAX_FRAME_BYTES. The bytes must not change any more. */
  data(streamId: number, bytes: Uint8Array, isLast: boolean): void {
    const flags = isLast ? FLAG.endStream : 0;
    if (bytes.length <= MAX_COPIED_BYTES) {
      const at = this.head(bytes.length, FRAME.data, flags, streamId);
      slab.set(bytes, at);
      return;
    }
    this.head(bytes.length, FRAME.data, flags, streamId, 0);
    this.cut();
    this.add(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  /** All that is held goes to the socket. */
  release(): void {
    this.isAwaited = false;
    this.cut();
    const { pieces, socket } = this;
    this.pieces = [];
    this.pieceBytes = 0;
    if (socket.destroyed || socket.writableEnded) return;
    const [only] = pieces;
    if (pieces.length === 1 && only !== undefined) {
      socket.write(only);
      return;
    }
    if (pieces.length === 0) return;
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
  }

  /** Room for a frame; answers with where its payload goes. `own`: bytes of the payload that go into the slab. */
  private head(length: number, type: number, flags: number, streamId: number, own = length): number {
    const size = FRAME_HEAD_BYTES + own;
    if (slab.length - used < size) {
      owner?.cut();
      owner = undefined;
      slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, size));
      used = 0;
    }
    if (owner !== this) {
      owner?.cut();
      owner = this;
      this.from = used;
    }
    if (!this.isAwaited) {
      this.isAwaited = true;
      releaseLater(this);
    }
    const at = used;
    slab.writeUIntBE(length, at, 3);
    slab[at + 3] = type;
    slab[at + 4] = flags;
    slab.writeUInt32BE(streamId, at + 5);
    used = at + size;
    return at + FRAME_HEAD_BYTES;
  }

  /** What stands in the slab becomes a piece. */
  private cut(): void {
    if (owner !== this || used === this.from) return;
    this.add(slab.subarray(this.from, used));
    this.from = used;
  }

  private add(piece: Buffer): void {
    this.pieces.push(piece);
    this.pieceBytes += piece.length;
  }
}
