/**
 * Histograms of durations that can be added to each other: bucket n holds what takes more than 1.1^(n-1) and at most 1.1^n of 0.01 ms, so
 * that a percentile is at most 5 % off, whatever was added to what (DDSketch, Masson et al., VLDB 2019, section 2).
 */
const GAMMA = 1.1;
const LOG_GAMMA = Math.log(GAMMA);
/** Everything shorter is bucket 0, ms. */
const LEAST_MS = 0.01;
/** Nothing that a call may last is in a later one: 0.01 ms * 1.1^255 is more than three days. */
export const LAST_BUCKET = 255;

export function bucketOf(ms: number): number {
  if (!(ms > LEAST_MS)) return 0;
  return Math.min(LAST_BUCKET, Math.ceil(Math.log(ms / LEAST_MS) / LOG_GAMMA));
}

/** The duration that stands for a bucket, ms: as far from its lower end as from its upper one, relatively. */
export function durationOf(bucket: number): number {
  return bucket <= 0 ? LEAST_MS : (LEAST_MS * 2 * GAMMA ** bucket) / (1 + GAMMA);
}

/** `share` of the calls took at most this, ms; 0 < share ≤ 1. Undefined without calls. */
export function percentile(buckets: Readonly<Record<string, number>>, share: number): number | undefined {
  const filled = Object.entries(buckets)
    .map(([bucket, calls]): [number, number] => [Number(bucket), Number(calls)])
    .sort(([one], [other]) => one - other);
  const total = filled.reduce((sum, [, calls]) => sum + calls, 0);
  let left = Math.max(1, Math.ceil(total * share));
  for (const [bucket, calls] of filled) {
    left -= calls;
    if (left <= 0) return durationOf(bucket);
  }
  return undefined;
}
