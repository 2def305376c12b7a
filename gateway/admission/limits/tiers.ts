/** Tiers of the sources: one rate for all routes of a kind, per caller. */
import type { LimitRule } from "../../../contract/limit-rules.ts";
import { IDENTITY_PATH, type Route } from "../../../contract/routes.ts";

export const TIERS = ["critical", "high", "medium", "low"] as const;
export type Tier = (typeof TIERS)[number];
export type TierRate = { readonly perMinute: number; readonly burst: number };

/**
 * Which tier a route is of: what anybody may try secrets at, then what changes who may call, then work, then what only tells of the gateway
 * itself. Undefined for probes, whose refusal would end a process that is well, and for what tiers ask of each other.
 */
export function tierOf({ area, auth, path, class: class_ }: Route): Tier | undefined {
  if (path === IDENTITY_PATH) return undefined;
  if (area === "service") return auth === "public" && class_ === "probe" ? undefined : "low";
  if (area === "accounts") return auth === "public" ? "critical" : "high";
  return area === "admin" ? "high" : "medium";
}

/** A minute's worth may come over a minute; `burst` more at once. Callers without identity are told apart by their address. */
export function tierRules(tier: Tier, { perMinute, burst }: TierRate): { known: LimitRule; unknown: LimitRule } {
  const rule = { only: undefined, count: perMinute, periodMs: 60_000, burst: perMinute + burst };
  return {
    known: { ...rule, name: `tier-${tier}`, subjects: ["principal"] },
    unknown: { ...rule, name: `tier-${tier}-address`, subjects: ["address"] },
  };
}
