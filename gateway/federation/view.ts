/** Views: what a scope shows to a principal, computed from the catalogue snapshot and kept per snapshot version. */
import { fault } from "../../contract/errors.ts";
import { countsAsOwner, type Principal } from "../../contract/principal.ts";
import type {
  CatalogueSnapshot,
  GatewayRecord,
  ItemKind,
  ItemRecord,
  ServerRecord,
  Visibility,
} from "../store/index.ts";
import { isPersonal, type PassthroughPolicy, passedNames, type UpstreamTarget } from "../upstreams/index.ts";
import { type HeaderParams, headerParamsOf } from "./param-headers.ts";
import { type Scope, scopeKey, type View, type ViewUpstream } from "./types.ts";

type Owned = { readonly visibility: Visibility; readonly teamId: string | null; readonly ownerEmail: string | null };

const KINDS: readonly ItemKind[] = ["tool", "resource", "resourceTemplate", "prompt"];
/** More distinct (scope, principal) pairs than this per snapshot start the cache anew. */
const MAX_VIEWS = 10_000;

export function maySee(principal: Principal, item: Owned): boolean {
  if (principal.admin || item.visibility === "public") return true;
  if (item.ownerEmail !== null && item.ownerEmail === principal.id && countsAsOwner(principal)) return true;
  return item.visibility === "team" && item.teamId !== null && principal.teams.includes(item.teamId);
}

const TRANSPORTS: Readonly<Record<string, UpstreamTarget["transport"]>> = { SSE: "sse", REST: "rest" };

/** What of an upstream's target is set for all of them. */
export type TargetRules = {
  /** For those that name no time limit, ms. */
  readonly callTimeoutMs: number;
  /** Nothing of a caller's headers is passed on when absent. */
  readonly passthrough?: PassthroughPolicy;
  /** Upstreams that say nothing of it are told who calls. */
  readonly tellsIdentity?: boolean;
};

export function targetOf(record: GatewayRecord, rules: TargetRules): UpstreamTarget {
  const common = {
    id: record.id,
    slug: record.slug,
    revision: record.revision,
    headers: record.authHeaders,
    era: record.era,
    requestTimeoutMs: record.requestTimeoutMs ?? rules.callTimeoutMs,
    // What stands in the configuration file is the operator's word.
    trust: record.source === "api" ? ("user" as const) : ("operator" as const),
  };
  if (record.transport === "STDIO" && record.stdio !== null) {
    const { cwd, ...stdio } = record.stdio;
    return { ...common, transport: "stdio", stdio: cwd === null ? stdio : { ...stdio, cwd } };
  }
  if (record.transport === "BUILTIN") return { ...common, transport: "builtin" };
  const transport = TRANSPORTS[record.transport] ?? "streamable-http";
  const declared = record.isolation === undefined ? {} : { isolation: record.isolation };
  const overHttp = { ...common, ...declared, transport, ...outboundOf(record, rules) } as const;
  return record.url === null ? overHttp : { ...overHttp, url: record.url };
}

type OverHttp = Pick<UpstreamTarget, "tls" | "query" | "passes" | "identity" | "oauth">;

/** Only what there is, so that a plain upstream's target stays a plain one. */
function outboundOf(record: GatewayRecord, { passthrough, tellsIdentity = false }: TargetRules): OverHttp {
  const { outbound = {}, secrets = {}, authHeaders, passthroughHeaders } = record;
  const { caCertificate: ca, clientCertificate: certificate, oauth, identity = { enabled: tellsIdentity } } = outbound;
  const { clientKey: key, clientSecret, queryName: name, queryValue: value } = secrets;
  const passes = passthrough === undefined ? undefined : passedNames(passthrough, passthroughHeaders, authHeaders);
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
  };
  return {
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...(name === undefined || value === undefined ? {} : { query: { name, value } }),
    ...(passes === undefined || passes.size === 0 ? {} : { passes }),
    ...(identity.enabled ? { identity } : {}),
    ...(oauth === undefined ? {} : { oauth: clientSecret === undefined ? oauth : { ...oauth, clientSecret } }),
  };
}

/** A target made for one caller, where what is sent to it depends on him. */
function targetFor(target: UpstreamTarget, { id, teams, admin }: Principal): UpstreamTarget {
  return isPersonal(target) ? { ...target, actor: { id, teams, admin } } : target;
}

