/** From a load test's report to the calibration that the plan reads as measured. */
import { type Calibration, calibrationSchema } from "../../contract/calibration.ts";
import { LoadFailure } from "./failure.ts";
import type { Cpu, LoadReport, StepReport } from "./report.ts";
import { percent } from "./verdict.ts";

/** A step with more failures than this says nothing about a service rate. */
const MAX_FAILED_SHARE = 0.01;
/** Nor does one that is far from the greatest throughput: a worker that idles is less efficient than one at full use. */
const NEAR_BEST = 0.8;
/** From here on a worker works in batches: more load makes a request hardly cheaper. */
const FULL_USE = 0.7;

/**
 * The service rate is that of the step with the greatest throughput among those in which at most 1 % failed. Throws LoadFailure where
 * there is none near the greatest throughput of all, or no CPU time to divide by.
 */
export function calibrationOf(report: LoadReport): Calibration {
  const { total, memory, bytesPerSession, coldStartS, gateway, steps, workers } = report;
  const wrong = (why: string) => new LoadFailure(`no calibration was written: ${why}`);
  if (report.outcome !== "completed") throw wrong("the load test did not run to its end");
  if ("unreachable" in workers) throw wrong(`the CPU time of the workers cannot be reached: ${workers.unreachable}`);
  if (gateway === undefined) throw wrong("the gateway does not tell its version to this caller (GET /version)");
  const engine = gateway.engine;
  if (engine !== "fastify" && engine !== "bounded")
    throw wrong(`engine ${JSON.stringify(engine)} is not one of fastify, bounded`);
  const cpu = calibratingStep(steps)?.cpu;
  if (cpu === undefined)
    throw wrong("where it served most, more than 1 % of the requests failed, or there was no CPU time to be seen");
  return calibrationSchema.parse({
    measuredAt: report.startedAt,
    version: gateway.version,
    engine,
    machine: report.machine,
    load: {
      profile: report.profile,
      era: report.era,
      mix: report.mix,
      requests: total.requests,
      errorShare: total.failedShare,
    },
    rpsPerWorker: cpu.requestsPerCpuSecond,
    ...(memory === undefined ? {} : bytesPerRequestOf(steps, memory.beforeMiB)),
    ...(bytesPerSession === undefined ? {} : { bytesPerSession }),
    ...(memory === undefined ? {} : { workerBaseMiB: perWorker(memory.beforeMiB, cpu) }),
    ...(coldStartS === undefined ? {} : { coldStartS }),
  });
}

/** What has to be said with a calibration: how far the workers were from full use, where they were. */
export function caveatOf({ steps }: LoadReport): string | undefined {
  const step = calibratingStep(steps);
  if (step?.cpu === undefined) return undefined;
  const busy = step.cpu.seconds / step.seconds / Object.keys(step.cpu.workers).length;
  if (busy >= FULL_USE) return undefined;
  return `the workers were busy ${percent(busy)} of the time. At full use they serve more per CPU second: --profile step, and no neighbours on the machine, get there.`;
}

function calibratingStep(steps: readonly StepReport[]): StepReport | undefined {
  const best = Math.max(0, ...steps.map(({ throughput }) => throughput));
  const sound = steps.filter(
    ({ failedShare, throughput }) => failedShare <= MAX_FAILED_SHARE && throughput >= NEAR_BEST * best,
  );
  return sound.toSorted((a, b) => b.throughput - a.throughput)[0];
}

/** Enough in flight that their memory outweighs a heap that grows with any load. */
const MANY_IN_FLIGHT = 1000;
const MIB = 1024 * 1024;

/** Growth of resident memory by requests in flight, the heap's included: an upper bound. Nothing where there were too few. */
function bytesPerRequestOf(steps: readonly StepReport[], beforeMiB: number): { readonly bytesPerRequest?: number } {
  const bounds = steps.flatMap(({ maxInFlight, peakMiB }) =>
    peakMiB === undefined || maxInFlight < MANY_IN_FLIGHT ? [] : [((peakMiB - beforeMiB) * MIB) / maxInFlight],
  );
  return bounds.length === 0 ? {} : { bytesPerRequest: Math.max(1, Math.round(Math.max(...bounds))) };
}

function perWorker(mib: number, { workers }: Cpu): number {
  return Math.max(1, Math.round(mib / Object.keys(workers).length));
}
