/** From what was counted to the figures of the report. */
import type { Cpu, Figures } from "./report.ts";
import type { Tally } from "./tally.ts";

/** `cpu`: CPU seconds by worker over the same time, where they are known. */
export function figuresOf(tally: Tally, cpu: Readonly<Record<string, number>> | undefined): Figures {
  const { latency, requests, good, failed, shed, unsent, cut, maxInFlight, seconds, throughput, firstFailure } = tally;
  const cpuFigures = cpuOf(good, cpu);
  return {
    seconds,
    requests,
    good,
    failed,
    failedShare: share(failed, requests),
    shed,
    shedShare: share(shed, requests),
    unsent,
    cut,
    maxInFlight,
    throughput,
    latencyMs: {
      p50: latency.percentile(0.5),
      p90: latency.percentile(0.9),
      p99: latency.percentile(0.99),
      p999: latency.percentile(0.999),
      max: latency.maxMs,
    },
    failures: Object.fromEntries([...tally.failures].sort(([, a], [, b]) => b - a)),
    ...(firstFailure === undefined ? {} : { firstFailure }),
    ...(cpuFigures === undefined ? {} : { cpu: cpuFigures }),
  };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** Undefined also where nothing was served or no CPU time was seen: there is no rate then. */
function cpuOf(good: number, workers: Readonly<Record<string, number>> | undefined): Cpu | undefined {
  if (workers === undefined) return undefined;
  const seconds = Object.values(workers).reduce((sum, value) => sum + value, 0);
  if (good === 0 || seconds <= 0) return undefined;
  return { seconds, msPerRequest: (seconds * 1000) / good, requestsPerCpuSecond: good / seconds, workers };
}
