/**
 * The budgets once more, read off the rules as literally as possible: only the inputs and the plan's own numbers, no formula of the
 * kernels. A second opinion must not share the first one's mistakes, so it imports nothing but types.
 */
import type { Plan } from "../../../contract/plan.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";
import {
  appConnections,
  arrivals,
  holds,
  type Inequality,
  met,
  most,
  requestsInFlight,
  total,
  warn,
} from "./naive-inequality.ts";
import { cluster, data, kernel, security } from "./naive-platform.ts";
import { lifetimes, retries, timeouts } from "./naive-timeouts.ts";

export { holds, type Inequality, isBorderline } from "./naive-inequality.ts";

/** Every inequality of every budget that is about numbers; a chain is as many inequalities as it has signs. */
export function inequalities(input: SizingInput, plan: Plan): readonly Inequality[] {
  return [
    ...capacity(input, plan),
    ...gatewayMemory(plan),
    ...connections(input, plan),
    ...descriptors(input, plan),
    ...timeouts(plan),
    ...lifetimes(input, plan),
    ...retries(plan),
    ...kernel(plan),
    ...cluster(input, plan),
    ...data(input, plan),
    ...security(input, plan),
    ...demands(input, plan),
  ];
}

/** Demands may be pinned, but not below what follows from everything else; a pinned part counts in what follows. */
function demands(input: SizingInput, { gateway, database, redis, pgbouncer }: Plan): readonly Inequality[] {
  const { load } = input;
  const { peakRps, burst, cacheableShare, cacheHitRatio } = load;
  const rate = arrivals(input);
  const queries = (rate * load.dbQueriesPerRequest) / 1000;
  const pools = pgbouncer === null ? 0 : pgbouncer.databases * (pgbouncer.forcedUser ? 1 : pgbouncer.users + 1);
  const derived: Readonly<Record<string, number>> = {
    "load.gatewayRps": peakRps * burst * (1 - cacheableShare * cacheHitRatio),
    "load.averageRps": rate / burst,
    "load.inFlight": (rate * load.meanLatencyMs) / 1000,
    "load.dbConnectionsBusy": queries * load.dbTxMs,
    "load.dbCores": queries * load.dbCpuMs,
    "database.appConnections": gateway.replicas.peak * gateway.workers * (database.poolPerWorker + database.overflow),
    "redis.connections": gateway.replicas.peak * gateway.workers * redis.connectionsPerWorker + 10,
    "pgbouncer.pools": pools,
    "mcp.keys": input.mcp.servers * input.mcp.identities * input.mcp.transports,
    "disruption.zones": load.zones,
  };
  return Object.entries(derived).flatMap(([path, need]) => {
    const pin = input.given[path];
    return typeof pin === "number" ? [most("I59", `${path} ≤ its pin`, need, pin)] : [];
  });
}

/** What does not hold. `severity` leaves the other kind out. */
export function violations(input: SizingInput, plan: Plan, severity?: "refuse" | "warn"): readonly Inequality[] {
  return inequalities(input, plan).filter(
    (one) => !holds(one) && (severity === undefined || one.severity === severity),
  );
}

function capacity(input: SizingInput, plan: Plan): readonly Inequality[] {
  const { load } = input;
  const { gateway, postgres, pgbouncer, autoscaling, timeouts: t } = plan;
  const { min, peak } = gateway.replicas;
  // Without an autoscaler nothing runs more than the fewest.
  const max = autoscaling.enabled ? gateway.replicas.max : min;
  const inFlight = requestsInFlight(input);
  const admitted = gateway.workers * gateway.inFlightPerWorker;
  // Without a pooler the workers' own connections are what drains the admitted requests.
  const drains =
    pgbouncer === null ? Math.max(1, appConnections(input, plan)) : pgbouncer.instances * pgbouncer.defaultPoolSize;
  const cores = total(input, "load.dbCores", (arrivals(input) * load.dbQueriesPerRequest * load.dbCpuMs) / 1000);
  const queued = (peak * admitted * load.dbQueriesPerRequest * load.dbTxMs) / 1000 / drains;
  return [
    most("I1", "1.2·L ÷ burst ≤ R_min·W·B", (1.2 * inFlight) / load.burst, min * admitted),
    most("I1", "1.2·L ≤ R_max·W·B", 1.2 * inFlight, max * admitted),
    // Beyond 70 % use waits grow without bound (queueing theory); the target that needed replicas are counted with.
    most(
      "I1",
      "λ ≤ R_max·W·rpw·0.7",
      arrivals(input),
      max * Math.min(gateway.workers, gateway.cpu) * gateway.rpsPerWorker * 0.7,
    ),
    warn(most("I4", "W ≤ ⌈cpu⌉", gateway.workers, Math.ceil(gateway.cpu))),
    ...measured(input, plan),
    most("I51", "λ·q·dbCpu ≤ 0.7·pgCpu", cores, 0.7 * postgres.cpu),
    ...upstreamSessions(input, plan),
    ...singleThreads(input, plan),
    most("I52", "R_peak·W·B·q·tx ÷ (k·default_pool) ≤ dbAcquire", queued, t.dbAcquireS),
  ];
}

