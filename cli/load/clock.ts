/** The machine's clock, as the generator wants it. */
import type { Clock } from "./generator.ts";

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
