/** How limits are written: `what=count/period`, one rule in a line. Read where settings are checked and where limits are kept. */

/** What a limit counts by; `address` stands alone. `tool` is `<upstream>/<tool>`, as the upstream calls it. */
export const SUBJECTS = ["principal", "token", "team", "address", "upstream", "tool"] as const;
export type Subject = (typeof SUBJECTS)[number];

export type LimitRule = {
  /** As it was written, without count and period: the name in refusals and metrics. */
  readonly name: string;
  /** One of these each: `principal&tool` limits every principal on every tool. */
  readonly subjects: readonly Subject[];
  /** Of the last subject, this one alone; a `*` at the end stands for anything. */
  readonly only: string | undefined;
  readonly count: number;
  readonly periodMs: number;
  /** How many may come at once. */
  readonly burst: number;
};

export type QuotaRule = Omit<LimitRule, "periodMs" | "burst"> & { readonly period: "day" | "month" };

const PERIODS_MS: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^([a-z]+(?:&[a-z]+)*)(?::([^=]{1,200}))?=(\d{1,9})\/([a-z]+)(?:\+(\d{1,9}))?$/;
export const LIMIT_FORM = "<subject>[&<subject>][:<name>]=<count>/<s|min|h|d>[+<burst>]";
export const QUOTA_FORM = "<subject>[&<subject>][:<name>]=<count>/<day|month>";

function isSubject(word: string): word is Subject {
  return (SUBJECTS as readonly string[]).includes(word);
}

type Parts = Pick<LimitRule, "name" | "subjects" | "only" | "count"> & {
  readonly period: string;
  readonly burst: number | undefined;
};

function partsOf(text: string): Parts | undefined {
  const [, subjects = "", only, count = "", period = "", burst] = FORM.exec(text.trim()) ?? [];
  const words = subjects.split("&");
  const known = words.filter(isSubject);
  // Addresses are counted before anybody is known, and before it is known what is called.
  if (known.length > 1 && known.includes("address")) return undefined;
  if (known.length !== words.length || new Set(words).size !== words.length || Number(count) < 1) return undefined;
  const name = only === undefined ? subjects : `${subjects}:${only}`;
  return {
    name,
    subjects: known,
    only,
    count: Number(count),
    period,
    burst: burst === undefined ? undefined : Number(burst),
  };
}

/** Undefined for what is no rule. Without a burst as many may come at once as in a period, at least one. */
export function limitRule(text: string): LimitRule | undefined {
  const parts = partsOf(text);
  const periodMs = parts === undefined ? undefined : PERIODS_MS[parts.period];
  if (parts === undefined || periodMs === undefined || parts.burst === 0) return undefined;
  const { name, subjects, only, count } = parts;
  return { name, subjects, only, count, periodMs, burst: parts.burst ?? count };
}

/** Undefined for what is no rule. */
export function quotaRule(text: string): QuotaRule | undefined {
  const parts = partsOf(text);
  if (parts === undefined || parts.burst !== undefined || (parts.period !== "day" && parts.period !== "month"))
    return undefined;
  const { name, subjects, only, count, period } = parts;
  return { name, subjects, only, count, period };
}
