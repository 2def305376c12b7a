/**
 * The GET stream of a legacy session: what an upstream says without having been asked. Re-opened with back-off and Last-Event-ID for as
 * long as somebody listens, and moved when the session is opened anew.
 */

import { Fault } from "../../contract/errors.ts";
import { type Envelope, scanMessage } from "../mcp/index.ts";
import { type Prepared, withMessageHeaders } from "./address.ts";
import type { DispatchContext } from "./dispatch.ts";
import { protocolFault, redirectFault, statusFault, tooLargeFault } from "./failures.ts";
import { Flight, type HttpReceiver } from "./flight.ts";
import type { AnswerHeaders } from "./lean/response-head.ts";
import { ACCEPT_STREAM, type Line } from "./line.ts";
import { first, mediaType } from "./messages.ts";
import { SseParser } from "./sse-parser.ts";
import type { Exchange, Holder, ReplySink, UpstreamProfile, UpstreamTarget } from "./types.ts";
import { faultOf } from "./wire.ts";

const FIRST_RETRY_MS = 1000;
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 30_000;
/** Sessions that an upstream may lose one after the other without a message in between. */
const MAX_LOSSES = 3;
const MIN_RENEWAL_MS = 1000;

export class Listening implements Exchange {
  readonly #context: DispatchContext;
  readonly #target: UpstreamTarget;
  readonly #holder: Holder;
  readonly #sink: ReplySink;
  readonly #onOver: () => void;
  #flight: Flight | undefined;
  /** A session that is listened to makes room for no other. */
  #line: Line | undefined;
  #paused = false;
  #retryTimer: NodeJS.Timeout | undefined;
  #renewal: NodeJS.Timeout | undefined;
  #parser: SseParser | undefined;
  #lastEventId = "";
  #retryMs = FIRST_RETRY_MS;
  #failures = 0;
  #losses = 0;
  #over = false;

  constructor(context: DispatchContext, target: UpstreamTarget, holder: Holder, sink: ReplySink, onOver: () => void) {
    this.#context = context;
    this.#target = target;
    this.#holder = holder;
    this.#sink = sink;
    this.#onOver = onOver;
  }

