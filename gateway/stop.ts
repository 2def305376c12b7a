/** How a running gateway ends: the first signal drains, the second cuts. Part of the composition root. */
import { endWork } from "./drain.ts";
import type { StartedEngine } from "./start-engine.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";

export const STOP_SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
/** A group is signalled as a whole and a wrapper forwards what it got: within this time it is the same signal, ms. */
export const SAME_SIGNAL_MS = 500;

/** The next of these signals, not counting those of the first `deafMs`. */
export function nextSignal(deafMs: number, signals: readonly NodeJS.Signals[] = STOP_SIGNALS): Promise<NodeJS.Signals> {
  const since = performance.now();
  return new Promise((resolve) => {
    const listener = (signal: NodeJS.Signals) => {
      if (performance.now() - since < deafMs) return;
      for (const name of signals) process.off(name, listener);
      resolve(signal);
    };
    for (const name of signals) process.on(name, listener);
  });
}

/** Waits for the first signal, drains, and takes everything down; a second signal cuts at once, a third ends the process as it is. */
export async function untilStopped(
  running: StartedEngine,
  graceMs: number,
  log: Log,
  teardown: Teardown,
): Promise<number> {
  const signal = await nextSignal(0);
  const cut = nextSignal(SAME_SIGNAL_MS).then(() => {
    log.warn("told to stop again: requests are cut");
    void nextSignal(SAME_SIGNAL_MS).then(() => process.exit(1));
  });
  log.info("shutting down", { signal });
  await Promise.race([endWork(running, "drain", graceMs, log), cut]);
  await teardown.run();
  return 0;
}
