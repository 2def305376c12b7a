/**
 * This gateway as a protected resource: which URL each endpoint has as `aud` (RFC 8707), what its metadata says (RFC 9728), and where that
 * stands. The address of the gateway is configured, or what the client wrote into Host where only known hosts are let in.
 */
import type { RequestHead, RestResponse } from "../../contract/http.ts";
import type { Permission } from "../../contract/permissions.ts";

export const WELL_KNOWN = "/.well-known/oauth-protected-resource";
/** An upstream's own endpoint is described as part of the whole: a token for it alone has no meaning here. */
const MCP_ENDPOINT = /^\/(?:mcp|sse|ws|servers\/([^/]+)\/(?:mcp|sse|ws))$/;

export type ResourceOptions = {
  /** With the path prefix, without a slash at its end. Undefined: what the Host header says. */
  readonly base: string | undefined;
  /** Whether a Host that was let in may be believed: not where any is. */
  readonly believesHost: boolean;
  readonly scheme: "http" | "https";
  readonly pathPrefix: string;
  /** Not empty, or there is nothing that metadata could lead to. */
  readonly authorizationServers: readonly string[];
  readonly scopes: readonly Permission[];
};

export type Reach = { readonly serverId?: string };
export type Resources = {
  /** What a token with these audiences opens; undefined when it is for somebody else. */
  reachOf(audiences: readonly string[], others: readonly string[]): Reach | undefined;
  /** The URL of the metadata for what a request asked; undefined where there is none. */
  metadataUrl(head: RequestHead): string | undefined;
  /** `path`: of the resource below the gateway's address, empty for the gateway itself. 404 where nothing is described. */
  metadata(path: string, head: RequestHead): RestResponse;
};

export function createResources(options: ResourceOptions): Resources {
  const { base, authorizationServers } = options;

  const baseOf = ({ headers: { host } }: RequestHead): string | undefined => {
    if (base !== undefined) return base;
    return options.believesHost && host !== undefined ? `${options.scheme}://${host}${options.pathPrefix}` : undefined;
  };

  return {
    reachOf(audiences, others) {
      const reaches = audiences.map((audience) =>
        others.includes(audience) ? {} : base === undefined ? undefined : reachBelow(base, audience),
      );
      const found = reaches.filter((reach) => reach !== undefined);
      return found.find(({ serverId }) => serverId === undefined) ?? found[0];
    },
    metadataUrl(head) {
      const at = authorizationServers.length === 0 ? undefined : baseOf(head);
      return at === undefined ? undefined : `${at}${WELL_KNOWN}${MCP_ENDPOINT.test(head.path) ? head.path : ""}`;
    },
    metadata(path, head) {
      const at = authorizationServers.length === 0 ? undefined : baseOf(head);
      if (at === undefined || (path !== "" && !MCP_ENDPOINT.test(path))) return { status: 404, body: NOTHING };
      return {
        status: 200,
        headers: { "cache-control": "no-store" },
        body: {
          resource: `${at}${path}`,
          authorization_servers: authorizationServers,
          scopes_supported: options.scopes,
          bearer_methods_supported: ["header"],
          resource_name: "mcp-stack",
        },
      };
    },
  };
}

const NOTHING = { error: "not_found", error_description: "No authorization server is named for this resource" };

/** The gateway's own address and its endpoint for everything open everything; that of a virtual server opens it alone. */
function reachBelow(base: string, audience: string): Reach | undefined {
  const plain = audience.endsWith("/") ? audience.slice(0, -1) : audience;
  if (plain === base) return {};
  if (!plain.startsWith(`${base}/`)) return undefined;
  const match = MCP_ENDPOINT.exec(plain.slice(base.length));
  if (match === null) return undefined;
  const [, id] = match;
  return id === undefined ? {} : { serverId: decodedId(id) };
}

function decodedId(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