/**
 * Measured means: not above what a load test of this engine found, in production. No load test found nothing, and what another engine
 * does says nothing about this one.
 */
function measured({ environment, calibration }: SizingInput, { gateway, engine }: Plan): readonly Inequality[] {
  if (environment !== "prod") return [];
  const found = calibration !== undefined && calibration.engine === engine.kind ? calibration.rpsPerWorker : 0;
  return [most("I5", "rpw ≤ measured", gateway.rpsPerWorker, found)];
}

/** What has one thread has one core: at most 70 % of it, with one instance of several lost. nginx sees what its cache answers, too. */
function singleThreads(input: SizingInput, { pgbouncer, nginx }: Plan): readonly Inequality[] {
  const { load, redis, database } = input;
  const left = (instances: number): number => (instances > 1 ? instances - 1 : 1);
  const rate = arrivals(input);
  const pooled = 0.7 * left(pgbouncer?.instances ?? 1) * database.pgbouncer.txPerSecond;
  const passed = 0.7 * left(nginx.replicas) * Math.min(nginx.cpu, nginx.workerProcesses) * input.nginx.rpsPerCore;
  return [
    ...(pgbouncer === null ? [] : [most("I55", "λ·q ≤ 0.7·poolers", rate * load.dbQueriesPerRequest, pooled)]),
    most("I56", "λ·commands ≤ 0.7·Redis", rate * redis.commandsPerRequest, 0.7 * redis.commandsPerSecond),
    most("I57", "peak·burst ≤ 0.7·nginx", load.peakRps * load.burst, passed),
  ];
}

/** "keys·maxPerKey ≤ cap" has no number among the rules; the planner gave it I53. A stateful session needs a place at the minimum. */
function upstreamSessions(input: SizingInput, { gateway, mcp }: Plan): readonly Inequality[] {
  const places = gateway.replicas.min * gateway.workers * mcp.sessionsPerWorker;
  return [
    most("I53", "keys·maxPerKey ≤ sessions of a worker", mcp.keys * mcp.maxPerKey, mcp.sessionsPerWorker),
    most(
      "I53",
      "all workers' sessions ≤ total",
      gateway.replicas.peak * gateway.workers * mcp.sessionsPerWorker,
      input.mcp.maxTotalSessions,
    ),
    warn(most("I53", "stateful sessions ≤ places at the minimum", input.load.statefulSessions, places)),
  ];
}

function gatewayMemory({ gateway }: Plan): readonly Inequality[] {
  const { workers, maxOldSpaceMiB, workerBaseMiB, inFlightPerWorker, bytesPerRequest, memoryMiB } = gateway;
  const worker = maxOldSpaceMiB + workerBaseMiB + (inFlightPerWorker * bytesPerRequest) / 1024 / 1024;
  return [
    most("I3", "W·(old + base + B·bytes) + 60 ≤ 0.9·memory", workers * worker + 60, 0.9 * memoryMiB),
    most("I3", "128 ≤ old", 128, maxOldSpaceMiB),
  ];
}

