/** The cookie of a person's session: a token of this gateway that no script can read, and that no foreign page can use. */
import type { RequestHead } from "../../contract/http.ts";

/** As the sources call it. */
export const SESSION_COOKIE = "jwt_token";
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export type CookiePlace = {
  /** Only over TLS: everywhere but on a loopback address. */
  readonly secure: boolean;
  /** Below which the browser sends it. */
  readonly path: string;
};

/** `Lax`: a link from elsewhere arrives signed in; a form from elsewhere does not (RFC 6265bis §5.2). */
export function setCookie(name: string, value: string, maxAgeSeconds: number, { secure, path }: CookiePlace): string {
  return `${name}=${value}; Path=${path}; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
}

/** Takes it away: name, path and attributes are those it was set with (RFC 6265bis §5.7). */
export function clearCookie(name: string, place: CookiePlace): string {
  return setCookie(name, "", 0, place);
}

/** Where browsers keep cookies of the gateway at this address, which has no slash at its end. */
export function cookiePlace(base: string): CookiePlace {
  const { protocol, pathname } = new URL(base);
  return { secure: protocol === "https:", path: pathname };
}

/** Whether the request has a session's cookie and no other proof. */
export function ridesOnCookie({ headers }: RequestHead): boolean {
  return headers.authorization === undefined && cookieOf(headers.cookie ?? "") !== undefined;
}

/** The value of a cookie; undefined where it is missing, empty, or there twice: then one was put there by somebody else. */
export function cookieOf(header: string, name = SESSION_COOKIE): string | undefined {
  const values = header
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part.startsWith(`${name}=`))
    .map((part) => part.slice(name.length + 1));
  return values.length === 1 && values[0] !== "" ? values[0] : undefined;
}

/**
 * A browser adds the cookie to whatever request a page makes. What changes something has to come from a page that may ask: `Origin` is there
 * (a foreign one was refused before), or the browser says that the page is of this very origin (Fetch Metadata).
 */
export function isSafeToRide({ method, headers }: RequestHead): boolean {
  if (SAFE_METHODS.has(method)) return true;
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return false;
  return headers.origin !== undefined || site === "same-origin";
}