  start(): this {
    // A session that is listened to is in use, even when nothing is sent.
    const every = Math.max(this.#holder.ttlMs / 3, MIN_RENEWAL_MS);
    this.#renewal = setInterval(() => this.#context.lines.cached(this.#target, this.#holder), every).unref();
    this.#later(this.#context.profiles.get(this.#target, "legacy"), (profile) => this.#route(profile));
    return this;
  }

  cancel(): void {
    if (this.#over) return;
    this.#settle();
  }

  pause(): void {
    this.#paused = true;
    this.#flight?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#flight?.resume();
  }

  /** The session has been opened anew: its old stream brings nothing any more. */
  moved(): void {
    this.#lastEventId = "";
    if (!this.#over && this.#flight !== undefined) this.#reconnect(0);
  }

  #settle(): void {
    this.#over = true;
    this.#hold(undefined);
    clearTimeout(this.#retryTimer);
    clearInterval(this.#renewal);
    this.#parser?.stop();
    this.#flight?.abort();
    this.#onOver();
  }

  #end(): void {
    if (this.#over) return;
    this.#settle();
    this.#sink.end();
  }

  #fail(fault: Fault): void {
    if (this.#over) return;
    this.#settle();
    this.#sink.fail(fault);
  }

  #later<Value>(pending: Promise<Value>, next: (value: Value) => void): void {
    pending
      .then((value) => {
        if (!this.#over) next(value);
      })
      .catch((error: unknown) => this.#fail(faultOf(this.#target, error)));
  }

  #route(profile: UpstreamProfile): void {
    if (profile.era === "modern") {
      this.#end();
      return;
    }
    const prepared = this.#context.wire.prepared(this.#target);
    if (profile.sessionless) {
      const version = ["mcp-protocol-version", profile.protocolVersion];
      this.#connect(prepared, undefined, [...prepared.plain, ...version, ...ACCEPT_STREAM]);
      return;
    }
    this.#later(this.#context.lines.open(this.#target, this.#holder), (line) => {
      if (line === undefined) this.#end();
      else this.#connect(prepared, line, line.stream);
    });
  }

  #connect(prepared: Prepared, line: Line | undefined, base: readonly string[]): void {
    this.#hold(line);
    const pair = this.#context.wire.pair(prepared);
    const resumed = this.#lastEventId === "" ? base : [...base, "last-event-id", this.#lastEventId];
    const headers = withMessageHeaders(resumed, prepared, this.#holder);
    const receiver: HttpReceiver = {
      head: (status, answer) => this.#head(prepared, line, status, answer),
      data: (chunk) => this.#data(chunk),
      end: () => this.#broken(),
      failed: () => this.#broken(),
    };
    this.#parser = undefined;
    this.#flight = new Flight(
      { pair, method: "GET", path: prepared.path, headers, body: null, stream: true, repeatable: true },
      receiver,
    );
    if (this.#paused) this.#flight.pause();
    try {
      this.#flight.start();
    } catch (error) {
      this.#fail(faultOf(this.#target, error));
    }
  }

  #hold(line: Line | undefined): void {
    if (this.#line !== undefined) this.#line.busy--;
    this.#line = line;
    if (line !== undefined) line.busy++;
  }

  #head(prepared: Prepared, line: Line | undefined, status: number, headers: AnswerHeaders): void {
    if (status === 200 && mediaType(headers) === "text/event-stream") {
      this.#parser = new SseParser(this.#context.wire.options.maxMessageBytes, (data) => this.#event(data));
      this.#parser.lastEventId = this.#lastEventId;
      this.#failures = 0;
      return;
    }
    this.#flight?.abort();
    // The official servers allow one such stream per session and say 409 while another worker has not let go of it yet.
    if (status === 409) this.#retryMs = MIN_RETRY_MS;
    if (status >= 500 || status === 409 || status === 429) {
      this.#broken();
      return;
    }
    if (status === 404 && first(headers["x-mcp-stack-definition"]) !== undefined) {
      this.#later(this.#context.wire.define(prepared), () => this.#broken());
      return;
    }
    // Servers made after the older SDK examples say 400, but that can mean other things: it is believed once.
    if ((status === 404 || (status === 400 && this.#losses === 0)) && line !== undefined) {
      this.#lost(line);
      return;
    }
    if (status === 405 || status === 404) {
      this.#end();
      return;
    }
    if (status >= 300 && status < 400) {
      this.#fail(redirectFault(this.#target, status, first(headers.location)));
      return;
    }
    if (status >= 400) {
      this.#fail(statusFault(this.#target, "GET", status));
      return;
    }
    this.#fail(protocolFault(this.#target, `it answers GET with HTTP ${status} and no event stream`));
  }

  #lost(line: Line): void {
    this.#lastEventId = "";
    if (++this.#losses > MAX_LOSSES) {
      this.#fail(protocolFault(this.#target, "it loses every session right after it was opened"));
      return;
    }
    this.#later(this.#context.lines.reopen(this.#target, this.#holder, line), () => this.#reconnect(0));
  }

  #data(chunk: Buffer): void {
    if (this.#over || this.#parser === undefined || this.#parser.push(chunk)) return;
    this.#fail(tooLargeFault(this.#target, this.#context.wire.options.maxMessageBytes));
  }

  #event(data: Buffer): void {
    if (this.#over || data.length === 0) return;
    this.#losses = 0;
    let envelope: Envelope;
    try {
      envelope = scanMessage(data);
    } catch (error) {
      const reason = error instanceof Fault ? error.message : "unreadable";
      this.#context.wire.options.log.debug("upstream.stray_event", { upstream: this.#target.slug, reason });
      return;
    }
    // Responses belong to requests; on this stream they can only be replays of ones that were given up.
    if (envelope.kind !== "response") this.#sink.message(data, 200, envelope);
  }

  /** The stream broke, ended or could not be had. */
  #broken(): void {
    if (this.#over) return;
    if (this.#parser !== undefined) {
      this.#lastEventId = this.#parser.lastEventId;
      const wanted = this.#parser.retryMs ?? FIRST_RETRY_MS;
      this.#retryMs = Math.min(Math.max(wanted, MIN_RETRY_MS), MAX_RETRY_MS);
    }
    // A part of the wait is random, so that the listeners of a restarted upstream do not come all at once.
    const wait = Math.min(this.#retryMs * 2 ** Math.min(this.#failures, 10), MAX_RETRY_MS);
    this.#reconnect(this.#failures === 0 ? wait : wait * (0.5 + Math.random() / 2));
    this.#failures++;
  }

  #reconnect(delayMs: number): void {
    this.#flight?.abort();
    this.#flight = undefined;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      const profile = this.#context.profiles.remembered(this.#target, "legacy");
      if (profile !== undefined) this.#route(profile);
      else this.#later(this.#context.profiles.get(this.#target, "legacy"), (found) => this.#route(found));
    }, delayMs);
  }
}
