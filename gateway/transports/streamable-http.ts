/** Streamable HTTP, both eras (MCP 2025-03-26 … 2025-11-25 transports; MCP 2026-07-28 transports). */
import { asFault, type Fault, fault } from "../../contract/errors.ts";
import type { GatewayRequest, ResponseSink } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Caller } from "../federation/index.ts";
import {
  ASSUMED_LEGACY,
  beginsArray,
  type Envelope,
  elements,
  errorMessage,
  isLegacyVersion,
  LEGACY_VERSIONS,
  MODERN_VERSIONS,
  scanJson,
  scanMessage,
  scanRoot,
} from "../mcp/index.ts";
import type { SessionFacts } from "../sessions/index.ts";
import { respondFault, respondJson } from "./answers.ts";
import { isModernRequest, modernCaller, sessionCaller } from "./callers.ts";
import type { Endpoint, TransportParts } from "./context.ts";
import { acceptsBoth, isJson, refuseCall, refuseCalls } from "./edge.ts";
import { openGetStream } from "./get-stream.ts";
import { handshake } from "./initialize.ts";
import { PostReply } from "./replies.ts";

const NO_HEADERS: Readonly<Record<string, string>> = {};

export function serveStreamableHttp(
  parts: TransportParts,
  endpoint: Endpoint,
  request: GatewayRequest,
  sink: ResponseSink,
): void {
  if (request.method === "POST") servePost(parts, endpoint, request, sink);
  else if (request.method === "GET") serveGet(parts, endpoint, request, sink);
  else serveDelete(parts, endpoint, request, sink);
}

// ---- POST ----

function servePost(parts: TransportParts, endpoint: Endpoint, request: GatewayRequest, sink: ResponseSink): void {
  const { body, headers } = request;
  if (!isJson(headers["content-type"]))
    throw fault("MCPS_CONTENT_TYPE", { value: headers["content-type"] ?? "missing" });
  if (!acceptsBoth(headers.accept)) {
    throw fault("MCPS_ACCEPT", {
      value: headers.accept ?? "missing",
      allowed: "application/json and text/event-stream",
    });
  }
  if (beginsArray(body)) {
    serveBatch(parts, endpoint, request, sink);
    return;
  }
  const envelope = scanMessage(body);
  refuseCall(endpoint, envelope);
  if (isModernRequest(request, body, envelope)) serveModern(parts, endpoint, request, envelope, sink);
  else if (envelope.method === "initialize") serveInitialize(parts, endpoint, request, envelope, sink);
  else {
    const session = sessionOf(parts, endpoint, request, envelope.method);
    const ended = parts.sessions.ended(session.id);
    if (typeof ended === "boolean") serveOne(parts, endpoint, request, present(session, ended), envelope, sink);
    else
      later(parts, sink, ended, (gone) => serveOne(parts, endpoint, request, present(session, gone), envelope, sink));
  }
}

/** One message of a legacy session: nearly everything there is. */
function serveOne(
  parts: TransportParts,
  endpoint: Endpoint,
  request: GatewayRequest,
  session: SessionFacts,
  envelope: Envelope,
  sink: ResponseSink,
): void {
  const { body } = request;
  const caller = sessionCaller(session, endpoint.principal, request, parts);
  if (envelope.kind !== "request") {
    tell(parts, endpoint, caller, { body, envelope }, sink);
    sink.respond(202, NO_HEADERS);
    return;
  }
  const reply = new PostReply(parts, sink, 1, false, () =>
    parts.replay.open(session.id, rawId(body, envelope).toString()),
  );
  reply.primes = primes(session);
  parts.conversations.request(endpoint.view, caller, body, envelope, reply);
}

function primes(session: SessionFacts): boolean {
  return session.protocolVersion >= "2025-11-25";
}

function serveModern(
  parts: TransportParts,
  endpoint: Endpoint,
  request: GatewayRequest,
  envelope: Envelope,
  sink: ResponseSink,
): void {
  const { body } = request;
  const id = rawId(body, envelope);
  // There is nothing a modern client sends but requests; what is no request is taken and has no effect.
  if (envelope.kind !== "request") {
    sink.respond(202, NO_HEADERS);
    return;
  }
  try {
    const caller = modernCaller(body, envelope, endpoint.principal, request, parts, true);
    const isListen = envelope.method === "subscriptions/listen";
    const place = isListen ? enterStream(parts, "listen", sink) : undefined;
    const reply = new PostReply(parts, sink, 1, false, undefined);
    if (place !== undefined) reply.onDone = () => place.leave();
    const running = parts.conversations.request(endpoint.view, caller, body, envelope, reply);
    place?.holdBy(endpoint.principal, () => {
      running.cancel("the caller has to be asked again who he is");
      place.leave();
      if (!sink.closed) sink.end();
    });
    sink.onClose(() => {
      running.cancel("the client closed its stream");
      place?.leave();
    });
  } catch (error) {
    respondFault(sink, faultOf(parts, error), id);
  }
}

