/** The writing half of a connection: frames answers, one write each, and knows whether the peer reads them. */
import type { Socket } from "node:net";
import { inOnePiece } from "../../../contract/one-piece.ts";
import { type Held, releaseLater } from "../../../contract/turn.ts";
import { MAX_UNREAD_BYTES, Unread } from "../unread.ts";
import { answerHead, answerStart, type Framing } from "./answer-head.ts";
import { LAST_CHUNK, MAX_COPIED_BYTES, sizeOf, writeChunk, writeWhole } from "./output.ts";

export type WireOptions = {
  /** Asked as an answer begins: is it the last one whatever was asked for? */
  readonly isEnding: () => boolean;
  /** The answer has been written whole. */
  readonly answered: () => void;
};

export class Wire implements Held {
  private readonly socket: Socket;
  private readonly options: WireOptions;
  private readonly unread: Unread;
  /** The connection ends with the answer that is being written. */
  isLast = false;
  private hasBody = true;
  private isCorked = false;
  private isInTurn = false;
  /** Nearly always all that a turn writes: what needs no queue of the socket is not put into it. */
  private held: Buffer | undefined;

  constructor(socket: Socket, options: WireOptions) {
    this.socket = socket;
    this.options = options;
    this.unread = new Unread(socket);
  }

  /** Of the next answer. An answer to HEAD has no body, whatever it says. */
  begin(method: string, isLast: boolean): void {
    this.hasBody = method !== "HEAD";
    this.isLast = isLast;
  }

  get isGone(): boolean {
    return this.socket.destroyed;
  }

  respond(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array | string | undefined): void {
    const isBare = status === 204 || status === 304;
    if (body instanceof Uint8Array && this.hasBody && !isBare && body.length <= MAX_COPIED_BYTES) {
      this.closeIfAsked(headers);
      const start = answerStart(status, headers, this.isLast);
      if (start !== undefined) {
        this.hold(inOnePiece(start, body, true));
        this.options.answered();
        return;
      }
    }
    const size = body === undefined ? 0 : sizeOf(body);
    const head = this.headOf(status, headers, isBare ? "none" : size);
    if (head === undefined) return;
    this.beginTurn();
    this.sent(writeWhole(this.socket, head, this.hasBody && !isBare ? body : undefined, size));
    this.options.answered();
  }

  open(status: number, headers: Readonly<Record<string, string>>): void {
    if (status === 204 || status === 304) this.hasBody = false;
    const head = this.headOf(status, headers, this.hasBody ? "chunked" : "none");
    if (head === undefined) return;
    this.beginTurn();
    this.sent(this.socket.write(head, "latin1"));
  }

  write(chunk: Uint8Array | string): boolean {
    if (!this.hasBody) return true;
    this.beginTurn();
    return this.sent(writeChunk(this.socket, chunk));
  }

  end(): void {
    if (this.hasBody) {
      this.beginTurn();
      this.sent(this.socket.write(LAST_CHUNK, "latin1"));
    }
    this.options.answered();
  }

  /** Answers from now on leave together. */
  cork(): void {
    if (this.isCorked) return;
    this.isCorked = true;
    if (this.held !== undefined) this.queueHeld();
    this.socket.cork();
  }

  uncork(): void {
    if (!this.isCorked) return;
    this.isCorked = false;
    this.socket.uncork();
  }

  /** Somebody else goes on writing: nothing is held back. */
  giveBack(): void {
    this.uncork();
    this.release();
  }

  /** Whether something has waited for the peer since this was last asked, of which it has taken nothing. */
  isStuck(): boolean {
    return this.unread.isStuck();
  }

  /** What is written within one turn of the event loop leaves at its end, of a stream often its head, its only event and its end at once. */
  private beginTurn(): void {
    if (this.held !== undefined) this.queueHeld();
    if (this.isInTurn) return;
    this.isInTurn = true;
    this.socket.cork();
    releaseLater(this);
  }

  private hold(bytes: Buffer): void {
    if (this.isInTurn || this.isCorked) {
      this.beginTurn();
      this.sent(this.socket.write(bytes));
      return;
    }
    this.isInTurn = true;
    this.held = bytes;
    releaseLater(this);
  }

  /** More follows in this turn: it goes before that. */
  private queueHeld(): void {
    const { held } = this;
    if (held === undefined) return;
    this.held = undefined;
    this.socket.cork();
    this.sent(this.socket.write(held));
  }

  release(): void {
    if (!this.isInTurn) return;
    this.isInTurn = false;
    const { held } = this;
    this.held = undefined;
    if (held === undefined) this.socket.uncork();
    else if (!this.socket.destroyed) this.sent(this.socket.write(held));
  }

  private closeIfAsked(headers: Readonly<Record<string, string>>): void {
    if (headers.connection === "close" || this.options.isEnding()) this.isLast = true;
  }

  /** What cannot be written as HTTP ends this connection, never the process. */
  private headOf(status: number, headers: Readonly<Record<string, string>>, framing: Framing): string | undefined {
    this.closeIfAsked(headers);
    const head = answerHead(status, headers, framing, this.isLast);
    if (head === undefined) this.socket.destroy();
    return head;
  }

  private sent(isReady: boolean): boolean {
    if (isReady) return true;
    if (this.socket.writableLength > MAX_UNREAD_BYTES) this.socket.destroy();
    return false;
  }
}
