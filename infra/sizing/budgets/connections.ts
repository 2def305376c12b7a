/** Connections and descriptors, at the worst instant: a rollout while the most replicas run. */
import type { Plan } from "../../../contract/plan.ts";
import { minorOf, poolerDescriptors } from "../kernels/database.ts";
import { GATEWAY_DESCRIPTOR_TERMS, workerDescriptors } from "../kernels/gateway.ts";
import { BACKEND_DESCRIPTORS, serverConnections } from "../kernels/postgres.ts";
import { REDIS_DESCRIPTORS } from "../kernels/redis.ts";
import { type BudgetRule, type Case, refuse, type Sides, warn } from "./rule.ts";

type Pooler = NonNullable<Plan["pgbouncer"]>;

/** Only where there is a pooler. */
function pooled(sides: (pooler: Pooler, of: Case) => Sides): (of: Case) => Sides {
  return (of) => (of.plan.pgbouncer === null ? undefined : sides(of.plan.pgbouncer, of));
}

function ownConnections({ postgres }: Plan): number {
  return postgres.reservedConnections + postgres.directConnections;
}

const POOLER_CLIENTS = "PgBouncer documentation, max_client_conn";
const POOL = "PgBouncer documentation, default_pool_size, reserve_pool_size, max_db_connections";

type Descriptors = {
  readonly path: string;
  /** What the others of the plan make it open at most, and the paths of those. */
  readonly terms: readonly string[];
  readonly need: (of: Case) => number;
  readonly limit: (plan: Plan) => number | undefined;
};

const descriptorsOf: Readonly<Record<string, Descriptors>> = {
  "a gateway worker": {
    path: "gateway.nofile",
    terms: GATEWAY_DESCRIPTOR_TERMS,
    need: ({ input, plan }) => workerDescriptors(plan.gateway.inFlightPerWorker, plan, input.mcp.servers),
    limit: (plan) => plan.gateway.nofile,
  },
  PgBouncer: {
    path: "pgbouncer.nofile",
    terms: ["pgbouncer.maxClientConn", "pgbouncer.defaultPoolSize", "pgbouncer.reservePoolSize", "pgbouncer.pools"],
    need: ({ plan: { pgbouncer } }) => (pgbouncer === null ? 0 : poolerDescriptors(pgbouncer)),
    limit: (plan) => plan.pgbouncer?.nofile,
  },
  "a PostgreSQL backend": {
    path: "postgres.nofile",
    terms: [],
    need: () => BACKEND_DESCRIPTORS,
    limit: (plan) => plan.postgres.nofile,
  },
  Redis: {
    path: "redis.nofile",
    terms: ["redis.maxclients"],
    need: ({ plan }) => plan.redis.maxclients + REDIS_DESCRIPTORS,
    limit: (plan) => plan.redis.nofile,
  },
  "an nginx worker": {
    path: "nginx.nofile",
    terms: ["nginx.workerConnections"],
    need: ({ plan }) => plan.nginx.workerConnections,
    limit: (plan) => plan.nginx.nofile,
  },
};

const descriptors: readonly BudgetRule[] = Object.entries(descriptorsOf).flatMap(
  ([name, { path, terms, need, limit }]) => [
    refuse({
      id: "I11",
      statement: `descriptors that ${name} opens ≤ its limit`,
      unit: "descriptors",
      source: "RLIMIT_NOFILE is per process (getrlimit(2)); what is beyond it fails to open",
      terms: [path, ...terms],
      sides: (of) => {
        const granted = limit(of.plan);
        return granted === undefined ? undefined : [need(of), granted];
      },
    }),
    refuse({
      id: "I11",
      statement: `descriptors of ${name} ≤ hard limit of the cluster`,
      unit: "descriptors",
      source: "RLIMIT_NOFILE is per process (getrlimit(2))",
      terms: [path, "kernel.nofileHard"],
      sides: ({ plan }) => {
        const granted = limit(plan);
        return granted === undefined ? undefined : [granted, plan.kernel.nofileHard];
      },
    }),
  ],
);

