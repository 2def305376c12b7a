/** Callers: the identity, capabilities and version with which a request goes on, per kind of client. */
import { createHash } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import type { RequestHead } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Caller } from "../federation/index.ts";
import {
  type Envelope,
  isModernVersion,
  isObject,
  LATEST_LEGACY,
  LATEST_MODERN,
  META,
  MODERN_VERSIONS,
  memberAt,
  metaOf,
  stringAt,
  unsupportedModern,
} from "../mcp/index.ts";
import type { SessionFacts } from "../sessions/index.ts";
import { knownCorrelation } from "../telemetry/index.ts";
import { passedOf } from "../upstreams/index.ts";
import type { TransportParts } from "./context.ts";
import { decodeHeaderValue } from "./edge.ts";

const EMPTY = Buffer.from("{}");
const ANONYMOUS_INFO = Buffer.from('{"name":"unknown","version":"0"}');
/** Trace context goes on to upstreams (W3C); what else does is on an allow-list. */
const FORWARDED = ["traceparent", "tracestate", "baggage"] as const;
/** Where the name stands that Mcp-Name repeats (MCP 2026-07-28 transports). */
const NAMED: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
};

/** What of the room's parts a caller is made with. */
type CallerParts = Pick<TransportParts, "sessions" | "federation">;

/** The headers of a request that some upstream takes; mostly there are none. */
function passed({ headers }: RequestHead, { federation }: CallerParts): Caller["passed"] {
  return federation.passed.length === 0 ? undefined : passedOf(headers, federation.passed);
}

const NONE: Readonly<Record<string, string>> = Object.freeze({});

