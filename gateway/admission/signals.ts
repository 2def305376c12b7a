/** What tells that this process is overloaded, besides the count of requests: its event loop, and its heap. */
import { getHeapStatistics } from "node:v8";
import type { Signal } from "./governor.ts";

/**
 * How late the timer is that reads it, relative to `boundMs`: what a request waits before its turn. `now`: ms; `everyMs`: the timer's
 * interval.
 */
export function loopDelay(boundMs: number, everyMs: number, now: () => number): Signal {
  let last = now();
  return {
    name: "event_loop",
    read() {
      const at = now();
      const late = Math.max(0, at - last - everyMs);
      last = at;
      return late / boundMs;
    },
  };
}

/** Used heap relative to `share` of what V8 may use before it gives up (--max-old-space-size). */
export function heapUse(share: number): Signal {
  return {
    name: "heap",
    read() {
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
      return used / (share * limit);
    },
  };
}

/** How many calls wait for a connection to an upstream, relative to all that run: where most only wait, more would wait longer. */
export function upstreamWait(share: number, waiting: () => number, running: () => number): Signal {
  return {
    name: "upstream_wait",
    read() {
      const count = running();
      return count === 0 ? 0 : waiting() / (share * count);
    },
  };
}
