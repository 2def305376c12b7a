/**
 * Everything a client can say, whatever its transport: requests, notifications, answers. Knows which calls are in flight, so
 * that they can be cancelled from anywhere, expire, and be waited for when the gateway drains.
 */
import { type Fault, fault } from "../../contract/errors.ts";
import { Ring } from "../../contract/ring.ts";
import {
  type Caller,
  namesOneThing,
  protocolFault,
  type Route,
  type View,
  type ViewUpstream,
} from "../federation/index.ts";
import {
  type Envelope,
  errorMessage,
  INPUT_METHODS,
  isListMethod,
  isString,
  LEGACY_ONLY_METHODS,
  LOG_LEVELS,
  memberAt,
  resultMessage,
  stringAt,
} from "../mcp/index.ts";
import { createAsks } from "./asks.ts";
import { Call } from "./call.ts";
import { createLogLevels } from "./levels.ts";
import { ListenStream } from "./listen.ts";
import { createParkedCalls } from "./parked.ts";
import { createQuestions } from "./questions.ts";
import { answerOrForward } from "./stray-requests.ts";
import { createStreams, modernSubscriptions, type SessionStream, type StreamOut } from "./streams.ts";
import type { ClientReply, ConversationParts } from "./types.ts";

/** How often deadlines are looked at; a call may outlive its time limit by this much. */
const DEADLINE_TICK_MS = 200;
const CANCEL_CHANNEL = "cancel";

export type Running = { cancel(reason?: string): void };
const NOTHING: Running = { cancel: () => undefined };

export type Conversations = ReturnType<typeof createConversations>;

