/**
 * The application an engine is given: route, admission on the head; then edge, identity, permission, and the room that answers.
 * Part of the composition root: it joins rooms and holds no rule of its own.
 */
import { asFault, Fault, fault } from "../contract/errors.ts";
import type {
  Admitted,
  Application,
  BodyRefusal,
  GatewayRequest,
  Refused,
  RequestHead,
  ResponseSink,
  RestResponse,
  Upgrade,
} from "../contract/http.ts";
import type { Principal } from "../contract/principal.ts";
import type { RestRoom } from "../contract/rest.ts";
import { type Route as HttpRoute, matchRoute, type RestArea, type RouteClass } from "../contract/routes.ts";
import {
  type Admission,
  type AdmissionClass,
  type Limits,
  QueuedTicket,
  type Refusal,
  Ticket,
} from "./admission/index.ts";
import { admissionClassOf, mayEndCalls } from "./admission-class.ts";
import type { Auth } from "./auth/index.ts";
import { cacheMarks } from "./cache-identity.ts";
import { CountedSink } from "./counted-sink.ts";
import { endpointsOf, transportOf } from "./endpoints.ts";
import { errorMessage, scanMessage } from "./mcp/index.ts";
import { shownPath } from "./shown-path.ts";
import { correlationOf, type Log, type SecurityLog } from "./telemetry/index.ts";
import { requireServerScope } from "./token-scope.ts";
import {
  CompressedSink,
  type Compressor,
  codingOf,
  corsHeaders,
  type createEdge,
  type createHttpSse,
  type createWebSockets,
  type Endpoint,
  isCall,
  isPreflight,
  JSON_HEADERS,
  mayCompress,
  preflightHeaders,
  respondFault,
  serveRpc,
  serveStreamableHttp,
  type TransportParts,
} from "./transports/index.ts";

type OpenRoute = (
  params: Readonly<Record<string, string>>,
  request: GatewayRequest,
) => RestResponse | Promise<RestResponse>;

export type ApplicationParts = {
  readonly admission: Admission;
  /** Absent: nobody is limited. */
  readonly limits?: Pick<Limits, "peek" | "arrive" | "guessed" | "request">;
  readonly edge: ReturnType<typeof createEdge>;
  readonly auth: Auth;
  /** Who answers the REST routes, by their area. */
  readonly rest: Readonly<Partial<Record<RestArea, RestRoom>>>;
  /** Asked with each request: addresses, hours and limits of API tokens. Throws what refuses it. */
  readonly guards: { admit(principal: Principal, address: string): void };
  readonly transports: TransportParts;
  readonly httpSse: ReturnType<typeof createHttpSse>;
  readonly webSockets: ReturnType<typeof createWebSockets>;
  /** Absent: nothing is compressed here. */
  readonly compressor?: Compressor | undefined;
  readonly maxBodyBytes: number;
  /** Cut from paths before they come here; what is told to clients has to name it. */
  readonly pathPrefix: string;
  readonly log: Log;
  /** Answers of the routes of the gateway itself, by route id: to anybody, and to a principal. */
  readonly open: Readonly<Record<string, OpenRoute>>;
  readonly own: Readonly<Record<string, (principal: Principal) => RestResponse | Promise<RestResponse>>>;
  readonly counters: {
    http(routeClass: string, status: number): void;
    error(code: string): void;
  };
  readonly accessLog: boolean;
  /** Told who was refused, and `withAdmitted` who was let in. */
  readonly security?: SecurityLog | undefined;
  readonly withAdmitted?: boolean;
};

/**
 * Where a body means nothing, some clients send a small one all the same. Anybody may ask there, and as often as he likes: what he sends
 * may not cost memory.
 */
const MEANINGLESS_BODY_BYTES = 1024;
const METHODS_WITH_BODY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

type Matched = { readonly route: HttpRoute; readonly params: Readonly<Record<string, string>> };

