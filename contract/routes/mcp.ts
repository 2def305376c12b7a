/** Routes on which MCP is spoken. */
import type { Route, RouteClass } from "./route.ts";

type Line = readonly [id: string, methods: string, path: string, class_: RouteClass, summary: string];

function mcp([id, methods, path, class_, summary]: Line): Route {
  const body = methods.includes("POST") ? "json-rpc" : "none";
  return {
    id,
    methods: methods.split(" "),
    path,
    class: class_,
    auth: "principal",
    permission: "servers.use",
    cache: "none",
    body,
    summary,
    area: "mcp",
  };
}

export const mcpRoutes: readonly Route[] = (
  [
    ["mcp", "POST GET DELETE", "/mcp", "call", "Streamable HTTP: everything the caller may see"],
    ["server-mcp", "POST GET DELETE", "/servers/{id}/mcp", "call", "Streamable HTTP: one virtual server"],
    ["gateway-mcp", "POST GET DELETE", "/gateways/{id}/mcp", "call", "Streamable HTTP: one upstream, names unprefixed"],
    ["sse", "GET", "/sse", "stream", "HTTP+SSE: the stream"],
    ["message", "POST", "/message", "call", "HTTP+SSE: messages of a stream"],
    ["server-sse", "GET", "/servers/{id}/sse", "stream", "HTTP+SSE: the stream of one virtual server"],
    ["server-message", "POST", "/servers/{id}/message", "call", "HTTP+SSE: messages of a virtual server's stream"],
    ["ws", "GET", "/ws", "stream", "WebSocket: everything the caller may see"],
    ["server-ws", "GET", "/servers/{id}/ws", "stream", "WebSocket: one virtual server"],
    ["rpc", "POST", "/rpc", "call", "Raw JSON-RPC"],
    ["root-rpc", "POST", "/", "call", "Raw JSON-RPC"],
  ] as const satisfies readonly Line[]
).map(mcp);
