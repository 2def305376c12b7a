/** MCP endpoints: what a route shows to a principal, found once and kept for as long as he is remembered. Part of the composition root. */
import type { Principal } from "../contract/principal.ts";
import type { Route } from "../contract/routes.ts";
import { type Federation, type Scope, scopeKey, type View } from "./federation/index.ts";
import type { Endpoint } from "./transports/index.ts";

/** Endpoints remembered of one principal; beyond them they are made anew each time. */
const MAX_PER_PRINCIPAL = 1000;

export type Transport = "mcp" | "rpc" | "sse" | "message" | "ws";
const TRANSPORTS: readonly Transport[] = ["mcp", "rpc", "sse", "message", "ws"];
const transports = new Map<Route, Transport>();

/** What is spoken on an MCP route. Throws RangeError for a route that is none. */
export function transportOf(route: Route): Transport {
  const known = transports.get(route);
  if (known !== undefined) return known;
  const found = TRANSPORTS.find((name) => route.id === name || route.id.endsWith(`-${name}`));
  if (found === undefined) throw new RangeError(`${route.id} is no MCP route`);
  transports.set(route, found);
  return found;
}

type Matched = { readonly route: Route; readonly params: Readonly<Record<string, string>> };

export function endpointsOf(federation: Federation): {
  /** Throws MCPS_ITEM_UNKNOWN or MCPS_UPSTREAM_UNKNOWN when the route names nothing that this principal may see. */
  of(matched: Matched, principal: Principal): Endpoint;
} {
  // The auth room answers the same object for the same caller, for as long as it remembers him.
  const known = new WeakMap<Principal, Map<string, Endpoint>>();

  function make(scope: Scope, principal: Principal): Endpoint {
    let seen: unknown;
    let view: View | undefined;
    return {
      scope,
      name: scopeKey(scope),
      principal,
      view() {
        if (view !== undefined && seen === federation.snapshot) return view;
        view = federation.view(scope, principal);
        seen = federation.snapshot;
        return view;
      },
    };
  }

  return {
    of({ route, params }, principal) {
      let own = known.get(principal);
      if (own === undefined) {
        own = new Map();
        known.set(principal, own);
      }
      const id = params.id ?? "";
      const key = id === "" ? "*" : `${route.id} ${id}`;
      const found = own.get(key);
      if (found !== undefined) {
        found.view();
        return found;
      }
      const endpoint = make(scopeOf(route, id), principal);
      endpoint.view();
      if (own.size < MAX_PER_PRINCIPAL) own.set(key, endpoint);
      return endpoint;
    },
  };
}

function scopeOf({ id }: Route, named: string): Scope {
  if (id.startsWith("server-")) return { kind: "server", id: named };
  return id.startsWith("gateway-") ? { kind: "gateway", id: named } : { kind: "all" };
}
