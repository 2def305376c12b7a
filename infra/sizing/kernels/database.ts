/** Pools of the gateway, PgBouncer and the connections that PostgreSQL has to allow. */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { serversFor } from "../queueing.ts";
import { up } from "../rounding.ts";

/** Share of transactions that may wait for a connection (Erlang-C). */
export const WAITING_SHARE = 0.05;
/** Fewest connections of a worker: one may be held by a long transaction. */
const LEAST_POOL = 2;
/** What PgBouncer 1.18 reports to need besides clients and servers, and room for DNS, log and administration. */
const POOLER_DESCRIPTORS = 12;
const OTHER_DESCRIPTORS = 40;

type Pooler = NonNullable<Plan["pgbouncer"]>;

/** Pool per worker: the smallest with which at most 5 % of transactions wait when the fewest replicas carry the peak. */
export function planPools(
  input: SizingInput,
  load: Plan["load"],
  replicas: Plan["gateway"]["replicas"],
  workers: number,
  derive: Derivation,
): Plan["database"] {
  const poolPerWorker = derive.number(
    "database.poolPerWorker",
    serversFor(load.dbConnectionsBusy / (replicas.min * workers), WAITING_SHARE, LEAST_POOL),
    "smallest pool ≥ 2 with ErlangC(pool, dbConnectionsBusy ÷ (min · workers)) ≤ 0.05",
    ["load.dbConnectionsBusy", "gateway.replicas.min", "gateway.workers"],
  );
  const overflow = derive.number("database.overflow", input.database.overflow, "overflow", ["input.database.overflow"]);
  return {
    mode: derive.word("database.mode", input.database.mode, "mode", ["input.database.mode"]),
    poolPerWorker,
    overflow,
    appConnections: derive.demand(
      "database.appConnections",
      replicas.peak * workers * (poolPerWorker + overflow),
      "peak · workers · (poolPerWorker + overflow)",
      ["gateway.replicas.peak", "gateway.workers", "database.poolPerWorker", "database.overflow"],
    ),
    recycleS: derive.standard("database.recycleS", 60, "the documents: below half of client_idle_timeout"),
    cleanupConcurrency: derive.number(
      "database.cleanupConcurrency",
      Math.min(20, poolPerWorker + overflow),
      "min(20, poolPerWorker + overflow)",
      ["database.poolPerWorker", "database.overflow"],
    ),
  };
}

