/**
 * Which headers of a caller's request go on to an upstream: an allow-list, from which the caller's token for this gateway, hop-by-hop
 * headers and what frames a message are excluded whatever it says.
 */

export type PassthroughPolicy = {
  readonly enabled: boolean;
  /** What is passed to upstreams that name nothing themselves. */
  readonly defaults: readonly string[];
  /** `env`: the defaults alone. `db`: an upstream's own list, where it has one. `merge`: both. */
  readonly source: "env" | "db" | "merge";
  /** A passed header replaces one that the upstream is configured with. */
  readonly overwrites: boolean;
  /** What names begin with that tell who the caller is, lower case: those are the gateway's to make. */
  readonly reserved: string;
  /** Headers that usually carry credentials may be passed, where they are listed. */
  readonly sensitive: boolean;
};

/** Name as the caller sends it, lower case, and the name under which it goes on. */
export type PassedNames = ReadonlyMap<string, string>;

/** Becomes Authorization at the upstream: the caller's own Authorization is for this gateway. */
const UPSTREAM_AUTHORIZATION = "x-upstream-authorization";
/**
 * Hop-by-hop (RFC 9110 §7.6.1), framing, the way here, this gateway's credentials, and what the protocol says itself. Cookies are of the
 * gateway's origin.
 */
const NEVER = new Set(
  (
    "authorization cookie set-cookie proxy-authorization proxy-authenticate proxy-connection connection keep-alive te trailer " +
    "transfer-encoding upgrade host content-length content-type content-encoding accept accept-encoding expect range origin referer " +
    "forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-real-ip last-event-id mcp-session-id " +
    "mcp-protocol-version mcp-method mcp-name x-mcp-stack-revision x-mcp-stack-definition"
  ).split(" "),
);
const SENSITIVE = new Set([
  "x-api-key",
  "api-key",
  "apikey",
  "x-auth-token",
  "x-access-token",
  "x-csrf-token",
  "x-amz-security-token",
]);
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/;
/** RFC 9110 §5.5, without bytes above 127: what reads them is not agreed upon. */
const VALUE = /^[\t\x20-\x7e]*$/;
const MAX_VALUE = 8192;

/** May a header of this lower-case name be on an allow-list? Those that tell who the caller is are the gateway's to make. */
export function isPassable(name: string): boolean {
  return NAME.test(name) && !NEVER.has(name) && !name.startsWith("mcp-param-") && !name.startsWith("x-forwarded-user");
}

/** Names of the policy that are not passed although they are listed, with the reason. */
export function unusedNames(policy: PassthroughPolicy): readonly string[] {
  return policy.defaults.flatMap((listed) => {
    const name = listed.toLowerCase();
    if (!isPassable(name)) return [`${listed} is never passed on`];
    const isLocked = SENSITIVE.has(name) && !policy.sensitive;
    return isLocked ? [`${listed} needs ENABLE_SENSITIVE_HEADER_PASSTHROUGH`] : [];
  });
}

const NOTHING: PassedNames = new Map();

/** What is passed to an upstream with this list of its own and these configured headers (lower-case names). */
export function passedNames(
  policy: PassthroughPolicy,
  own: readonly string[],
  configured: Readonly<Record<string, string>>,
): PassedNames {
  if (!policy.enabled) return NOTHING;
  const { source, defaults } = policy;
  const listed =
    source === "env" ? defaults : source === "merge" ? [...defaults, ...own] : own.length > 0 ? own : defaults;
  const names = new Map<string, string>();
  for (const one of listed) {
    const name = one.toLowerCase();
    if (!isPassable(name) || name.startsWith(policy.reserved) || (SENSITIVE.has(name) && !policy.sensitive)) continue;
    const goesAs = name === UPSTREAM_AUTHORIZATION ? "authorization" : name;
    if (!policy.overwrites && Object.hasOwn(configured, goesAs)) continue;
    names.set(name, goesAs);
  }
  return names.size === 0 ? NOTHING : names;
}

/** What of a request's headers may go on to some upstream; undefined where nothing may, or nothing is there. */
export function passedOf(
  headers: Readonly<Record<string, string | undefined>>,
  candidates: readonly string[],
): Readonly<Record<string, string>> | undefined {
  let found: Record<string, string> | undefined;
  for (const name of candidates) {
    const value = headers[name];
    if (value === undefined || value.length > MAX_VALUE || !VALUE.test(value)) continue;
    found ??= {};
    found[name] = value.trim();
  }
  return found;
}
