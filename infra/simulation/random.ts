/**
 * Seeded random numbers: xoshiro128** (Blackman and Vigna, prng.di.unimi.it/xoshiro128starstar.c), seeded by SplitMix64 as its authors
 * advise. One stream per purpose, so that a change of one part of the model leaves the draws of the others as they were.
 */

const MASK = (1n << 64n) - 1n;
/** The generator's jump: as many steps ahead as 2^64 draws, so that streams never meet. */
const JUMP = [0x8764000b, 0xf542d2d3, 0x6fa035c3, 0x77f2db5b] as const;
const SHARE_OF_ONE = 2 ** -32;

/** SplitMix64 (Steele, Lea, Flood 2014): the first `count` outputs of a seed. */
export function splitMix64(seed: bigint, count: number): readonly bigint[] {
  const outputs: bigint[] = [];
  let state = seed & MASK;
  while (outputs.length < count) {
    state = (state + 0x9e3779b97f4a7c15n) & MASK;
    let mixed = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK;
    outputs.push(mixed ^ (mixed >> 31n));
  }
  return outputs;
}

export class Random {
  /** Four words of state, never all zero. */
  readonly #state: Int32Array;

  constructor(words: readonly [number, number, number, number]) {
    this.#state = Int32Array.from(words);
  }

  /** The next word, 0 … 2^32 − 1. */
  word(): number {
    const state = this.#state;
    const s0 = state[0] ?? 0;
    const s1 = state[1] ?? 0;
    const s2 = (state[2] ?? 0) ^ s0;
    const s3 = (state[3] ?? 0) ^ s1;
    const product = Math.imul(s1, 5);
    state[0] = s0 ^ s3;
    state[1] = s1 ^ s2;
    state[2] = s2 ^ (s1 << 9);
    state[3] = (s3 << 11) | (s3 >>> 21);
    return Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
  }

  /** Uniform in (0, 1), neither end. */
  share(): number {
    return (this.word() + 0.5) * SHARE_OF_ONE;
  }

  /** Uniform whole number, 0 … below − 1. */
  below(below: number): number {
    return Math.floor(this.word() * SHARE_OF_ONE * below);
  }

  /** Exponential with mean 1. */
  exponential(): number {
    return -Math.log(this.share());
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(this.share())) * Math.cos(2 * Math.PI * this.share());
  }

  /** Leaves this generator 2^64 draws further and answers one that goes on where it stood. */
  split(): Random {
    const state = this.#state;
    const here = new Random([state[0] ?? 0, state[1] ?? 0, state[2] ?? 0, state[3] ?? 0]);
    const ahead = new Int32Array(4);
    for (const jump of JUMP) {
      for (let bit = 0; bit < 32; bit += 1) {
        if ((jump >>> bit) & 1)
          for (let word = 0; word < 4; word += 1) ahead[word] = (ahead[word] ?? 0) ^ (state[word] ?? 0);
        this.word();
      }
    }
    state.set(ahead);
    return here;
  }
}

/** The generator of a seed (a whole number): two outputs of SplitMix64 are its four words. */
export function randomOf(seed: number): Random {
  const [first = 0n, second = 0n] = splitMix64(BigInt(seed), 2);
  return new Random([
    Number(first & 0xffffffffn),
    Number(first >> 32n),
    Number(second & 0xffffffffn),
    Number(second >> 32n),
  ]);
}

/** How long a service takes relative to its mean: exponential (the theory's), always the same, or lognormal with the same spread (cv 1). */
export type Spread = "exponential" | "deterministic" | "lognormal";

/** Of a lognormal with mean 1 and variance 1: σ² = ln 2, μ = −σ²÷2. */
const SIGMA = Math.sqrt(Math.LN2);
const MU = -Math.LN2 / 2;

/** A time with mean 1. */
export function drawTime(random: Random, spread: Spread): number {
  if (spread === "exponential") return random.exponential();
  return spread === "deterministic" ? 1 : Math.exp(MU + SIGMA * random.normal());
}

/** Variance of a spread with mean 1: what the wait in a queue depends on besides the load (Pollaczek and Khinchine). */
export const VARIANCE: Readonly<Record<Spread, number>> = { exponential: 1, deterministic: 0, lognormal: 1 };
