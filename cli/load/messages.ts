/** The requests of a load test as HTTP text, in both protocol eras. */

export type Era = "legacy" | "modern";

/** Methods that a mix may name. */
export const METHODS = [
  "tools/call",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
] as const;
export type Method = (typeof METHODS)[number];

export type Endpoint = { readonly url: URL; readonly token: string | undefined };
/** A request and the id under which its answer comes. */
export type Request = { readonly text: string; readonly id: number };

export const LEGACY_VERSION = "2025-11-25";
export const MODERN_VERSION = "2026-07-28";
const CLIENT = { name: "mcp-stack load", version: "1" };

/** All ids have as many digits, so that a request's length does not depend on its id. */
export const FIRST_ID = 100_000_000;
const ID_DIGITS = String(FIRST_ID).length;

/** MCP 2026-07-28: what initialize said once is in every request. */
const MODERN_META = {
  "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": CLIENT,
};

/** An HTTP request; the host and the token come from the endpoint. */
export function httpRequest(
  { url, token }: Endpoint,
  method: "POST" | "GET" | "DELETE",
  headers: Readonly<Record<string, string>>,
  body?: string,
): string {
  const lines = Object.entries({
    host: url.host,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...headers,
    ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`;
}

const POSTED = { "content-type": "application/json", accept: "application/json, text/event-stream" };

export function initializeRequest(endpoint: Endpoint): Request {
  const params = { protocolVersion: LEGACY_VERSION, capabilities: {}, clientInfo: CLIENT };
  const body = JSON.stringify({ jsonrpc: "2.0", id: FIRST_ID, method: "initialize", params });
  return { text: httpRequest(endpoint, "POST", POSTED, body), id: FIRST_ID };
}

export function initializedRequest(endpoint: Endpoint, session: string | undefined): string {
  const body = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });
  return httpRequest(endpoint, "POST", { ...POSTED, ...sessionHeaders(session) }, body);
}

export function deleteRequest(endpoint: Endpoint, session: string): string {
  return httpRequest(endpoint, "DELETE", sessionHeaders(session));
}

function sessionHeaders(session: string | undefined): Readonly<Record<string, string>> {
  return {
    "mcp-protocol-version": LEGACY_VERSION,
    ...(session === undefined ? {} : { "mcp-session-id": session }),
  };
}

/** Where the gateway of an MCP endpoint has its metrics: beside /mcp, /servers/{id}/mcp and /gateways/{id}/mcp. */
export function besideMcp(url: URL, path: string): URL {
  const beside = new URL(url);
  beside.pathname = `${url.pathname.replace(/(?:\/(?:servers|gateways)\/[^/]+)?\/mcp\/?$/, "").replace(/\/$/, "")}${path}`;
  beside.search = "";
  return beside;
}

/** What is asked in every request of a kind; `name` is what modern clients repeat in a header (MCP 2026-07-28, Mcp-Name). */
export type Asked = {
  readonly era: Era;
  readonly method: Method;
  readonly params: Readonly<Record<string, unknown>>;
  readonly name?: string;
};

/**
 * Writes requests that differ in id and session alone: what is the same in all of them is put together once.
 * Without a session it writes for a modern server, or for a legacy one that has none.
 */
export function requestWriter(
  endpoint: Endpoint,
  { era, method, params, name }: Asked,
): (id: number, session: string | undefined) => Request {
  const sent = era === "modern" ? { ...params, _meta: MODERN_META } : params;
  const body = JSON.stringify({ jsonrpc: "2.0", id: FIRST_ID, method, params: sent });
  const headers = era === "modern" ? modernHeaders(method, name) : { "mcp-protocol-version": LEGACY_VERSION };
  const text = httpRequest(endpoint, "POST", { ...POSTED, ...headers }, body);
  const headEnd = text.indexOf("\r\n\r\n") + 2;
  const idAt = headEnd + 2 + '{"jsonrpc":"2.0","id":'.length;
  const [head, middle, tail] = [text.slice(0, headEnd), text.slice(headEnd, idAt), text.slice(idAt + ID_DIGITS)];
  return (id, session) => {
    const line = session === undefined ? "" : `mcp-session-id: ${session}\r\n`;
    return { text: head + line + middle + String(id) + tail, id };
  };
}

function modernHeaders(method: Method, name: string | undefined): Readonly<Record<string, string>> {
  return {
    "mcp-protocol-version": MODERN_VERSION,
    "mcp-method": method,
    ...(name === undefined ? {} : { "mcp-name": name }),
  };
}
