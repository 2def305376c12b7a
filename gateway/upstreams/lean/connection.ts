/**
 * One socket that carries one request at a time. It reads into memory that all connections share, writes a request in one piece and
 * knows when it may be used again.
 */
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { inOnePiece } from "../../../contract/one-piece.ts";
import { type Held, releaseLater } from "../../../contract/turn.ts";
import { ConnectionError } from "./errors.ts";
import { type ResponseEvents, ResponseReader } from "./response-reader.ts";

/** A request and who waits for its response. Exactly one of responseEnd and responseFailed is called, unless it is given up. */
export type Transfer = ResponseEvents & {
  /** The request's head, up to the length of the body. */
  readonly head: Buffer;
  readonly body: Buffer | null;
  /** Set while a connection is opened for it or carries it. */
  connection: Connection | undefined;
  responseEnd(): void;
  /**
   * `begun`: a part of the response had arrived. `reusedAt`: when the request was written, by performance.now(), if the connection had
   * carried a response before. `written`: bytes of the request may have left this process.
   */
  responseFailed(error: Error, begun: boolean, reusedAt: number | undefined, written: boolean): void;
};

/** What the pool is told. */
export type ConnectionOwner = {
  readonly place: NetConnectOpts;
  readonly connectTimeoutMs: number;
  /** It can carry a request, for the first time or again. */
  free(connection: Connection): void;
  /** It is gone; called once. Nothing new is to be started from within. */
  gone(connection: Connection): void;
  /** Takes what has waited longest. */
  next(): Transfer | undefined;
  /** What waits may be started. */
  advance(): void;
};

/** Reading is synchronous up to the copy that a receiver gets, so one buffer serves every socket of a thread. */
const INPUT = Buffer.allocUnsafeSlow(65_536);
/** Larger bodies are not copied to stand behind their head. */
const MAX_COPIED_BODY = 16_384;
const KEEP_ALIVE_PROBE_MS = 60_000;

export class Connection implements Held {
  /** When it became free, by the pool's clock. */
  idleSince = 0;
  /** When the server closes it after a response, as it says; ms. */
  keepAliveMs: number | undefined;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #reader = new ResponseReader();
  readonly #timer: NodeJS.Timeout;
  #transfer: Transfer | undefined;
  #begun = false;
  #reusedAt: number | undefined;
  #paused = false;
  #gone = false;
  /** What leaves at the end of this turn: a request, or its head where the body is long. */
  #held: Buffer | undefined;
  #heldBody: Buffer | undefined;

