/**
 * What a cache in front of the gateway may keep, and for whom: the identity that `GET /_auth` answers, and the marks of answers. Part of
 * the composition root; docs/adr/0040 says why.
 */
import { createHmac, hkdfSync } from "node:crypto";
import type { Principal } from "../contract/principal.ts";
import type { Route } from "../contract/routes.ts";
import { reachOf } from "./auth/index.ts";

const MINUTE_S = 60;
/** 96 bits: nobody finds a second principal with the same one. */
const PART_CHARS = 16;

export type IdentityOptions = {
  /** The same in every replica, or their identities differ and each fills a cache of its own. */
  readonly secret: string;
  /** What else the answers depend on, the program and its settings; goes into the identity as a digest. */
  readonly build: string;
  /** The newest version of the catalogue that this process has heard of. */
  readonly catalogueVersion: () => number;
};

/**
 * `<principal>.<scopes>.<catalogue version>-<build>`: equal for two requests exactly when the same GET answers both the same. Principal
 * and scopes are keyed digests, so that neither an email nor a guess of one can be read from a cache's files.
 */
export function cacheIdentities(options: IdentityOptions): (principal: Principal) => string {
  const key = Buffer.from(hkdfSync("sha256", options.secret, "", "mcp-stack cache identity", 32));
  const digest = (part: readonly unknown[]) =>
    createHmac("sha256", key).update(JSON.stringify(part)).digest("base64url").slice(0, PART_CHARS);
  // The auth room answers the same object for the same header, for as long as it remembers it.
  const known = new WeakMap<Principal, string>();
  const nameOf = (principal: Principal): string => {
    const found = known.get(principal);
    if (found !== undefined) return found;
    const name = `${digest(["principal", principal.kind, principal.id])}.${digest(["scopes", ...reachOf(principal)])}`;
    known.set(principal, name);
    return name;
  };
  const build = digest(["build", options.build]);
  return (principal) => `${nameOf(principal)}.${options.catalogueVersion()}-${build}`;
}

const NEVER: Readonly<Record<string, string>> = { "cache-control": "no-store" };
const MARKED: Readonly<Record<Exclude<Route["cache"], "none">, Readonly<Record<string, string>>>> = {
  private: { "cache-control": "private, no-cache", "x-accel-expires": "zone" },
  public: { "cache-control": `public, max-age=${MINUTE_S}`, "x-accel-expires": "zone" },
};

/**
 * Who may keep this answer: the cache in front by `X-Accel-Expires` (nginx, ngx_http_proxy_module: it reads the header and hides it),
 * everybody else by `Cache-Control`. Failures and answers that set a cookie are nobody's to keep.
 */
export function cacheMarks(
  route: Pick<Route, "cache">,
  method: string,
  status: number,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const isRead = method === "GET" || method === "HEAD";
  const setsCookie = Object.keys(headers).some((name) => name.toLowerCase() === "set-cookie");
  if (route.cache === "none" || !isRead || status !== 200 || setsCookie) return NEVER;
  return MARKED[route.cache];
}
