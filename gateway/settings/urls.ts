/** URLs of settings: whether one can be used, and what of it may be shown. */
import { parseRedisUrl } from "../../contract/redis-url.ts";
import type { SettingDeclaration } from "../../contract/settings.ts";

type UrlDeclaration = Extract<SettingDeclaration, { type: "url" }>;

export function parseUrl(
  { form, schemes }: UrlDeclaration,
  text: string,
): { readonly value: string } | { readonly problem: string } {
  if (form === "redis") {
    const parsed = parseRedisUrl(text);
    return "problem" in parsed ? parsed : { value: text };
  }
  const problem = {
    problem: `a URL with a host, starting with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`,
  };
  const url = URL.parse(text);
  if (url === null || !schemes.includes(url.protocol.slice(0, -1))) return problem;
  // libpq takes the host from the query where a Unix socket is meant.
  return url.hostname === "" && !url.searchParams.has("host") ? problem : { value: text };
}

/** Hosts with their ports, or none; then a path. */
const TARGET =
  /^(?:(?:\[[0-9a-f:.]+\]|[a-z0-9_][a-z0-9._-]*)(?::\d{1,5})?(?:,(?:\[[0-9a-f:.]+\]|[a-z0-9_][a-z0-9._-]*)(?::\d{1,5})?)*)?(?:\/[^\s?#@]*)?$/i;

/**
 * Where a URL points, without password and query. It is also asked about URLs that cannot be used, most of all those with a
 * password that somebody forgot to encode: so it reads no URL, it looks for the last `@`, and shows what follows only where
 * that can be nothing but hosts and a path. `(hidden)` where it cannot tell.
 */
export function redactUrl({ form }: Pick<UrlDeclaration, "form">, text: string): string {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text.trim()) ?? [];
  const at = rest.lastIndexOf("@");
  const queryAt = rest.search(/[?#]/);
  // An `@` behind a `?` or `#`: either may belong to a password.
  if (scheme === "" || (queryAt >= 0 && queryAt < at)) return "(hidden)";
  const target = rest.slice(at + 1, queryAt < 0 ? undefined : queryAt);
  if (target === "" || !TARGET.test(target)) return "(hidden)";
  return `${scheme}://${at < 0 ? "" : `${redactUser(form, rest.slice(0, at))}@`}${target}${queryAt < 0 ? "" : "?***"}`;
}

/** Redis has no user without a password, so that one word alone most likely is the password. */
function redactUser(form: UrlDeclaration["form"], text: string): string {
  const colon = text.indexOf(":");
  const user = colon < 0 ? text : text.slice(0, colon);
  if (!/^[\w.~%!$&'*+;=-]*$/.test(user) || (colon < 0 && form === "redis")) return "***";
  return colon < 0 ? user : `${user}:***`;
}