export function createConversations(parts: ConversationParts) {
  const { federation } = parts;
  const calls = new Ring<Call>();
  const listens = new Set<ListenStream>();
  const asks = createAsks(parts);
  const parked = createParkedCalls(parts, asks);
  const questions = createQuestions(parts, asks, parked.sealUrlState);
  const streams = createStreams(parts, asks);
  const levels = createLogLevels(federation.upstreams, parts.now);
  let leaveCancel: (() => Promise<void>) | undefined;

  const callParts = {
    ...parts,
    asks,
    questions,
    parking: parked.parking,
    logLevel: levels.get,
    over: (call: Call) => forget(call),
  };
  federation.sinks.opened = (upstream, caller, profile) => streams.announce(upstream, caller, profile);
  federation.sinks.strayMessage = (upstream, caller, raw, envelope) => {
    if (envelope.kind === "request") answerOrForward(parts, asks, upstream, caller, raw, envelope, undefined);
  };

  const ticker = setInterval(() => {
    const now = parts.now();
    for (const call of calls.all()) if (call.deadlineAt <= now) call.expire();
  }, DEADLINE_TICK_MS);
  ticker.unref();

  /** Names a request of a client in what workers tell each other. */
  function requestKey(caller: Caller, rawId: string): string {
    return `${caller.sessionId ?? caller.holder.key} ${rawId}`;
  }

  function forget(call: Call): void {
    calls.delete(call);
  }

  /** The newest call of that name. Looked for, not looked up: cancellations are rare, and every call would pay for an index. */
  function callOf(key: string): Call | undefined {
    let found: Call | undefined;
    for (const call of calls.all()) {
      const { caller, body, envelope } = call.spec;
      if (caller.era === "legacy" && requestKey(caller, rawIdOf(body, envelope)) === key) found = call;
    }
    return found;
  }

  function startCall(
    view: View,
    caller: Caller,
    route: Route,
    body: Buffer,
    envelope: Envelope,
    reply: ClientReply,
    foreignState = false,
  ): Running {
    const call = new Call(callParts, { view, caller, route, body, envelope, reply, foreignState });
    calls.add(call);
    call.start();
    return call;
  }

  /** Runs a local answer; counts it, and turns what it throws into an error response. */
  function answerLocally(
    caller: Caller,
    body: Buffer,
    envelope: Envelope,
    reply: ClientReply,
    work: () => Promise<Buffer> | Buffer,
  ): Running {
    const startedAt = parts.now();
    const id = rawIdOf(body, envelope);
    const done = (raw: Buffer, status: number, outcome: string) => {
      parts.counters.request(envelope.method, caller.era, outcome, parts.now() - startedAt);
      reply.finish(raw, status);
    };
    const failed = (error: unknown) => {
      const failure = faultOf(error, envelope.method);
      done(errorMessage(id, failure), caller.era === "modern" ? failure.status : 200, failure.code);
    };
    try {
      const result = work();
      if (result instanceof Promise) result.then((value) => done(resultMessage(id, value), 200, "ok"), failed);
      else done(resultMessage(id, result), 200, "ok");
    } catch (error) {
      failed(error);
    }
    return NOTHING;
  }

  function faultOf(error: unknown, method: string): Fault {
    if (error instanceof Error && "rpc" in error && "status" in error) return error as Fault;
    parts.log.error("a request failed inside the gateway", {
      method,
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    return fault("MCPS_INTERNAL", { correlationId: parts.workerId });
  }

  function modernRequest(
    view: () => View,
    caller: Caller,
    body: Buffer,
    envelope: Envelope,
    reply: ClientReply,
  ): Running {
    const { method } = envelope;
    if (LEGACY_ONLY_METHODS.has(method)) throw fault("MCPS_METHOD", { method });
    if (method === "server/discover")
      return answerLocally(caller, body, envelope, reply, () => federation.discoverResult(view()));
    if (method === "subscriptions/listen") return startListen(view, caller, body, envelope, reply);
    const state = INPUT_METHODS.has(method) ? parked.stateOf(body, envelope) : undefined;
    if (state !== undefined) {
      const resumed = parked.resume(state, caller, body, envelope, reply);
      if (resumed !== "again") return { cancel: resumed };
    }
    const isForeign = state === undefined && INPUT_METHODS.has(method) && envelope.routing.requestState !== undefined;
    return route(view(), caller, body, envelope, reply, isForeign);
  }

  function startListen(
    view: () => View,
    caller: Caller,
    body: Buffer,
    envelope: Envelope,
    reply: ClientReply,
  ): Running {
    const stream: ListenStream = new ListenStream(parts, asks, view, caller, body, envelope, reply, () =>
      listens.delete(stream),
    );
    listens.add(stream);
    stream.start().catch((error: unknown) => {
      stream.close();
      const failure = faultOf(error, envelope.method);
      reply.finish(errorMessage(rawIdOf(body, envelope), failure), failure.status);
    });
    return {
      cancel: () => {
        stream.close();
        reply.abandon();
      },
    };
  }

  function legacyRequest(
    view: () => View,
    caller: Caller,
    body: Buffer,
    envelope: Envelope,
    reply: ClientReply,
  ): Running {
    const { method } = envelope;
    if (method === "ping") return answerLocally(caller, body, envelope, reply, () => Buffer.from("{}"));
    if (method === "logging/setLevel")
      return answerLocally(caller, body, envelope, reply, () => setLevel(view(), caller, body, envelope));
    if (method === "resources/subscribe" || method === "resources/unsubscribe") {
      return answerLocally(caller, body, envelope, reply, () => subscribe(view(), caller, body, envelope));
    }
    return route(view(), caller, body, envelope, reply);
  }

  function route(
    view: View,
    caller: Caller,
    body: Buffer,
    envelope: Envelope,
    reply: ClientReply,
    foreignState = false,
  ): Running {
    const { method } = envelope;
    const only = view.transparent;
    if (isListMethod(method)) {
      if (only !== undefined)
        return startCall(view, caller, { upstream: only, target: undefined, ref: undefined }, body, envelope, reply);
      return answerLocally(caller, body, envelope, reply, async () => {
        const cursor = cursorOf(body, envelope);
        const place = parts.places.ofList();
        try {
          return await federation.list(view, caller, method, cursor);
        } finally {
          place.leave();
        }
      });
    }
    if (namesOneThing(method))
      return startCall(
        view,
        caller,
        federation.route(view, caller, body, envelope),
        body,
        envelope,
        reply,
        foreignState,
      );
    // What we do not know, the only upstream may: tasks and extensions pass through its own endpoint.
    if (view.scope.kind === "gateway" && only !== undefined) {
      return startCall(view, caller, { upstream: only, target: undefined, ref: undefined }, body, envelope, reply);
    }
    throw fault("MCPS_METHOD", { method });
  }

  async function setLevel(view: View, caller: Caller, body: Buffer, envelope: Envelope): Promise<Buffer> {
    const level = stringAt(body, memberAt(body, envelope.params, "level"));
    if (level === undefined || !(LOG_LEVELS as readonly string[]).includes(level)) {
      throw fault("MCPS_PARAMS", {
        method: envelope.method,
        reason: `params.level is ${JSON.stringify(level)}, allowed: ${LOG_LEVELS.join(", ")}`,
      });
    }
    const targets = view.upstreams
      .filter((upstream) => federation.warmProfile(upstream, caller.era)?.era === "legacy")
      .map(({ target }) => target);
    levels.set(caller.holder.key, level);
    await federation.upstreams.setLogLevel(caller.holder, level, targets);
    return Buffer.from("{}");
  }

  async function subscribe(view: View, caller: Caller, body: Buffer, envelope: Envelope): Promise<Buffer> {
    const { upstream, target } = federation.route(view, caller, body, envelope);
    const uri = target?.value ?? "";
    const wanted = envelope.method === "resources/subscribe";
    const profile = await federation.profile(upstream, "legacy");
    if (profile.era === "legacy") {
      await federation.upstreams.setSubscription(upstream.target, caller.holder, uri, wanted);
      streams.announce(upstream, caller, profile);
      return Buffer.from("{}");
    }
    const field = `${upstream.record.id} ${uri}`;
    if (wanted) await parts.state.mapSet(modernSubscriptions(caller.holder.key), field, "1", caller.holder.ttlMs);
    else await parts.state.mapDelete(modernSubscriptions(caller.holder.key), field);
    await streams.resubscribe(upstream, caller);
    return Buffer.from("{}");
  }

  function cancelHere(key: string, reason: string | undefined): boolean {
    const call = callOf(key);
    call?.cancel(reason);
    return call !== undefined;
  }

  function cancelSession(sessionId: string): void {
    for (const call of calls.all()) if (call.spec.caller.sessionId === sessionId) call.cancel("session ended");
  }

  return {
    /** Listens for cancellations of calls that run here and were cancelled elsewhere. */
    async start(): Promise<void> {
      leaveCancel = await parts.state.subscribe(CANCEL_CHANNEL, (message) => {
        const { key, reason } = JSON.parse(message) as { key: string; reason?: string };
        cancelHere(key, reason);
      });
    },

    /** Serves one request; every outcome, faults included, goes to `reply`. */
    request(view: () => View, caller: Caller, body: Buffer, envelope: Envelope, reply: ClientReply): Running {
      try {
        return caller.era === "modern"
          ? modernRequest(view, caller, body, envelope, reply)
          : legacyRequest(view, caller, body, envelope, reply);
      } catch (error) {
        const failure = faultOf(error, envelope.method);
        parts.counters.request(envelope.method, caller.era, failure.code, 0);
        reply.finish(errorMessage(rawIdOf(body, envelope), failure), caller.era === "modern" ? failure.status : 200);
        return NOTHING;
      }
    },

    /** A client's notification. Unknown ones are ignored, as JSON-RPC asks. */
    async notification(view: () => View, caller: Caller, body: Buffer, envelope: Envelope): Promise<void> {
      if (envelope.method === "notifications/cancelled") {
        const span = memberAt(body, envelope.params, "requestId");
        if (span === undefined) return;
        const key = requestKey(caller, body.toString("utf8", span.start, span.end));
        const reason = stringAt(body, memberAt(body, envelope.params, "reason"));
        if (!cancelHere(key, reason))
          await parts.state.publish(CANCEL_CHANNEL, JSON.stringify(reason === undefined ? { key } : { key, reason }));
        return;
      }
      if (envelope.method === "notifications/initialized" || envelope.method === "notifications/progress") return;
      await tellHeld(view(), caller, body, envelope);
    },

    /** A client's answer to a request of an upstream's or ours. */
    answer: (caller: Caller, body: Buffer, envelope: Envelope): Promise<void> => asks.answer(caller, body, envelope),

    openStream: (view: () => View, caller: Caller, out: StreamOut): Promise<SessionStream> =>
      streams.openStream(view, caller, out),

    /** The catalogue has changed: open streams hear of it, calls to upstreams that are gone are ended. `gone`: changed or removed. */
    catalogueChanged(gone: readonly string[]): void {
      streams.catalogueChanged(gone);
      for (const listen of listens) listen.catalogueChanged(gone);
      for (const call of calls.all()) {
        const { record } = call.spec.route.upstream;
        if (gone.includes(record.id) && federation.target(record.id) === undefined)
          call.fail(fault("MCPS_UPSTREAM_UNKNOWN", { id: record.slug }));
      }
    },

    /** Cancels the calls of a session that run here. */
    cancelSession,

    /** Ends all a session holds at upstreams. */
    async end(view: View, caller: Caller): Promise<void> {
      if (caller.sessionId !== undefined) cancelSession(caller.sessionId);
      await federation.upstreams.release(
        caller.holder.key,
        view.upstreams.map(({ target }) => target),
      );
      await parts.state.delete(modernSubscriptions(caller.holder.key));
    },

    get inFlight(): number {
      return calls.size;
    },

    /** Streams end in good order, so that clients come back elsewhere; calls go on until they are done. */
    drain(): void {
      for (const listen of listens) listen.complete();
    },

    async close(): Promise<void> {
      clearInterval(ticker);
      for (const call of calls.all()) call.fail(fault("MCPS_DRAINING"));
      for (const listen of listens) listen.close();
      await leaveCancel?.();
    },
  };

  /** roots/list_changed and what else a client may say go to the legacy upstreams where this holder has a session. */
  async function tellHeld(view: View, caller: Caller, body: Buffer, envelope: Envelope): Promise<void> {
    const held = new Set((await federation.upstreams.held(caller.holder.key)).upstreamIds);
    const tell = async (upstream: ViewUpstream) => {
      try {
        await federation.upstreams.notify(upstream.target, caller.holder, { body, method: envelope.method });
      } catch (error) {
        parts.log.debug("a notification did not reach an upstream", {
          upstream: upstream.record.slug,
          reason: protocolFault(upstream.target, error).message,
        });
      }
    };
    await Promise.all(view.upstreams.filter(({ record }) => held.has(record.id)).map(tell));
  }
}

function rawIdOf(body: Buffer, envelope: Envelope): string {
  return envelope.id === undefined ? "null" : body.toString("utf8", envelope.id.start, envelope.id.end);
}

/** The cursor of a list request; throws MCPS_CURSOR when it is no string. An empty string is a cursor like any other. */
function cursorOf(body: Buffer, envelope: Envelope): string | undefined {
  const span = memberAt(body, envelope.params, "cursor");
  if (span === undefined) return undefined;
  if (!isString(body, span)) throw fault("MCPS_CURSOR", { reason: "it has to be a string" });
  return stringAt(body, span);
}
