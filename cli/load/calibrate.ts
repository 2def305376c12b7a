/** From a load test's report to the calibration that the plan reads as measured. */
import { type Calibration, calibrationSchema } from "../../contract/calibration.ts";
import { LoadFailure } from "./failure.ts";
import type { Cpu, LoadReport, StepReport } from "./report.ts";

/** A step with more failures than this says nothing about a service rate. */
const MAX_FAILED_SHARE = 0.01;

/**
 * The service rate is that of the step with the greatest throughput among those in which at most 1 % failed: of a profile with one
 * step that is all of it. Throws LoadFailure where there is no such step or no CPU time to divide by.
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
  const cpu = serviceRate(steps);
  if (cpu === undefined)
    throw wrong("no step served requests with at most 1 % of failures and a CPU time that can be read");
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
    ...(bytesPerSession === undefined ? {} : { bytesPerSession }),
    ...(memory === undefined ? {} : { workerBaseMiB: perWorker(memory.beforeMiB, cpu) }),
    ...(coldStartS === undefined ? {} : { coldStartS }),
  });
}

function serviceRate(steps: readonly StepReport[]): Cpu | undefined {
  const sound = steps.filter(({ failedShare, cpu }) => failedShare <= MAX_FAILED_SHARE && cpu !== undefined);
  return sound.toSorted((a, b) => b.throughput - a.throughput)[0]?.cpu;
}

function perWorker(mib: number, { workers }: Cpu): number {
  return Math.max(1, Math.round(mib / Object.keys(workers).length));
}
