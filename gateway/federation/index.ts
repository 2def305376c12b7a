/** The federation room: one face over many upstreams. It knows views, names and lists, and no client connection. */
import { fault } from "../../contract/errors.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Envelope, Era, ListMethod } from "../mcp/index.ts";
import type { CatalogueSnapshot } from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { UpstreamProfile, Upstreams, UpstreamTarget } from "../upstreams/index.ts";
import { discoverResult, type Identity, identityJson, initializeResult, serverInfoOf } from "./introduce.ts";
import { mergedList, withServerInfo } from "./lists.ts";
import type { FederationParts } from "./parts.ts";
import type { Pinning } from "./pinning.ts";
import { resolveBareTool, routeOf } from "./route.ts";
import type { Caller, Route, Scope, View, ViewUpstream } from "./types.ts";
import { type CatalogueIndex, indexSnapshot, type TargetRules, viewOf } from "./view.ts";

export { declares, type Identity } from "./introduce.ts";
export { outbound, outboundListen, ownRequest } from "./outbound.ts";
export { ask, errorOf, protocolFault, UpstreamRefusal } from "./pages.ts";
export { createPinning, type Pinning, type PinningOptions } from "./pinning.ts";
export { listedName, namesOneThing } from "./route.ts";
export { type Caller, type Route, type Scope, scopeKey, type View, type ViewUpstream } from "./types.ts";
export { maySee, type TargetRules, targetOf } from "./view.ts";

export type FederationOptions = TargetRules & {
  readonly upstreams: Upstreams;
  readonly log: Log;
  readonly identity: Identity;
  readonly separator: string;
  readonly pinning?: Pinning;
  readonly listTimeoutMs: number;
  readonly nextId: () => string;
  readonly countPartial: (gateway: string, method: string, code: string) => void;
};

export type Federation = ReturnType<typeof createFederation>;

/** Sinks that the sessions room sets once it exists; until then stray messages are dropped. */
export type FederationSinks = {
  strayMessage: (upstream: ViewUpstream, caller: Caller, raw: Buffer, envelope: Envelope) => void;
  opened: (upstream: ViewUpstream, caller: Caller, profile: UpstreamProfile) => void;
};

const MAX_WARM = 10_000;

/** What an upstream says to one caller may not be what it says to another. */
function warmKey({ record, target }: ViewUpstream): string {
  return target.actor === undefined ? record.id : `${record.id}\n${target.actor.id}`;
}

type WarmProfile = { readonly revision: string; readonly profile: UpstreamProfile };