export const connections: readonly BudgetRule[] = [
  refuse({
    id: "I6",
    statement: "Σ worker pools at the worst instant ≤ PgBouncer clients, one instance of several lost",
    unit: "connections",
    source: POOLER_CLIENTS,
    terms: ["database.appConnections", "pgbouncer.instances", "pgbouncer.maxClientConn"],
    sides: pooled((pooler, { plan }) => [
      plan.database.appConnections,
      Math.max(1, pooler.instances - 1) * pooler.maxClientConn,
    ]),
  }),
  refuse({
    id: "I7",
    statement: "(default pool + reserve) · pools ≤ server connections of a PgBouncer",
    unit: "connections",
    source: POOL,
    terms: ["pgbouncer.defaultPoolSize", "pgbouncer.reservePoolSize", "pgbouncer.pools", "pgbouncer.maxDbConnections"],
    sides: pooled((pooler) => [
      (pooler.defaultPoolSize + pooler.reservePoolSize) * pooler.pools,
      pooler.maxDbConnections,
    ]),
  }),
  refuse({
    id: "I7",
    statement: "server connections of a PgBouncer ≤ connections per user · users",
    unit: "connections",
    source: "PgBouncer documentation, max_user_connections",
    terms: ["pgbouncer.maxDbConnections", "pgbouncer.maxUserConnections", "pgbouncer.users"],
    sides: pooled((pooler) => [pooler.maxDbConnections, pooler.maxUserConnections * pooler.users]),
  }),
  refuse({
    id: "I8",
    statement: "server connections at the worst instant + reserved + direct users ≤ max_connections",
    unit: "connections",
    source: "PostgreSQL documentation, max_connections, superuser_reserved_connections",
    terms: [
      "pgbouncer.instances",
      "pgbouncer.maxDbConnections",
      "database.appConnections",
      "postgres.reservedConnections",
      "postgres.directConnections",
      "postgres.maxConnections",
    ],
    sides: ({ plan }) => [
      serverConnections(plan.database, plan.pgbouncer) + ownConnections(plan),
      plan.postgres.maxConnections,
    ],
  }),
  refuse({
    id: "I8",
    statement: "max_connections ≤ what the managed database allows",
    unit: "connections",
    source: "database.postgres.ceiling",
    terms: ["postgres.maxConnections", "input.database.postgres.ceiling"],
    sides: ({ input, plan }) =>
      input.database.postgres.ceiling === undefined
        ? undefined
        : [plan.postgres.maxConnections, input.database.postgres.ceiling],
  }),
  refuse({
    id: "I9",
    statement: "least pool ≤ default pool",
    unit: "connections",
    source: "PgBouncer documentation, min_pool_size",
    terms: ["pgbouncer.minPoolSize", "pgbouncer.defaultPoolSize"],
    sides: pooled((pooler) => [pooler.minPoolSize, pooler.defaultPoolSize]),
  }),
  refuse({
    id: "I10",
    statement: "Redis connections at the worst instant ≤ maxclients",
    unit: "connections",
    source: "redis.conf, maxclients",
    terms: ["redis.connections", "redis.maxclients"],
    sides: ({ plan }) => [plan.redis.connections, plan.redis.maxclients],
  }),
  refuse({
    id: "I10",
    statement: "maxclients ≤ hard limit of descriptors − 32",
    unit: "connections",
    source: "redis.conf, maxclients: Redis keeps 32 descriptors and lowers maxclients silently",
    terms: ["redis.maxclients", "kernel.nofileHard"],
    sides: ({ plan }) => [plan.redis.maxclients, plan.kernel.nofileHard - REDIS_DESCRIPTORS],
  }),
  refuse({
    id: "I10",
    statement: "maxclients ≤ what the managed Redis allows",
    unit: "connections",
    source: "redis.ceiling",
    terms: ["redis.maxclients", "input.redis.ceiling"],
    sides: ({ input, plan }) =>
      input.redis.ceiling === undefined ? undefined : [plan.redis.maxclients, input.redis.ceiling],
  }),
  ...descriptors,
  refuse({
    id: "I58",
    statement: "connections of all clients and towards the gateway ≤ worker connections, one nginx of several lost",
    unit: "connections",
    source: "nginx documentation, worker_connections: connections to upstreams count too",
    terms: [
      "input.load.concurrentUsers",
      "input.load.sseStreams",
      "nginx.replicas",
      "nginx.workerProcesses",
      "nginx.workerConnections",
    ],
    sides: ({ input: { load }, plan: { nginx } }) => [
      2 * (load.concurrentUsers + load.sseStreams),
      Math.max(1, nginx.replicas - 1) * nginx.workerProcesses * nginx.workerConnections,
    ],
  }),
  refuse({
    id: "I12",
    statement: "sessions cleaned up at once ≤ pool of a worker",
    unit: "connections",
    source: "each clean-up takes a connection",
    terms: ["database.cleanupConcurrency", "database.poolPerWorker", "database.overflow"],
    sides: ({ plan: { database } }) => [database.cleanupConcurrency, database.poolPerWorker + database.overflow],
  }),
  refuse({
    id: "I13",
    statement: "named prepared statements in transaction mode ≤ those that PgBouncer tracks (1.21 or later)",
    unit: "statements",
    source: "PgBouncer documentation, max_prepared_statements",
    terms: ["input.database.pgbouncer.preparedStatements", "pgbouncer.maxPreparedStatements", "pgbouncer.version"],
    sides: pooled((pooler, { input }) => [
      input.database.pgbouncer.preparedStatements ? 1 : 0,
      // An older one does not know the setting.
      minorOf(pooler.version) >= 21 ? pooler.maxPreparedStatements : 0,
    ]),
  }),
  warn({
    id: "I14",
    statement: "reset queries in transaction mode ≤ 0: a needless round trip, the gateway leaves nothing to reset",
    unit: "per transaction",
    source: "PgBouncer documentation, server_reset_query_always",
    terms: ["pgbouncer.resetQueryAlways"],
    sides: pooled((pooler) => [pooler.resetQueryAlways ? 1 : 0, 0]),
  }),
];
