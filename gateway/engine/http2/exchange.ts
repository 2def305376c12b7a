/** One request and its answer on an HTTP/2 stream: collects the body, is the sink of the answer, and ends with the stream. */
import { constants, type ServerHttp2Stream } from "node:http2";
import type { Admitted, Application, BodyRefusal, RequestHead, ResponseSink } from "../../../contract/http.ts";
import { MAX_UNREAD_BYTES } from "../unread.ts";
import { fieldsOf } from "./fields.ts";

const EMPTY = Buffer.alloc(0);
/** Of what waits on one stream it is only known that the whole of it has gone: a peer that takes something has the time for each of these. */
const TIMED_BYTES = 1024 * 1024;

/** The connection, as one of its exchanges sees it. */
export interface Surroundings {
  /** An answer begins. */
  begins(): void;
  /** Body bytes that are held from now on, or no more (negative). False: that is more than one connection may hold. */
  holds(bytes: number): boolean;
  /** A peer reads slower than it is written to. */
  lags(): void;
  /** Called once, when the stream is gone. */
  finished(exchange: Exchange): void;
}

export class Exchange implements ResponseSink {
  readonly stream: ServerHttp2Stream;
  readonly admitted: Admitted;
  /** Milliseconds of the clock at which its body has to be complete; Infinity when it is. */
  bodyDueAt = Number.POSITIVE_INFINITY;
  private readonly head: RequestHead;
  private readonly application: Application;
  private readonly maxBodyBytes: number;
  private readonly surroundings: Surroundings;
  private gone: (() => void)[] | undefined;
  private chunks: Buffer[] | undefined;
  private held = 0;
  /** Of the answer. */
  private written = 0;
  private takenBytes = 0;
  private unchangedSince = Number.POSITIVE_INFINITY;
  private announced = -1;
  private taken = false;
  private answered = false;
  private done = false;

  constructor(
    stream: ServerHttp2Stream,
    head: RequestHead,
    admitted: Admitted,
    application: Application,
    surroundings: Surroundings,
  ) {
    this.stream = stream;
    this.head = head;
    this.admitted = admitted;
    this.application = application;
    this.maxBodyBytes = Math.min(application.maxBodyBytes, admitted.maxBodyBytes ?? Infinity);
    this.surroundings = surroundings;
  }

  /** Without a body. */
  serveHead(): void {
    this.serve(EMPTY);
  }

  /** Reads the body, of which all has to be there at `dueAt`, and serves with its last announced byte. */
  readBody(dueAt: number): void {
    const { stream, head } = this;
    const length = head.headers["content-length"];
    // nghttp2 ends a stream whose data are not of the announced length (RFC 9113 §8.1.1).
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
    if (head.headers.expect?.toLowerCase() === "100-continue") stream.additionalHeaders({ ":status": 100 });
    stream.on("data", (chunk: Buffer) => this.receive(chunk));
    if (this.announced > 0) return;
    // A stream that its peer closed ends as well, with whatever it had sent.
    stream.on("end", () => {
      if (!stream.closed) this.whole();
    });
  }

  /** Nothing more of the body is kept; the stream ends with the answer. */
  refuseBody(reason: BodyRefusal): void {
    if (this.taken) return;
    this.release();
    this.application.refuseBody(this.head, this, reason);
    this.abandonBody();
  }

  /**
   * Whether nothing of an answer that waits was taken for so long; `now` in milliseconds, asked with every tick. `isTaking`: the peer
   * takes something of its streams, if not of this one.
   */
  isStuck(now: number, withinMs: number, isTaking: boolean): boolean {
    const waiting = this.stream.writableLength;
    const taken = this.written - waiting;
    if (!this.answered && waiting === 0) this.unchangedSince = Number.POSITIVE_INFINITY;
    else if (taken !== this.takenBytes || this.unchangedSince > now) this.unchangedSince = now;
    this.takenBytes = taken;
    const shares = isTaking ? Math.max(1, Math.ceil(waiting / TIMED_BYTES)) : 1;
    return now - this.unchangedSince >= withinMs * shares;
  }