export type StreamPlace = {
  leave(): void;
  /** The stream ends with the proof of its principal: once at most, and not after it was left. */
  holdBy(principal: Principal, end: () => void): void;
};

/**
 * A place among the open streams, counted; leaving twice is harmless. The request behind `sink` gives its own slot back, so that
 * idle listeners take none of a call. Throws MCPS_OVERLOADED.
 */
export function enterStream(
  parts: TransportParts,
  kind: "get" | "sse" | "websocket" | "listen",
  sink?: ResponseSink,
): StreamPlace {
  const place = parts.enterStream();
  if (place instanceof Error) throw place;
  sink?.detach();
  parts.countStream(kind, 1);
  let inside = true;
  let letGo: (() => void) | undefined;
  return {
    holdBy(principal, end) {
      if (inside) letGo = parts.hold(principal, end);
    },
    leave() {
      if (!inside) return;
      inside = false;
      letGo?.();
      parts.countStream(kind, -1);
      place.leave();
    },
  };
}

function serveInitialize(
  parts: TransportParts,
  endpoint: Endpoint,
  request: GatewayRequest,
  envelope: Envelope,
  sink: ResponseSink,
): void {
  const { body } = request;
  const id = rawId(body, envelope);
  if (envelope.kind !== "request")
    throw fault("MCPS_ENVELOPE", { reason: "initialize has to be a request with an id" });
  if (request.headers["mcp-session-id"] !== undefined) {
    respondFault(sink, fault("MCPS_ALREADY_INITIALIZED"), id);
    return;
  }
  handshake(parts, endpoint, body, envelope).then(
    ({ token, response }) => respondJson(sink, 200, response, { "mcp-session-id": token }),
    (error: unknown) => {
      const failure = faultOf(parts, error);
      if (failure.rpc === -32602) respondJson(sink, 200, errorMessage(id, failure));
      else respondFault(sink, failure, id);
    },
  );
}

/** The messages of a batch in a legacy session. */
function serveSeveral(
  parts: TransportParts,
  endpoint: Endpoint,
  request: GatewayRequest,
  session: SessionFacts,
  envelopes: readonly Envelope[],
  sink: ResponseSink,
): void {
  const caller = sessionCaller(session, endpoint.principal, request, parts);
  const messages = envelopes.map((envelope) => messageOf(request.body, envelope));
  for (const message of messages) if (message.envelope.kind !== "request") tell(parts, endpoint, caller, message, sink);
  const requests = messages.filter(({ envelope }) => envelope.kind === "request");
  const [first] = requests;
  if (first === undefined) {
    sink.respond(202, NO_HEADERS);
    return;
  }
  const requestId = rawId(first.body, first.envelope).toString();
  const reply = new PostReply(parts, sink, requests.length, true, () => parts.replay.open(session.id, requestId));
  reply.primes = primes(session);
  for (const { body, envelope } of requests) parts.conversations.request(endpoint.view, caller, body, envelope, reply);
}

type Message = { readonly body: Buffer; readonly envelope: Envelope };

/** A message of a batch as a message of its own. */
function messageOf(body: Buffer, { root }: Envelope): Message {
  const own = body.subarray(root.start, root.end);
  return { body: own, envelope: scanRoot(own, { start: 0, end: own.length }) };
}

/** Notifications and answers; what goes wrong behind the 202 is logged, there is nobody left to tell. */
function tell(parts: TransportParts, endpoint: Endpoint, caller: Caller, message: Message, sink: ResponseSink): void {
  const { body, envelope } = message;
  const work =
    envelope.kind === "response"
      ? parts.conversations.answer(caller, body, envelope)
      : parts.conversations.notification(endpoint.view, caller, body, envelope);
  work.catch((error: unknown) =>
    parts.log.warn("a client's message was lost", {
      method: envelope.method,
      reason: String(error),
      closed: sink.closed,
    }),
  );
}

/** Batches exist in 2025-03-26 only: in a session of that version, or where nothing says otherwise. */
function serveBatch(parts: TransportParts, endpoint: Endpoint, request: GatewayRequest, sink: ResponseSink): void {
  const { body, headers } = request;
  const header = headers["mcp-protocol-version"]?.trim();
  if (header !== undefined && header !== ASSUMED_LEGACY) throw fault("MCPS_BATCH", { version: header.slice(0, 40) });
  withSession(parts, endpoint, request, sink, "a batch", (session) => {
    if (session.protocolVersion !== ASSUMED_LEGACY) throw fault("MCPS_BATCH", { version: session.protocolVersion });
    const spans = elements(body, scanJson(body));
    if (spans.length === 0) throw fault("MCPS_ENVELOPE", { reason: "the batch is empty" });
    if (spans.length > parts.maxBatch)
      throw fault("MCPS_ENVELOPE", {
        reason: `the batch has ${spans.length} messages, at most ${parts.maxBatch} are allowed`,
      });
    const envelopes = spans.map((span) => scanRoot(body, span));
    if (envelopes.some(({ method }) => method === "initialize"))
      throw fault("MCPS_ENVELOPE", { reason: "initialize cannot be part of a batch" });
    refuseCalls(endpoint, envelopes);
    serveSeveral(parts, endpoint, request, session, envelopes, sink);
  });
}

