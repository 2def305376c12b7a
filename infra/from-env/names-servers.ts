/** Names of the servers beside the gateway that are no numbers of the plan. */
import type { Family } from "./family.ts";

/** Environment of PgBouncer's and PostgreSQL's images. */
export const serverFamilies = {
  pooler: {
    verdict: "meaningless",
    because: "pgbouncer.ini and its user list are rendered from the plan",
    names: `AUTH_TYPE AUTH_USER AUTH_QUERY AUTH_FILE LISTEN_PORT LISTEN_ADDR SERVER_RESET_QUERY ADMIN_USERS STATS_USERS
      IGNORE_STARTUP_PARAMETERS SERVER_CHECK_DELAY SERVER_CHECK_QUERY SERVER_TLS_SSLMODE CLIENT_TLS_SSLMODE LOG_CONNECTIONS
      LOG_DISCONNECTIONS LOG_POOLER_ERRORS STATS_PERIOD APPLICATION_NAME_ADD_HOST SERVER_ROUND_ROBIN TCP_KEEPALIVE DB_USER
      DB_PASSWORD DB_HOST DB_PORT DB_NAME DATABASE_URL DATABASE_URLS`,
  },
  poolMode: {
    verdict: "refused",
    because: "only transaction mode is planned; a connection held by a session or a statement is another arithmetic",
    harmless: ["transaction"],
    names: "POOL_MODE",
  },
  databaseImage: {
    verdict: "meaningless",
    because: "user, password and database of the server are the stack's own",
    names: `POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB POSTGRES_INITDB_ARGS POSTGRES_HOST_AUTH_METHOD PGDATA`,
  },
} as const satisfies Record<string, Family>;

/** Parameters of `postgres -c` and options of `redis-server --`. */
export const flagFamilies = {
  postgresParameters: {
    verdict: "meaningless",
    because: "postgresql.conf is rendered from the plan, which has no number for it",
    names: `checkpoint_completion_target checkpoint_timeout synchronous_commit commit_delay commit_siblings
      shared_preload_libraries autovacuum_naptime autovacuum_vacuum_scale_factor autovacuum_vacuum_cost_limit listen_addresses
      log_connections log_disconnections log_checkpoints log_lock_waits log_min_duration_statement log_statement
      default_statistics_target temp_buffers wal_level fsync full_page_writes hash_mem_multiplier lock_timeout ssl port
      deadlock_timeout max_locks_per_transaction tcp_keepalives_idle`,
  },
  redisOptions: {
    verdict: "meaningless",
    because: "redis.conf is rendered from the plan, which has no number for it",
    names: `timeout tcp-keepalive save port bind requirepass protected-mode appendfsync dir databases loglevel
      maxmemory-samples lazyfree-lazy-eviction io-threads tls-port tls-cert-file tls-key-file tls-ca-cert-file
      tls-auth-clients`,
  },
} as const satisfies Record<string, Family>;
