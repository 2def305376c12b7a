/** What a simulation may claim: intervals from independent samples, and quantiles from buckets. */
import { studentT } from "./student.ts";

export type Interval = {
  readonly mean: number;
  /** The true mean lies within with 95 %. */
  readonly low: number;
  readonly high: number;
  readonly samples: number;
};

export const CONFIDENCE = 0.95;

/**
 * Mean of the samples with its interval (batch means, or one sample per replication: they have to be all but independent). With fewer
 * than two samples the interval is the point itself; a sample that is NaN had nothing to measure and is left out.
 */
export function intervalOf(samples: readonly number[], confidence = CONFIDENCE): Interval {
  const known = samples.filter((sample) => !Number.isNaN(sample));
  const count = known.length;
  const mean = sum(known) / count;
  const half = count < 2 ? 0 : studentT(confidence, count - 1) * Math.sqrt(varianceOf(known, mean) / count);
  return { mean, low: mean - half, high: mean + half, samples: count };
}

function varianceOf(samples: readonly number[], mean: number): number {
  return sum(samples.map((sample) => (sample - mean) ** 2)) / (samples.length - 1);
}

/**
 * Interval of Σ parts ÷ Σ wholes over batches (waiting seconds per request, refused per arrival). The mean of the batches' quotients would
 * be too low, since a batch with many arrivals is a crowded one; the interval comes from what each batch's part exceeds its due (Cochran,
 * Sampling Techniques, ch. 6). NaN where nothing was counted.
 */
export function ratioIntervalOf(
  parts: readonly number[],
  wholes: readonly number[],
  confidence = CONFIDENCE,
): Interval {
  const whole = sum(wholes);
  const mean = sum(parts) / whole;
  const excess = intervalOf(
    parts.map((part, at) => part - mean * (wholes[at] ?? 0)),
    confidence,
  );
  const half = (excess.high - excess.mean) / (whole / wholes.length);
  return { mean, low: mean - half, high: mean + half, samples: parts.length };
}

/**
 * The same where the parts are counted among the wholes: it cannot leave 0…1, and where it never happened the upper end is what the
 * confidence still allows, (1 − p)ⁿ = 1 − confidence (the rule of three).
 */
export function shareIntervalOf(
  parts: readonly number[],
  wholes: readonly number[],
  confidence = CONFIDENCE,
): Interval {
  const { mean, low, high, samples } = ratioIntervalOf(parts, wholes, confidence);
  const unseen = 1 - (1 - confidence) ** (1 / sum(wholes));
  return { mean, low: Math.max(0, low), high: mean === 0 ? unseen : Math.min(1, high), samples };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Buckets per doubling: neighbours are 1.1 % apart. */
const PER_DOUBLING = 64;
/** The first bucket ends at a microsecond, the last begins past eleven days. */
const SMALLEST = 1e-6;
const BUCKETS = 40 * PER_DOUBLING;

/** Durations in buckets of equal ratio: quantiles with an error of half a bucket, in fixed memory. */
export class Histogram {
  readonly #buckets = new Uint32Array(BUCKETS);
  #count = 0;

  record(seconds: number): void {
    const bucket = Math.ceil(Math.log2(seconds / SMALLEST) * PER_DOUBLING);
    const at = Math.min(BUCKETS - 1, Math.max(0, bucket));
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#count += 1;
  }

  /** Seconds that `share` of the durations do not exceed; NaN without any. */
  quantile(share: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = share * this.#count;
    let below = 0;
    for (let at = 0; at < BUCKETS; at += 1) {
      const here = this.#buckets[at] ?? 0;
      if (below + here >= rank && here > 0) return SMALLEST * 2 ** ((at - 1 + (rank - below) / here) / PER_DOUBLING);
      below += here;
    }
    return SMALLEST * 2 ** ((BUCKETS - 1) / PER_DOUBLING);
  }

  clear(): void {
    this.#buckets.fill(0);
    this.#count = 0;
  }
}
