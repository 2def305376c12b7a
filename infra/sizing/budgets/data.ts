/** Memory and disks of what keeps data: PostgreSQL, Redis, volumes, backups. */
import { serverConnections } from "../kernels/postgres.ts";
import { redisData } from "../kernels/redis.ts";
import { type BudgetRule, refuse } from "./rule.ts";

/** What a connection of PostgreSQL costs by itself, MiB. */
const CONNECTION_MIB = 10;

export const data: readonly BudgetRule[] = [
  refuse({
    id: "I41",
    statement:
      "shared buffers + 10 MiB · max_connections + 2 · work_mem · active + maintenance + autovacuum ≤ 0.9 · memory of PostgreSQL",
    unit: "MiB",
    source: "PostgreSQL documentation, resource consumption: work_mem is per sort or hash node and session",
    terms: [
      "postgres.sharedBuffersMiB",
      "postgres.maxConnections",
      "postgres.workMemMiB",
      "pgbouncer.instances",
      "pgbouncer.maxDbConnections",
      "database.appConnections",
      "postgres.maintenanceWorkMemMiB",
      "postgres.autovacuumWorkMemMiB",
      "postgres.autovacuumMaxWorkers",
      "postgres.memoryMiB",
    ],
    sides: ({ plan }) => {
      const { postgres } = plan;
      const active = Math.min(postgres.maxConnections, serverConnections(plan.database, plan.pgbouncer));
      return [
        postgres.sharedBuffersMiB +
          CONNECTION_MIB * postgres.maxConnections +
          2 * postgres.workMemMiB * active +
          postgres.maintenanceWorkMemMiB +
          postgres.autovacuumMaxWorkers * postgres.autovacuumWorkMemMiB,
        0.9 * postgres.memoryMiB,
      ];
    },
  }),
  refuse({
    id: "I43",
    statement: "maxmemory < memory of the Redis container",
    unit: "MiB",
    source: "redis.conf: buffers, fragmentation and a fork's copies lie outside maxmemory",
    isStrict: true,
    terms: ["redis.maxmemoryMiB", "redis.memoryMiB"],
    sides: ({ plan: { redis } }) => [redis.maxmemoryMiB, redis.memoryMiB],
  }),
  refuse({
    id: "I43",
    statement: "state that Redis holds ≤ maxmemory",
    unit: "MiB",
    source: "beyond it writes fail (noeviction) or sessions vanish (eviction)",
    terms: [
      "input.load.sseStreams",
      "input.redis.eventsPerStream",
      "input.redis.eventKiB",
      "input.load.statefulSessions",
      "input.load.concurrentUsers",
      "input.redis.l2CacheMiB",
      "redis.maxmemoryMiB",
      "redis.role",
    ],
    sides: ({ input, plan: { redis } }) =>
      redis.role === "cache" ? undefined : [redisData(input), redis.maxmemoryMiB],
  }),
  refuse({
    id: "I43",
    statement: "evicting policies on a Redis that keeps state ≤ 0",
    unit: "policies",
    source: "redis.conf, maxmemory-policy: allkeys evicts sessions and leases",
    terms: ["redis.policy", "redis.role"],
    sides: ({ plan: { redis } }) => [redis.role !== "cache" && redis.policy !== "noeviction" ? 1 : 0, 0],
  }),
  refuse({
    id: "I43",
    statement: "cache and state on one Redis in production ≤ 0",
    unit: "instances",
    source: "a full cache must not refuse the state's writes",
    terms: ["redis.role"],
    sides: ({ input, plan }) => (input.environment === "prod" ? [plan.redis.role === "both" ? 1 : 0, 0] : undefined),
  }),
  refuse({
    id: "I44",
    statement: "2 · max_wal_size + data ≤ volume of PostgreSQL",
    unit: "GiB",
    source: "PostgreSQL documentation, max_wal_size is a soft limit",
    terms: ["postgres.maxWalSizeMiB", "input.data.dataGiB", "postgres.volumeGiB"],
    sides: ({ input, plan: { postgres } }) => [
      (2 * postgres.maxWalSizeMiB) / 1024 + input.data.dataGiB,
      postgres.volumeGiB,
    ],
  }),
  refuse({
    id: "I45",
    statement: "time of a backup < time between two",
    unit: "h",
    source: "backups must not overtake each other",
    isStrict: true,
    terms: ["backup.windowH", "backup.periodH"],
    sides: ({ plan: { backup } }) => [backup.windowH, backup.periodH],
  }),
  refuse({
    id: "I45",
    statement: "backups kept · size ≤ volume of the backups",
    unit: "GiB",
    source: "retention",
    terms: ["backup.retained", "backup.sizeGiB", "backup.volumeGiB"],
    sides: ({ plan: { backup } }) => [backup.retained * backup.sizeGiB, backup.volumeGiB],
  }),
];
