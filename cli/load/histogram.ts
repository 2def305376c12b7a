/** Latencies in bounded memory: log-linear buckets as in HdrHistogram, whatever the number of samples. */

/** Values below 2^8 µs are exact; above, each doubling has 2^7 buckets. */
const SUB_BITS = 7;
const EXACT = 2 ** (SUB_BITS + 1);
/** 2^32 µs, 71 minutes, is more than any request may take. */
const LIMIT_US = 2 ** 32 - 1;
const BUCKETS = EXACT + (32 - SUB_BITS - 1) * 2 ** SUB_BITS;

/** A bucket is at most 1/128 of its values wide and answers its middle: percentiles are at most this far off, beside the µs of rounding. */
export const RELATIVE_ERROR = 1 / 2 ** (SUB_BITS + 1);

export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  /** The greatest recorded value itself, ms; 0 without any. */
  get maxMs(): number {
    return this.#maxMs;
  }

  /** `ms` from 0; beyond 71 minutes it counts as 71 minutes. */
  record(ms: number): void {
    const us = Math.min(LIMIT_US, Math.max(0, Math.round(ms * 1000)));
    const index = bucketOf(us);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count += 1;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  add(other: Histogram): void {
    for (let index = 0; index < BUCKETS; index += 1)
      this.#counts[index] = (this.#counts[index] ?? 0) + (other.#counts[index] ?? 0);
    this.#count += other.#count;
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  /** The value in ms that `share` (0…1) of the samples do not exceed, by nearest rank; 0 without samples. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(this.#count * share));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index += 1) {
      seen += this.#counts[index] ?? 0;
      if (seen >= rank) return Math.min(this.#maxMs, middleOf(index) / 1000);
    }
    return this.#maxMs;
  }
}

function bucketOf(us: number): number {
  if (us < EXACT) return us;
  const shift = 31 - Math.clz32(us) - SUB_BITS;
  return shift * 2 ** SUB_BITS + (us >>> shift);
}

function middleOf(index: number): number {
  if (index < EXACT) return index;
  const shift = (index >> SUB_BITS) - 1;
  const low = (index - shift * 2 ** SUB_BITS) * 2 ** shift;
  return low + (2 ** shift - 1) / 2;
}
