/** One request and its answer on an HTTP/2 stream: collects the body, is the sink of the answer, and ends with the stream. */
import type { Admitted, Application, BodyRefusal, RequestHead, ResponseSink } from "../../../contract/http.ts";
import { Body } from "../body.ts";
import { MAX_UNREAD_BYTES } from "../unread.ts";
import { ERROR, MAX_FRAME_BYTES } from "./frames.ts";
import { answerBlock, interimBlock, NO_TABLE } from "./hpack/answer-block.ts";
import { STREAM_WINDOW } from "./limits.ts";
import type { Output } from "./output.ts";

const EMPTY = Buffer.alloc(0);
/** Of what waits on one stream it is only known that the whole of it has gone: a peer that takes something has the time for each of these. */
const TIMED_BYTES = 1024 * 1024;

/** The connection, as one of its exchanges sees it. */
export interface Surroundings {
  readonly output: Output;
  /** Bytes of answers that its peer takes from all streams (RFC 9113 §5.2). */
  sendWindow: number;
  /** True once: the first block says that no table is used. */
  isFirstBlock: boolean;
  /** An answer begins. */
  begins(): void;
  /** Body bytes that are held from now on, or no more (negative). False: that is more than one connection may hold. */
  holds(bytes: number): boolean;
  /** Data wait for their peer. */
  lags(exchange: Exchange): void;
  /** Called once, when both sides of the stream have ended or it was reset. `code`: for what this side found wrong with it, if anything. */
  finished(exchange: Exchange, code: number): void;
}

export class Exchange implements ResponseSink {
  readonly id: number;
  readonly admitted: Admitted;
  /** Milliseconds of the clock at which its body has to be complete; Infinity when it is. */
  bodyDueAt = Number.POSITIVE_INFINITY;
  sendWindow: number;
  private readonly head: RequestHead;
  private readonly application: Application;
  private readonly maxBodyBytes: number;
  private readonly surroundings: Surroundings;
  private gone: (() => void)[] | undefined;
  private drains: (() => void)[] | undefined;
  private body: Body | undefined;
  private held = 0;
  private received = 0;
  /** Of the stream's window: not yet given back to the peer. */
  private owed = 0;
  private announced = -1;
  /** The body is in other hands, or in none. */
  private taken = false;
  /** Its peer sends nothing more on it. */
  isEndedByPeer: boolean;
  private hasHead = false;
  /** Nothing more will be written. */
  private answered = false;
  private localEnded = false;
  private done = false;
  /** Data that wait for the peer's windows, or for room in the socket. */
  private queue: Uint8Array[] = [];
  private queued = 0;
  /** Somebody waits for that to be less. */
  private isLagging = false;
  private takenBytes = 0;
  private takenBefore = 0;
  private unchangedSince = Number.POSITIVE_INFINITY;

  constructor(
    id: number,
    head: RequestHead,
    admitted: Admitted,
    application: Application,
    surroundings: Surroundings,
    sendWindow: number,
    isEnded: boolean,
  ) {
    this.id = id;
    this.head = head;
    this.admitted = admitted;
    this.application = application;
    this.maxBodyBytes = Math.min(application.maxBodyBytes, admitted.maxBodyBytes ?? Infinity);
    this.surroundings = surroundings;
    this.sendWindow = sendWindow;
    this.isEndedByPeer = isEnded;
  }

  // ---- the request ----

  /** Without a body. */
  serveHead(): void {
    this.serve(EMPTY);
  }

  /** Waits for the body, of which all has to be there at `dueAt`, and serves with its last announced byte. */
  readBody(dueAt: number): void {
    const { head } = this;
    const length = head.headers["content-length"];
    if (length !== undefined) this.announced = Number(length);
    if (this.announced > this.maxBodyBytes) {
      this.refuseBody("too-large");
      return;
    }
    if (this.announced === 0) {
      this.serve(EMPTY);
      return;
    }
    this.bodyDueAt = dueAt;
    if (head.headers.expect?.toLowerCase() === "100-continue") this.writeBlock(interimBlock(100), false);
  }

  /** Nothing more of the body is kept; the stream ends with the answer. */
  refuseBody(reason: BodyRefusal): void {
    if (this.taken) return;
    this.release();
    this.application.refuseBody(this.head, this, reason);
  }

  /** Answered on its head: what is coming of the body is not read (RFC 9113 §8.1). */
  answerAtOnce(status: number, headers: Readonly<Record<string, string>>, body: string): void {
    this.taken = true;
    this.respond(status, headers, body);
  }

