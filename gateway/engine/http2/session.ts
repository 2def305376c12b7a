/** One HTTP/2 connection: its streams become exchanges, its bounds are kept, and it ends when nothing is left to do. */
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { Admitted, Application, Refused, RequestHead } from "../../../contract/http.ts";
import type { EngineOptions } from "../engine.ts";
import type { InFlight } from "../in-flight.ts";
import { takenReader } from "../taken.ts";
import { Exchange, type Surroundings } from "./exchange.ts";
import { fieldsOf } from "./fields.ts";
import { headOf, type Peer } from "./head.ts";
import { MAX_HELD_BODIES, MAX_UNREAD_SESSION_BYTES, Strikes, sessionOptions } from "./limits.ts";

/** RFC 9113 §6.8: a shutdown notice, after which streams that are on their way are still served. */
const ANY_STREAM = 2 ** 31 - 1;

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

export class Http2Connection implements Surroundings {
  readonly #parts: SessionParts;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #takenNow: () => number;
  readonly #exchanges = new Set<Exchange>();
  readonly #strikes = new Strikes();
  readonly #maxHeldBytes: number;
  #heldBytes = 0;
  /** When it will have done nothing for too long. */
  #idleUntil: number;
  #taken = 0;
  /** When its peer was last seen to have taken something. */
  #takenAt: number;
  #isNoticed = false;

  constructor(socket: Socket, parts: SessionParts) {
    const { options, application } = parts;
    this.#parts = parts;
    this.#socket = socket;
    this.#takenNow = takenReader(socket);
    this.#takenAt = parts.now();
    this.#maxHeldBytes = MAX_HELD_BODIES * application.maxBodyBytes;
    this.#idleUntil = parts.now() + options.headTimeoutMs;
    const session = performServerHandshake(socket, sessionOptions(options.maxHeadBytes));
    this.#session = session;
    session.on("stream", (stream, headers, flags) => this.#open(stream, headers, flags));
    const count = () => {
      if (this.#strikes.control()) this.#calm();
    };
    session.on("ping", count);
    session.on("remoteSettings", count);
    // What a peer does wrong ends its connection; streams tell of it by their close.
    session.on("error", ignore);
    session.on("close", () => parts.closed(this));
  }

  /** `now`: in milliseconds, so many seconds after the last tick. */
  tick(now: number, seconds: number): void {
    this.#strikes.forgive(seconds);
    if (this.#exchanges.size === 0) {
      if (now >= this.#idleUntil) this.#end();
      return;
    }
    const isTaking = this.#isTaking(now);
    for (const exchange of this.#exchanges) {
      if (now >= exchange.bodyDueAt)
        exchange.refuseBody(exchange.admitted.bodyWithinMs === undefined ? "aborted" : "late");
      else if (exchange.isStuck(now, this.#parts.options.bodyTimeoutMs, isTaking)) this.#giveUp(exchange);
    }
  }

  /** Whether anything of all streams was taken within the time that an answer has. */
  #isTaking(now: number): boolean {
    const taken = this.#takenNow();
    if (taken !== this.#taken) this.#takenAt = now;
    this.#taken = taken;
    return now - this.#takenAt < this.#parts.options.bodyTimeoutMs;
  }

  #giveUp({ stream }: Exchange): void {
    // Not even the reset of a tick ago was taken.
    if (stream.closed) this.#socket.destroy();
    else stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Waits for the streams that are left, which are refused ones, and for the peer's end, as long as for an answer to be taken. */
  #end(): void {
    const { options, now } = this.#parts;
    this.#idleUntil = now() + options.bodyTimeoutMs;
    if (this.#session.closed || this.#session.destroyed) this.#socket.destroy();
    else this.#session.close();
  }

  /** Asks the client to open no more streams here. */
  notice(): void {
    if (this.#isNoticed || this.#session.destroyed || this.#session.closed) return;
    this.#isNoticed = true;
    this.#session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
  }

  closeIdle(): void {
    if (this.#exchanges.size === 0 && !this.#session.closed) this.#end();
  }

  cut(): void {
    this.#session.destroy();
  }

  begins(): void {
    if (this.#parts.isDraining()) this.notice();
  }

  holds(bytes: number): boolean {
    this.#heldBytes += bytes;
    return this.#heldBytes <= this.#maxHeldBytes;
  }

  lags(): void {
    let unread = 0;
    for (const { stream } of this.#exchanges) unread += stream.writableLength;
    if (unread > MAX_UNREAD_SESSION_BYTES) this.#calm();
  }

  finished(exchange: Exchange): void {
    this.#exchanges.delete(exchange);
    this.#parts.inFlight.leave();
    exchange.admitted.leave();
    if (exchange.stream.rstCode !== constants.NGHTTP2_NO_ERROR && this.#strikes.reset()) this.#calm();
    if (this.#exchanges.size > 0) return;
    this.#idleUntil = this.#parts.now() + this.#parts.options.keepAliveMs;
    if (this.#parts.isDraining() && !this.#session.closed) this.#end();
  }

  #open(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number): void {
    stream.on("error", ignore);
    if (stream.destroyed || stream.closed) {
      // Reset in the same breath that opened it.
      if (this.#strikes.reset()) this.#calm();
      return;
    }
    const { application, options, peer, now } = this.#parts;
    const head = headOf(headers, options.pathPrefix, peer);
    if (head === undefined) {
      stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      return;
    }
    const decision = application.admit(head);
    if (!decision.ok) {
      this.#idleUntil = now() + options.keepAliveMs;
      refuse(stream, decision);
      return;
    }
    const exchange = this.#enter(stream, head, decision);
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) exchange.serveHead();
    else exchange.readBody(now() + (decision.bodyWithinMs ?? options.bodyTimeoutMs));
  }

  #enter(stream: ServerHttp2Stream, head: RequestHead, admitted: Admitted): Exchange {
    const exchange = new Exchange(stream, head, admitted, this.#parts.application, this);
    this.#exchanges.add(exchange);
    this.#parts.inFlight.enter();
    stream.on("close", () => exchange.finish());
    return exchange;
  }

  /** RFC 9113 §7: a peer that might be generating excessive load. */
  #calm(): void {
    if (this.#session.destroyed) return;
    this.#session.destroy(new Error("too much of what costs its sender nothing"), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

/** Before the body: what is coming of it is not read (RFC 9113 §8.1). */
function refuse(stream: ServerHttp2Stream, { status, headers, body }: Refused): void {
  stream.on("finish", () => stream.close(constants.NGHTTP2_NO_ERROR));
  stream.respond([...fieldsOf(status, headers), "content-length", String(Buffer.byteLength(body))]);
  stream.end(body);
}

function ignore(): void {}
