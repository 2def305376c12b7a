/** Answers of the routes of contract/routes/discovery.ts. Part of the composition root. */
import type { RequestHead } from "../contract/http.ts";
import type { Resources } from "./auth/index.ts";

/** Metadata of the gateway and of its MCP endpoints as OAuth resources (RFC 9728), by route id. */
export function resourceRoutes(resources: Resources) {
  const at = (path: string) => (_: unknown, head: RequestHead) => resources.metadata(path, head);
  const below = (tail: string) => (params: Readonly<Record<string, string>>, head: RequestHead) =>
    resources.metadata(`/servers/${encodeURIComponent(params.id ?? "")}${tail}`, head);
  return {
    "oauth-resource": at(""),
    "oauth-resource.mcp": at("/mcp"),
    "oauth-resource.sse": at("/sse"),
    "oauth-resource.ws": at("/ws"),
    "oauth-resource.server-mcp": below("/mcp"),
    "oauth-resource.server-sse": below("/sse"),
    "oauth-resource.server-ws": below("/ws"),
  };
}
