/** JSON-RPC by hand over streamable HTTP, for tests that need to see every message and header. */
import type { Gateway } from "./gateway.ts";
import { type Answer, MCP_HEADERS, send } from "./http.ts";

export const LEGACY = "2025-11-25";
export const MODERN = "2026-07-28";

export type LegacySession = {
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  call(id: number | string, method: string, params?: object): Promise<Answer>;
  notify(method: string, params?: object): Promise<Answer>;
};

export async function openLegacySession(
  url: string,
  auth: Readonly<Record<string, string>>,
  options: { readonly version?: string; readonly capabilities?: object } = {},
): Promise<LegacySession> {
  const version = options.version ?? LEGACY;
  const params = {
    protocolVersion: version,
    capabilities: options.capabilities ?? {},
    clientInfo: { name: "by hand", version: "1" },
  };
  const opened = await send("POST", url, { ...MCP_HEADERS, ...auth }, message(0, "initialize", params));
  const id = opened.headers["mcp-session-id"];
  if (opened.status !== 200 || typeof id !== "string") throw new Error(`initialize: ${opened.status} ${opened.text}`);
  const headers = { ...MCP_HEADERS, ...auth, "mcp-session-id": id, "mcp-protocol-version": version };
  await send("POST", url, headers, message(undefined, "notifications/initialized"));
  return {
    id,
    headers,
    call: (callId, method, callParams) => send("POST", url, headers, message(callId, method, callParams)),
    notify: (method, callParams) => send("POST", url, headers, message(undefined, method, callParams)),
  };
}

export function message(id: number | string | undefined, method: string, params?: object): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

/** Headers and body of a modern request (MCP 2026-07-28: `_meta`, Mcp-Method, Mcp-Name). */
export function modernRequest(
  id: number | string,
  method: string,
  params: Record<string, unknown> = {},
  capabilities: object = {},
): { headers: Record<string, string>; body: string } {
  const name = params.name ?? params.uri;
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": capabilities,
    "io.modelcontextprotocol/clientInfo": { name: "by hand", version: "1" },
    ...(params._meta as object | undefined),
  };
  return {
    headers: {
      ...MCP_HEADERS,
      "mcp-protocol-version": MODERN,
      "mcp-method": method,
      ...(typeof name === "string" ? { "mcp-name": name } : {}),
    },
    body: message(id, method, { ...params, _meta: meta }),
  };
}

export async function callModern(
  gateway: Pick<Gateway, "headers">,
  url: string,
  id: number | string,
  method: string,
  params?: Record<string, unknown>,
  capabilities?: object,
): Promise<Answer> {
  const { headers, body } = modernRequest(id, method, params, capabilities);
  return send("POST", url, { ...headers, ...gateway.headers }, body);
}