  /** A DATA frame; `cost` is what it takes of the windows, padding included. Answers with the error of one that may not be (RFC 9113 §8.1.1). */
  receive(bytes: Buffer, cost: number, isEnd: boolean): number {
    if (this.isEndedByPeer) return ERROR.streamClosed;
    this.received += bytes.length;
    this.owed += cost;
    if (this.owed > STREAM_WINDOW) return ERROR.flowControl;
    if (this.announced >= 0 && (this.received > this.announced || (isEnd && this.received < this.announced)))
      return ERROR.protocol;
    if (isEnd) this.isEndedByPeer = true;
    this.keep(bytes);
    if (isEnd) this.ended();
    else if (this.owed > STREAM_WINDOW / 2) this.giveBack();
    return ERROR.none;
  }

  /** Trailers end a body as well. */
  receiveTrailers(): number {
    if (this.isEndedByPeer) return ERROR.streamClosed;
    if (this.announced >= 0 && this.received < this.announced) return ERROR.protocol;
    this.isEndedByPeer = true;
    this.ended();
    return ERROR.none;
  }

  private ended(): void {
    if (!this.taken) this.whole();
    else if (this.localEnded) this.finish(ERROR.none);
  }

  private giveBack(): void {
    this.surroundings.output.windowUpdate(this.id, this.owed);
    this.owed = 0;
  }

  private keep(bytes: Buffer): void {
    if (this.taken || bytes.length === 0) return;
    if (bytes.length === this.announced) {
      this.serve(bytes);
      return;
    }
    this.held += bytes.length;
    if (this.held > this.maxBodyBytes) {
      this.surroundings.holds(bytes.length);
      this.refuseBody("too-large");
      return;
    }
    if (!this.surroundings.holds(bytes.length)) {
      // Nothing was done for it: the client may try again on this or another connection (RFC 9113 §8.7).
      this.reset(ERROR.refusedStream);
      return;
    }
    this.body ??= this.announced >= 0 ? new Body(this.announced) : new Body(this.maxBodyBytes, false);
    this.body.append(bytes);
    if (this.held === this.announced) this.whole();
  }

  private whole(): void {
    this.serve(this.body?.whole() ?? EMPTY);
  }

  private serve(body: Buffer): void {
    this.release();
    try {
      const { method, path, query, headers, remoteAddress, client } = this.head;
      this.application.serve({ method, path, query, headers, remoteAddress, client, body }, this, this.admitted);
    } catch {
      // Whatever goes wrong there ends this stream, never the process.
      this.reset(ERROR.internal);
    }
  }

  private release(): void {
    this.taken = true;
    this.bodyDueAt = Number.POSITIVE_INFINITY;
    if (this.held > 0) this.surroundings.holds(-this.held);
    this.held = 0;
    this.body = undefined;
  }

  // ---- the answer ----

  get closed(): boolean {
    return this.done || this.answered;
  }

  get unread(): number {
    return this.queued;
  }

  respond(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array | string): void {
    if (this.closed || this.hasHead) return;
    const bytes = body === undefined ? EMPTY : typeof body === "string" ? Buffer.from(body) : body;
    const isBare = status === 204 || status === 304;
    const block = answerBlock(status, headers, isBare ? undefined : bytes.length);
    const hasBody = bytes.length > 0 && !isBare && this.head.method !== "HEAD";
    if (!this.begin(block, !hasBody)) return;
    this.answered = true;
    if (hasBody) this.send(bytes);
    else this.endLocally();
  }

