/**
 * How many slots a lane has at the moment: as many as configured while all is well, fewer while a signal says that the process is
 * overloaded although the count is not reached. Additive increase, multiplicative decrease (Chiu and Jain 1989).
 *
 * A signal counts when it stayed beyond its bound for a whole window: one long garbage collection is a burst, a delay that does not go
 * away is a queue (CoDel's distinction, RFC 8289 §3). Between half the bound and the bound nothing changes, so that it does not swing.
 */
const DECREASE = 0.75;
/** Of the configured slots. */
const INCREASE = 0.05;
const FLOOR = 0.125;
const CALM = 0.5;
/** Readings in a window. */
const WINDOW = 5;

/** Something that tells how loaded the process is, relative to its bound: 1 = at the bound. */
export type Signal = { readonly name: string; readonly read: () => number };

/** One verdict per window: the name of the signal that stayed beyond its bound, `calm`, or `between`. */
export class Pressure {
  readonly #signals: readonly Signal[];
  readonly #least: number[];
  #readings = 0;

  constructor(signals: readonly Signal[]) {
    this.#signals = signals;
    this.#least = signals.map(() => Infinity);
  }

  /** Reads every signal; undefined within a window. */
  beat(): { readonly beyond: string | undefined; readonly isCalm: boolean } | undefined {
    let at = 0;
    for (const { read } of this.#signals) {
      this.#least[at] = Math.min(this.#least[at] ?? Infinity, read());
      at++;
    }
    if (++this.#readings < WINDOW) return undefined;
    this.#readings = 0;
    const worst = Math.max(0, ...this.#least);
    const beyond = worst > 1 ? this.#signals[this.#least.indexOf(worst)]?.name : undefined;
    this.#least.fill(Infinity);
    return { beyond, isCalm: worst < CALM };
  }
}

/** After a window beyond a bound. `peak`: most that ran at once in it, for slots nobody uses cannot be what is too much. */
export function shrunk(configured: number, limit: number, peak: number): number {
  const floor = Math.max(1, Math.ceil(FLOOR * configured));
  return Math.min(limit, Math.max(floor, Math.floor(DECREASE * Math.min(limit, peak))));
}

/** After a calm window. */
export function grown(configured: number, limit: number): number {
  return Math.min(configured, limit + Math.max(1, Math.ceil(INCREASE * configured)));
}
