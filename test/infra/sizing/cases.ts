/** Inputs that tests start from, as somebody would write them. */

type Raw = { readonly [name: string]: unknown };

/** Merges groups, replaces everything else. */
export function withChanges(base: Raw, changes: Raw): Raw {
  return Object.fromEntries(
    [...new Set([...Object.keys(base), ...Object.keys(changes)])].map((name) => {
      const [before, after] = [base[name], changes[name]];
      if (!(name in changes)) return [name, before];
      return [name, isGroup(before) && isGroup(after) ? withChanges(before, after) : after];
    }),
  );
}

function isGroup(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const measured: Raw = {
  measuredAt: "2026-11-21T10:00:00Z",
  version: "0.1.0",
  engine: "bounded",
  machine: { cpu: "test", cores: 2, memoryMiB: 24_576, runtime: "v26.9.0" },
  load: { profile: "step", era: "legacy", mix: { "tools/call": 1 }, requests: 100_000, errorShare: 0 },
  rpsPerWorker: 4000,
};

export const dev: Raw = {
  environment: "dev",
  load: {
    peakRps: 50,
    meanLatencyMs: 150,
    dbQueriesPerRequest: 0.5,
    dbTxMs: 5,
    concurrentUsers: 20,
    sseStreams: 10,
    statefulSessions: 10,
  },
  gateway: { engine: "fastify", cpu: 1, memory: "512Mi", rpsPerWorker: 150 },
  database: { postgres: { cpu: 1, memory: "1Gi" } },
  nginx: { replicas: 1 },
};

export const prod: Raw = {
  environment: "prod",
  load: {
    peakRps: 3000,
    meanLatencyMs: 250,
    dbQueriesPerRequest: 0.4,
    dbTxMs: 5,
    dbCpuMs: 1,
    zones: 3,
    concurrentUsers: 6500,
    sseStreams: 2000,
    statefulSessions: 10_000,
  },
  gateway: { engine: "bounded", cpu: 4, memory: "4Gi", rpsPerWorker: 150 },
  database: { pgbouncer: { instances: 2 }, postgres: { cpu: 8, memory: "32Gi" } },
  nginx: { replicas: 3, cpu: 2 },
  calibration: measured,
};