function connections(input: SizingInput, plan: Plan): readonly Inequality[] {
  const { gateway, database, pgbouncer, postgres, redis } = plan;
  const app = appConnections(input, plan);
  const clients = total(
    input,
    "redis.connections",
    gateway.replicas.peak * gateway.workers * redis.connectionsPerWorker + 10,
  );
  const servers = pgbouncer === null ? app : pgbouncer.instances * pgbouncer.maxDbConnections;
  const backends = servers + postgres.reservedConnections + postgres.directConnections;
  return [
    ...pooler(input, app, plan),
    most("I8", "servers + reserved + direct ≤ max_connections", backends, postgres.maxConnections),
    // A service that somebody else runs has its own limit; the plan's number must be one that it can have.
    ...ceiling("I8", postgres.maxConnections, input.database.postgres.ceiling),
    most("I10", "redis connections ≤ maxclients", clients, redis.maxclients),
    most("I10", "maxclients ≤ nofileHard − 32", redis.maxclients, plan.kernel.nofileHard - 32),
    ...ceiling("I10", redis.maxclients, input.redis.ceiling),
    most("I12", "cleanup ≤ p + overflow", database.cleanupConcurrency, database.poolPerWorker + database.overflow),
  ];
}

function ceiling(id: string, needed: number, allowed: number | undefined): readonly Inequality[] {
  return allowed === undefined ? [] : [most(id, "planned ≤ the managed service's ceiling", needed, allowed)];
}

function pooler(input: SizingInput, app: number, { pgbouncer }: Plan): readonly Inequality[] {
  if (pgbouncer === null) return [];
  const prepares = input.database.pgbouncer.preparedStatements;
  const [major = 0, minor = 0] = pgbouncer.version.split(".").map(Number);
  const tracks = (major > 1 || minor >= 21) && pgbouncer.maxPreparedStatements > 0;
  const { instances, maxClientConn, defaultPoolSize, reservePoolSize, minPoolSize, pools, users } = pgbouncer;
  const { maxDbConnections, maxUserConnections, resetQueryAlways } = pgbouncer;
  return [
    most("I6", "A ≤ (k − 1 or 1)·max_client", app, Math.max(1, instances - 1) * maxClientConn),
    most("I7", "(default_pool + reserve)·u ≤ max_db", (defaultPoolSize + reservePoolSize) * pools, maxDbConnections),
    most("I7", "max_db ≤ max_user·users", maxDbConnections, maxUserConnections * users),
    most("I9", "min_pool ≤ default_pool", minPoolSize, defaultPoolSize),
    met("I13", "no named prepared statements unless the pooler tracks them (1.21)", !prepares || tracks),
    warn(met("I14", "no reset query in transaction mode", !resetQueryAlways)),
  ];
}

/** Descriptors are per process, never per container: each process opens no more than it may, and may no more than the platform grants. */
function descriptors(input: SizingInput, plan: Plan): readonly Inequality[] {
  const { gateway, database, pgbouncer, postgres, redis, nginx, mcp, kernel: k } = plan;
  const worker =
    gateway.inFlightPerWorker +
    mcp.streamsPerWorker +
    (database.poolPerWorker + database.overflow) +
    redis.connectionsPerWorker +
    mcp.socketsPerOrigin * input.mcp.servers +
    mcp.sessionsPerWorker +
    64;
  const pools = pgbouncer === null ? 0 : pgbouncer.pools * (pgbouncer.defaultPoolSize + pgbouncer.reservePoolSize);
  const processes: readonly (readonly [number, number])[] = [
    [worker, gateway.nofile],
    ...(pgbouncer === null ? [] : [[pgbouncer.maxClientConn + 12 + pools + 40, pgbouncer.nofile] as const]),
    [1064, postgres.nofile],
    [redis.maxclients + 32, redis.nofile],
    [nginx.workerConnections, nginx.nofile],
  ];
  const room = Math.max(1, nginx.replicas - 1) * nginx.workerProcesses * nginx.workerConnections;
  return [
    ...processes.flatMap(([need, limit]) => [
      most("I11", "need ≤ nofile", need, limit),
      most("I11", "nofile ≤ nofileHard", limit, k.nofileHard),
    ]),
    most("I58", "2·clients ≤ connections of nginx", 2 * (input.load.concurrentUsers + input.load.sseStreams), room),
  ];
}