  /** Opens a socket for a request. */
  constructor(owner: ConnectionOwner, transfer: Transfer) {
    this.#owner = owner;
    this.#transfer = transfer;
    transfer.connection = this;
    this.#socket = connect({
      ...owner.place,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      onread: { buffer: INPUT, callback: (length) => this.#read(length) },
    });
    this.#socket.on("connect", () => this.#connected());
    this.#socket.on("end", () => this.#ended());
    this.#socket.on("error", (error) => this.#failed(connectError(error)));
    this.#socket.on("close", () => this.#ended());
    this.#timer = setTimeout(expire, owner.connectTimeoutMs, this);
  }

  /** Sends a request; only for a connection that is free. `now`: performance.now(). */
  carry(transfer: Transfer, now: number): void {
    this.#transfer = transfer;
    transfer.connection = this;
    this.#reusedAt = now;
    this.#send(transfer);
  }

  /** Ends the request under way. The socket goes with it, unless it is not open yet and another request waits for one. */
  abandon(): void {
    const transfer = this.#transfer;
    if (transfer === undefined) return;
    this.#let(transfer);
    this.#reader.stop();
    const next = this.#socket.connecting ? this.#owner.next() : undefined;
    if (next !== undefined) {
      this.#transfer = next;
      next.connection = this;
      return;
    }
    this.close();
    this.#owner.advance();
  }

  /** No more of the response is read until resume(); what has been read already still comes. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  /** Destroys the socket without telling a request. */
  close(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#held = undefined;
    this.#heldBody = undefined;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#owner.gone(this);
  }

  /** Destroys the socket and fails the request that it carries or was opened for. */
  destroy(error: Error): void {
    this.#failed(error);
  }

  expired(): void {
    this.#failed(new ConnectionError("connecting took too long", "UND_ERR_CONNECT_TIMEOUT"));
  }

  #connected(): void {
    clearTimeout(this.#timer);
    if (this.#transfer !== undefined) this.#send(this.#transfer);
  }

  #send({ head, body }: Transfer): void {
    this.#begun = false;
    this.#reader.reset();
    if (body === null) this.#held = head;
    else {
      const isShort = body.length <= MAX_COPIED_BODY;
      this.#held = inOnePiece(head, body, isShort);
      if (!isShort) this.#heldBody = body;
    }
    releaseLater(this);
  }

  release(): void {
    const [head, body] = [this.#held, this.#heldBody];
    if (head === undefined) return;
    this.#held = undefined;
    this.#heldBody = undefined;
    if (body === undefined) {
      this.#socket.write(head);
      return;
    }
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(body);
    this.#socket.uncork();
  }

  #read(length: number): boolean {
    const transfer = this.#transfer;
    if (transfer === undefined) {
      // Nothing has been asked: it would be taken for the next response.
      this.close();
      return false;
    }
    if (this.#held !== undefined && this.#reusedAt !== undefined) {
      // Nothing of the request has left: it is said to an idle connection (408, RFC 9110 §15.5.9), and answers nobody.
      this.#failed(new ConnectionError("the other side wrote before it was asked", "UND_ERR_SOCKET"));
      return false;
    }
    this.#begun = true;
    const reader = this.#reader;
    let used = 0;
    try {
      used = reader.push(INPUT, length, transfer);
    } catch (error) {
      // A receiver broke: its own request fails, and nobody else's.
      this.#failed(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
    if (this.#transfer !== transfer) return false;
    if (reader.failure !== undefined) this.#failed(reader.failure);
    else if (reader.done) this.#complete(transfer, used === length);
    return true;
  }

  /** `clean`: nothing followed the response. */
  #complete(transfer: Transfer, clean: boolean): void {
    const reader = this.#reader;
    this.#let(transfer);
    // A response that came before its request was sent leaves the rest of the request to be sent.
    if (clean && reader.keepAlive && this.#held === undefined && this.#socket.writableLength === 0) {
      this.keepAliveMs = reader.keepAliveMs;
      if (this.#paused) this.resume();
      this.#owner.free(this);
    } else {
      this.close();
      this.#owner.advance();
    }
    transfer.responseEnd();
  }

  #let(transfer: Transfer): void {
    this.#transfer = undefined;
    transfer.connection = undefined;
  }

  #ended(): void {
    if (this.#gone) return;
    const transfer = this.#transfer;
    if (transfer !== undefined && this.#reader.eof()) this.#complete(transfer, false);
    else this.#failed(new ConnectionError("the other side closed the connection", "UND_ERR_SOCKET"));
  }

  #failed(error: Error): void {
    if (this.#gone) return;
    const [transfer, isWritten] = [this.#transfer, this.#held === undefined];
    this.close();
    if (transfer !== undefined) {
      this.#let(transfer);
      transfer.responseFailed(error, this.#begun, this.#reusedAt, isWritten);
    }
    this.#owner.advance();
  }
}

function expire(connection: Connection): void {
  connection.expired();
}

/** With several addresses for a name each attempt has its own error; a timeout among them is what took the time. */
function connectError(error: Error): Error {
  if (!(error instanceof AggregateError)) return error;
  const isTimeout = [error, ...error.errors].some((one: unknown) => codeOf(one) === "ETIMEDOUT");
  return isTimeout ? new ConnectionError("connecting took too long", "UND_ERR_CONNECT_TIMEOUT") : error;
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}
