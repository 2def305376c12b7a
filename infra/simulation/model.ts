/** A plan as the simulation sees it: capacities, mean times and limits, all in seconds and cores. */

import type { Plan } from "../../contract/plan.ts";
import { coldStart, meanWait, type SizingInput, singleServerWait } from "../sizing/index.ts";
import { type Spread, VARIANCE } from "./random.ts";

export type Model = {
  readonly workers: number;
  /** Requests that a worker lets in; Infinity for an engine that queues. */
  readonly admission: number;
  /** Processor time of a request on one core. */
  readonly cpuS: number;
  /** Cores that a busy worker uses. */
  readonly coresPerWorker: number;
  readonly cpuRequest: number;
  readonly spread: Spread;
  /** Share of the requests that nginx answers from its cache. */
  readonly hitShare: number;
  readonly nginxes: number;
  readonly upstreamS: number;
  readonly transactions: number;
  readonly txS: number;
  /** Of a transaction's time, the part on a processor of the database. */
  readonly txCpuShare: number;
  /** Connections of a worker. */
  readonly pool: number;
  readonly acquireS: number;
  readonly handlerS: number;
  /** Null where workers reach the database directly. */
  readonly pooler: Pooler | null;
  readonly databaseServers: number;
  /** Speed of one of them: fractional cores are slower whole ones. */
  readonly databaseSpeed: number;
  readonly coldStartS: number;
  readonly preStopS: number;
  readonly graceS: number;
  readonly minReadyS: number;
  readonly surge: number;
  readonly zones: number;
};

export type Pooler = {
  readonly instances: number;
  readonly size: number;
  /** With the reserve, and never beyond max_db_connections. */
  readonly sizeWithReserve: number;
  readonly minSize: number;
  readonly reserveS: number;
  readonly queryWaitS: number;
};

/** minReadySeconds of the Deployment: how long a replica has to be ready before the rollout goes on. */
const MIN_READY_S = 10;

/**
 * The input's mean latency is the whole of it at the planned peak, so the upstream gets what processor, its queue and the transactions
 * leave; nothing is left where the input contradicts itself.
 */
export function modelOf(input: SizingInput, plan: Plan, spread: Spread): Model {
  const { gateway, database, pgbouncer, postgres, load, timeouts } = plan;
  const { cacheableShare, cacheHitRatio, dbQueriesPerRequest, dbTxMs, dbCpuMs, meanLatencyMs } = input.load;
  // More workers than cores share them.
  const coresPerWorker = Math.min(1, gateway.cpu / gateway.workers);
  const cpuS = 1 / (gateway.rpsPerWorker * coresPerWorker);
  const txS = dbTxMs / 1000;
  const pool = database.poolPerWorker + database.overflow;
  const perWorker = load.gatewayRps / (steadyReplicas(plan) * gateway.workers);
  const cpuWaitS = finite(singleServerWait(perWorker, cpuS, VARIANCE[spread]));
  const poolWaitS = finite(meanWait(pool, perWorker * dbQueriesPerRequest, txS));
  const upstreamS = meanLatencyMs / 1000 - cpuS - cpuWaitS - dbQueriesPerRequest * (txS + poolWaitS);
  const databaseServers = Math.max(1, Math.floor(postgres.cpu));
  return {
    workers: gateway.workers,
    admission: plan.engine.kind === "bounded" ? gateway.inFlightPerWorker : Number.POSITIVE_INFINITY,
    cpuS,
    coresPerWorker,
    cpuRequest: gateway.cpuRequest,
    spread,
    hitShare: cacheableShare * cacheHitRatio,
    nginxes: plan.nginx.replicas,
    upstreamS: Math.max(0, upstreamS),
    transactions: dbQueriesPerRequest,
    txS,
    txCpuShare: dbCpuMs / dbTxMs,
    pool,
    acquireS: timeouts.dbAcquireS,
    handlerS: timeouts.handlerS,
    pooler: pgbouncer === null ? null : poolerOf(pgbouncer),
    databaseServers,
    databaseSpeed: postgres.cpu / databaseServers,
    coldStartS: coldStart(input, plan.engine.kind),
    preStopS: timeouts.preStopS,
    graceS: timeouts.graceS,
    minReadyS: MIN_READY_S,
    // Kubernetes refuses a rollout that may neither add nor remove.
    surge: Math.max(1, plan.autoscaling.surge),
    zones: plan.disruption.zones,
  };
}

function poolerOf(pgbouncer: NonNullable<Plan["pgbouncer"]>): Pooler {
  const { defaultPoolSize, reservePoolSize, maxDbConnections } = pgbouncer;
  return {
    instances: pgbouncer.instances,
    size: Math.min(defaultPoolSize, maxDbConnections),
    sizeWithReserve: Math.min(defaultPoolSize + reservePoolSize, maxDbConnections),
    minSize: pgbouncer.minPoolSize,
    reserveS: pgbouncer.reservePoolTimeoutS,
    queryWaitS: pgbouncer.queryWaitTimeoutS,
  };
}

/** Replicas that run at a load (requests per second at the gateway) when the autoscaler has come to rest at 70 %. */
export function replicasAt(plan: Plan, rps: number, use = 0.7): number {
  const { min, max } = plan.gateway.replicas;
  if (!plan.autoscaling.enabled) return min;
  const needed = Math.ceil(
    rps / (Math.min(plan.gateway.workers, plan.gateway.cpu) * plan.gateway.rpsPerWorker * use) - 1e-9,
  );
  return Math.min(max, Math.max(min, needed));
}

export function steadyReplicas(plan: Plan): number {
  return replicasAt(plan, plan.load.gatewayRps);
}

/** A queue that never comes to rest has no mean wait to take off. */
function finite(seconds: number): number {
  return Number.isFinite(seconds) ? seconds : 0;
}
