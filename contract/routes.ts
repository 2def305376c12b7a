/**
 * The route table: what exists, who may ask, and how it is treated, as data; and the match of a path against it. Engines, admission,
 * identity, the registry and the OpenAPI document all read this one table.
 */
export type RouteClass = "probe" | "control" | "call" | "list" | "stream";
export type Permission =
  | `${"gateways" | "servers" | "tools" | "resources" | "prompts"}.${"create" | "read" | "update" | "delete"}`
  | "servers.use"
  | "admin.metrics";

export type Route = {
  /** Stable name; several paths may have the same one (`/v1/tools` and `/tools`). */
  readonly id: string;
  readonly methods: readonly string[];
  /** Segments; `{name}` matches one non-empty segment. */
  readonly path: string;
  readonly class: RouteClass;
  readonly auth: "public" | "principal";
  /** Absent: any principal. */
  readonly permission?: Permission;
  /** `none`: never stored. `private`: only by the caller, revalidated. `public`: by anyone for a minute. */
  readonly cache: "none" | "private" | "public";
  readonly body: "none" | "json" | "json-rpc";
  readonly summary: string;
  readonly area: "mcp" | "service" | "registry";
  /** Asked by the tiers of this deployment, never by clients: it stands in no description of the interface. */
  readonly internal?: true;
};

export type RouteMatch =
  | { readonly kind: "route"; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path exists, the method does not. */
  | { readonly kind: "method"; readonly allowed: readonly string[] }
  | { readonly kind: "none" };

type Line = readonly [id: string, methods: string, path: string, class_: RouteClass, summary: string];

function mcp([id, methods, path, class_, summary]: Line): Route {
  const body = methods.includes("POST") ? "json-rpc" : "none";
  return {
    id,
    methods: methods.split(" "),
    path,
    class: class_,
    auth: "principal",
    permission: "servers.use",
    cache: "none",
    body,
    summary,
    area: "mcp",
  };
}

const mcpRoutes: readonly Route[] = (
  [
    ["mcp", "POST GET DELETE", "/mcp", "call", "Streamable HTTP: everything the caller may see"],
    ["server-mcp", "POST GET DELETE", "/servers/{id}/mcp", "call", "Streamable HTTP: one virtual server"],
    ["gateway-mcp", "POST GET DELETE", "/gateways/{id}/mcp", "call", "Streamable HTTP: one upstream, names unprefixed"],
    ["sse", "GET", "/sse", "stream", "HTTP+SSE: the stream"],
    ["message", "POST", "/message", "call", "HTTP+SSE: messages of a stream"],
    ["server-sse", "GET", "/servers/{id}/sse", "stream", "HTTP+SSE: the stream of one virtual server"],
    ["server-message", "POST", "/servers/{id}/message", "call", "HTTP+SSE: messages of a virtual server's stream"],
    ["ws", "GET", "/ws", "stream", "WebSocket: everything the caller may see"],
    ["server-ws", "GET", "/servers/{id}/ws", "stream", "WebSocket: one virtual server"],
    ["rpc", "POST", "/rpc", "call", "Raw JSON-RPC"],
    ["root-rpc", "POST", "/", "call", "Raw JSON-RPC"],
  ] as const satisfies readonly Line[]
).map(mcp);

/** Asked by a cache in front before it answers: 204 with the header below, or 401 or 403. */
export const IDENTITY_PATH = "/_auth";
/** `<principal>.<scopes>.<version>`, opaque: part of the cache's key. */
export const IDENTITY_HEADER = "x-cache-identity";

function service(id: string, path: string, class_: RouteClass, rest: Pick<Route, "auth" | "cache" | "summary">): Route {
  return { id, methods: ["GET"], path, class: class_, body: "none", area: "service", ...rest };
}

const serviceRoutes: readonly Route[] = [
  service("health", "/health", "probe", { auth: "public", cache: "none", summary: "The process lives" }),
  service("ready", "/ready", "probe", { auth: "public", cache: "none", summary: "Requests can be served now" }),
  {
    // Not refused where calls are: what a cache can answer shall not reach the gateway because the gateway is full.
    ...service("identity", IDENTITY_PATH, "probe", {
      auth: "principal",
      cache: "none",
      summary: "Who is asking, as the cache in front may know it",
    }),
    internal: true,
  },
  service("version", "/version", "control", { auth: "principal", cache: "private", summary: "What is running" }),
  {
    ...service("metrics", "/metrics", "probe", { auth: "principal", cache: "none", summary: "Metrics as text" }),
    permission: "admin.metrics",
  },
  service("openapi", "/openapi.json", "control", {
    auth: "principal",
    cache: "public",
    summary: "This API, OpenAPI 3.1",
  }),
];

export const RESOURCES = ["gateways", "servers", "tools", "resources", "prompts"] as const;
export type ResourceName = (typeof RESOURCES)[number];
type Action = "create" | "read" | "update" | "delete";

function rest(
  resource: ResourceName,
  action: Action,
  id: string,
  method: string,
  tail: string,
  summary: string,
): Route {
  const isList = id === "list" || tail.endsWith("/tools") || tail.endsWith("/resources") || tail.endsWith("/prompts");
  return {
    id: `${resource}.${id}`,
    methods: [method],
    path: `/${resource}${tail}`,
    class: isList && method === "GET" ? "list" : "control",
    auth: "principal",
    permission: `${resource}.${action}`,
    cache: method === "GET" ? "private" : "none",
    body: id === "create" || id === "update" || id === "patch" ? "json" : "none",
    summary,
    area: "registry",
  };
}

function resourceRoutes(resource: ResourceName): Route[] {
  const one = resource.slice(0, -1);
  return [
    rest(resource, "read", "list", "GET", "", `List ${resource}, page by page`),
    rest(resource, "create", "create", "POST", "", `Create a ${one}`),
    rest(resource, "read", "get", "GET", "/{id}", `Get a ${one}`),
    rest(resource, "update", "update", "PUT", "/{id}", `Change the given fields of a ${one}`),
    rest(resource, "update", "patch", "PATCH", "/{id}", `Change the given fields of a ${one}`),
    rest(resource, "delete", "delete", "DELETE", "/{id}", `Delete a ${one}`),
    rest(resource, "update", "state", "POST", "/{id}/state", `Enable or disable a ${one} (activate=true|false)`),
    rest(resource, "update", "toggle", "POST", "/{id}/toggle", "Older name of state"),
  ];
}

const registryRoutes: readonly Route[] = [
  ...RESOURCES.flatMap(resourceRoutes),
  rest("gateways", "update", "refresh", "POST", "/{id}/refresh", "Ask the upstream again what it lists"),
  rest("gateways", "update", "refresh", "POST", "/{id}/tools/refresh", "Older name of refresh"),
  rest("servers", "read", "tools", "GET", "/{id}/tools", "Tools of a virtual server"),
  rest("servers", "read", "resources", "GET", "/{id}/resources", "Resources of a virtual server"),
  rest("servers", "read", "prompts", "GET", "/{id}/prompts", "Prompts of a virtual server"),
  rest("resources", "read", "info", "GET", "/{id}/info", "Older name of get"),
  rest("resources", "read", "templates", "GET", "/templates/list", "List resource templates"),
];

/** Every route. Registry routes are there twice: under /v1 and without. */
export const routes: readonly Route[] = [
  ...mcpRoutes,
  ...serviceRoutes,
  ...registryRoutes,
  ...registryRoutes.map((route) => ({ ...route, path: `/v1${route.path}` })),
];

type Leaf = {
  readonly byMethod: Map<string, Route>;
  readonly names: readonly string[];
  /** Of a path without parameters: made once, for they are asked for with every request. */
  readonly matches: Map<string, RouteMatch>;
  readonly unmatched: { readonly kind: "method"; readonly allowed: string[] };
};

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});
const NONE: RouteMatch = Object.freeze({ kind: "none" });
type Node = { readonly fixed: Map<string, Node>; any: Node | undefined; leaf: Leaf | undefined };

