/** A caller's request as its upstream's era wants it. Same era: the caller's bytes with a few edits. Other era: translated. */
import {
  type Edit,
  type Envelope,
  legacyEdits,
  memberAt,
  modernEdits,
  requestEdits,
  requestMessage,
  setMember,
  splice,
  stringAt,
  withModernMeta,
} from "../mcp/index.ts";
import type { OutboundMessage, UpstreamProfile } from "../upstreams/index.ts";
import { checkParamHeaders } from "./param-headers.ts";
import type { Caller, Route, ViewUpstream } from "./types.ts";
import { isShown } from "./view.ts";

/**
 * Takes a request upstream; throws MCPS_HEADER_MISMATCH where nobody behind checks the headers. `id` is unique for this gateway's
 * lifetime; it also replaces the progress token.
 */
export function outbound(
  body: Buffer,
  envelope: Envelope,
  caller: Caller,
  route: Route,
  profile: UpstreamProfile,
  id: string,
  timeoutMs: number,
): OutboundMessage {
  const inHeaders = route.upstream.headerParams.get(route.target?.value ?? "");
  if (inHeaders !== undefined && caller.paramHeaders !== undefined && profile.era === "legacy")
    checkParamHeaders(inHeaders, body, envelope, caller.paramHeaders);
  // Mcp-Name repeats what the request names; the tasks extension names a task (MCP 2026-07-28 transports).
  const isModern = profile.era === "modern";
  return {
    body: editedBytes(body, envelope, caller, route, profile, id),
    id,
    method: envelope.method,
    era: profile.era,
    headers: caller.headers,
    passed: caller.passed,
    name: isModern ? (route.target?.value ?? taskOf(body, envelope)) : undefined,
    paramHeaders: isModern ? caller.paramHeaders : undefined,
    timeoutMs,
    repeatable: envelope.method === "tools/call" && route.upstream.repeatable.has(route.target?.value ?? ""),
    shows: route.upstream.target.transport === "builtin" ? showing(route.upstream) : undefined,
  };
}

/** The gateway's own upstream has to choose among items of which the caller may not see all. */
function showing(upstream: ViewUpstream): NonNullable<OutboundMessage["shows"]> {
  return (kind, name) => isShown(upstream, kind, name);
}

function taskOf(body: Buffer, envelope: Envelope): string | undefined {
  return envelope.method.startsWith("tasks/") ? stringAt(body, memberAt(body, envelope.params, "taskId")) : undefined;
}

/** The caller's bytes with what has to change: id, name, reference, progress token, and what only one of the eras knows. */
function editedBytes(
  body: Buffer,
  envelope: Envelope,
  caller: Caller,
  route: Route,
  profile: UpstreamProfile,
  id: string,
): Buffer {
  const edits = requestEdits(body, envelope, id, route.target?.changed === true ? route.target : undefined);
  if (route.ref !== undefined && envelope.params !== undefined)
    edits.push(setMember(body, envelope.params, "ref", route.ref));
  if (caller.era !== profile.era) edits.push(...translation(body, envelope, caller, profile));
  return splice(body, edits);
}

function translation(body: Buffer, envelope: Envelope, caller: Caller, profile: UpstreamProfile): Edit[] {
  if (profile.era === "legacy") return legacyEdits(body, envelope);
  const { protocolVersion } = profile;
  const { identity } = caller;
  return modernEdits(
    body,
    envelope,
    identity.protocolVersion === protocolVersion ? identity : { ...identity, protocolVersion },
  );
}

/** A request of the gateway's own making (list pages, subscriptions) on behalf of a caller. `params` is a raw JSON object. */
export function ownRequest(
  method: string,
  params: Buffer,
  caller: Caller,
  profile: UpstreamProfile,
  id: string,
): OutboundMessage {
  const shaped =
    profile.era === "legacy"
      ? params
      : withModernMeta(params, { ...caller.identity, protocolVersion: profile.protocolVersion });
  const { headers, passed } = caller;
  return { body: requestMessage(id, method, shaped), method, era: profile.era, headers, passed };
}

/** subscriptions/listen towards a modern upstream; `filter` is a raw SubscriptionFilter. The stream has no time limit. */
export function outboundListen(caller: Caller, profile: UpstreamProfile, id: string, filter: string): OutboundMessage {
  return {
    ...ownRequest("subscriptions/listen", Buffer.from(`{"notifications":${filter}}`), caller, profile, id),
    timeoutMs: 0,
  };
}