function perKind<T>(make: (kind: ItemKind) => T): Record<ItemKind, T> {
  return {
    tool: make("tool"),
    resource: make("resource"),
    resourceTemplate: make("resourceTemplate"),
    prompt: make("prompt"),
  };
}

/** Index of a snapshot, built once per version. */
export type CatalogueIndex = {
  readonly snapshot: CatalogueSnapshot;
  readonly itemsByGateway: ReadonlyMap<string, readonly ItemRecord[]>;
  readonly targets: ReadonlyMap<string, UpstreamTarget>;
  /** Per gateway, the tools with arguments in headers. */
  readonly headerParams: ReadonlyMap<string, ReadonlyMap<string, HeaderParams>>;
  /** Per gateway, the tools that may be called twice. */
  readonly repeatable: ReadonlyMap<string, ReadonlySet<string>>;
  readonly views: Map<string, View>;
  /** Headers of callers that some upstream takes, lower case. */
  readonly passed: readonly string[];
  /** Some target is made for each caller. */
  readonly isPersonalised: boolean;
};

export function indexSnapshot(snapshot: CatalogueSnapshot, rules: TargetRules): CatalogueIndex {
  const itemsByGateway = new Map<string, ItemRecord[]>();
  const headerParams = new Map<string, Map<string, HeaderParams>>();
  const repeatable = new Map<string, Set<string>>();
  for (const item of snapshot.items) {
    if (item.headerDefinition !== null) {
      const tools = headerParams.get(item.gatewayId) ?? new Map<string, HeaderParams>();
      headerParams.set(item.gatewayId, tools.set(item.originalName, headerParamsOf(item.headerDefinition)));
    }
    if (item.repeatable) {
      const tools = repeatable.get(item.gatewayId) ?? new Set<string>();
      repeatable.set(item.gatewayId, tools.add(item.originalName));
    }
    const list = itemsByGateway.get(item.gatewayId);
    if (list === undefined) itemsByGateway.set(item.gatewayId, [item]);
    else list.push(item);
  }
  const targets = new Map(snapshot.gateways.map((record) => [record.id, targetOf(record, rules)]));
  const passed = new Set([...targets.values()].flatMap(({ passes }) => [...(passes?.keys() ?? [])]));
  const isPersonalised = [...targets.values()].some(isPersonal);
  const shared = { snapshot, itemsByGateway, targets, headerParams, repeatable, views: new Map() };
  return { ...shared, passed: [...passed], isPersonalised };
}

/** Throws MCPS_ITEM_UNKNOWN when the scope names nothing this principal may see. */
export function viewOf(index: CatalogueIndex, scope: Scope, principal: Principal): View {
  const isAnyAdmin = principal.admin && !index.isPersonalised;
  const audience = isAnyAdmin
    ? "admin"
    : JSON.stringify([principal.admin, countsAsOwner(principal), principal.id, ...principal.teams]);
  const key = `${scopeKey(scope)} ${audience}`;
  const cached = index.views.get(key);
  if (cached !== undefined) return cached;
  const view = buildView(index, scope, principal, key);
  if (index.views.size >= MAX_VIEWS) index.views.clear();
  index.views.set(key, view);
  return view;
}

function buildView(index: CatalogueIndex, scope: Scope, principal: Principal, key: string): View {
  const { snapshot } = index;
  const server = scope.kind === "server" ? findServer(snapshot, scope.id, principal) : undefined;
  const chosen = chosenGateways(index, scope, principal, server);
  const upstreams = chosen
    .map(({ record, whole }) =>
      viewUpstream(index, record, principal, whole ? undefined : new Set(server?.itemIds ?? [])),
    )
    .sort((a, b) => (a.record.slug < b.record.slug ? -1 : 1));
  const prefixed = isPrefixed(scope, server, upstreams.length);
  const [only] = upstreams;
  const transparent = upstreams.length === 1 && !prefixed && only !== undefined && isUntouched(only) ? only : undefined;
  return {
    key,
    version: snapshot.version,
    scope,
    upstreams,
    prefixed,
    failureMode: server?.failureMode ?? "open",
    transparent,
    server,
    bySlug: new Map(upstreams.map((upstream) => [upstream.record.slug, upstream])),
    routes: { name: new Map(), uri: new Map() },
  };
}