  open(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.closed || this.hasHead) return;
    const isBare = status === 204 || status === 304 || this.head.method === "HEAD";
    if (!this.begin(answerBlock(status, headers, undefined), isBare)) return;
    if (!isBare) return;
    this.answered = true;
    this.endLocally();
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.closed || !this.hasHead) return true;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    if (bytes.length > 0) this.send(bytes);
    if (this.queued > MAX_UNREAD_BYTES) this.reset(ERROR.cancel);
    return this.queued === 0;
  }

  end(): void {
    if (this.closed || !this.hasHead) return;
    this.answered = true;
    if (this.queued > 0) return;
    this.surroundings.output.data(this.id, EMPTY, true);
    this.endLocally();
  }

  onDrain(listener: () => void): void {
    this.drains ??= [];
    this.drains.push(listener);
  }

  onClose(listener: () => void): void {
    if (!this.done) {
      this.gone ??= [];
      this.gone.push(listener);
    } else if (!this.localEnded) queueMicrotask(listener);
  }

  detach(): void {
    this.admitted.leave();
  }

  /** There may be room again for what waits. */
  flush(): void {
    this.push();
    if (this.queued > 0 || !this.isLagging) return;
    this.isLagging = false;
    if (!this.closed) for (const listener of this.drains ?? []) listener();
  }

  /** Sends of what waits as much as the peer and the socket take. */
  private push(): void {
    const { surroundings } = this;
    const { output } = surroundings;
    while (this.queued > 0 && !output.isFull) {
      const [first] = this.queue;
      const room = Math.min(this.sendWindow, surroundings.sendWindow, MAX_FRAME_BYTES);
      if (first === undefined || room <= 0) return;
      const part = first.length <= room ? first : first.subarray(0, room);
      if (part === first) this.queue.shift();
      else this.queue[0] = first.subarray(room);
      this.queued -= part.length;
      this.sent(part, this.answered && this.queued === 0);
    }
    if (this.queued === 0 && this.answered) this.endLocally();
  }

  /**
   * Whether nothing of an answer that waits was taken for so long; `now` in milliseconds, asked with every tick. `isTaking`: the peer
   * takes something of its streams, if not of this one.
   */
  isStuck(now: number, withinMs: number, isTaking: boolean): boolean {
    const { queued } = this;
    if (queued === 0) this.unchangedSince = Number.POSITIVE_INFINITY;
    else if (this.takenBytes !== this.takenBefore || this.unchangedSince > now) this.unchangedSince = now;
    this.takenBefore = this.takenBytes;
    const shares = isTaking ? Math.max(1, Math.ceil(queued / TIMED_BYTES)) : 1;
    return now - this.unchangedSince >= withinMs * shares;
  }

  // ---- the end ----

  /** Ends the stream on both sides, and tells the peer why. */
  reset(code: number): void {
    if (this.done) return;
    this.surroundings.output.resetStream(this.id, code);
    this.finish(code);
  }

  /** The stream is closed; `code` as of Surroundings. */
  finish(code: number): void {
    if (this.done) return;
    this.done = true;
    this.queue = [];
    this.queued = 0;
    if (!this.taken) {
      this.release();
      this.application.refuseBody(this.head, this, "aborted");
    }
    this.surroundings.finished(this, code);
    const { gone } = this;
    this.gone = undefined;
    this.drains = undefined;
    if (gone !== undefined && !this.localEnded) for (const listener of gone) listener();
  }

  /** False where the answer cannot be written, or its writing ended the stream. */
  private begin(block: string | undefined, isLast: boolean): boolean {
    if (block === undefined) {
      this.reset(ERROR.internal);
      return false;
    }
    this.surroundings.begins();
    this.hasHead = true;
    this.writeBlock(block, isLast);
    return !this.done;
  }

  private writeBlock(block: string, isLast: boolean): void {
    const { surroundings } = this;
    const { isFirstBlock } = surroundings;
    surroundings.isFirstBlock = false;
    surroundings.output.block(this.id, isFirstBlock ? NO_TABLE + block : block, isLast);
  }

  private send(bytes: Uint8Array): void {
    const { surroundings } = this;
    const fits = Math.min(this.sendWindow, surroundings.sendWindow, MAX_FRAME_BYTES) >= bytes.length;
    if (this.queued === 0 && fits && !surroundings.output.isFull) {
      this.sent(bytes, this.answered);
      if (this.answered) this.endLocally();
      return;
    }
    this.queue.push(bytes);
    this.queued += bytes.length;
    this.push();
    if (this.queued === 0) return;
    this.isLagging = true;
    surroundings.lags(this);
  }

  private sent(bytes: Uint8Array, isLast: boolean): void {
    this.sendWindow -= bytes.length;
    this.surroundings.sendWindow -= bytes.length;
    this.takenBytes += bytes.length;
    this.surroundings.output.data(this.id, bytes, isLast);
  }

  /** A client need not send the rest of what nobody reads (RFC 9113 §8.1). */
  private endLocally(): void {
    if (this.localEnded || this.done) return;
    this.localEnded = true;
    if (!this.isEndedByPeer) this.surroundings.output.resetStream(this.id, ERROR.none);
    this.finish(ERROR.none);
  }
}
