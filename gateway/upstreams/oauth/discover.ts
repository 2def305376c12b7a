/** Which authorization server an upstream believes: named by whoever registered it, or by the upstream itself (RFC 9728). */
import * as z from "zod";
import type { EndpointFetch } from "./endpoint-fetch.ts";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";
const metadata = z.object({
  resource: z.string(),
  authorization_servers: z.array(z.url({ protocol: /^https?$/ })).min(1),
  scopes_supported: z.array(z.string()).optional(),
});

export type ProtectedResource = {
  /** As the upstream calls itself; what tokens are asked for (RFC 8707). */
  readonly resource: string;
  readonly authorizationServer: string;
  readonly scopes: readonly string[];
};

/** Undefined when the upstream says nothing of it. Metadata of another resource is not believed (RFC 9728 §3.3). */
export async function protectedResource(http: EndpointFetch, url: URL): Promise<ProtectedResource | undefined> {
  const places: URL[] = [];
  const hinted = hintIn((await http.challenge(url)).authenticate);
  // The hint is of the upstream's own origin or it is none: otherwise anybody in between could name a server of his.
  if (hinted !== undefined && URL.canParse(hinted) && new URL(hinted).origin === url.origin)
    places.push(new URL(hinted));
  if (url.pathname !== "/") places.push(new URL(`${WELL_KNOWN}${url.pathname}`, url.origin));
  places.push(new URL(WELL_KNOWN, url.origin));
  for (const place of places) {
    const found = metadata.safeParse(await http.json(place));
    if (!found.success || !covers(found.data.resource, url)) continue;
    const { resource, authorization_servers: servers, scopes_supported: scopes = [] } = found.data;
    return { resource, authorizationServer: servers[0] ?? "", scopes };
  }
  return undefined;
}

/** The upstream's URL, or one above it at the same origin. */
function covers(resource: string, url: URL): boolean {
  if (!URL.canParse(resource)) return false;
  const { origin, pathname } = new URL(resource);
  const above = pathname.endsWith("/") ? pathname : `${pathname}/`;
  return origin === url.origin && (url.pathname === pathname || `${url.pathname}/`.startsWith(above));
}

/** `resource_metadata="…"` of a WWW-Authenticate header (RFC 9728 §5.1). */
function hintIn(header: string): string | undefined {
  return /\bresource_metadata="([^"]{1,2048})"/i.exec(header)?.[1];
}
