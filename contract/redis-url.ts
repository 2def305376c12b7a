/** The addresses of a Redis: one server, sentinels that know the master, or nodes of a cluster. Nothing here repeats what it was given. */

export type RedisAddress = { readonly host: string; readonly port: number };
type Credentials = { readonly username: string | undefined; readonly password: string };
type Common = {
  /** The connection is encrypted and the server's certificate verified; with sentinels theirs as well. */
  readonly tls: boolean;
  readonly credentials: Credentials | undefined;
};
export type RedisUrl = Common &
  (
    | { readonly kind: "server"; readonly address: RedisAddress; readonly database: number }
    | {
        readonly kind: "sentinel";
        /** At least one. */
        readonly sentinels: readonly RedisAddress[];
        readonly master: string;
        readonly database: number;
        /** Of the sentinels, which do not share the server's. */
        readonly sentinelCredentials: Credentials | undefined;
      }
    /** At least one node; the others are learnt from it. A cluster has database 0 alone. */
    | { readonly kind: "cluster"; readonly nodes: readonly RedisAddress[] }
  );

const SCHEMES = {
  redis: { kind: "server", tls: false },
  rediss: { kind: "server", tls: true },
  "redis+sentinel": { kind: "sentinel", tls: false },
  "rediss+sentinel": { kind: "sentinel", tls: true },
  "redis+cluster": { kind: "cluster", tls: false },
  "rediss+cluster": { kind: "cluster", tls: true },
} as const satisfies Record<string, { kind: RedisUrl["kind"]; tls: boolean }>;

type Scheme = keyof typeof SCHEMES;
export const redisSchemes: readonly Scheme[] = [
  "redis",
  "rediss",
  "redis+sentinel",
  "rediss+sentinel",
  "redis+cluster",
  "rediss+cluster",
];

const FORMS: Readonly<Record<RedisUrl["kind"], string>> = {
  server: "://[user:password@]host[:port][/database]",
  sentinel: "://[user:password@]host[:port],…/master[/database][?sentinelUsername=…&sentinelPassword=…]",
  cluster: "://[user:password@]host[:port],…",
};
const DEFAULT_PORTS: Readonly<Record<RedisUrl["kind"], number>> = { server: 6379, sentinel: 26379, cluster: 6379 };
/** What Redis takes as a master's name (sentinel.conf: "A-z 0-9 and the three characters '.-_'"). */
const MASTER = /^[A-Za-z0-9._-]+$/;
const SENTINEL_QUERY = ["sentinelUsername", "sentinelPassword"];

export type ParsedRedisUrl = { readonly url: RedisUrl } | { readonly problem: string };

/**
 * Reads an address. User, password and query values are percent-encoded (RFC 3986 §2.1), of which the parts of a URL keep
 * apart what a password may contain. The problem says what is allowed and repeats nothing of the text.
 */
export function parseRedisUrl(text: string): ParsedRedisUrl {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+]*):\/\/(.*)$/is.exec(text) ?? [];
  const name = scheme.toLowerCase();
  if (!isScheme(name))
    return { problem: `a URL with a host, starting with ${redisSchemes.map((one) => `${one}://`).join(" or ")}` };
  const { kind, tls } = SCHEMES[name];
  try {
    return { url: readRest(kind, tls, rest) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { problem: `${name}${FORMS[kind]} with ${error.message}` };
  }
}

function isScheme(name: string): name is Scheme {
  return Object.hasOwn(SCHEMES, name);
}

/** Throws RangeError that says what the rest has to be, as do all below. */
function readRest(kind: RedisUrl["kind"], tls: boolean, rest: string): RedisUrl {
  if (/[#\s\p{Cc}]/u.test(rest)) throw new RangeError("user, password and query values percent-encoded");
  const [beforeQuery, query] = cut(rest, "?");
  const [authority, path = ""] = cut(beforeQuery, "/");
  const [user, hosts] = authority.includes("@") ? cut(authority, "@") : [undefined, authority];
  if (`${hosts ?? ""}${path}${query ?? ""}`.includes("@"))
    throw new RangeError("user, password and query values percent-encoded");
  const addresses = (hosts ?? "").split(",").map((host) => readAddress(host, DEFAULT_PORTS[kind]));
  const common: Common = { tls, credentials: user === undefined ? undefined : readUser(user) };
  const queried = readQuery(query, kind === "sentinel" ? SENTINEL_QUERY : []);
  const [first, ...others] = addresses;
  if (kind === "cluster") {
    if (path !== "" && path !== "0") throw new RangeError("no database but 0");
    return { kind, ...common, nodes: addresses };
  }
  if (kind === "server") {
    if (first === undefined || others.length > 0)
      throw new RangeError("one host (redis+sentinel:// and redis+cluster:// take several)");
    return { kind, ...common, address: first, database: readDatabase(path) };
  }
  const [master = "", database = ""] = cut(path, "/");
  if (!MASTER.test(master)) throw new RangeError("the master's name of letters, digits, '.', '-' and '_'");
  const sentinelCredentials = credentialsOf(queried.get("sentinelUsername"), queried.get("sentinelPassword"));
  return { kind, ...common, sentinels: addresses, master, database: readDatabase(database), sentinelCredentials };
}

/** What stands before the first mark and after it; undefined where the text has none. */
function cut(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function readAddress(text: string, defaultPort: number): RedisAddress {
  const [, name = "", port] = /^(\[[0-9a-f:.]+\]|[a-z0-9_][a-z0-9._-]{0,252})(?::(\d{1,5}))?$/i.exec(text) ?? [];
  // The http scheme, since the rules for hosts (IPv6, all-digit names) hold for the schemes that URLs know.
  if (name === "" || !URL.canParse(`http://${name}/`))
    throw new RangeError("a host name or an address ([…] around IPv6)");
  const number = port === undefined ? defaultPort : Number(port);
  if (number < 1 || number > 65_535) throw new RangeError("ports from 1 to 65535");
  return { host: name.startsWith("[") ? name.slice(1, -1) : name, port: number };
}

function readUser(text: string): Credentials | undefined {
  const [user, password] = cut(text, ":");
  return credentialsOf(decode(user), password === undefined ? undefined : decode(password));
}

/** Redis has no user without a password; one that needs none (`nopass`) takes the empty one. */
function credentialsOf(username: string | undefined, password: string | undefined): Credentials | undefined {
  const named = username === "" ? undefined : username;
  if (named !== undefined && password === undefined)
    throw new RangeError("a password where there is a user (user:password)");
  return password === undefined || (named === undefined && password === "") ? undefined : { username: named, password };
}

function readDatabase(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw new RangeError("the number of a database");
  return Number(text);
}

function readQuery(query: string | undefined, allowed: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const part of query === undefined || query === "" ? [] : query.split("&")) {
    const [name, value = ""] = cut(part, "=");
    // A setting that is not understood may be one that was meant to protect: it is never passed over.
    if (!allowed.includes(name) || values.has(name))
      throw new RangeError(allowed.length === 0 ? "no query" : `no query but ${allowed.join(" and ")}, each once`);
    values.set(name, decode(value));
  }
  return values;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RangeError("user, password and query values percent-encoded");
  }
}