/** `/mcp` always prefixes, so that adding an upstream renames nothing; a virtual server as it was configured. */
function isPrefixed(scope: Scope, server: ServerRecord | undefined, count: number): boolean {
  if (scope.kind === "gateway") return false;
  if (server === undefined) return true;
  return server.prefixMode === "always" || (server.prefixMode === "conditional" && count > 1);
}

function isUntouched(upstream: ViewUpstream): boolean {
  return KINDS.every(
    (kind) =>
      upstream.allowed[kind] === undefined && upstream.hidden[kind].size === 0 && upstream.renamed[kind].size === 0,
  );
}

function findServer(snapshot: CatalogueSnapshot, id: string, principal: Principal): ServerRecord {
  const server = snapshot.servers.find((candidate) => candidate.id === id);
  if (server === undefined || !server.enabled || !maySee(principal, server))
    throw fault("MCPS_ITEM_UNKNOWN", { kind: "server", id });
  return server;
}

function chosenGateways(
  index: CatalogueIndex,
  scope: Scope,
  principal: Principal,
  server: ServerRecord | undefined,
): { record: GatewayRecord; whole: boolean }[] {
  const { gateways, items } = index.snapshot;
  if (scope.kind === "gateway") {
    const record = gateways.find((candidate) => candidate.id === scope.id || candidate.slug === scope.id);
    if (record === undefined || !record.enabled || !maySee(principal, record))
      throw fault("MCPS_UPSTREAM_UNKNOWN", { id: scope.id });
    return [{ record, whole: true }];
  }
  const enabled = gateways.filter((record) => record.enabled);
  // A virtual server grants what it holds: who may use the server may use its parts through it.
  if (server === undefined)
    return enabled.filter((record) => maySee(principal, record)).map((record) => ({ record, whole: true }));
  const whole = new Set(server.gatewayIds);
  const wanted = new Set(server.itemIds);
  const partial = new Set(items.filter((item) => wanted.has(item.id)).map((item) => item.gatewayId));
  return enabled
    .filter((record) => whole.has(record.id) || partial.has(record.id))
    .map((record) => ({ record, whole: whole.has(record.id) }));
}

function viewUpstream(
  index: CatalogueIndex,
  record: GatewayRecord,
  principal: Principal,
  only: Set<string> | undefined,
): ViewUpstream {
  const items = index.itemsByGateway.get(record.id) ?? [];
  // Of an upstream, what the registry has not seen yet is shown. What the registry itself keeps is listed live from the store,
  // where one may be private that this snapshot does not know.
  const isKept = record.transport === "BUILTIN" || record.transport === "REST";
  const chosen = only ?? (isKept ? new Set(items.map((item) => item.id)) : undefined);
  const allowed = perKind((kind): Set<string> | undefined =>
    chosen === undefined
      ? undefined
      : new Set(items.filter((item) => item.kind === kind && chosen.has(item.id)).map((item) => item.originalName)),
  );
  const hidden = perKind(() => new Set<string>());
  const renamed = perKind(() => new Map<string, string>());
  const known = perKind(() => new Set<string>());
  for (const item of items) {
    known[item.kind].add(item.originalName);
    if (!item.enabled || (only === undefined && !maySee(principal, item))) hidden[item.kind].add(item.originalName);
    if (item.customName !== null && item.customName !== item.originalName)
      renamed[item.kind].set(item.originalName, item.customName);
  }
  const target = index.targets.get(record.id);
  if (target === undefined) throw fault("MCPS_UPSTREAM_UNKNOWN", { id: record.id });
  const headerParams = index.headerParams.get(record.id) ?? new Map();
  const repeatable = index.repeatable.get(record.id) ?? new Set();
  const mine = targetFor(target, principal);
  return { record, target: mine, allowed, hidden, renamed, known, headerParams, repeatable };
}

/** Is this name of the upstream shown in the view? */
export function isShown(upstream: ViewUpstream, kind: ItemKind, name: string): boolean {
  const allowed = upstream.allowed[kind];
  return (allowed === undefined || allowed.has(name)) && !upstream.hidden[kind].has(name);
}
