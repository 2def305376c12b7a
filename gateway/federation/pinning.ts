/**
 * Pinned definitions of tools: what an upstream lists is compared with what was approved. The store is the truth and comes with the snapshot;
 * what is seen here and is not yet known there is told, once, and already counts here.
 */
import type { Fault } from "../../contract/errors.ts";
import { fault } from "../../contract/errors.ts";
import { suspicionsOf, toolForm } from "../mcp/index.ts";
import type { CatalogueSnapshot, PinPolicy, Sighting, ToolPin } from "../store/index.ts";

export type PinningOptions = {
  readonly policy: PinPolicy;
  /** Tools that come up later on an upstream that is pinned. */
  readonly newTools: "allow" | "quarantine";
  /** Suspicions that are looked for. */
  readonly flags: readonly string[];
  /** What was seen and is not known yet. Never throws; called at most once for each definition and upstream in a while. */
  readonly report: (gatewayId: string, sightings: readonly Sighting[]) => void;
};

type Seen = { readonly raw: Buffer; readonly digest: string; readonly isSuspicious: boolean };
/** Of one upstream: names are its own. */
type Book = { readonly policy: PinPolicy; readonly pins: ReadonlyMap<string, ToolPin> };

const MAX_NAME_CHARS = 500;
/** Tools remembered of one upstream: one that lists new names for ever fills no memory. */
const MAX_SEEN = 10_000;
const MAX_REPORTED = 10_000;
const NOTHING: ReadonlyMap<string, ToolPin> = new Map();

export interface Pinning {
  replace(snapshot: Pick<CatalogueSnapshot, "pins" | "pinPolicies" | "gateways">): void;
  /** May this tool be shown as it is listed? */
  mayShow(gatewayId: string, name: string, raw: Buffer): boolean;
  /** Why this tool may not be called; undefined where it may. */
  refusal(gatewayId: string, slug: string, name: string): Fault | undefined;
  /** All tools of an upstream as it was asked for them: registered, refreshed. */
  sightings(gatewayId: string, tools: readonly { readonly name: string; readonly raw: string }[]): readonly Sighting[];
}

