/** Where OAuth clients find out who hands out tokens for which resource (RFC 9728 §3.1). */
import type { Route } from "./route.ts";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

function metadata(id: string, path: string, of: string): Route {
  return {
    id,
    methods: ["GET"],
    path: `${WELL_KNOWN}${path}`,
    class: "control",
    auth: "public",
    cache: "none",
    body: "none",
    summary: `Metadata for OAuth of ${of}`,
    area: "service",
  };
}

export const discoveryRoutes: readonly Route[] = [
  metadata("oauth-resource", "", "this gateway"),
  ...["mcp", "sse", "ws"].flatMap((transport) => [
    metadata(`oauth-resource.${transport}`, `/${transport}`, `/${transport}`),
    metadata(`oauth-resource.server-${transport}`, `/servers/{id}/${transport}`, `/servers/{id}/${transport}`),
  ]),
];
