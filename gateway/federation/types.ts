/** The vocabulary of the federation: who asks (Caller), what they may see (View), and where a request goes (Route). */
import type { Principal } from "../../contract/principal.ts";
import type { Era, ModernIdentity } from "../mcp/index.ts";
import type { GatewayRecord, ItemKind, ServerRecord } from "../store/index.ts";
import type { Holder, UpstreamTarget } from "../upstreams/index.ts";
import type { HeaderParams } from "./param-headers.ts";

/** What an endpoint shows: everything (`/mcp`), a virtual server, or one upstream with its own names. */
export type Scope =
  | { readonly kind: "all" }
  | { readonly kind: "server"; readonly id: string }
  | { readonly kind: "gateway"; readonly id: string };

export function scopeKey(scope: Scope): string {
  return scope.kind === "all" ? "*" : `${scope.kind === "server" ? "s" : "g"}:${scope.id}`;
}

/** One upstream inside a view, with what of it is shown. */
export type ViewUpstream = {
  readonly record: GatewayRecord;
  readonly target: UpstreamTarget;
  /** Listed name → false when hidden; undefined set = everything is shown. Keys are the upstream's own names, per kind. */
  readonly allowed: Readonly<Record<ItemKind, ReadonlySet<string> | undefined>>;
  readonly hidden: Readonly<Record<ItemKind, ReadonlySet<string>>>;
  /** Upstream name → name chosen by an administrator. */
  readonly renamed: Readonly<Record<ItemKind, ReadonlyMap<string, string>>>;
  /** All names the registry knows, per kind; for names that only a digest identifies and for `never` prefixes. */
  readonly known: Readonly<Record<ItemKind, ReadonlySet<string>>>;
  /** Tools (the upstream's names) some of whose arguments travel in headers. */
  readonly headerParams: ReadonlyMap<string, HeaderParams>;
  /** Tools (the upstream's names) that declare that a call may be repeated. */
  readonly repeatable: ReadonlySet<string>;
};

export type View = {
  readonly key: string;
  readonly version: number;
  readonly scope: Scope;
  /** Ordered by slug, so that lists are deterministic. */
  readonly upstreams: readonly ViewUpstream[];
  readonly prefixed: boolean;
  readonly failureMode: "open" | "closed";
  /** One upstream, nothing hidden, nothing renamed, no prefix: messages pass without a look into their items. */
  readonly transparent: ViewUpstream | undefined;
  readonly server: ServerRecord | undefined;
  readonly bySlug: ReadonlyMap<string, ViewUpstream>;
  /** Where listed names lead, per key of params; filled as they are asked for. */
  readonly routes: Readonly<Record<"name" | "uri", Map<string, Route>>>;
};

export type Caller = {
  readonly era: Era;
  readonly protocolVersion: string;
  readonly principal: Principal;
  /** Undefined for modern callers and for /rpc. */
  readonly sessionId: string | undefined;
  /** Under whose name upstream sessions are held for this caller. */
  readonly holder: Holder;
  readonly identity: ModernIdentity;
  /** Mcp-Param-* of a modern request, lower-case names; undefined where the transport has no headers to repeat them in. */
  readonly paramHeaders: Readonly<Record<string, string>> | undefined;
  /** Headers that are handed on (trace context). */
  readonly headers: Readonly<Record<string, string>>;
  /** What of the request's headers is on an allow-list of some upstream. */
  readonly passed?: Readonly<Record<string, string>> | undefined;
  /** Where the request came from, and what joins its records; empty where nothing does. */
  readonly remote: string;
  readonly correlationId: string;
};

export type Route = {
  readonly upstream: ViewUpstream;
  /** The member of params that names the thing, with the upstream's own value; undefined when nothing has to change. */
  readonly target:
    | {
        readonly key: "name" | "uri";
        readonly value: string;
        readonly changed: boolean;
        /** `value` as JSON. */
        readonly text: string;
      }
    | undefined;
  /** completion/complete: the whole `ref` object, rewritten. */
  readonly ref: string | undefined;
};
