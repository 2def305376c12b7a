/** When requests come: Poisson arrivals whose rate changes in steps, or jumps at random between calm and burst (MMPP). */
import type { Random } from "./random.ts";

/** A rate (per second) that holds until a time, seconds from the start. */
export type Step = { readonly untilS: number; readonly rate: number };

export type ArrivalPattern =
  | { readonly kind: "steps"; readonly steps: readonly Step[] }
  | {
      readonly kind: "bursts";
      readonly calmRate: number;
      readonly burstRate: number;
      /** Mean lengths; each is exponential. */
      readonly calmS: number;
      readonly burstS: number;
    };

/** Mean arrivals per second of a pattern that goes on (of steps, the last). */
export function meanRate(pattern: ArrivalPattern): number {
  if (pattern.kind === "steps") return pattern.steps.at(-1)?.rate ?? 0;
  const { calmRate, burstRate, calmS, burstS } = pattern;
  return (calmRate * calmS + burstRate * burstS) / (calmS + burstS);
}

export class Arrivals {
  readonly #pattern: ArrivalPattern;
  readonly #random: Random;
  /** Draws the lengths of calm and burst, so that they are the same at any rate. */
  readonly #moods: Random;
  #rate = 0;
  #until = 0;
  #step = -1;

  constructor(pattern: ArrivalPattern, random: Random, moods: Random) {
    this.#pattern = pattern;
    this.#random = random;
    this.#moods = moods;
  }

  /** Time of the first arrival after `now`: a unit exponential is spent at the rate of each step; Infinity when none comes any more. */
  after(now: number): number {
    let owed = this.#random.exponential();
    let time = now;
    for (;;) {
      if (time >= this.#until) this.#advance();
      const spent = this.#rate * (this.#until - time);
      if (spent >= owed) return time + owed / this.#rate;
      if (this.#until === Number.POSITIVE_INFINITY) return this.#until;
      owed -= spent;
      time = this.#until;
    }
  }

  #advance(): void {
    this.#step += 1;
    const pattern = this.#pattern;
    if (pattern.kind === "steps") {
      const step = pattern.steps[this.#step];
      this.#rate = step?.rate ?? 0;
      this.#until = step?.untilS ?? Number.POSITIVE_INFINITY;
      return;
    }
    const isBurst = this.#step % 2 === 1;
    this.#rate = isBurst ? pattern.burstRate : pattern.calmRate;
    this.#until += (isBurst ? pattern.burstS : pattern.calmS) * this.#moods.exponential();
  }
}
