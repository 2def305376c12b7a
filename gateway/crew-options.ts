/** What crews of processes and crews of threads are run with alike. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";

export const BYTES_PER_MIB = 1024 * 1024;
/** A worker that has served for `maxMs` has started well. */
export const RESTART = { minMs: 200, maxMs: 10_000 } as const;
/** Loading the program and building the rooms, on a slow machine that starts all workers at once. */
const BUILD_MS = 30_000;

/** A worker may wait for its database and its Redis as long as the gateway may. */
export function startTimeoutMs(settings: Settings): number {
  return settings.STARTUP_TIMEOUT * 1000 + BUILD_MS;
}
