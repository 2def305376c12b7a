/**
 * What is derived from a target once and used with every request: where it is and which headers go along. Nothing here
 * may end up in a message: headers and URL user information are credentials.
 */
import { fault } from "../../contract/errors.ts";
import type { AddressGuard } from "./guard/index.ts";
import { repeated } from "./lean/request-head.ts";
import { type Address, addressAt } from "./origins.ts";
import type { PassedNames } from "./passthrough.ts";
import type { OutboundMessage, UpstreamTarget } from "./types.ts";

export type Prepared = {
  readonly target: UpstreamTarget;
  readonly address: Address;
  readonly path: string;
  /** Names and values in turn: the target's own headers and the ones that make a POST an MCP request. */
  readonly post: readonly string[];
  /** The same for GET and DELETE. */
  readonly plain: readonly string[];
  /** Lower-case names that a single request may not override. */
  readonly names: ReadonlySet<string>;
};

/** Set by this room or by the HTTP client; a target or a request that brings them is not listened to. */
const OWN_NAMES = [
  "accept",
  "content-type",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "upgrade",
  "expect",
  "te",
  "trailer",
  "host",
  "last-event-id",
  "mcp-protocol-version",
  "mcp-session-id",
  "mcp-method",
  "mcp-name",
  "x-mcp-stack-revision",
];
const OWN = new Set(OWN_NAMES);

/** The Host header towards the stdio host; the name is never resolved. */
const STDIO_ORIGIN = "http://stdio-host";

/** Takes a target apart. Throws MCPS_UPSTREAM_UNREACHABLE when it names no place that can be spoken to. */
export function prepare(target: UpstreamTarget, stdioSocket: string | undefined, guard?: AddressGuard): Prepared {
  const headers: string[] = [];
  const names = new Set(OWN);
  for (const [name, value] of Object.entries(target.headers)) {
    const lower = name.toLowerCase();
    if (names.has(lower)) continue;
    names.add(lower);
    headers.push(lower, value);
  }
  if (target.transport === "stdio") {
    if (stdioSocket === undefined) throw unreachable(target, "this gateway runs no stdio host");
    headers.push("x-mcp-stack-revision", target.revision);
    const address = addressAt({ origin: STDIO_ORIGIN, socketPath: stdioSocket });
    return assemble(target, address, `/${encodeURIComponent(target.id)}/mcp`, headers, names);
  }
  const url = parseUrl(target);
  const refusal = guard?.refusal(url, target.trust ?? "user");
  if (refusal !== undefined) throw unreachable(target, refusal);
  if ((url.username !== "" || url.password !== "") && !names.has("authorization")) {
    names.add("authorization");
    const pair = `${decodeUserInfo(url.username)}:${decodeUserInfo(url.password)}`;
    headers.push("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
  }
  const { trust, tls } = target;
  const address = addressAt({
    origin: url.origin,
    ...(trust === undefined ? {} : { trust }),
    ...(tls === undefined ? {} : { tls }),
  });
  if (target.query !== undefined) url.searchParams.set(target.query.name, target.query.value);
  return assemble(target, address, `${url.pathname}${url.search}`, headers, names);
}

function assemble(
  target: UpstreamTarget,
  address: Address,
  path: string,
  headers: readonly string[],
  names: ReadonlySet<string>,
): Prepared {
  const post = ["content-type", "application/json", "accept", "application/json, text/event-stream", ...headers];
  return { target, address, path, post: repeated(post), plain: headers, names };
}

function parseUrl(target: UpstreamTarget): URL {
  const url = URL.canParse(target.url ?? "") ? new URL(target.url ?? "") : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw unreachable(target, "it has no http or https URL");
  }
  return url;
}

/** A stray percent sign stays what it is. */
function decodeUserInfo(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function unreachable(target: UpstreamTarget, reason: string) {
  return fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: target.slug, reason });
}

/** Base headers and those of one request; the base array itself when there are none. */
export function withMessageHeaders(
  base: readonly string[],
  prepared: Prepared,
  message: Pick<OutboundMessage, "headers" | "paramHeaders" | "passed">,
): readonly string[] {
  const { passed } = message;
  const passes = passed === undefined ? undefined : prepared.target.passes;
  if (passes === undefined && isEmpty(message.headers) && isEmpty(message.paramHeaders)) return base;
  const all = passes === undefined || passed === undefined ? [...base] : withPassed(base, passes, passed);
  for (const [name, value] of Object.entries(message.headers ?? {})) {
    if (!prepared.names.has(name.toLowerCase())) all.push(name, value);
  }
  for (const [name, value] of Object.entries(message.paramHeaders ?? {})) {
    if (name.startsWith("mcp-param-")) all.push(name, value);
  }
  return all;
}

/** With the passed headers in place of those of the same name: which may be replaced has been decided with the names. */
export function withPassed(
  base: readonly string[],
  passes: PassedNames,
  passed: Readonly<Record<string, string>>,
): string[] {
  const more: string[] = [];
  const replaced = new Set<string>();
  for (const [name, goesAs] of passes) {
    const value = passed[name];
    if (value === undefined || replaced.has(goesAs)) continue;
    replaced.add(goesAs);
    more.push(goesAs, value);
  }
  const all: string[] = [];
  for (let at = 0; at < base.length; at += 2) {
    const name = base[at] ?? "";
    if (!replaced.has(name)) all.push(name, base[at + 1] ?? "");
  }
  return all.concat(more);
}

function isEmpty(headers: Readonly<Record<string, string>> | undefined): boolean {
  for (const _ in headers) return false;
  return true;
}

const SAFE_VALUE = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;

/** A header value for any text: unsafe ones become `=?base64?…?=` (MCP 2026-07-28 transports, value encoding). */
export function encodeHeaderValue(value: string): string {
  const sentinel = value.startsWith("=?base64?") && value.endsWith("?=");
  if (SAFE_VALUE.test(value) && !sentinel) return value;
  return `=?base64?${Buffer.from(value).toString("base64")}?=`;
}