const newLeaf = (names: readonly string[]): Leaf => ({
  byMethod: new Map(),
  names,
  matches: new Map(),
  unmatched: { kind: "method", allowed: [] },
});
const newNode = (): Node => ({ fixed: new Map(), any: undefined, leaf: undefined });

/** Paths without parameters are found in one lookup; the others by a walk over their segments. */
const fixedPaths = new Map<string, Leaf>();
const root = newNode();
for (const route of routes) addRoute(route);

function addRoute(route: Route): void {
  const segments = route.path.split("/").slice(1);
  const names = segments.filter((part) => part.startsWith("{")).map((part) => part.slice(1, -1));
  let node = root;
  for (const part of segments) node = part.startsWith("{") ? anyChild(node) : fixedChild(node, part);
  node.leaf ??= newLeaf(names);
  const { leaf } = node;
  if (names.length === 0) fixedPaths.set(route.path, leaf);
  for (const method of route.methods) {
    leaf.byMethod.set(method, route);
    leaf.unmatched.allowed.push(method);
    if (names.length === 0) leaf.matches.set(method, { kind: "route", route, params: NO_PARAMS });
  }
}

function anyChild(node: Node): Node {
  node.any ??= newNode();
  return node.any;
}

function fixedChild(node: Node, part: string): Node {
  const found = node.fixed.get(part) ?? newNode();
  node.fixed.set(part, found);
  return found;
}

/** Longer paths match nothing; no route has so many characters, and a URL-encoded id of 500 characters still fits. */
const MAX_PATH_CHARS = 2048;

/**
 * The route of a method (GET for HEAD) and a path without query, in time linear in the path. One slash at the end is ignored.
 * Parameters are percent-decoded; a segment that is not valid percent-encoded UTF-8, or holds U+0000, matches no parameter.
 */
export function matchRoute(method: string, path: string): RouteMatch {
  if (path.length > MAX_PATH_CHARS) return NONE;
  const plain = path.length > 2 && path.endsWith("/") ? path.slice(0, -1) : path;
  const fixed = fixedPaths.get(plain);
  if (fixed !== undefined) return fixed.matches.get(method) ?? fixed.unmatched;
  if (!plain.startsWith("/")) return NONE;
  const values: string[] = [];
  const leaf = walk(plain, values);
  if (leaf === undefined) return NONE;
  const route = leaf.byMethod.get(method);
  if (route === undefined) return leaf.unmatched;
  const params = Object.fromEntries(leaf.names.map((name, index) => [name, values[index] ?? ""]));
  return { kind: "route", route, params };
}

/** No fixed segment of the table shares its place with a parameter and goes deeper, so the walk never turns back. */
function walk(path: string, values: string[]): Leaf | undefined {
  let node = root;
  for (let start = 1; start <= path.length; ) {
    const slash = path.indexOf("/", start);
    const end = slash === -1 ? path.length : slash;
    const part = path.slice(start, end);
    const next = node.fixed.get(part);
    if (next !== undefined) node = next;
    else {
      const value = part === "" || node.any === undefined ? undefined : decoded(part);
      if (value === undefined || node.any === undefined) return undefined;
      values.push(value);
      node = node.any;
    }
    start = end + 1;
  }
  return node.leaf;
}

function decoded(part: string): string | undefined {
  if (!part.includes("%")) return part;
  try {
    const text = decodeURIComponent(part);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}
