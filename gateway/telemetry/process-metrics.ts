/** What a process, and each event loop in it, says about itself at each scrape. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "./registry.ts";

const NANOSECONDS = 1e9;

/** Registers what runs. `settings`: the fingerprint of those in force. */
export function collectBuild(metrics: Metrics, version: string, settings: string): void {
  metrics.collect("mcp_build_info", (set) => set(1, version, process.version, settings));
}

/** Registers what is true of a process as a whole, whatever the number of its threads. */
export function collectProcessMetrics(metrics: Metrics): void {
  const startedAt = Date.now() / 1000 - process.uptime();
  metrics.collect("process_start_time_seconds", (set) => set(startedAt));
  metrics.collect("process_cpu_seconds_total", (set) => {
    const { user, system } = process.cpuUsage();
    set((user + system) / 1e6);
  });
  metrics.collect("process_resident_memory_bytes", (set) => set(process.memoryUsage.rss()));
}

/** Registers what is true of the event loop and the heap it is called in; the answer stops the event loop monitor. */
export function collectLoopMetrics(metrics: Metrics): () => void {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  metrics.collect("process_heap_bytes", (set) => set(process.memoryUsage().heapUsed));
  metrics.collect("nodejs_eventloop_delay_seconds", (set) => {
    set(delay.percentile(50) / NANOSECONDS, "p50");
    set(delay.percentile(99) / NANOSECONDS, "p99");
    set(delay.max / NANOSECONDS, "max");
    delay.reset();
  });
  return () => {
    delay.disable();
  };
}
