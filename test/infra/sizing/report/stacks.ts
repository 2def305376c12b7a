/** Inputs that the reports are shown with: the two worked examples of the sizing rules, and one that is refused. */
import { plan, readInput } from "../../../../infra/sizing/index.ts";
import type { Subject } from "../../../../infra/sizing/report/index.ts";
import { prod as worked } from "../cases.ts";

type Raw = Readonly<Record<string, unknown>>;

export const dev: Raw = {
  environment: "dev",
  load: { peakRps: 50, meanLatencyMs: 150, concurrentUsers: 20, sseStreams: 10, statefulSessions: 10 },
  gateway: { cpu: 1, memory: "512Mi" },
  database: { postgres: { cpu: 1, memory: "1Gi" } },
};

export const prod: Raw = {
  environment: "prod",
  load: worked.load,
  gateway: { engine: "bounded", cpu: 4, memory: "4Gi" },
  database: worked.database,
  nginx: worked.nginx,
  prices: { cpuMonth: 20, memoryGiBMonth: 3, storageGiBMonth: 0.1 },
  calibration: {
    measuredAt: "2026-11-20T09:30:00Z",
    version: "0.1.0",
    engine: "bounded",
    machine: { cpu: "EPYC 9354", cores: 4, memoryMiB: 16_384, runtime: "v26.9.0" },
    load: {
      profile: "step",
      era: "mixed",
      mix: { "tools/list": 0.2, "tools/call": 0.8 },
      requests: 100_000,
      errorShare: 0,
    },
    rpsPerWorker: 150,
  },
};

/** Too little memory, PgBouncer and PostgreSQL pinned too low, an evicting Redis, a backlog that the kernel cuts. */
export const refused: Raw = {
  ...dev,
  gateway: { cpu: 1, memory: "300Mi", workers: 2 },
  given: {
    "pgbouncer.maxClientConn": 4,
    "postgres.maxConnections": 20,
    "redis.policy": "allkeys-lru",
    "gateway.backlog": 8192,
    "timeouts.toolS": 120,
  },
};

/** Throws where the inputs of a test cannot be read. */
export function subjectOf(title: string, raw: Raw): Subject {
  const reading = readInput(raw);
  if (!reading.ok) throw new Error(reading.problems.map(({ message }) => message).join("\n"));
  return { title, input: reading.input, document: plan(reading.input) };
}