/** The same empty object where there is nothing to hand on. */
function forwarded({ headers }: RequestHead): Readonly<Record<string, string>> {
  if (headers.traceparent === undefined && headers.tracestate === undefined && headers.baggage === undefined)
    return NONE;
  const found: Record<string, string> = {};
  for (const name of FORWARDED) {
    const value = headers[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** By session: the room answers the same object for a token for as long as it remembers it. */
const callers = new WeakMap<SessionFacts, Caller>();

export function sessionCaller(
  session: SessionFacts,
  principal: Principal,
  head: RequestHead,
  parts: CallerParts,
): Caller {
  const headers = forwarded(head);
  const own = passed(head, parts);
  const correlationId = knownCorrelation(head);
  const remote = head.remoteAddress;
  const isPlain = headers === NONE && own === undefined && correlationId === "";
  const known = callers.get(session);
  if (isPlain && known !== undefined && known.principal === principal && known.remote === remote) return known;
  const said = { headers, passed: own, remote, correlationId };
  const caller = makeSessionCaller(session, principal, said, parts.sessions.ttlMs);
  if (isPlain) callers.set(session, caller);
  return caller;
}

function makeSessionCaller(
  session: SessionFacts,
  principal: Principal,
  said: Pick<Caller, "headers" | "passed" | "remote" | "correlationId">,
  ttlMs: number,
): Caller {
  return {
    era: "legacy",
    protocolVersion: session.protocolVersion,
    principal,
    sessionId: session.id,
    holder: {
      key: `s:${session.id}`,
      clientCapabilities: session.capabilities,
      clientInfo: session.clientInfo,
      protocolVersion: session.protocolVersion,
      ttlMs,
      passed: said.passed,
      actor: principal,
    },
    identity: {
      protocolVersion: LATEST_MODERN,
      clientCapabilities: session.capabilities,
      clientInfo: session.clientInfo,
    },
    paramHeaders: undefined,
    headers: said.headers,
    passed: said.passed,
    remote: said.remote,
    correlationId: said.correlationId,
  };
}

/** A caller of /rpc: legacy, without a session and without capabilities; upstream sessions are held per principal. */
export function plainCaller(principal: Principal, head: RequestHead, parts: CallerParts): Caller {
  const own = passed(head, parts);
  return {
    era: "legacy",
    protocolVersion: LATEST_LEGACY,
    principal,
    sessionId: undefined,
    holder: {
      key: `p:${principal.id}:rpc`,
      clientCapabilities: EMPTY,
      clientInfo: ANONYMOUS_INFO,
      protocolVersion: LATEST_LEGACY,
      ttlMs: parts.sessions.ttlMs,
      passed: own,
      actor: principal,
    },
    identity: { protocolVersion: LATEST_MODERN, clientCapabilities: EMPTY, clientInfo: ANONYMOUS_INFO },
    paramHeaders: undefined,
    headers: forwarded(head),
    passed: own,
    remote: head.remoteAddress,
    correlationId: knownCorrelation(head),
  };
}

/**
 * A modern caller from the request's `_meta`. `checkHeaders`: over HTTP the headers have to say the same as the body
 * (-32020), other transports have none. Throws the faults of MCP 2026-07-28 in the order: version, header, capabilities.
 */
export function modernCaller(
  body: Buffer,
  envelope: Envelope,
  principal: Principal,
  head: RequestHead,
  parts: CallerParts,
  checkHeaders: boolean,
): Caller {
  const meta = metaOf(body, envelope);
  const protocolVersion = stringAt(body, meta.protocolVersion);
  const headerVersion = head.headers["mcp-protocol-version"]?.trim();
  if (protocolVersion === undefined) {
    throw fault("MCPS_PARAMS", {
      method: envelope.method,
      reason: `params._meta["${META.protocolVersion}"] is missing or no string`,
    });
  }
  if (checkHeaders && headerVersion !== protocolVersion)
    throw mismatch("MCP-Protocol-Version", headerVersion, protocolVersion);
  if (!isModernVersion(protocolVersion)) throw unsupportedModern(protocolVersion, MODERN_VERSIONS);
  if (checkHeaders) checkRoutingHeaders(body, envelope, head);
  const capabilities = meta.clientCapabilities;
  if (capabilities === undefined || !isObject(body, capabilities)) {
    throw fault("MCPS_PARAMS", {
      method: envelope.method,
      reason: `params._meta["${META.clientCapabilities}"] is missing or no object`,
    });
  }
  const info = meta.clientInfo;
  const clientCapabilities = body.subarray(capabilities.start, capabilities.end);
  const clientInfo = info !== undefined && isObject(body, info) ? body.subarray(info.start, info.end) : ANONYMOUS_INFO;
  const logLevel = stringAt(body, meta.logLevel);
  const own = passed(head, parts);
  return {
    era: "modern",
    protocolVersion,
    principal,
    sessionId: undefined,
    holder: {
      key: holderKey(principal, clientCapabilities),
      clientCapabilities,
      clientInfo,
      protocolVersion: LATEST_LEGACY,
      ttlMs: parts.sessions.ttlMs,
      passed: own,
      actor: principal,
    },
    identity: { protocolVersion, clientCapabilities, clientInfo, logLevel },
    paramHeaders: checkHeaders ? paramHeaders(head) : undefined,
    headers: forwarded(head),
    passed: own,
    remote: head.remoteAddress,
    correlationId: knownCorrelation(head),
  };
}

/** Digests of capabilities by their bytes: every request of a modern client carries the same ones. */
const digests = new Map<string, string>();
const MAX_DIGESTS = 1000;
const MAX_REMEMBERED_BYTES = 2048;

function digestOf(capabilities: Buffer): string {
  const key = capabilities.length > MAX_REMEMBERED_BYTES ? undefined : capabilities.toString("latin1");
  const known = key === undefined ? undefined : digests.get(key);
  if (known !== undefined) return known;
  const digest = createHash("sha256").update(capabilities).digest("base64url").slice(0, 16);
  if (key !== undefined) {
    if (digests.size >= MAX_DIGESTS) digests.clear();
    digests.set(key, digest);
  }
  return digest;
}

/** Legacy upstreams see a modern principal as one client per set of capabilities. */
function holderKey(principal: Principal, capabilities: Buffer): string {
  return `p:${principal.id}:${digestOf(capabilities)}`;
}

function mismatch(header: string, value: string | undefined, expected: string) {
  return fault("MCPS_HEADER_MISMATCH", {
    header,
    value: value === undefined ? "missing" : JSON.stringify(value.slice(0, 200)),
    expected: JSON.stringify(expected.slice(0, 200)),
  });
}

function checkRoutingHeaders(body: Buffer, envelope: Envelope, head: RequestHead): void {
  const method = head.headers["mcp-method"]?.trim();
  if (method !== envelope.method) throw mismatch("Mcp-Method", method, envelope.method);
  const key = NAMED[envelope.method];
  const expected = key === undefined ? undefined : stringAt(body, memberAt(body, envelope.params, key));
  if (expected === undefined) return;
  const raw = head.headers["mcp-name"];
  const name = raw === undefined ? undefined : decodeHeaderValue(raw);
  if (name !== expected) throw mismatch("Mcp-Name", name, expected);
}

function paramHeaders(head: RequestHead): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name in head.headers) {
    const value = name.startsWith("mcp-param-") ? head.headers[name] : undefined;
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** Modern when the header names a modern version or the body claims a version in `_meta` (protocol revisions, versioning). */
export function isModernRequest(head: RequestHead, body: Buffer, envelope: Envelope): boolean {
  if (isModernVersion(head.headers["mcp-protocol-version"]?.trim())) return true;
  return metaOf(body, envelope).protocolVersion !== undefined;
}
