/** Three accepted plans: tiny, dev, and a prod scaled so that one small machine can hold its daemons. */
import type { Plan } from "../../../contract/plan.ts";
import { plan, readInput } from "../../../infra/sizing/index.ts";

/** The plan of these inputs. Throws where it would not be accepted: a renderer gets no other. */
export function planOf(raw: Readonly<Record<string, unknown>>): Plan {
  const reading = readInput(raw);
  if (!reading.ok) throw new Error(reading.problems.map(({ message }) => message).join("\n"));
  const document = plan(reading.input);
  if (!document.accepted) throw new Error(JSON.stringify(document.refusals, null, 2));
  return document.plan;
}

/** The versions that Debian 12 ships, for its daemons are the ones that confirm these plans. */
const debian = { pgbouncer: { version: "1.18" } };

const tiny = {
  environment: "dev",
  load: { peakRps: 2, meanLatencyMs: 50, concurrentUsers: 2 },
  gateway: { cpu: 1, memory: "384Mi", rpsPerWorker: 100 },
  database: { ...debian, postgres: { version: 15, cpu: 1, memory: "768Mi" } },
  redis: { role: "cache", l2CacheMiB: 16 },
  nginx: { cacheMiB: 14, memory: "64Mi" },
};

const dev = {
  environment: "dev",
  load: { peakRps: 50, meanLatencyMs: 150, concurrentUsers: 20, sseStreams: 10, statefulSessions: 10 },
  gateway: { cpu: 1, memory: "512Mi", rpsPerWorker: 150 },
  database: { ...debian, postgres: { version: 15, cpu: 1, memory: "1Gi" } },
};

const prod = {
  environment: "prod",
  load: {
    peakRps: 600,
    meanLatencyMs: 250,
    dbQueriesPerRequest: 0.4,
    concurrentUsers: 6500,
    sseStreams: 2000,
    statefulSessions: 1000,
    zones: 3,
  },
  gateway: { engine: "bounded", cpu: 4, memory: "4Gi" },
  database: {
    pgbouncer: { ...debian.pgbouncer, instances: 2 },
    postgres: { version: 15, cpu: 2, memory: "4Gi" },
  },
  nginx: { cpu: 2, memory: "512Mi" },
  calibration: {
    measuredAt: "2026-11-01T12:00:00Z",
    version: "0.1.0",
    engine: "bounded",
    machine: { cpu: "a processor", cores: 4, memoryMiB: 8192, runtime: "26.9.0" },
    load: { profile: "step", era: "modern", mix: { "tools/call": 1 }, requests: 100_000, errorShare: 0 },
    rpsPerWorker: 400,
  },
};

export const plans = { tiny: planOf(tiny), dev: planOf(dev), prod: planOf(prod) };
export const planNames = ["tiny", "dev", "prod"] as const;
