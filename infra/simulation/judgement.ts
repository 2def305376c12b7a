/** What the intervals say of the predictions. */
import type { Prediction } from "./predictions.ts";
import { CONFIDENCE, type Interval } from "./statistics.ts";

export type Verdict = "confirmed" | "better than planned" | "not confirmed";

export type Finding = {
  readonly statement: string;
  readonly unit: Prediction["unit"];
  readonly kind: Prediction["kind"];
  readonly predicted: number;
  /** What the plan needs of it, where that is less strict than the theory. */
  readonly limit: number | null;
  /** Such that all intervals of the report hold together with 95 %. */
  readonly simulated: Interval;
  readonly verdict: Verdict;
};

/** Confidence of each of so many intervals such that all hold together with 95 % (Bonferroni). */
export function together(count: number): number {
  return 1 - (1 - CONFIDENCE) / Math.max(1, count);
}

export function judge(prediction: Prediction, confidence: number): Finding {
  const { statement, unit, kind, predicted, limit = null } = prediction;
  const simulated = prediction.measure(confidence);
  return { statement, unit, kind, predicted, limit, simulated, verdict: verdictOf(prediction, simulated) };
}

/**
 * A limit is exceeded when the whole interval lies beyond it. A value is confirmed inside the interval, and on its worse side as long as
 * the interval keeps the limit that the plan needs it for; theory and simulation that agree on breaking that limit confirm no plan.
 */
export function verdictOf(
  { kind, better, predicted, limit }: Pick<Prediction, "kind" | "better" | "predicted" | "limit">,
  { low, high }: Interval,
): Verdict {
  if (low > (kind === "limit" ? predicted : (limit ?? Number.POSITIVE_INFINITY))) return "not confirmed";
  if (kind === "limit") return "confirmed";
  if (low <= predicted && predicted <= high) return "confirmed";
  if ((better === "less" && high < predicted) || (better === "more" && low > predicted)) return "better than planned";
  return limit !== undefined && high <= limit ? "confirmed" : "not confirmed";
}
