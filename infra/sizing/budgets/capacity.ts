/** Can it carry the load: workers, memory, database processor. */
import type { Plan } from "../../../contract/plan.ts";
import { calibrationFor, LEAST_HEAP_MIB, MEMORY_SHARE, PRIMARY_MIB, TARGET_USE } from "../kernels/gateway.ts";
import { type BudgetRule, type Case, refuse, warn } from "./rule.ts";

const MIB = 1024 * 1024;
const REPLICA = "gateway.workers";
const MOST = ["gateway.replicas.max", "gateway.replicas.min", "autoscaling.enabled"];

function heapNeed({ plan: { gateway } }: Case): number {
  const requests = (gateway.inFlightPerWorker * gateway.bytesPerRequest) / MIB;
  return gateway.workers * (gateway.maxOldSpaceMiB + gateway.workerBaseMiB + requests) + PRIMARY_MIB;
}

/** What runs at most: without the autoscaler the fewest are all there are. */
function mostReplicas({ gateway, autoscaling }: Plan): number {
  return autoscaling.enabled ? gateway.replicas.max : gateway.replicas.min;
}

export const capacity: readonly BudgetRule[] = [
  refuse({
    id: "I1",
    statement: "1.2 · average requests in flight ≤ fewest replicas · workers · in flight per worker",
    unit: "requests in flight",
    source: "Little's law; a fifth in reserve",
    terms: ["load.inFlight", "input.load.burst", "gateway.replicas.min", REPLICA, "gateway.inFlightPerWorker"],
    sides: ({ input, plan: { load, gateway } }) => [
      (1.2 * load.inFlight) / input.load.burst,
      gateway.replicas.min * gateway.workers * gateway.inFlightPerWorker,
    ],
  }),
  refuse({
    id: "I1",
    statement: "1.2 · requests in flight at the peak ≤ most replicas · workers · in flight per worker",
    unit: "requests in flight",
    source: "Little's law; a fifth in reserve",
    terms: ["load.inFlight", ...MOST, REPLICA, "gateway.inFlightPerWorker"],
    sides: ({ plan }) => [
      1.2 * plan.load.inFlight,
      mostReplicas(plan) * plan.gateway.workers * plan.gateway.inFlightPerWorker,
    ],
  }),
  refuse({
    id: "I1",
    statement: "requests per second at the peak ≤ most replicas · workers with a core · service rate · 0.7",
    unit: "requests/s",
    source: "queueing theory: beyond 70 % use waits grow without bound",
    terms: ["load.gatewayRps", ...MOST, REPLICA, "gateway.cpu", "gateway.rpsPerWorker"],
    sides: ({ plan }) => [
      plan.load.gatewayRps,
      mostReplicas(plan) * Math.min(plan.gateway.workers, plan.gateway.cpu) * plan.gateway.rpsPerWorker * TARGET_USE,
    ],
  }),
  refuse({
    id: "I3",
    statement: "workers · (heap + base + requests in flight) + primary ≤ 0.9 · memory of a replica",
    unit: "MiB",
    source: "V8's heap limit is per process; a tenth for what nobody counts",
    terms: [
      REPLICA,
      "gateway.maxOldSpaceMiB",
      "gateway.workerBaseMiB",
      "gateway.inFlightPerWorker",
      "gateway.bytesPerRequest",
      "gateway.memoryMiB",
    ],
    sides: (of) => [heapNeed(of), MEMORY_SHARE * of.plan.gateway.memoryMiB],
  }),
  refuse({
    id: "I3",
    statement: "least heap of a worker ≤ heap",
    unit: "MiB",
    source: "measured: a worker with its libraries does not run well below it",
    terms: ["gateway.maxOldSpaceMiB"],
    sides: ({ plan }) => [LEAST_HEAP_MIB, plan.gateway.maxOldSpaceMiB],
  }),
  warn({
    id: "I4",
    statement: "workers of a replica ≤ its cores",
    unit: "workers",
    source: "a worker is one event loop on one core",
    terms: [REPLICA, "gateway.cpu"],
    sides: ({ plan: { gateway } }) => [gateway.workers, Math.ceil(gateway.cpu)],
  }),
  refuse({
    id: "I5",
    statement:
      "planned service rate of a worker ≤ service rate that a load test measured with the same engine (mcp-stack load --calibration)",
    unit: "requests/s per worker",
    source: "a production plan does not rest on a guess",
    terms: ["gateway.rpsPerWorker", "engine.kind", "input.calibration"],
    sides: ({ input, plan }) =>
      input.environment === "dev"
        ? undefined
        : [plan.gateway.rpsPerWorker, calibrationFor(input, plan.engine.kind)?.rpsPerWorker ?? 0],
  }),
  refuse({
    id: "I51",
    statement: "database processor time at the peak ≤ 0.7 · cores of PostgreSQL",
    unit: "cores",
    source: "queueing theory: beyond 70 % use waits grow without bound",
    terms: ["load.dbCores", "postgres.cpu"],
    sides: ({ plan }) => [plan.load.dbCores, TARGET_USE * plan.postgres.cpu],
  }),
  refuse({
    id: "I52",
    statement: "time in which the database drains all that may be admitted ≤ wait for a connection",
    unit: "s",
    source: "what is let in beyond that can only time out",
    terms: [
      "gateway.replicas.peak",
      REPLICA,
      "gateway.inFlightPerWorker",
      "input.load.dbQueriesPerRequest",
      "input.load.dbTxMs",
      "pgbouncer.instances",
      "pgbouncer.defaultPoolSize",
      "database.appConnections",
      "timeouts.dbAcquireS",
    ],
    sides: ({ input: { load }, plan: { gateway, pgbouncer, database, timeouts } }) => {
      const servers =
        pgbouncer === null ? Math.max(1, database.appConnections) : pgbouncer.instances * pgbouncer.defaultPoolSize;
      const admitted = gateway.replicas.peak * gateway.workers * gateway.inFlightPerWorker;
      return [(admitted * load.dbQueriesPerRequest * load.dbTxMs) / 1000 / servers, timeouts.dbAcquireS];
    },
  }),
  refuse({
    id: "I53",
    statement: "upstream sessions that a worker keeps apart (servers · identities · transports · per key) ≤ its cap",
    unit: "sessions",
    source: "a key without room would evict another client's session",
    terms: ["mcp.keys", "mcp.maxPerKey", "mcp.sessionsPerWorker"],
    sides: ({ plan: { mcp } }) => [mcp.keys * mcp.maxPerKey, mcp.sessionsPerWorker],
  }),
  refuse({
    id: "I53",
    statement: "sessions of all workers at the worst instant ≤ upstream sessions of the whole deployment",
    unit: "sessions",
    source: "mcp.maxTotalSessions: what the upstreams are asked to bear",
    terms: ["gateway.replicas.peak", REPLICA, "mcp.sessionsPerWorker", "input.mcp.maxTotalSessions"],
    sides: ({ input, plan: { gateway, mcp } }) => [
      gateway.replicas.peak * gateway.workers * mcp.sessionsPerWorker,
      input.mcp.maxTotalSessions,
    ],
  }),
  warn({
    id: "I53",
    statement: "stateful sessions ≤ fewest replicas · workers · sessions per worker",
    unit: "sessions",
    source: "a session of a stateful upstream lives in one worker",
    terms: ["input.load.statefulSessions", "gateway.replicas.min", REPLICA, "mcp.sessionsPerWorker"],
    sides: ({ input, plan: { gateway, mcp } }) => [
      input.load.statefulSessions,
      gateway.replicas.min * gateway.workers * mcp.sessionsPerWorker,
    ],
  }),
  refuse({
    id: "I55",
    statement: "database transactions at the peak ≤ 0.7 · what the poolers pass on, one instance of several lost",
    unit: "transactions/s",
    source: "PgBouncer is single-threaded (its documentation); beyond 70 % use waits grow without bound",
    terms: [
      "load.gatewayRps",
      "input.load.dbQueriesPerRequest",
      "pgbouncer.instances",
      "input.database.pgbouncer.txPerSecond",
    ],
    sides: ({ input, plan: { load, pgbouncer } }) =>
      pgbouncer === null
        ? undefined
        : [
            load.gatewayRps * input.load.dbQueriesPerRequest,
            TARGET_USE * Math.max(1, pgbouncer.instances - 1) * input.database.pgbouncer.txPerSecond,
          ],
  }),
  refuse({
    id: "I56",
    statement: "Redis commands at the peak ≤ 0.7 · what one instance serves (beyond it: a cluster of shards)",
    unit: "commands/s",
    source: "Redis runs commands on one thread; beyond 70 % use waits grow without bound",
    terms: ["load.gatewayRps", "input.redis.commandsPerRequest", "input.redis.commandsPerSecond"],
    sides: ({ input: { redis }, plan }) => [
      plan.load.gatewayRps * redis.commandsPerRequest,
      TARGET_USE * redis.commandsPerSecond,
    ],
  }),
  refuse({
    id: "I57",
    statement: "requests at the peak of a burst ≤ 0.7 · what nginx passes on, one instance of several lost",
    unit: "requests/s",
    source: "queueing theory: beyond 70 % use waits grow without bound",
    terms: [
      "input.load.peakRps",
      "input.load.burst",
      "nginx.replicas",
      "nginx.cpu",
      "nginx.workerProcesses",
      "input.nginx.rpsPerCore",
    ],
    sides: ({ input, plan: { nginx } }) => [
      input.load.peakRps * input.load.burst,
      TARGET_USE *
        Math.max(1, nginx.replicas - 1) *
        Math.min(nginx.cpu, nginx.workerProcesses) *
        input.nginx.rpsPerCore,
    ],
  }),
];
