/** Finds workers whose event loop does not turn: they say that it does, and fall silent when it does not. */
import { beatEveryMs } from "./attend.ts";
import type { Hand } from "./hand.ts";

/** Calls `stuck` once for each worker that has said nothing for `timeoutMs`; 0 watches nothing. The answer ends the watch. */
export function watchBeats(hands: ReadonlySet<Hand>, timeoutMs: number, stuck: (hand: Hand) => void): () => void {
  if (timeoutMs === 0) return () => undefined;
  const everyMs = beatEveryMs(timeoutMs);
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    // What did not hear is not to say that nobody spoke: this process stood still itself, or the machine slept.
    const stoodStillMs = now - last - everyMs;
    last = now;
    for (const hand of hands) {
      if (stoodStillMs > everyMs) hand.lastHeard += stoodStillMs;
      const serves = hand.state === "ready" || hand.state === "leaving";
      if (serves && hand.killedFor === undefined && now - hand.lastHeard > timeoutMs) stuck(hand);
    }
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
