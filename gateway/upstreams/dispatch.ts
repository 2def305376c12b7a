/**
 * A request on its way through the room: profile, session, the message itself, and once again when the session was lost. Where all is
 * known already it reaches the socket without a promise in between.
 */
import { Fault } from "../../contract/errors.ts";
import type { Envelope } from "../mcp/index.ts";
import { type Prepared, withMessageHeaders } from "./address.ts";
import type { Refusal } from "./call.ts";
import type { Circuits } from "./circuits.ts";
import { isUnsent, protocolFault, timeoutFault } from "./failures.ts";
import { isSessionLost, type Line, sessionlessHeaders } from "./line.ts";
import type { Lines } from "./lines.ts";
import { modernHeaders } from "./modern.ts";
import type { SessionPool } from "./pool.ts";
import type { Profiles } from "./profiles.ts";
import { isRepeatable, READING_METHODS } from "./repeatable.ts";
import type { Retries } from "./retries.ts";
import type { SseConnections } from "./sse-connections.ts";
import type { Exchange, Holder, OutboundMessage, ReplySink, UpstreamProfile, UpstreamTarget } from "./types.ts";
import { faultOf, rawIdOf, type Wire } from "./wire.ts";

export type DispatchContext = {
  readonly wire: Wire;
  readonly profiles: Profiles;
  readonly lines: Lines;
  readonly connections: SseConnections;
  readonly circuits: Circuits;
  readonly retries: Retries;
  /** Absent: none is shared. */
  readonly pool: SessionPool | undefined;
  /** Requests under way in shared sessions, by their raw ids: what cancels one has to go the same way. */
  readonly sharing: Map<string, Line>;
  readonly now: () => number;
};

/** Requests that stand for themselves. */
const SHAREABLE: ReadonlySet<string> = new Set(["tools/call", ...READING_METHODS]);

/** Sessions that one request may find lost. */
const MAX_LOSSES = 3;