export function createPinning(options: PinningOptions): Pinning {
  let books: ReadonlyMap<string, Book> = new Map();
  let isQuarantining = options.policy === "quarantine";
  const seen = new Map<string, Map<string, Seen>>();
  const reported = new Set<string>();
  /** Seen here to be other than approved, until the store says something new of them. By upstream. */
  const held = new Map<string, Set<string>>();

  function policyOf(gatewayId: string): PinPolicy {
    return books.get(gatewayId)?.policy ?? options.policy;
  }

  function look(gatewayId: string, name: string, raw: Buffer): (Seen & { readonly sighting?: Sighting }) | undefined {
    const ofUpstream = seen.get(gatewayId) ?? new Map<string, Seen>();
    const known = ofUpstream.get(name);
    if (known?.raw.equals(raw) === true) return known;
    const sighting = sightingOf(gatewayId, name, raw);
    if (sighting === undefined) return undefined;
    // A copy: what it was cut from is the whole list.
    const entry = { raw: Buffer.from(raw), digest: sighting.digest, isSuspicious: sighting.flags.length > 0 };
    if (ofUpstream.size >= MAX_SEEN) ofUpstream.clear();
    ofUpstream.set(name, entry);
    seen.set(gatewayId, ofUpstream);
    return { ...entry, sighting };
  }

  function sightingOf(gatewayId: string, name: string, raw: Buffer | string): Sighting | undefined {
    const form = name.length > MAX_NAME_CHARS ? undefined : toolForm(raw);
    if (form === undefined) return undefined;
    const flags = suspicionsOf(form.definition, options.flags);
    const waits = policyOf(gatewayId) === "quarantine" && (flags.length > 0 || isNewToBook(gatewayId, name));
    return { name, ...form, flags, isTrusted: !waits };
  }

  /** New on an upstream whose tools are known: at first sight of an upstream all its tools are new. */
  function isNewToBook(gatewayId: string, name: string): boolean {
    const pins = books.get(gatewayId)?.pins ?? NOTHING;
    return options.newTools === "quarantine" && pins.size > 0 && !pins.has(name);
  }

  function report(gatewayId: string, name: string, raw: Buffer, digest: string): void {
    const key = `${gatewayId} ${digest} ${name}`;
    if (reported.has(key)) return;
    if (reported.size >= MAX_REPORTED) reported.clear();
    reported.add(key);
    const sighting = sightingOf(gatewayId, name, raw);
    if (sighting !== undefined) options.report(gatewayId, [sighting]);
  }

  function isHeld(gatewayId: string, name: string, { digest, isSuspicious }: Seen): boolean {
    const pin = books.get(gatewayId)?.pins.get(name);
    if (pin !== undefined) return pin.digest !== digest;
    return isSuspicious || isNewToBook(gatewayId, name);
  }

  function mark(gatewayId: string, name: string, isHeldBack: boolean): void {
    const own = held.get(gatewayId);
    if (!isHeldBack) own?.delete(name);
    else if (own === undefined) held.set(gatewayId, new Set([name]));
    else if (own.size < MAX_SEEN) own.add(name);
  }

  /** What was decided or recorded meanwhile is newer than what was seen here. */
  function letGo(before: ReadonlyMap<string, Book>): void {
    for (const [gatewayId, names] of held) {
      const [former, present] = [before.get(gatewayId)?.pins ?? NOTHING, books.get(gatewayId)?.pins];
      if (present === undefined) held.delete(gatewayId);
      for (const name of names) {
        const [was, is] = [former.get(name), present?.get(name)];
        if (was?.digest !== is?.digest || was?.pendingDigest !== is?.pendingDigest) names.delete(name);
      }
    }
  }

  return {
    replace({ pins = [], pinPolicies = {}, gateways }) {
      const byGateway = new Map<string, Map<string, ToolPin>>();
      for (const pin of pins) {
        const own = byGateway.get(pin.gatewayId) ?? new Map<string, ToolPin>();
        byGateway.set(pin.gatewayId, own.set(pin.name, pin));
      }
      const before = books;
      books = new Map(
        gateways.map(({ id }) => [
          id,
          { policy: pinPolicies[id] ?? options.policy, pins: byGateway.get(id) ?? NOTHING },
        ]),
      );
      isQuarantining = [...books.values()].some(({ policy }) => policy === "quarantine");
      letGo(before);
      for (const id of seen.keys()) if (!books.has(id)) seen.delete(id);
      // What was decided or forgotten meanwhile is told again when it is seen again.
      reported.clear();
    },
    mayShow(gatewayId, name, raw) {
      const policy = policyOf(gatewayId);
      if (policy === "off") return true;
      const found = look(gatewayId, name, raw);
      // What cannot be compared cannot have been approved.
      if (found === undefined) return policy !== "quarantine";
      const pin = books.get(gatewayId)?.pins.get(name);
      if (pin === undefined || (pin.digest === found.digest ? null : found.digest) !== pin.pendingDigest)
        report(gatewayId, name, raw, found.digest);
      const isHeldBack = policy === "quarantine" && isHeld(gatewayId, name, found);
      mark(gatewayId, name, isHeldBack);
      return !isHeldBack;
    },
    refusal(gatewayId, slug, name) {
      if (!isQuarantining || policyOf(gatewayId) !== "quarantine") return undefined;
      const pin = books.get(gatewayId)?.pins.get(name);
      const isOther = pin !== undefined && pin.pendingDigest !== null;
      const isSeen = held.get(gatewayId)?.has(name) === true;
      const isUnknown = pin === undefined && isNewToBook(gatewayId, name);
      if (!isOther && !isSeen && !isUnknown) return undefined;
      return fault("MCPS_TOOL_QUARANTINED", { tool: name, upstream: slug }, { tool: name, gateway: slug });
    },
    sightings(gatewayId, tools) {
      if (policyOf(gatewayId) === "off") return [];
      return tools.map(({ name, raw }) => sightingOf(gatewayId, name, raw)).filter((one) => one !== undefined);
    },
  };
}
