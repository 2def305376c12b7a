/** Several rules over one request: all of them have to have a token for it, or none is spent. */
import { type Fault, fault } from "../../../contract/errors.ts";
import type { LimitRule, QuotaRule } from "../../../contract/limit-rules.ts";
import type { Purse, Supply } from "./purse.ts";
import { Purses } from "./purses.ts";
import { type Anchor, anchorOf, type Counted, keysOf } from "./subjects.ts";

export type Limited = {
  readonly rule: LimitRule | QuotaRule;
  readonly supply: Supply;
};

type Entry = {
  readonly rule: LimitRule | QuotaRule;
  readonly windowMs: number;
  readonly purses: Purses;
  readonly anchor: Anchor;
  readonly remembered: WeakMap<object, readonly string[]>;
};

const DAY_MS = 86_400_000;

function windowMs(rule: LimitRule | QuotaRule): number {
  if ("periodMs" in rule) return rule.periodMs;
  return rule.period === "day" ? DAY_MS : 30 * DAY_MS;
}

export class Limiter {
  readonly #entries: readonly Entry[];
  readonly #now: () => number;
  readonly #refused: (rule: string) => void;

  /** `refused`: told the rule's name of each refusal. */
  constructor(limits: readonly Limited[], now: () => number, refused: (rule: string) => void) {
    this.#entries = limits.map(({ rule, supply }) => ({
      rule,
      windowMs: windowMs(rule),
      purses: new Purses(supply, now),
      anchor: anchorOf(rule),
      remembered: new WeakMap(),
    }));
    this.#now = now;
    this.#refused = refused;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Takes a token of each rule that applies; a promise only where a shared bucket has to be waited for. It never rejects. */
  spend(counted: Counted): Fault | undefined | Promise<Fault | undefined> {
    const now = this.#now();
    const spent: Purse[] = [];
    for (const entry of this.#entries) {
      for (const key of keysFor(entry, counted)) {
        const purse = entry.purses.of(key);
        const answer = purse.spend(now);
        if (answer === 0) spent.push(purse);
        else if (typeof answer === "number") return this.#refuse(entry, answer, spent);
        else return this.#spendLater(counted, entry, purse, answer, spent);
      }
    }
    return undefined;
  }

  /** Known to be refused, by what is remembered alone: nothing is taken and nobody is asked. */
  peek(counted: Counted): Fault | undefined {
    const now = this.#now();
    for (const entry of this.#entries)
      for (const key of keysFor(entry, counted)) {
        const waitMs = entry.purses.find(key)?.closedFor(now) ?? 0;
        if (waitMs > 0) return this.#refuse(entry, waitMs, []);
      }
    return undefined;
  }

  sweep(everything = false): void {
    const now = this.#now();
    for (const { purses } of this.#entries) purses.sweep(now, everything);
  }

  /** What operators see: every rule, how many keys are known here, and those with nothing left. */
  figures(): readonly LimitFigures[] {
    const now = this.#now();
    return this.#entries.map(({ rule, purses }) => ({
      rule: rule.name,
      count: rule.count,
      ...("periodMs" in rule ? { periodMs: rule.periodMs, burst: rule.burst } : { period: rule.period }),
      keys: purses.size,
      shared: !purses.supply.isAway(now),
      empty: purses.closed(now, MOST_SHOWN),
    }));
  }

  async #spendLater(
    counted: Counted,
    entry: Entry,
    purse: Purse,
    answer: Promise<number>,
    spent: Purse[],
  ): Promise<Fault | undefined> {
    const waitMs = await answer;
    if (waitMs > 0) return this.#refuse(entry, waitMs, spent);
    // All over again with this one in hand: the others are arithmetic by now, or wait in their turn.
    purse.unspend();
    for (const one of spent) one.unspend();
    return this.spend(counted);
  }

  #refuse({ rule, windowMs: window }: Entry, waitMs: number, spent: readonly Purse[]): Fault {
    for (const purse of spent) purse.unspend();
    this.#refused(rule.name);
    return limitFault(rule, window, waitMs);
  }
}

export type LimitFigures = {
  readonly rule: string;
  readonly count: number;
  readonly periodMs?: number;
  readonly burst?: number;
  readonly period?: "day" | "month";
  readonly keys: number;
  /** False while this process counts alone because nobody answers. */
  readonly shared: boolean;
  readonly empty: readonly { readonly key: string; readonly waitMs: number }[];
};
const MOST_SHOWN = 50;

function keysFor({ rule, anchor, remembered }: Entry, counted: Counted): readonly string[] {
  if (anchor === "address" && rule.only === undefined) return counted.address === undefined ? [] : [counted.address];
  const object = anchor === "principal" ? counted.principal : anchor === "target" ? counted.target : undefined;
  if (object === undefined) return keysOf(rule, counted);
  const known = remembered.get(object);
  if (known !== undefined) return known;
  const keys = keysOf(rule, counted);
  remembered.set(object, keys);
  return keys;
}

/** `RateLimit` and `RateLimit-Policy` as of draft-ietf-httpapi-ratelimit-headers-10; Retry-After as of RFC 9110 §10.2.3. */
function limitFault(rule: LimitRule | QuotaRule, window: number, waitMs: number): Fault {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const policy = JSON.stringify(rule.name.replace(/[^\x20-\x7e]/g, "?"));
  const values = { rule: rule.name, limit: `${rule.count} in ${spoken(rule)}`, seconds };
  const data = { rule: rule.name, limit: rule.count, windowSeconds: window / 1000, retryAfterSeconds: seconds };
  return fault("periodMs" in rule ? "MCPS_RATE_LIMITED" : "MCPS_QUOTA", values, data, {
    "retry-after": String(seconds),
    "ratelimit-policy": `${policy};q=${rule.count};w=${Math.ceil(window / 1000)}`,
    ratelimit: `${policy};r=0;t=${seconds}`,
  });
}

function spoken(rule: LimitRule | QuotaRule): string {
  return "period" in rule ? `a ${rule.period}` : `${rule.periodMs / 1000} s`;
}
