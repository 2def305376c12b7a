/** Checks that come before anything is done with a request: Host, Origin, content negotiation, identity. */
import { type Fault, fault } from "../../contract/errors.ts";
import type { RequestHead } from "../../contract/http.ts";
import type { Envelope } from "../mcp/index.ts";
import type { Endpoint } from "./context.ts";

export type EdgeOptions = {
  /** Host names (without port) under which this gateway may be addressed; `*` = any. Loopback names are always allowed. */
  readonly allowedHosts: readonly string[];
  /** Origins (scheme://host[:port]) of browser pages that may call; `*` = any. Loopback origins are always allowed. */
  readonly allowedOrigins: readonly string[];
};

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]", "::1"]);

function hostName(value: string): string {
  if (value.startsWith("[")) return value.slice(0, value.indexOf("]") + 1).toLowerCase();
  const colon = value.lastIndexOf(":");
  return (colon < 0 ? value : value.slice(0, colon)).toLowerCase();
}

/**
 * DNS rebinding protection (MCP transports, security): a foreign Host, or an Origin that is present and foreign, is refused
 * with 403. Requests without Origin come from programs, not from pages.
 */
export function createEdge(options: EdgeOptions): (head: RequestHead) => Fault | undefined {
  const hosts = new Set(options.allowedHosts.map((host) => hostName(host)));
  const origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase()));
  const anyHost = hosts.has("*");
  const anyOrigin = origins.has("*");
  // Clients send the same Host with every request: the last one that was let in is not taken apart again.
  let known: string | undefined;
  return (head) => {
    const host = head.headers.host ?? "";
    if (host !== known) {
      const name = hostName(host);
      if (!anyHost && !LOOPBACK.has(name) && !hosts.has(name))
        return fault("MCPS_HOST", { value: JSON.stringify(host.slice(0, 200)) });
      known = host;
    }
    const origin = head.headers.origin;
    if (origin === undefined || anyOrigin || origins.has(origin.toLowerCase())) return undefined;
    return isLoopbackOrigin(origin) ? undefined : fault("MCPS_ORIGIN", { value: JSON.stringify(origin.slice(0, 200)) });
  };
}

function isLoopbackOrigin(origin: string): boolean {
  const match = /^https?:\/\/(\[[^\]]*\]|[^/:]+)(?::\d{1,5})?$/i.exec(origin);
  return match?.[1] !== undefined && LOOPBACK.has(match[1].toLowerCase());
}

/** Does an Accept header allow a media type (RFC 9110 §12.5.1)? q=0 refuses. */
export function accepts(header: string | undefined, type: string): boolean {
  if (header === undefined) return false;
  const family = `${type.slice(0, type.indexOf("/"))}/*`;
  return header.split(",").some((part) => {
    const [media = "", ...params] = part.split(";").map((piece) => piece.trim().toLowerCase());
    if (media !== type && media !== "*/*" && media !== family) return false;
    return !params.some((param) => /^q=0(\.0*)?$/.test(param));
  });
}

/** Names both types explicitly, as MCP asks of POST requests; a bare wildcard is not a statement that streams are understood. */
export function acceptsBoth(header: string | undefined): boolean {
  if (header === "application/json, text/event-stream") return true;
  return header !== undefined && /application\/json/i.test(header) && /text\/event-stream/i.test(header);
}

const CONTROL_METHODS = new Set(["initialize", "ping", "logging/setLevel"]);

/** A request that costs more than an answer out of memory. */
export function isCall({ kind, method }: Envelope): boolean {
  return kind === "request" && !CONTROL_METHODS.has(method);
}

/** Throws the endpoint's refusal when it serves no calls now and this message is one. */
export function refuseCall({ callsRefused }: Endpoint, envelope: Envelope): void {
  if (callsRefused !== undefined && isCall(envelope)) throw callsRefused;
}

/** As refuseCall, for the messages of a batch. */
export function refuseCalls(endpoint: Endpoint, messages: readonly Envelope[]): void {
  for (const message of messages) refuseCall(endpoint, message);
}

export function isJson(contentType: string | undefined): boolean {
  if (contentType === "application/json") return true;
  return contentType !== undefined && /^application\/json\s*(;|$)/i.test(contentType.trim());
}

/** A modern header value: plain, or `=?base64?…?=` for what a header cannot carry (MCP 2026-07-28 transports). */
export function decodeHeaderValue(value: string): string {
  const match = /^=\?base64\?([A-Za-z0-9+/=]*)\?=$/.exec(value.trim());
  return match?.[1] === undefined ? value.trim() : Buffer.from(match[1], "base64").toString("utf8");
}
