/**
 * Every REST room behind one hook: who changed what, with which outcome, and what it was before and after. What the room answers stays
 * as it is. Part of the composition root.
 */
import { createHash } from "node:crypto";
import { asFault } from "../contract/errors.ts";
import type { GatewayRequest, RestResponse } from "../contract/http.ts";
import type { Principal } from "../contract/principal.ts";
import type { RestRoom } from "../contract/rest.ts";
import { matchRoute, type Route } from "../contract/routes.ts";
import type { LooseEnds } from "./loose-ends.ts";
import { canonicalJson } from "./mcp/index.ts";
import { securityKindOf } from "./record-security.ts";
import { type AuditWriter, correlationOf, redact, redactText, type SecurityLog } from "./telemetry/index.ts";

export type ChangeRecorder = {
  readonly audit: AuditWriter | undefined;
  /** Reads too, with the permission they were let in for. */
  readonly withReads: boolean;
  readonly security: SecurityLog | undefined;
  /** What is being changed: a change whose client was cut off is made all the same, and has its row. */
  readonly running: LooseEnds;
  /** Epoch milliseconds. */
  readonly now: () => number;
};

const READS: ReadonlySet<string> = new Set(["GET", "HEAD"]);
/** Read although they are sent by POST. */
const SEARCHES: ReadonlySet<string> = new Set(["logs.search"]);
/** JSON of the fields that changed; of more only the digests are kept. */
const MAX_CHANGE_BYTES = 16_384;
const NO_BODY = Buffer.alloc(0);

type Asked = {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  readonly request: GatewayRequest;
  /** Undefined for what anybody may ask. */
  readonly principal: Principal | undefined;
};

/** The room itself where nothing is recorded. */
export function recordedRoom(room: RestRoom, recorder: ChangeRecorder): RestRoom {
  if (recorder.audit === undefined && recorder.security === undefined) return room;
  const { handleOpen } = room;
  return {
    description: room.description,
    handle: (route, params, request, principal) =>
      recorded(room, recorder, { route, params, request, principal }, () =>
        room.handle(route, params, request, principal),
      ),
    ...(handleOpen === undefined
      ? {}
      : {
          handleOpen: (route: Route, params: Asked["params"], request: GatewayRequest) =>
            recorded(room, recorder, { route, params, request, principal: undefined }, () =>
              handleOpen.call(room, route, params, request),
            ),
        }),
  };
}

function recorded(
  room: RestRoom,
  recorder: ChangeRecorder,
  asked: Asked,
  answer: () => Promise<RestResponse>,
): Promise<RestResponse> {
  const work = record(room, recorder, asked, answer);
  return READS.has(asked.request.method) ? work : recorder.running.follow(work);
}

async function record(
  room: RestRoom,
  { audit, withReads, security, now }: ChangeRecorder,
  asked: Asked,
  answer: () => Promise<RestResponse>,
): Promise<RestResponse> {
  const { route, request } = asked;
  const correlationId = correlationOf(request);
  const isChange = !READS.has(request.method) && !SEARCHES.has(route.id);
  const look = audit !== undefined && isChange ? lookAt(room, asked) : undefined;
  const before = await look?.();
  const note = async (status: number, outcome: string, response: RestResponse | undefined): Promise<void> => {
    if (audit === undefined || (!isChange && !withReads)) return;
    const after = response === undefined ? before : request.method === "DELETE" ? undefined : await look?.();
    const entry = {
      at: now(),
      correlationId,
      ...whoOf(asked, response),
      method: request.method,
      action: route.id,
      resourceType: route.id.split(".")[0] ?? "",
      resourceId: resourceOf(asked, response),
      status,
      outcome,
      change: isChange ? changeText(before, after ?? created(asked, response)) : permissionText(route),
    };
    if (isChange) await audit.addNow(entry);
    else audit.add(entry);
  };
  try {
    const response = await answer();
    await note(response.status, "ok", response);
    return response;
  } catch (error) {
    const { code, status } = asFault(error, correlationId);
    const kind = securityKindOf(code);
    if (kind !== undefined) {
      const { principal } = asked;
      security?.record({
        kind,
        remote: request.remoteAddress,
        principal: principal?.id,
        detail: route.id,
        correlationId,
      });
    }
    await note(status, code, undefined);
    throw error;
  }
}

/** On what anybody may ask, whoever its answer says he proved to be. */
function whoOf({ principal, request }: Asked, response: RestResponse | undefined) {
  return {
    principal: principal?.id ?? response?.subject ?? "",
    principalKind: principal?.kind ?? "public",
    tokenId: principal?.tokenId ?? null,
    remote: request.remoteAddress,
  };
}

/** How to see what the request is about: the GET of its path, or of the nearest path above that names the same thing. */
function lookAt(room: RestRoom, { request, principal, route }: Asked): (() => Promise<unknown>) | undefined {
  if (principal === undefined) return undefined;
  for (let { path } = request; path.length > 1; path = path.slice(0, path.lastIndexOf("/"))) {
    const found = matchRoute("GET", path);
    if (found.kind !== "route" || found.route.area !== route.area || Object.keys(found.params).length === 0) continue;
    const asked: GatewayRequest = { ...request, method: "GET", path, query: "", body: NO_BODY };
    return async () => {
      try {
        return (await room.handle(found.route, found.params, asked, principal)).body;
      } catch {
        // What cannot be seen, or is not there, is nothing.
        return undefined;
      }
    };
  }
  return undefined;
}

/** A new thing was not there to be looked at: what was answered is what there is. */
function created({ request }: Asked, response: RestResponse | undefined): unknown {
  return request.method === "POST" && response?.status === 201 ? response.body : undefined;
}

function resourceOf({ params }: Asked, response: RestResponse | undefined): string | null {
  // What opens something stands in no record.
  const own = params.id ?? Object.entries(params).find(([name]) => name !== "token")?.[1];
  if (own !== undefined) return redactText(own, 300);
  const body: unknown = response?.body;
  const id: unknown = typeof body === "object" && body !== null ? Reflect.get(body, "id") : undefined;
  const found = typeof id === "string" ? id : response?.subject;
  return found === undefined ? null : redactText(found, 300);
}

function permissionText({ permission }: Route): string | null {
  return permission === undefined ? null : JSON.stringify({ permission });
}

const digest = (value: unknown) =>
  value === undefined ? null : createHash("sha256").update(canonicalJson(value)).digest("hex");

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};
}

/** Digests of both states, and the fields that differ as [before, after]; without secrets, the digests too. */
export function changeText(before: unknown, after: unknown): string {
  const [was, is] = [before, after].map((state) => (state === undefined ? undefined : redact(plain(state))));
  const [old, young] = [fieldsOf(was), fieldsOf(is)];
  const names = [...new Set([...Object.keys(old), ...Object.keys(young)])].sort();
  const changed = Object.fromEntries(
    names
      .filter((name) => canonicalJson(old[name] ?? null) !== canonicalJson(young[name] ?? null))
      .map((name) => [name, [old[name] ?? null, young[name] ?? null]]),
  );
  const digests = { before: digest(was), after: digest(is) };
  const text = JSON.stringify({ ...digests, changed });
  if (Buffer.byteLength(text) <= MAX_CHANGE_BYTES) return text;
  return JSON.stringify({ ...digests, fields: Object.keys(changed) });
}

/** As it would be sent: dates as texts, nothing undefined. */
function plain(state: unknown): unknown {
  return Buffer.isBuffer(state) ? undefined : JSON.parse(JSON.stringify(state ?? null));
}