/** Pools and limits of one PgBouncer instance; `instances` of them, any one of which may be lost. */
export function planPooler(
  input: SizingInput,
  load: Plan["load"],
  database: Plan["database"],
  postgresCpu: number,
  derive: Derivation,
): Pooler | null {
  if (database.mode === "direct") return null;
  const { pgbouncer } = input.database;
  const at = (path: string, value: number, source: string) => derive.standard(path, value, source);
  const instances = derive.number("pgbouncer.instances", pgbouncer.instances, "instances", [
    "input.database.pgbouncer.instances",
  ]);
  const users = derive.number("pgbouncer.users", pgbouncer.users, "users", ["input.database.pgbouncer.users"]);
  const databases = derive.number("pgbouncer.databases", pgbouncer.databases, "databases", [
    "input.database.pgbouncer.databases",
  ]);
  const forcedUser = derive.flag("pgbouncer.forcedUser", pgbouncer.forcedUser, "forcedUser", [
    "input.database.pgbouncer.forcedUser",
  ]);
  const pools = derive.demand(
    "pgbouncer.pools",
    databases * (forcedUser ? 1 : users + 1),
    "databases · (users + 1); one per database with a forced user",
    ["pgbouncer.databases", "pgbouncer.users", "pgbouncer.forcedUser"],
  );
  const busy = serversFor(load.dbConnectionsBusy, WAITING_SHARE, 1);
  // Instances share no queue: split in two, a pool needs more than half.
  const perInstance = serversFor(load.dbConnectionsBusy / instances, WAITING_SHARE, 1);
  const defaultPoolSize = derive.number(
    "pgbouncer.defaultPoolSize",
    Math.max(perInstance, up(Math.max(busy, 2 * postgresCpu + 1) / instances)),
    "max(c(dbConnectionsBusy ÷ instances), ⌈max(c(dbConnectionsBusy), 2 · cpu + 1) ÷ instances⌉), c(a) the fewest with ErlangC(c, a) ≤ 0.05",
    ["load.dbConnectionsBusy", "postgres.cpu", "pgbouncer.instances"],
  );
  const reservePoolSize = derive.number("pgbouncer.reservePoolSize", up(defaultPoolSize / 4), "⌈defaultPoolSize ÷ 4⌉", [
    "pgbouncer.defaultPoolSize",
  ]);
  const maxDbConnections = derive.number(
    "pgbouncer.maxDbConnections",
    (defaultPoolSize + reservePoolSize) * pools,
    "(defaultPoolSize + reservePoolSize) · pools",
    ["pgbouncer.defaultPoolSize", "pgbouncer.reservePoolSize", "pgbouncer.pools"],
  );
  const maxClientConn = derive.number(
    "pgbouncer.maxClientConn",
    up((1.2 * database.appConnections) / Math.max(1, instances - 1)),
    "⌈1.2 · appConnections ÷ max(1, instances − 1)⌉",
    ["database.appConnections", "pgbouncer.instances"],
  );
  const servers = (defaultPoolSize + reservePoolSize) * pools;
  const version = derive.word("pgbouncer.version", pgbouncer.version, "version", ["input.database.pgbouncer.version"]);
  return {
    version,
    instances,
    maxClientConn,
    defaultPoolSize,
    reservePoolSize,
    minPoolSize: derive.number("pgbouncer.minPoolSize", up(defaultPoolSize / 4), "⌈defaultPoolSize ÷ 4⌉", [
      "pgbouncer.defaultPoolSize",
    ]),
    maxDbConnections,
    maxUserConnections: derive.number("pgbouncer.maxUserConnections", maxDbConnections, "maxDbConnections", [
      "pgbouncer.maxDbConnections",
    ]),
    pools,
    forcedUser,
    users,
    databases,
    maxPreparedStatements: derive.number(
      "pgbouncer.maxPreparedStatements",
      pgbouncer.preparedStatements && minorOf(version) >= 21 ? 200 : 0,
      "200 where statements are named and the version is 1.21 or later, else 0",
      ["input.database.pgbouncer.preparedStatements", "pgbouncer.version"],
    ),
    resetQueryAlways: derive.flag("pgbouncer.resetQueryAlways", pgbouncer.resetQueryAlways, "resetQueryAlways", [
      "input.database.pgbouncer.resetQueryAlways",
    ]),
    queryWaitTimeoutS: at(
      "pgbouncer.queryWaitTimeoutS",
      5,
      "this project: an overload shows soon, within the handler's time",
    ),
    reservePoolTimeoutS: at("pgbouncer.reservePoolTimeoutS", 2, "the documents, high load"),
    serverConnectTimeoutS: at("pgbouncer.serverConnectTimeoutS", 5, "the documents, high load"),
    clientIdleTimeoutS: at("pgbouncer.clientIdleTimeoutS", 120, "the documents"),
    serverLifetimeS: at("pgbouncer.serverLifetimeS", 3600, "PgBouncer's default"),
    serverIdleTimeoutS: at("pgbouncer.serverIdleTimeoutS", 600, "PgBouncer's default"),
    listenBacklog: derive.number(
      "pgbouncer.listenBacklog",
      Math.min(input.cluster.somaxconn, Math.max(128, maxClientConn)),
      "maxClientConn, at least 128 (PgBouncer's default), at most somaxconn",
      ["pgbouncer.maxClientConn", "input.cluster.somaxconn"],
    ),
    cpu: at("pgbouncer.cpu", 1, "it is single-threaded"),
    memoryMiB: derive.number(
      "pgbouncer.memoryMiB",
      64 + up(((maxClientConn + servers) * 16) / 1024),
      "64 + 16 KiB · (maxClientConn + server connections)",
      ["pgbouncer.maxClientConn", "pgbouncer.defaultPoolSize", "pgbouncer.reservePoolSize", "pgbouncer.pools"],
    ),
    nofile: derive.number(
      "pgbouncer.nofile",
      poolerDescriptors({ maxClientConn, defaultPoolSize, reservePoolSize, pools }),
      "maxClientConn + 12 + (defaultPoolSize + reservePoolSize) · pools + 40",
      ["pgbouncer.maxClientConn", "pgbouncer.defaultPoolSize", "pgbouncer.reservePoolSize", "pgbouncer.pools"],
    ),
  };
}

/** What an instance opens at most: clients, servers, its own. */
export function poolerDescriptors(
  pooler: Pick<Pooler, "maxClientConn" | "defaultPoolSize" | "reservePoolSize" | "pools">,
): number {
  const servers = (pooler.defaultPoolSize + pooler.reservePoolSize) * pooler.pools;
  return pooler.maxClientConn + POOLER_DESCRIPTORS + servers + OTHER_DESCRIPTORS;
}

/** 21 of `1.21`. */
export function minorOf(version: string): number {
  return Number(version.split(".")[1] ?? 0);
}