// ---- sessions ----

/** The session the request names: 400 without one, 404 when it is unknown, foreign or expired. */
function sessionOf(parts: TransportParts, endpoint: Endpoint, request: GatewayRequest, what: string): SessionFacts {
  checkVersionHeader(request);
  const token = request.headers["mcp-session-id"];
  if (token === undefined) throw fault("MCPS_SESSION_MISSING", { method: what });
  const session = parts.sessions.open(token, endpoint.name, endpoint.principal.id);
  if (session === undefined) throw fault("MCPS_SESSION_UNKNOWN");
  return session;
}

function present(session: SessionFacts, isEnded: boolean): SessionFacts {
  if (isEnded) throw fault("MCPS_SESSION_UNKNOWN");
  return session;
}

function later<Value>(
  parts: TransportParts,
  sink: ResponseSink,
  pending: Promise<Value>,
  work: (value: Value) => void,
): void {
  pending.then(work).catch((error: unknown) => respondFault(sink, faultOf(parts, error)));
}

/** Runs `work` with the session, which was not ended. Synchronous where this process knows whether it was. */
function withSession(
  parts: TransportParts,
  endpoint: Endpoint,
  request: GatewayRequest,
  sink: ResponseSink,
  what: string,
  work: (session: SessionFacts) => void,
): void {
  const session = sessionOf(parts, endpoint, request, what);
  const ended = parts.sessions.ended(session.id);
  if (typeof ended === "boolean") work(present(session, ended));
  else later(parts, sink, ended, (gone) => work(present(session, gone)));
}

function checkVersionHeader(request: GatewayRequest): void {
  const header = request.headers["mcp-protocol-version"];
  if (header === undefined || isLegacyVersion(header)) return;
  const version = header.trim();
  if (isLegacyVersion(version)) return;
  throw fault("MCPS_VERSION", {
    value: JSON.stringify(version.slice(0, 40)),
    supported: [...LEGACY_VERSIONS, ...MODERN_VERSIONS].join(", "),
  });
}

// ---- GET and DELETE ----

function serveGet(parts: TransportParts, endpoint: Endpoint, request: GatewayRequest, sink: ResponseSink): void {
  const accept = request.headers.accept;
  if (accept === undefined || !/text\/event-stream/i.test(accept))
    throw fault("MCPS_ACCEPT", { value: accept ?? "missing", allowed: "text/event-stream" });
  withoutModern(request, "GET");
  withSession(parts, endpoint, request, sink, "GET", (session) => {
    openGetStream(parts, endpoint, request, session, sink).catch((error: unknown) => {
      if (!sink.closed) respondFault(sink, faultOf(parts, error));
    });
  });
}

function serveDelete(parts: TransportParts, endpoint: Endpoint, request: GatewayRequest, sink: ResponseSink): void {
  withoutModern(request, "DELETE");
  withSession(parts, endpoint, request, sink, "DELETE", (session) => {
    const caller = sessionCaller(session, endpoint.principal, request, parts);
    const ending = parts.sessions.end(session.id).then(() => parts.conversations.end(endpoint.view(), caller));
    ending.then(
      () => sink.respond(200, {}),
      (error: unknown) => respondFault(sink, faultOf(parts, error)),
    );
  });
}

/** The modern era has neither a GET stream nor sessions to delete. */
function withoutModern(request: GatewayRequest, method: string): void {
  const version = request.headers["mcp-protocol-version"]?.trim();
  if (version !== undefined && (MODERN_VERSIONS as readonly string[]).includes(version)) {
    throw fault("MCPS_HTTP_METHOD", { method, path: request.path, allowed: "POST" }, undefined, { allow: "POST" });
  }
}

export function rawId(body: Buffer, envelope: Envelope): Buffer {
  return envelope.id === undefined ? Buffer.from("null") : body.subarray(envelope.id.start, envelope.id.end);
}

export function faultOf(parts: TransportParts, error: unknown): Fault {
  const failure = asFault(error, "");
  if (failure.code === "MCPS_INTERNAL")
    parts.log.error("a request failed inside the gateway", {
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  return failure;
}