export class Dispatch implements Exchange, ReplySink {
  readonly #context: DispatchContext;
  readonly #target: UpstreamTarget;
  readonly #holder: Holder;
  readonly #message: OutboundMessage;
  readonly #sink: ReplySink;
  readonly #startedAt: number;
  readonly #timeoutMs: number;
  #id: string | undefined;
  #call: Exchange | undefined;
  /** In which it is under way. */
  #line: Line | undefined;
  #losses = 0;
  #over = false;
  /** The message may have left the gateway; part of an answer has reached the sink. */
  #sent = false;
  #begun = false;
  #attempt = 1;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(
    context: DispatchContext,
    target: UpstreamTarget,
    holder: Holder,
    message: OutboundMessage,
    sink: ReplySink,
  ) {
    this.#context = context;
    this.#target = target;
    this.#holder = holder;
    this.#message = message;
    this.#sink = sink;
    this.#startedAt = context.now();
    this.#timeoutMs = message.timeoutMs ?? target.requestTimeoutMs;
  }

  start(): this {
    try {
      this.#id = this.#message.id ?? rawIdOf(this.#message.body);
      this.#context.retries.began(this.#target.id);
    } catch (error) {
      this.#failWith(error);
      return this;
    }
    this.attempt();
    return this;
  }

  /** The first one, and those after a pause. */
  attempt(): void {
    try {
      if (this.#context.circuits.enter(this.#target)) {
        this.#later(this.#context.profiles.renew(this.#target, this.#message.era), (found) => this.#route(found));
        return;
      }
      if (this.#target.transport === "sse") {
        this.#overSse();
        return;
      }
      const profile = this.#context.profiles.remembered(this.#target, this.#message.era);
      if (profile === undefined)
        this.#later(this.#context.profiles.get(this.#target, this.#message.era), (found) => this.#route(found));
      else this.#route(profile);
    } catch (error) {
      this.#failWith(error);
    }
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave();
    clearTimeout(this.#retryTimer);
    this.#call?.cancel();
    this.#count("cancelled");
  }

  pause(): void {
    this.#call?.pause?.();
  }

  resume(): void {
    this.#call?.resume?.();
  }

  streaming(): void {
    this.#begun = true;
    if (!this.#over) this.#sink.streaming?.();
  }

  interrupted(retryMs: number): void {
    if (!this.#over) this.#sink.interrupted?.(retryMs);
  }

  message(raw: Buffer, status: number, envelope: Envelope): void {
    this.#begun = true;
    if (!this.#over) this.#sink.message(raw, status, envelope);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave();
    this.#count("ok");
    this.#context.circuits.settle(this.#target);
    this.#sink.end();
  }

  fail(fault: Fault): void {
    if (this.#over) return;
    this.#leave();
    // However often it is tried, it is one request that failed.
    if (isUnsent(fault) && this.#sent && this.#attempt === 1) this.#context.circuits.settle(this.#target, fault);
    if (this.#triesAgain(fault)) return;
    this.#over = true;
    this.#count(fault.code);
    // What was remembered of the upstream may be out of date: it may have been replaced by another program.
    if (fault.code === "MCPS_UPSTREAM_STATUS" || fault.code === "MCPS_UPSTREAM_REFUSED")
      this.#context.profiles.doubt(this.#target, this.#message.era);
    this.#sink.fail(fault);
  }

  /** Only what a client has asked: a list can do without one upstream, and waits for none. */
  #triesAgain(failure: Fault): boolean {
    const { method, repeatable: declared } = this.#message;
    if (this.#begun || declared === undefined || this.#context.circuits.isOpen(this.#target)) return false;
    const elapsedMs = this.#context.now() - this.#startedAt;
    const waitMs = this.#context.retries.next({
      upstreamId: this.#target.id,
      failure,
      number: this.#attempt,
      unsent: !this.#sent || isUnsent(failure),
      repeatable: isRepeatable(method, this.#id, declared),
      remainingMs: this.#timeoutMs > 0 ? this.#timeoutMs - elapsedMs : Infinity,
    });
    if (waitMs === undefined) return false;
    this.#attempt++;
    this.#sent = false;
    this.#context.wire.options.metrics?.retried(this.#target.slug);
    this.#retryTimer = setTimeout(tryAgain, waitMs, this);
    return true;
  }

  #failWith(error: unknown): void {
    const { log } = this.#context.wire.options;
    if (!(error instanceof Fault))
      log.error("upstream.request_broken", { upstream: this.#target.slug, reason: String(error) });
    this.fail(faultOf(this.#target, error));
  }

  #count(outcome: "ok" | "cancelled" | Fault["code"]): void {
    this.#context.wire.options.metrics?.requestEnded(this.#target.slug, outcome, this.#context.now() - this.#startedAt);
  }

  /** Goes on when something is known, unless the request is over by then. */
  #later<Value>(pending: Promise<Value>, next: (value: Value) => void): void {
    pending
      .then((value) => {
        if (!this.#over) next(value);
      })
      .catch((error: unknown) => this.#failWith(error));
  }

  #route(profile: UpstreamProfile): void {
    const { wire, lines } = this.#context;
    const prepared = wire.prepared(this.#target);
    if (profile.era === "modern") {
      this.#send(prepared, modernHeaders(prepared, profile.protocolVersion, this.#message), undefined, undefined);
      return;
    }
    if (profile.sessionless) {
      this.#sessionless(prepared, profile);
      return;
    }
    if (this.#mayShare()) {
      this.#shared(prepared, profile);
      return;
    }
    const line = lines.cached(this.#target, this.#holder);
    if (line !== undefined) {
      this.#within(prepared, line);
      return;
    }
    this.#later(lines.open(this.#target, this.#holder), (opened) => {
      if (opened === undefined) this.#sessionless(prepared, profile);
      else this.#within(prepared, opened);
    });
  }

  /** What a session has to remember (levels, subscriptions) is none of the pool's. */
  #mayShare(): boolean {
    const { isolation, transport, identity, oauth } = this.#target;
    return (
      this.#context.pool !== undefined &&
      isolation === "shared" &&
      // What is sent there tells who asks, or with whose token: nobody else goes with that.
      identity === undefined &&
      oauth === undefined &&
      transport === "streamable-http" &&
      SHAREABLE.has(this.#message.method)
    );
  }

  #shared(prepared: Prepared, profile: UpstreamProfile): void {
    const { pool } = this.#context;
    const taken = pool?.take(this.#target, this.#message.passed);
    if (!(taken instanceof Promise)) {
      if (taken !== undefined) this.#within(prepared, taken);
      return;
    }
    taken
      .then((line) => {
        if (this.#over) {
          if (line !== undefined) pool?.give(line);
        } else if (line === undefined) this.#sessionless(prepared, profile);
        else this.#within(prepared, line);
      })
      .catch((error: unknown) => this.#failWith(error));
  }

  #overSse(): void {
    const { connections, wire } = this.#context;
    this.#later(connections.open(this.#target, this.#holder), (connection) => {
      const { body, method } = this.#message;
      const prepared = wire.prepared(this.#target);
      const headers = withMessageHeaders(prepared.post, prepared, this.#message);
      const id = this.#id ?? "null";
      this.#sent = true;
      this.#call = connection.request(id, method, body, this.#timeoutMs, this, headers, this.#message.repeatable);
    });
  }

  #sessionless(prepared: Prepared, profile: UpstreamProfile): void {
    const { post, stream } = sessionlessHeaders(prepared, profile.protocolVersion);
    this.#send(prepared, withMessageHeaders(post, prepared, this.#message), stream, undefined);
  }

  #within(prepared: Prepared, line: Line): void {
    this.#leave();
    this.#line = line;
    line.busy++;
    if (this.#context.pool?.owns(line) === true) this.#context.sharing.set(this.#id ?? "", line);
    this.#send(prepared, withMessageHeaders(line.post, prepared, this.#message), line.stream, (refusal) =>
      this.#refused(prepared, line, refusal),
    );
  }

  #leave(lost = false): void {
    const line = this.#line;
    if (line === undefined) return;
    line.busy--;
    this.#line = undefined;
    if (this.#context.pool?.owns(line) !== true) return;
    this.#context.sharing.delete(this.#id ?? "");
    this.#context.pool.give(line, lost);
  }

  #refused(prepared: Prepared, line: Line, refusal: Refusal): boolean {
    if (!isSessionLost(refusal)) return false;
    // One that another worker had put in its place may be lost as well; one that was opened for this request should not be.
    if (this.#losses > 0 && (this.#context.lines.isFresh(line) || this.#losses >= MAX_LOSSES)) {
      this.fail(protocolFault(this.#target, "it lost the session again right after it was opened anew"));
      return true;
    }
    this.#losses++;
    if (this.#context.pool?.owns(line) === true) {
      this.#leave(true);
      this.#later(this.#context.profiles.get(this.#target, this.#message.era), (profile) => this.#route(profile));
      return true;
    }
    this.#later(this.#context.lines.reopen(this.#target, this.#holder, line), (opened) => {
      if (opened !== undefined) return this.#within(prepared, opened);
      this.#later(this.#context.profiles.get(this.#target, this.#message.era), (profile) =>
        this.#sessionless(prepared, profile),
      );
    });
    return true;
  }

  #send(
    prepared: Prepared,
    headers: readonly string[],
    resumeHeaders: readonly string[] | undefined,
    onRefused: ((refusal: Refusal) => boolean) | undefined,
  ): void {
    const { body, method } = this.#message;
    const limitMs = this.#timeoutMs;
    let timeoutMs = limitMs;
    if (limitMs > 0) {
      timeoutMs -= this.#context.now() - this.#startedAt;
      if (timeoutMs <= 0) {
        this.fail(timeoutFault(this.#target, method, limitMs));
        return;
      }
    }
    const id = this.#id;
    this.#sent = true;
    const { repeatable } = this.#message;
    // One literal: a copy of a part costs a call into the runtime, here of every request.
    const sending = {
      headers,
      body,
      method,
      id,
      repeatable,
      resumeHeaders,
      timeoutMs,
      limitMs,
      onHead: undefined,
      onRefused,
    };
    this.#call = this.#context.wire.call(prepared, sending, this);
  }
}

function tryAgain(dispatch: Dispatch): void {
  dispatch.attempt();
}
