/** CPU and memory of the workers under load: from /proc where they run here, else from the gateway's /metrics. */

import type { Client } from "./client.ts";
import { exchange, isFailure } from "./link.ts";
import { besideMcp, httpRequest } from "./messages.ts";
import { ownCpuSeconds, residentBytes } from "./processes.ts";

export type WorkerReading = {
  readonly worker: string;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
};

export interface Probe {
  /** For the report: "/proc of 4711", "/metrics". */
  readonly source: string;
  /** Between two samples of memory, ms. */
  readonly everyMs: number;
  /** One entry per worker, in the same order each time; a reason where they cannot be read (any more). */
  read(): Promise<readonly WorkerReading[] | string>;
}

export function processProbe(pids: readonly number[]): Probe {
  return {
    source: `/proc of ${pids.join(", ")}`,
    everyMs: 250,
    async read() {
      const readings: WorkerReading[] = [];
      for (const pid of pids) {
        const [cpu, resident] = [ownCpuSeconds(pid), residentBytes(pid)];
        if (cpu === undefined || resident === undefined) return `process ${pid} is not in /proc`;
        readings.push({ worker: `pid ${pid}`, cpuSeconds: cpu, residentBytes: resident });
      }
      return readings;
    },
  };
}

/** Reads /metrics over connections of its own. Figures of another process than the first one's are refused. */
export function metricsProbe(client: Client): Probe {
  const endpoint = { ...client.endpoint, url: besideMcp(client.endpoint.url, "/metrics") };
  const request = httpRequest(endpoint, "GET", { accept: "text/plain" });
  let firstStart: number | undefined;
  return {
    source: "/metrics",
    everyMs: 1000,
    async read() {
      const link = client.open();
      const answer = await exchange(link, request);
      link.close();
      if (isFailure(answer)) return `${endpoint.url.pathname}: ${answer.kind}`;
      if (answer.status !== 200) return `${endpoint.url.pathname} was answered with HTTP ${answer.status}`;
      const text = answer.body.toString("utf8");
      const cpuSeconds = gaugeOf(text, "process_cpu_seconds_total");
      const resident = gaugeOf(text, "process_resident_memory_bytes");
      const start = gaugeOf(text, "process_start_time_seconds");
      if (cpuSeconds === undefined || resident === undefined) return "/metrics has no process_cpu_seconds_total";
      firstStart ??= start;
      if (start !== firstStart) return "/metrics is answered by several processes, or the gateway was restarted";
      return [{ worker: "/metrics", cpuSeconds, residentBytes: resident }];
    },
  };
}

/** Value of a metric without labels in the Prometheus text format. */
function gaugeOf(text: string, name: string): number | undefined {
  const value = new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1];
  return value === undefined || !Number.isFinite(Number(value)) ? undefined : Number(value);
}
