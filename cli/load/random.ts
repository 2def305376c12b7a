/** Random numbers from a seed, so that a run asks the same questions in the same order again. */

/** Answers numbers from 0 up to, not including, 1. mulberry32 (Tommy Ettinger, public domain): 32 bits of state, period 2^32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