  get closed(): boolean {
    return this.done || this.answered || this.stream.destroyed || this.stream.closed;
  }

  respond(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array | string): void {
    const { stream } = this;
    if (this.closed || stream.headersSent) return;
    const length = body === undefined ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const fields = fieldsOf(status, headers);
    if (status !== 204 && status !== 304) fields.push("content-length", String(length));
    this.surroundings.begins();
    this.answered = true;
    if (length === 0 || this.head.method === "HEAD") {
      stream.respond(fields, { endStream: true });
      return;
    }
    stream.respond(fields);
    stream.end(body);
    this.written = length;
  }

  open(status: number, headers: Readonly<Record<string, string>>): void {
    const { stream } = this;
    if (this.closed || stream.headersSent) return;
    this.surroundings.begins();
    this.answered = this.head.method === "HEAD";
    stream.respond(fieldsOf(status, headers), { endStream: this.answered });
  }

  write(chunk: Uint8Array | string): boolean {
    const { stream } = this;
    if (this.closed) return true;
    const before = stream.writableLength;
    const ready = stream.write(chunk);
    this.written += stream.writableLength - before;
    if (stream.writableLength > MAX_UNREAD_BYTES) stream.close(constants.NGHTTP2_CANCEL);
    else if (!ready) this.surroundings.lags();
    return ready;
  }

  end(): void {
    if (this.closed) return;
    this.answered = true;
    this.stream.end();
  }

  onDrain(listener: () => void): void {
    this.stream.on("drain", listener);
  }

  onClose(listener: () => void): void {
    if (!this.done) {
      this.gone ??= [];
      this.gone.push(listener);
    } else if (!this.isComplete()) queueMicrotask(listener);
  }

  detach(): void {
    this.admitted.leave();
  }

  /** The stream is closed. */
  finish(): void {
    if (this.done) return;
    this.done = true;
    if (!this.taken) {
      this.release();
      this.application.refuseBody(this.head, this, "aborted");
    }
    this.surroundings.finished(this);
    const { gone } = this;
    this.gone = undefined;
    if (gone !== undefined && !this.isComplete()) for (const listener of gone) listener();
  }

  /** Node finishes the writable side of a stream that its peer has reset, too. */
  private isComplete(): boolean {
    return this.answered && this.stream.writableFinished;
  }

  /** A client need not send the rest of what nobody reads (RFC 9113 §8.1). */
  private abandonBody(): void {
    const { stream } = this;
    stream.on("finish", () => stream.close(constants.NGHTTP2_NO_ERROR));
  }

  private receive(chunk: Buffer): void {
    if (this.taken) return;
    if (chunk.length === this.announced) {
      this.serve(chunk);
      return;
    }
    this.held += chunk.length;
    if (this.held > this.maxBodyBytes) {
      this.surroundings.holds(chunk.length);
      this.refuseBody("too-large");
      return;
    }
    if (!this.surroundings.holds(chunk.length)) {
      // Nothing was done for it: the client may try again on this or another connection (RFC 9113 §8.7).
      this.stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    this.chunks ??= [];
    this.chunks.push(chunk);
    if (this.held === this.announced) this.whole();
  }

  private whole(): void {
    if (this.taken) return;
    this.serve(Buffer.concat(this.chunks ?? []));
  }

  private serve(body: Buffer): void {
    this.release();
    try {
      const { method, path, query, headers, remoteAddress, client } = this.head;
      this.application.serve({ method, path, query, headers, remoteAddress, client, body }, this, this.admitted);
    } catch {
      // What cannot be written as HTTP (a header value that is none) ends this stream, never the process.
      this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
  }

  /** The body is in other hands, or in none. */
  private release(): void {
    this.taken = true;
    this.bodyDueAt = Number.POSITIVE_INFINITY;
    if (this.held > 0) this.surroundings.holds(-this.held);
    this.held = 0;
    this.chunks = undefined;
  }
}