export function createApplication(parts: ApplicationParts): Application {
  const { admission } = parts;
  const endpoints = endpointsOf(parts.transports.federation);

  function refusal(failure: Fault): Refused {
    parts.counters.error(failure.code);
    return {
      ok: false,
      status: failure.status === 200 ? 400 : failure.status,
      headers: { ...JSON_HEADERS, ...failure.headers },
      body: errorMessage("null", failure).toString(),
    };
  }

  /** The route, or the fault that says what is wrong with method or path. */
  function find(head: RequestHead): Matched | Fault {
    const found = matchRoute(head.method === "HEAD" ? "GET" : head.method, head.path);
    // GET opens a stream there, and a HEAD that has no effect tells nothing.
    const isStreamHead = found.kind === "route" && found.route.area === "mcp" && head.method === "HEAD";
    if (found.kind === "route" && !isStreamHead) return found;
    if (found.kind === "none") return fault("MCPS_NOT_FOUND", { path: head.path.slice(0, 200) });
    const allowed = (found.kind === "route" ? found.route.methods : found.allowed).join(", ");
    return fault("MCPS_HTTP_METHOD", { method: head.method, path: head.path.slice(0, 200), allowed }, undefined, {
      allow: allowed,
    });
  }

  function admit(head: RequestHead): Admitted | Refused {
    const matched = find(head);
    // Before a slot is taken: who is known to have nothing left costs nobody else one.
    const limited = isProbe(matched) ? undefined : parts.limits?.peek(head);
    if (limited !== undefined) return refusedOnHead(matched, limited);
    const encoded = head.headers["content-encoding"];
    if (encoded !== undefined && encoded.trim().toLowerCase() !== "identity")
      return refusedOnHead(matched, encodedFault(encoded));
    const kind = matched instanceof Error ? "control" : admissionClassOf(matched.route, head);
    const entered = admission.enter(kind, head, !(matched instanceof Error) && mayEndCalls(matched.route, head));
    if (entered.ok) entered.maxBodyBytes = bodyBytesOf(matched, head);
    else count(kind, entered);
    return entered;
  }

  function refusedOnHead(matched: Matched | Fault, failure: Fault): Refused {
    parts.counters.http(classOf(matched), failure.status);
    return refusal(failure);
  }

  function count(kind: AdmissionClass, refused: Refusal): void {
    parts.counters.http(kind, refused.status);
    parts.counters.error(refused.fault.code);
  }

  /** Answered as on the head: with what was made for it once. */
  function refuseLate(sink: ResponseSink, refused: Refusal): void {
    count("call", refused);
    sink.respond(refused.status, refused.headers, refused.body);
  }

  /** Synchronous for a caller that is known. Throws, or rejects with, what refuses him. */
  function authenticate(matched: Matched, head: RequestHead): Principal | Promise<Principal> {
    const principal = parts.auth.callerOf(matched.route, head);
    if (principal instanceof Promise) return principal.then((found) => permitted(matched, head, found));
    return permitted(matched, head, principal);
  }

  function permitted({ route, params }: Matched, head: RequestHead, principal: Principal): Principal {
    parts.auth.require(principal, route, head);
    if (principal.serverId !== undefined) requireServerScope(principal, route, params);
    if (principal.kind === "api-token") parts.guards.admit(principal, head.remoteAddress);
    return principal;
  }

  /** As `authenticate`; what refuses the token is told to admission and limits as well. */
  function known(matched: Matched, head: RequestHead, admitted: Admitted | undefined): Principal | Promise<Principal> {
    try {
      const principal = authenticate(matched, head);
      if (!(principal instanceof Promise)) return principal;
      return principal.catch((error: unknown) => {
        throw tell(denied(error, head, admitted), matched, head);
      });
    } catch (error) {
      throw tell(denied(error, head, admitted), matched, head);
    }
  }

  /** Hands back the error; who was refused stands in the security log, and who may guess at tokens is counted. */
  function tell(error: unknown, { route }: Matched, head: RequestHead): unknown {
    if (error instanceof Fault && error.status === 401) parts.limits?.guessed(route, head);
    if (parts.security === undefined || !(error instanceof Fault) || (error.status !== 401 && error.status !== 403))
      return error;
    const proof = head.headers.authorization === undefined && head.client === undefined ? "no proof" : "proof refused";
    parts.security.record({
      kind: error.status === 401 ? "auth.refused" : "auth.forbidden",
      remote: head.remoteAddress,
      detail: error.status === 401 ? `${route.id}: ${proof}` : `${route.id}: ${route.permission ?? ""}`,
      correlationId: correlationOf(head),
    });
    return error;
  }

  function admittedAs(principal: Principal, head: RequestHead): void {
    parts.security?.record({
      kind: "auth.ok",
      remote: head.remoteAddress,
      principal: principal.id,
      detail: principal.kind,
      correlationId: "",
    });
  }

  /** The room that answers, once the caller is known and may ask. */
  function dispatch(matched: Matched, request: GatewayRequest, principal: Principal, sink: CountedSink): void {
    const { route, params } = matched;
    const own = parts.own[route.id];
    if (own !== undefined) {
      background(
        request,
        sink,
        answer(sink, route, request, () => own(principal)),
      );
      return;
    }
    if (route.area !== "mcp") {
      const rest = route.area === "service" ? undefined : parts.rest[route.area];
      if (rest === undefined) throw fault("MCPS_NOT_FOUND", { path: request.path.slice(0, 200) });
      background(
        request,
        sink,
        answer(sink, route, request, async () =>
          placed(await rest.handle(route, params, request, principal), parts.pathPrefix),
        ),
      );
      return;
    }
    const known = endpoints.of(matched, principal);
    const endpoint = sink.callsRefused === undefined ? known : { ...known, callsRefused: sink.callsRefused };
    speak(matched, endpoint, request, sink);
  }

  /** What anybody may ask. */
  function openly({ route, params }: Matched, request: GatewayRequest): RestResponse | Promise<RestResponse> {
    const room = route.area === "mcp" || route.area === "service" ? undefined : parts.rest[route.area];
    const answered = parts.open[route.id]?.(params, request) ?? room?.handleOpen?.(route, params, request);
    if (answered === undefined) throw fault("MCPS_NOT_FOUND", { path: request.path.slice(0, 200) });
    return answered;
  }

  function speak({ route, params }: Matched, endpoint: Endpoint, request: GatewayRequest, sink: ResponseSink): void {
    const { transports, httpSse } = parts;
    switch (transportOf(route)) {
      case "mcp":
        serveStreamableHttp(transports, endpoint, request, sink);
        return;
      case "rpc":
        serveRpc(transports, endpoint, request, sink);
        return;
      case "sse": {
        const { scope } = endpoint;
        const path = scope.kind === "server" ? `/servers/${encodeURIComponent(params.id ?? "")}/message` : "/message";
        background(request, sink, httpSse.openStream(endpoint, request, `${parts.pathPrefix}${path}`, sink));
        return;
      }
      case "message":
        background(request, sink, httpSse.receive(endpoint, request, sink));
        return;
      case "ws": {
        const allowed = "GET with Upgrade: websocket";
        throw fault("MCPS_HTTP_METHOD", { method: request.method, path: request.path, allowed }, undefined, {
          upgrade: "websocket",
        });
      }
    }
  }

  function background(request: RequestHead, sink: ResponseSink, work: Promise<void>): void {
    work.catch((error: unknown) => failed(request, sink, error));
  }

  function failed(request: RequestHead, sink: ResponseSink, error: unknown): void {
    const correlationId = correlationOf(request);
    const failure = asFault(error, correlationId);
    parts.counters.error(failure.code);
    if (failure.code === "MCPS_INTERNAL") {
      parts.log.error("a request failed inside the gateway", {
        correlationId,
        reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
    if (!sink.closed) respondFault(sink, failure, "null", { "x-correlation-id": correlationId });
  }

  function serve(request: GatewayRequest, outer: ResponseSink, admitted?: Admitted): void {
    if (admitted instanceof QueuedTicket && isNewWork(request, false)) {
      const start = () => serveNow(request, outer, admitted, undefined);
      admitted.onTurn({ start, drop: (refused) => refuseLate(outer, refused) });
      return;
    }
    const lent = admitted instanceof Ticket ? admitted.controlOnly : undefined;
    if (lent !== undefined && isNewWork(request, lent.reason === "draining")) refuseLate(outer, lent);
    else serveNow(request, outer, admitted, lent?.fault);
  }

  function serveNow(
    request: GatewayRequest,
    outer: ResponseSink,
    admitted: Admitted | undefined,
    callsRefused: Fault | undefined,
  ): void {
    const matched = find(request);
    const foreign = parts.edge(request);
    const sink = observed(request, outer, matched, foreign);
    try {
      if (foreign === undefined && matched instanceof Error && matched.status === 405 && isPreflight(request)) {
        sink.respond(204, preflightHeaders(request, matched.headers?.allow ?? ""));
        return;
      }
      if (matched instanceof Error) throw matched;
      const { route } = matched;
      // Probes come by address and from no page; whatever else anybody may ask could change something.
      if (foreign !== undefined && !isProbe(matched) && !isScrape(route, request, foreign)) throw foreign;
      const arrived = parts.limits?.arrive(route, request);
      if (arrived === undefined) serveMatched(matched, request, sink, admitted, callsRefused);
      else
        background(
          request,
          sink,
          unless(arrived, () => serveMatched(matched, request, sink, admitted, callsRefused)),
        );
    } catch (error) {
      failed(request, sink, error);
    }
  }

  /** `work` unless there is a fault, which is thrown. */
  async function unless(refused: Fault | Promise<Fault | undefined>, work: () => void): Promise<void> {
    const failure = await refused;
    if (failure !== undefined) throw failure;
    work();
  }

  function serveMatched(
    matched: Matched,
    request: GatewayRequest,
    sink: CountedSink,
    admitted: Admitted | undefined,
    callsRefused: Fault | undefined,
  ): void {
    const { route } = matched;
    try {
      if (route.auth === "public") {
        background(
          request,
          sink,
          answer(sink, route, request, () => openly(matched, request)),
        );
        return;
      }
      sink.callsRefused = callsRefused;
      const principal = known(matched, request, admitted);
      if (principal instanceof Promise)
        background(
          request,
          sink,
          principal.then((found) => serveKnown(matched, request, found, sink, admitted)),
        );
      else serveKnown(matched, request, principal, sink, admitted);
    } catch (error) {
      failed(request, sink, error);
    }
  }

  /** Synchronous where the caller's limits need not be asked for elsewhere. */
  function serveKnown(
    matched: Matched,
    request: GatewayRequest,
    principal: Principal,
    sink: CountedSink,
    admitted: Admitted | undefined,
  ): void {
    identify(admitted, request, principal);
    if (parts.withAdmitted === true) admittedAs(principal, request);
    const limited = parts.limits?.request(matched.route, request, principal);
    if (limited === undefined) dispatch(matched, request, principal, sink);
    else
      background(
        request,
        sink,
        unless(limited, () => dispatch(matched, request, principal, sink)),
      );
  }

  /** The sink itself where the client asks for no coding, unless a cache could keep the answer for others who do. */
  function compressed(head: RequestHead, outer: ResponseSink, matched: Matched | Fault): ResponseSink {
    const { compressor } = parts;
    if (compressor === undefined || matched instanceof Error || !mayCompress(matched.route)) return outer;
    const coding = codingOf(head.headers["accept-encoding"]);
    if (coding === undefined && (head.method === "POST" || matched.route.cache === "none")) return outer;
    return new CompressedSink(outer, compressor, coding);
  }

  /** What is answered through it is counted, logged, and readable by pages that may ask. */
  function observed(
    head: RequestHead,
    outer: ResponseSink,
    matched: Matched | Fault,
    foreign: Fault | undefined,
  ): CountedSink {
    const cors = foreign === undefined ? corsHeaders(head) : undefined;
    const sink = new CountedSink(compressed(head, outer, matched), cors, classOf(matched), parts.counters);
    if (parts.accessLog) sink.onAnswered(accessLine(head, matched));
    return sink;
  }

  function accessLine(head: RequestHead, matched: Matched | Fault): (status: number) => void {
    const startedAt = performance.now();
    // Made now, before rooms are asked: they write it down too.
    const correlationId = correlationOf(head);
    const { method, remoteAddress: remote } = head;
    const path = shownPath(matched instanceof Error ? undefined : matched.route, head.path);
    return (status) => {
      const ms = Math.round(performance.now() - startedAt);
      parts.log.info("request", { correlationId, method, path, status, ms, remote });
    };
  }

  async function upgrade(head: RequestHead): Promise<Refused | Upgrade> {
    const matched = find(head);
    const log = parts.accessLog ? accessLine(head, matched) : undefined;
    const answered = (status: number): void => {
      parts.counters.http(classOf(matched), status);
      log?.(status);
    };
    try {
      if (matched instanceof Error) throw matched;
      const foreign = parts.edge(head);
      if (foreign !== undefined) throw foreign;
      const { route } = matched;
      const arrived = await parts.limits?.arrive(route, head);
      if (arrived !== undefined) throw arrived;
      const principal = await known(matched, head, undefined);
      const limited = await parts.limits?.request(route, head, principal);
      if (limited !== undefined) throw limited;
      if (matched.route.area !== "mcp" || transportOf(matched.route) !== "ws")
        throw fault("MCPS_NOT_FOUND", { path: head.path.slice(0, 200) });
      const accepted = parts.webSockets.accept(endpoints.of(matched, principal), head);
      return {
        ok: true,
        protocol: "mcp",
        open(peer) {
          answered(101);
          accepted.open(peer);
        },
        abandon() {
          answered(400);
          accepted.abandon();
        },
      };
    } catch (error) {
      const refused = refusal(asFault(error, correlationOf(head)));
      answered(refused.status);
      return refused;
    }
  }

  return {
    admit,
    maxBodyBytes: parts.maxBodyBytes,
    serve,
    refuseBody(head, outer, reason) {
      const matched = find(head);
      const sink = observed(head, outer, matched, parts.edge(head));
      // A body that is too large for a path that does not exist is not what is wrong with it.
      const isLost = reason === "too-large" && matched instanceof Error;
      const limit = Math.min(parts.maxBodyBytes, bodyBytesOf(matched, head) ?? Infinity);
      const failure = isLost ? matched : bodyFault(reason, limit);
      parts.counters.error(failure.code);
      sink.respond(
        failure.status,
        { ...JSON_HEADERS, ...failure.headers, connection: "close" },
        errorMessage("null", failure),
      );
    },
    upgrade,
  };
}

function isProbe(matched: Matched | Fault): boolean {
  return !(matched instanceof Error) && matched.route.auth === "public" && matched.route.class === "probe";
}

function classOf(matched: Matched | Fault): RouteClass {
  return matched instanceof Error ? "control" : matched.route.class;
}

/** Bytes of body that are read there; undefined = as many as anywhere. */
function bodyBytesOf(matched: Matched | Fault, { method }: RequestHead): number | undefined {
  const meansNothing = matched instanceof Error || matched.route.body === "none" || !METHODS_WITH_BODY.has(method);
  return meansNothing ? MEANINGLESS_BODY_BYTES : undefined;
}

/** Whose slot it is, now that it is known. */
function identify(admitted: Admitted | undefined, head: RequestHead, principal: Principal): void {
  if (isTicket(admitted)) admitted.identify(head, principal);
}

/** Hands back the error. After 401 the head's token stands for nobody. */
function denied(error: unknown, head: RequestHead, admitted: Admitted | undefined): unknown {
  if (error instanceof Fault && error.status === 401 && isTicket(admitted)) admitted.deny(head);
  return error;
}

function isTicket(admitted: Admitted | undefined): admitted is Ticket | QueuedTicket {
  return admitted instanceof Ticket || admitted instanceof QueuedTicket;
}

/**
 * Bodies are taken as they are. Undoing an encoding would need a bound of its own against a few bytes that become gigabytes, and no MCP client
 * sends one; what is taken instead stands in Accept-Encoding (RFC 9110 §15.5.16).
 */
function encodedFault(value: string): Fault {
  return fault("MCPS_CONTENT_ENCODING", { value: JSON.stringify(value.slice(0, 100)) }, undefined, {
    "accept-encoding": "identity",
  });
}

function bodyFault(reason: BodyRefusal, limit: number): Fault {
  if (reason === "too-large") return fault("MCPS_BODY_TOO_LARGE", { limit });
  if (reason === "aborted") return fault("MCPS_BODY_ABORTED");
  return fault("MCPS_BODY_LATE", {}, undefined, { "retry-after": "1" });
}

/** Who reads metrics comes by address, whatever names the gateway goes by, and from no page; one that was rebound here has no token. */
function isScrape({ id }: HttpRoute, { headers }: GatewayRequest, foreign: Fault): boolean {
  return (
    id === "metrics" &&
    foreign.code === "MCPS_HOST" &&
    headers.authorization !== undefined &&
    headers.origin === undefined
  );
}

/**
 * A request, as opposed to an answer or a notification. `strictly`: those that cost next to nothing too, and what cannot be read; otherwise
 * it is looked at where it is served.
 */
function isNewWork({ method, body }: GatewayRequest, strictly: boolean): boolean {
  if (method !== "POST") return false;
  try {
    const envelope = scanMessage(body);
    return strictly ? envelope.kind === "request" : isCall(envelope);
  } catch {
    return strictly;
  }
}

/** Where something new is, as clients have to ask for it. */
function placed(response: RestResponse, pathPrefix: string): RestResponse {
  const location = response.headers?.location;
  if (location === undefined || pathPrefix === "") return response;
  return { ...response, headers: { ...response.headers, location: `${pathPrefix}${location}` } };
}

/** A whole answer, marked with who may keep it. */
async function answer(
  sink: ResponseSink,
  route: HttpRoute,
  request: RequestHead,
  make: () => RestResponse | Promise<RestResponse>,
): Promise<void> {
  const { status, body, headers: own = {} } = await make();
  const { method } = request;
  // Under this its client finds what was written down of a change.
  const correlation =
    method === "GET" || method === "HEAD" ? undefined : { "x-correlation-id": correlationOf(request) };
  const headers = { ...cacheMarks(route, method, status, own), ...own, ...correlation };
  if (body === undefined) sink.respond(status, headers);
  else if (typeof body === "string" || body instanceof Uint8Array) sink.respond(status, headers, body);
  else sink.respond(status, { ...JSON_HEADERS, ...headers }, JSON.stringify(body));
}
