/** Rows about PgBouncer, PostgreSQL and Redis, by the names of their exporters. */
import type { Plan } from "../../../contract/plan.ts";
import { mebibytes, openConnections } from "../limits.ts";
import { seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";
import type { RowText } from "./model.ts";

export function pgbouncerRows({ pgbouncer }: Plan, watch: Watch): readonly RowText[] {
  if (pgbouncer === null || watch.pgbouncer.job === null) return [];
  const { foreign } = seriesOf(watch);
  const sum = (
    name: `pgbouncer_pools_${"client_active" | "client_waiting" | "server_active" | "server_idle"}_connections`,
  ) => `sum by (instance) (${foreign(name)})`;
  return [
    {
      title: "PgBouncer",
      panels: [
        {
          title: "Clients",
          description: "Clients that have a server connection and clients that wait for one (cl_active, cl_waiting).",
          unit: "short",
          queries: [
            { expr: sum("pgbouncer_pools_client_active_connections"), legend: "{{instance}} active" },
            { expr: sum("pgbouncer_pools_client_waiting_connections"), legend: "{{instance}} waiting" },
          ],
          limit: { value: pgbouncer.maxClientConn, name: "max_client_conn" },
        },
        {
          title: "Longest wait",
          description: "Of a client for a server connection (maxwait).",
          unit: "s",
          queries: [
            {
              expr: `max by (instance) (${foreign("pgbouncer_pools_client_maxwait_seconds")})`,
              legend: "{{instance}}",
            },
          ],
          limit: { value: pgbouncer.queryWaitTimeoutS, name: "query_wait_timeout" },
        },
        {
          title: "Server connections",
          description: "To PostgreSQL, at work and idle (sv_active, sv_idle).",
          unit: "short",
          queries: [
            { expr: sum("pgbouncer_pools_server_active_connections"), legend: "{{instance}} active" },
            { expr: sum("pgbouncer_pools_server_idle_connections"), legend: "{{instance}} idle" },
          ],
          limit: { value: pgbouncer.maxDbConnections, name: "max_db_connections" },
        },
      ],
    },
  ];
}

export function postgresRows(plan: Plan, watch: Watch): readonly RowText[] {
  if (watch.postgres.job === null) return [];
  const { foreign } = seriesOf(watch);
  const rate = (name: `pg_stat_database_${"xact_commit" | "xact_rollback" | "blks_hit" | "blks_read"}`) =>
    `sum by (instance) (rate(${foreign(name)}[5m]))`;
  const hits = rate("pg_stat_database_blks_hit");
  return [
    {
      title: "PostgreSQL",
      panels: [
        {
          title: "Connections",
          description: "Of all databases, and how many there may be without the reserve.",
          unit: "short",
          queries: [
            {
              expr: `sum by (instance) (${foreign("pg_stat_database_numbackends")})`,
              legend: "{{instance}}",
            },
          ],
          limit: { value: openConnections(plan), name: "max_connections − reserved" },
        },
        {
          title: "Transactions",
          description: "Committed and rolled back.",
          unit: "ops",
          queries: [
            { expr: rate("pg_stat_database_xact_commit"), legend: "{{instance}} committed" },
            { expr: rate("pg_stat_database_xact_rollback"), legend: "{{instance}} rolled back" },
          ],
        },
        {
          title: "Blocks found in shared_buffers",
          description: "Share of the blocks that were asked for.",
          unit: "percentunit",
          queries: [{ expr: `${hits} / (${hits} + ${rate("pg_stat_database_blks_read")})`, legend: "{{instance}}" }],
        },
      ],
    },
  ];
}

export function redisRows({ redis }: Plan, watch: Watch): readonly RowText[] {
  if (watch.redis.job === null) return [];
  const { foreign } = seriesOf(watch);
  const rate = (name: `redis_${"evicted_keys" | "rejected_connections" | "keyspace_hits" | "keyspace_misses"}_total`) =>
    `rate(${foreign(name)}[5m])`;
  const hits = rate("redis_keyspace_hits_total");
  return [
    {
      title: "Redis",
      panels: [
        {
          title: "Memory",
          description: `Used, and maxmemory; beyond it ${redis.policy}.`,
          unit: "bytes",
          queries: [{ expr: foreign("redis_memory_used_bytes"), legend: "{{instance}}" }],
          limit: { value: mebibytes(redis.maxmemoryMiB), name: "maxmemory" },
        },
        {
          title: "Clients",
          description: "Connections, and maxclients.",
          unit: "short",
          queries: [{ expr: foreign("redis_connected_clients"), legend: "{{instance}}" }],
          limit: { value: redis.maxclients, name: "maxclients" },
        },
        {
          title: "Evicted, rejected",
          description: "Keys that were forgotten for room, connections that were turned away.",
          unit: "ops",
          queries: [
            { expr: rate("redis_evicted_keys_total"), legend: "{{instance}} keys evicted" },
            { expr: rate("redis_rejected_connections_total"), legend: "{{instance}} connections rejected" },
          ],
        },
        {
          title: "Keys found",
          description: "Share of the lookups that found their key.",
          unit: "percentunit",
          queries: [{ expr: `${hits} / (${hits} + ${rate("redis_keyspace_misses_total")})`, legend: "{{instance}}" }],
        },
      ],
    },
  ];
}
