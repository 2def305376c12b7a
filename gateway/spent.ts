/** When a worker has done enough: looked at beside the requests, which pay nothing for it. Part of the composition root. */
import type { Log } from "./telemetry/index.ts";

const REQUESTS_EVERY_MS = 20;
const MEMORY_EVERY_MS = 1000;

/** Calls `spent` once `served` has counted `maxRequests`, which is at least 1; the answer ends the watch. */
export function watchRequests(maxRequests: number, served: () => number, spent: (reason: string) => void): () => void {
  const timer = setInterval(() => {
    if (served() < maxRequests) return;
    clearInterval(timer);
    spent("requests");
  }, REQUESTS_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Calls `spent` once this process has more bytes resident than `memoryBytes`; a limit that it starts above is said and not kept. */
export function watchMemory(memoryBytes: number, log: Log, spent: (reason: string) => void): () => void {
  const startedWith = process.memoryUsage.rss();
  if (startedWith > memoryBytes) {
    log.warn("a worker needs more memory than it may have when it starts", {
      setting: "WORKER_MEMORY",
      bytes: memoryBytes,
      resident: startedWith,
    });
    return () => undefined;
  }
  const timer = setInterval(() => {
    if (process.memoryUsage.rss() <= memoryBytes) return;
    clearInterval(timer);
    spent("memory");
  }, MEMORY_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
