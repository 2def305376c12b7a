/** Supplies: buckets of the shared state, amounts of a calendar period in the database, and what a process does alone. */
import type { LimitRule, QuotaRule } from "../../../contract/limit-rules.ts";
import { type SharedState, takeFrom } from "../../coordination/index.ts";
import type { Purse, Supply } from "./purse.ts";

/** A process holds a sixteenth of a bucket at most, so that many of them leave each other enough, and no more than half a second needs. */
const HELD_SHARE = 16;
const HELD_MS = 500;
/** How often somebody is asked who did not answer. */
const PROBE_MS = 1000;

/** Remembers whether somebody answers. One for all keys of a store. */
export class Reach {
  #away = false;
  #probeAt = 0;
  #probing = false;
  readonly #told: (isAway: boolean) => void;

  constructor(told: (isAway: boolean) => void) {
    this.#told = told;
  }

  get isAway(): boolean {
    return this.#away;
  }

  /** True where the one asking should not wait. Once in a while it says so and lets the caller probe, by `probe`. */
  wantsProbe(now: number): boolean {
    if (!this.#away || this.#probing || now < this.#probeAt) return false;
    this.#probing = true;
    return true;
  }

  heard(ok: boolean, now: number): void {
    this.#probing = false;
    this.#probeAt = now + PROBE_MS;
    if (this.#away === !ok) return;
    this.#away = !ok;
    this.#told(!ok);
  }
}

type Amounts = { readonly capacity: number; readonly perMs: number };

/** What a process lets in alone: its share of the bucket, full when it begins. */
function aloneWith({ capacity, perMs }: Amounts, sharers: number) {
  const own = { capacity: Math.max(1, Math.floor(capacity / sharers)), perMs: perMs / sharers };
  return (purse: Purse, now: number): number => {
    const { level, taken } = takeFrom(purse.own, 1, own, now);
    purse.own = level;
    if (taken.taken === 1) return 0;
    return own.perMs > 0 ? Math.ceil((1 - taken.left) / own.perMs) : PROBE_MS;
  };
}

export type SupplyOptions = {
  readonly reach: Reach;
  /** Processes that share the limit; each has its part of it while nobody answers. */
  readonly sharers: number;
};

/** A token bucket that every process of the deployment takes from. The period is of its key: one subject may have a limit for each. */
export function bucketSupply(rule: LimitRule, state: SharedState, { reach, sharers }: SupplyOptions): Supply {
  const bucket = { capacity: rule.burst, perMs: rule.count / rule.periodMs };
  const batch = Math.max(1, Math.min(Math.floor(bucket.capacity / HELD_SHARE), Math.ceil(bucket.perMs * HELD_MS)));
  return {
    batch,
    async take(key, want) {
      const { taken, left } = await state.take(`limit:${rule.name}/${rule.periodMs}:${key}`, want, bucket);
      return { taken, waitMs: Math.max(1, Math.ceil((1 - (left % 1)) / bucket.perMs)) };
    },
    ...reached(reach, `limit-probe`, aloneWith(bucket, sharers), (key) => state.take(key, 0, bucket)),
  };
}

/** As `LimitRule` without anybody to share with: RATE_LIMITING_REDIS_ENABLED=false. */
export function ownSupply(rule: LimitRule): Supply {
  const bucket = { capacity: rule.burst, perMs: rule.count / rule.periodMs };
  return {
    batch: 1,
    take: () => Promise.resolve({ taken: 0, waitMs: 0 }),
    alone: aloneWith(bucket, 1),
    isAway: () => true,
    heard: () => undefined,
  };
}

/** Where quotas are kept. Hands out what is left of a period, up to `want`; below 0 takes back. */
export interface QuotaStore {
  takeQuota(key: string, periodStart: Date, want: number, limit: number): Promise<{ granted: number; used: number }>;
}

/** First and last moment (exclusive) of the calendar day or month, UTC, as epoch milliseconds. */
export function periodOf(period: QuotaRule["period"], now: number): { readonly start: number; readonly end: number } {
  const at = new Date(now);
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()];
  return period === "day"
    ? { start: Date.UTC(year, month, day), end: Date.UTC(year, month, day + 1) }
    : { start: Date.UTC(year, month, 1), end: Date.UTC(year, month + 1, 1) };
}

/** At most so much of a quota lies with one process: a hundredth, and what a batch of writes is worth. */
const QUOTA_BATCH = 100;

export function quotaSupply(
  rule: QuotaRule,
  store: QuotaStore,
  wallClock: () => number,
  { reach, sharers }: SupplyOptions,
): Supply {
  const take = async (key: string, want: number) => {
    const { start, end } = periodOf(rule.period, wallClock());
    const { granted } = await store.takeQuota(`${rule.name}/${rule.period}:${key}`, new Date(start), want, rule.count);
    return { taken: granted, waitMs: Math.max(1, end - wallClock()) };
  };
  return {
    batch: Math.max(1, Math.min(QUOTA_BATCH, Math.floor(rule.count / 100))),
    take,
    ...reached(reach, "probe", aloneWith({ capacity: rule.count, perMs: 0 }, sharers), (key) => take(key, 0)),
  };
}

function reached(
  reach: Reach,
  probeKey: string,
  alone: Supply["alone"],
  probe: (key: string) => Promise<unknown>,
): Pick<Supply, "alone" | "isAway" | "heard"> {
  return {
    alone,
    heard: (ok, now) => reach.heard(ok, now),
    isAway(now) {
      if (reach.wantsProbe(now))
        probe(probeKey).then(
          () => reach.heard(true, now),
          () => reach.heard(false, now),
        );
      return reach.isAway;
    },
  };
}
