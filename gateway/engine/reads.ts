/**
 * Takes what a socket reads as it comes from the kernel. node:net gives every read to `push` of its stream (docs: readable.push); with
 * one of our own in that place the buffering and the events behind it, which nothing here needs, are left out: measured, 5 % of what a
 * small request costs. Given back, the socket is as it was, so that somebody else can go on with it.
 */
import type { Socket } from "node:net";
import { Readable } from "node:stream";

const EMPTY = Buffer.alloc(0);
/** The stream's own: for the end, and for what is given back. */
const { push } = Readable.prototype;

export class Reads {
  private readonly socket: Socket;
  private isPaused = false;

  constructor(socket: Socket, received: (chunk: Buffer) => void) {
    this.socket = socket;
    socket.push = (chunk: Buffer | null): boolean => {
      if (chunk === null) return push.call(socket, chunk);
      received(chunk);
      // False stops reading until more is asked for.
      return !this.isPaused;
    };
  }

  /** What was read before, or pushed back; reading goes on from here. */
  early(): Buffer | undefined {
    const bytes: unknown = this.socket.read();
    this.socket.read(0);
    return Buffer.isBuffer(bytes) ? bytes : undefined;
  }

  /** Bytes that come stay in the kernel. */
  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    // A push of nothing says that the last read is over, and the stream asks for the next one.
    push.call(this.socket, EMPTY);
  }

  /** The socket reads as any other again, first of all these bytes. */
  giveBack(rest: Buffer): void {
    Reflect.deleteProperty(this.socket, "push");
    if (rest.length > 0) this.socket.unshift(rest);
  }
}
