/**
 * The route table: what exists, who may ask, and how it is treated, as data; and the match of a path against it. Engines, admission,
 * identity, the registry and the OpenAPI document all read this one table.
 */
import { accountRoutes } from "./routes/accounts.ts";
import { adminRoutes } from "./routes/admin.ts";
import { discoveryRoutes } from "./routes/discovery.ts";
import { mcpRoutes } from "./routes/mcp.ts";
import { registryRoutes } from "./routes/registry.ts";
import type { Route } from "./routes/route.ts";
import { serviceRoutes } from "./routes/service.ts";
import { ssoRoutes } from "./routes/sso.ts";
import { upstreamOAuthRoutes } from "./routes/upstream-oauth.ts";

export type { Permission } from "./permissions.ts";
export { RESOURCES, type ResourceName } from "./routes/registry.ts";
export type { RestArea, Route, RouteClass } from "./routes/route.ts";
export { IDENTITY_HEADER, IDENTITY_PATH } from "./routes/service.ts";

export type RouteMatch =
  | { readonly kind: "route"; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path exists, the method does not. */
  | { readonly kind: "method"; readonly allowed: readonly string[] }
  | { readonly kind: "none" };

/** REST routes are there twice: under /v1 and without. */
const restRoutes: readonly Route[] = [
  ...registryRoutes,
  ...upstreamOAuthRoutes,
  ...accountRoutes,
  ...adminRoutes,
  ...ssoRoutes,
];

/** Every route. */
export const routes: readonly Route[] = [
  ...mcpRoutes,
  ...serviceRoutes,
  ...discoveryRoutes,
  ...restRoutes,
  ...restRoutes.map((route) => ({ ...route, path: `/v1${route.path}` })),
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
