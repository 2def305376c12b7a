/** What a request asks for, as a key: two requests with one key get the same answer, as far as their upstream can tell them apart. */
import { META, memberAt, members, type Span, scanMessage } from "../mcp/index.ts";
import { isPersonal } from "./personal.ts";
import type { OutboundMessage, UpstreamTarget } from "./types.ts";

export type Asked = {
  readonly method: string;
  readonly era: "legacy" | "modern";
  readonly isRead: boolean;
  /** What the upstream is sent depends on who asks, so that no answer is for all, whatever it says. */
  readonly isPersonal: boolean;
  /** Raw JSON id. */
  readonly id: string;
  /** `<upstream> <list method or read>`: what an upstream says has changed. */
  readonly group: string;
  /** Within the group. */
  readonly key: string;
};

export const READ = "read";

const LISTS: ReadonlySet<string> = new Set([
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
]);
/** Of `_meta`: says who asks or belongs to this one request, and changes nothing of the answer. */
const PASSING: ReadonlySet<string> = new Set([
  META.clientInfo,
  META.logLevel,
  "progressToken",
  "traceparent",
  "tracestate",
  "baggage",
]);
/** Likewise of the headers. */
const PASSING_HEADERS: ReadonlySet<string> = new Set(["traceparent", "tracestate", "baggage"]);
const SAYING: ReadonlySet<string> = new Set([META.protocolVersion, META.clientCapabilities]);

export function mayBeKept(method: string): boolean {
  return method === "resources/read" || LISTS.has(method);
}

/**
 * undefined for what is asked for by each: another method, a request that answers questions (MCP 2026-07-28 caching), one that says
 * something in `_meta` of which nobody knows what it means, a resource of a legacy upstream, what the gateway hosts itself.
 */
export function askedOf(target: UpstreamTarget, message: OutboundMessage): Asked | undefined {
  const { method, body, era = "modern" } = message;
  const isRead = method === "resources/read";
  const isHere = target.transport === "builtin" || target.transport === "rest";
  if (!mayBeKept(method) || isHere || (isRead && era === "legacy")) return undefined;
  const { id, params, routing } = scanMessage(body);
  if (id === undefined || routing.requestState !== undefined || routing.inputResponses !== undefined) return undefined;
  const meta = metaText(body, memberAt(body, params, "_meta"));
  if (meta === undefined) return undefined;
  const key = [target.revision, era, meta, headersText(message.headers), paramsText(body, params)].join("\n");
  const group = `${target.id} ${isRead ? READ : method}`;
  return {
    method,
    era,
    isRead,
    isPersonal: isPersonal(target),
    id: body.toString("utf8", id.start, id.end),
    group,
    key,
  };
}

/** What `_meta` says of the caller, raw; undefined where it says more. */
function metaText(body: Buffer, meta: Span | undefined): string | undefined {
  if (meta === undefined) return "";
  const said: string[] = [];
  for (const { key, value } of members(body, meta)) {
    if (PASSING.has(key)) continue;
    if (!SAYING.has(key)) return undefined;
    said.push(`${key}:${body.toString("utf8", value.start, value.end)}`);
  }
  return said.sort().join(",");
}

function headersText(headers: Readonly<Record<string, string>> | undefined): string {
  const said = Object.entries(headers ?? {}).filter(([name]) => !PASSING_HEADERS.has(name));
  return said.length === 0 ? "" : JSON.stringify(said.sort());
}

function paramsText(body: Buffer, params: Span | undefined): string {
  if (params === undefined) return "";
  const said = members(body, params).filter(({ key }) => key !== "_meta");
  return said
    .map(({ key, value }) => `${JSON.stringify(key)}:${body.toString("utf8", value.start, value.end)}`)
    .sort()
    .join(",");
}