export function createFederation(options: FederationOptions, initial: CatalogueSnapshot) {
  let index: CatalogueIndex = indexSnapshot(initial, options);
  options.pinning?.replace(initial);
  const sinks: FederationSinks = { strayMessage: () => undefined, opened: () => undefined };
  /** Resolved profiles per caller's era, by upstream id and revision, so that a warm call awaits nothing. */
  const warm: Readonly<Record<Era, Map<string, WarmProfile>>> = { legacy: new Map(), modern: new Map() };

  function cool(id: string): void {
    for (const known of [warm.legacy, warm.modern])
      for (const key of known.keys()) if (key === id || key.startsWith(`${id}\n`)) known.delete(key);
  }

  async function profile(upstream: ViewUpstream, era: Era, timeoutMs: number): Promise<UpstreamProfile> {
    const known = warmProfile(upstream, era);
    if (known !== undefined) return known;
    const found = await within(options.upstreams.profile(upstream.target, era), timeoutMs, upstream.record.slug);
    if (warm[era].size >= MAX_WARM) warm[era].clear();
    warm[era].set(warmKey(upstream), { revision: upstream.target.revision, profile: found });
    return found;
  }

  function warmProfile(upstream: ViewUpstream, era: Era): UpstreamProfile | undefined {
    const entry = warm[era].get(warmKey(upstream));
    return entry !== undefined && entry.revision === upstream.target.revision ? entry.profile : undefined;
  }

  const parts: FederationParts = {
    upstreams: options.upstreams,
    log: options.log,
    pinning: options.pinning,
    separator: options.separator,
    listTimeoutMs: options.listTimeoutMs,
    nextId: options.nextId,
    profile,
    countPartial: options.countPartial,
    strayMessage: (upstream, caller, raw, envelope) => sinks.strayMessage(upstream, caller, raw, envelope),
    opened: (upstream, caller, found) => sinks.opened(upstream, caller, found),
  };

  return {
    sinks,
    upstreams: options.upstreams,
    identityJson: Buffer.from(identityJson(options.identity)),
    separator: options.separator,
    nextId: options.nextId,
    /** The version of the snapshot that views come from. */
    get version(): number {
      return index.snapshot.version;
    },
    get snapshot(): CatalogueSnapshot {
      return index.snapshot;
    },
    /** Takes a newer snapshot; views and remembered facts of changed upstreams start anew. Answers the ids that changed or went. */
    replace(snapshot: CatalogueSnapshot): string[] {
      const before = index.targets;
      const reached = new Map(index.snapshot.gateways.map(({ id, reachable }) => [id, reachable]));
      index = indexSnapshot(snapshot, options);
      options.pinning?.replace(snapshot);
      for (const { id, reachable } of snapshot.gateways) {
        const target = index.targets.get(id);
        // What a health check has found out holds for every worker at once.
        if (target !== undefined && reached.get(id) === !reachable)
          options.upstreams.hintCircuit(target, reachable ? "closed" : "open");
      }
      const gone: string[] = [];
      for (const [id, target] of before) {
        if (index.targets.get(id)?.revision === target.revision) continue;
        gone.push(id);
        cool(id);
        if (index.targets.has(id)) options.upstreams.forget(id);
        else void options.upstreams.remove(target);
      }
      return gone;
    },
    /** Forgets what an upstream said of itself: it was seen failing, or has been refreshed. */
    forgetProfile(id: string): void {
      cool(id);
    },
    /** Headers of callers that some upstream takes; mostly none. */
    get passed(): readonly string[] {
      return index.passed;
    },
    view: (scope: Scope, principal: Principal): View => viewOf(index, scope, principal),
    target: (id: string): UpstreamTarget | undefined => index.targets.get(id),
    route: (view: View, caller: Caller, body: Buffer, envelope: Envelope): Route =>
      routeOf(view, caller, options.separator, body, envelope),
    bareTool: (view: View, name: string): string | undefined => resolveBareTool(view, options.separator, name),
    /** What the upstream says of itself to a caller of this era; an upstream of both eras answers in the caller's. */
    profile: (upstream: ViewUpstream, era: Era): Promise<UpstreamProfile> =>
      profile(upstream, era, upstream.target.requestTimeoutMs),
    warmProfile,
    initializeResult: (view: View, version: string): Promise<Buffer> =>
      initializeResult(parts, options.identity, view, version),
    discoverResult: async (view: View): Promise<Buffer> => {
      const [result, info] = await Promise.all([
        discoverResult(parts, view),
        serverInfoOf(parts, options.identity, view),
      ]);
      return withServerInfo(result, info);
    },
    async list(view: View, caller: Caller, method: ListMethod, cursor: string | undefined): Promise<Buffer> {
      const result = await mergedList(parts, view, caller, method, cursor);
      return caller.era === "modern" ? withServerInfo(result, Buffer.from(identityJson(options.identity))) : result;
    },
  };
}

/** A promise with a bound: the work goes on and is remembered by whoever does it, only this waiter gives up. */
function within<T>(work: Promise<T>, timeoutMs: number, slug: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(fault("MCPS_UPSTREAM_TIMEOUT", { upstream: slug, method: "its first exchange", ms: timeoutMs })),
      timeoutMs,
    );
    timer.unref();
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
