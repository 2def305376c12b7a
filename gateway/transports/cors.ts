/**
 * What a browser has to be told before a page of an allowed origin may read an answer (Fetch, CORS protocol). Which origins
 * those are has been decided at the edge; no credentials of the browser's own are ever allowed, callers send Authorization.
 */
import type { RequestHead } from "../../contract/http.ts";

/** Answer headers that a page has to be able to read. */
const EXPOSED = "Mcp-Session-Id, Retry-After, WWW-Authenticate, X-Correlation-ID";
/** How long a browser may remember a preflight, in seconds; browsers cap it themselves. */
const MAX_AGE = "7200";

/** Headers for every answer to a request that names an origin; undefined for callers that are no pages. */
export function corsHeaders(head: RequestHead): Readonly<Record<string, string>> | undefined {
  const { origin } = head.headers;
  if (origin === undefined) return undefined;
  return { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, vary: "Origin" };
}

/** A preflight asks what it may send; it carries no identity and has no effect. */
export function isPreflight(head: RequestHead): boolean {
  const { headers } = head;
  return (
    head.method === "OPTIONS" && headers.origin !== undefined && headers["access-control-request-method"] !== undefined
  );
}

/** What the asked path allows. The headers are those that were asked for: Mcp-Param-* has no list. */
export function preflightHeaders(head: RequestHead, methods: string): Readonly<Record<string, string>> {
  const asked = head.headers["access-control-request-headers"];
  return {
    ...corsHeaders(head),
    vary: "Origin, Access-Control-Request-Headers",
    "access-control-allow-methods": methods,
    "access-control-max-age": MAX_AGE,
    ...(asked === undefined || !/^[\w!#$%&'*+.^`|~, -]{0,4096}$/.test(asked)
      ? {}
      : { "access-control-allow-headers": asked }),
  };
}
