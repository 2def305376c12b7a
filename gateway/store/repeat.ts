/** Work on the database that is done again, where nothing can have come of it the first time. */
import { setTimeout as pause } from "node:timers/promises";
import { isLostConnection, isRolledBack } from "./failures.ts";

export type RepeatOptions = {
  /** Repetitions at most. */
  readonly maxRetries: number;
  readonly intervalMs: number;
  readonly maxPauseMs: number;
  /** No repetition begins later than this after the first try, ms. */
  readonly withinMs: number;
  /** 0 to 1. */
  readonly random: () => number;
  readonly repeated: () => void;
};

/**
 * How far a try had come when it failed. `before`: nothing was sent. `reading`: what was sent changes nothing. `writing`: it may have been
 * done, unless the server says that it rolled it back.
 */
export type Reach = { stage: "before" | "reading" | "writing" };

/** Pause before the `tries`-th repetition, from 1 on: doubled each time, and up to half less by chance, so that processes do not come together. */
export function pauseBefore(
  tries: number,
  { intervalMs, maxPauseMs, random }: Pick<RepeatOptions, "intervalMs" | "maxPauseMs" | "random">,
): number {
  return Math.min(maxPauseMs, intervalMs * 2 ** Math.min(tries - 1, 20)) * (1 - random() / 2);
}

/** Rejects with the last failure. `work` says in `reach` how far it has come. */
export async function repeating<T>(options: RepeatOptions, work: (reach: Reach) => Promise<T>): Promise<T> {
  const began = performance.now();
  for (let tries = 1; ; tries++) {
    const reach: Reach = { stage: "before" };
    try {
      return await work(reach);
    } catch (error) {
      const isSafe = isRolledBack(error) || (reach.stage !== "writing" && isLostConnection(error));
      const wait = pauseBefore(tries, options);
      if (!isSafe || tries > options.maxRetries || performance.now() - began + wait > options.withinMs) throw error;
      options.repeated();
      await pause(wait);
    }
  }
}
