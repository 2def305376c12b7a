/** Chores: what one process of a deployment does every so often, for as long as it holds the lease of that name. */
import { setTimeout as pause } from "node:timers/promises";
import { holdLease, type Lease, type LeaseOptions } from "./lease.ts";
import type { SharedState } from "./types.ts";

export type Chore = {
  /** How long after the lease was taken it is done first, ms; 0: at once. */
  readonly firstMs: number;
  /** Does it and answers how long to wait before the next time, ms. Never rejects; ends soon once the signal aborts. */
  readonly run: (signal: AbortSignal) => number | Promise<number>;
};

/**
 * Never does one chore twice at a time. What began before the lease was lost may end after it, beside the next holder's: chores are such
 * that this does no harm, or they fence what they write. close() waits for what has begun. Throws RangeError as holdLease does.
 */
export function holdChores(state: SharedState, options: LeaseOptions, chores: readonly Chore[]): Lease {
  let working: Promise<unknown> = Promise.resolve();
  const lease = holdLease(state, options, {
    async acquired(_, signal) {
      const before = working;
      const turns = chores.map((chore) => before.then(() => repeat(chore, signal)));
      working = Promise.allSettled(turns);
      await Promise.all(turns);
    },
    lost: () => undefined,
  });
  return {
    get fence() {
      return lease.fence;
    },
    async close() {
      await lease.close();
      await working;
    },
  };
}

async function repeat({ firstMs, run }: Chore, signal: AbortSignal): Promise<void> {
  for (let ms = firstMs; ; ms = await run(signal)) {
    if (ms > 0) await pause(ms, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
  }
}
