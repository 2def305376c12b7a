/**
 * Names whose values are numbers of the plan: where each goes, as an input (`gateway.workers`) or as a pinned number
 * (`given.pgbouncer.maxClientConn`), and in which unit it is written.
 */
import {
  decimal,
  dockerMiB,
  millisecondsFromSeconds,
  oneOf,
  postgresMiB,
  type Reader,
  redisMiB,
  secondsFrom,
  truth,
  whole,
} from "./quantity.ts";

export type Sized = {
  readonly to: string;
  readonly read: Reader;
  /** What may stand there, for the message about what cannot be read. */
  readonly allowed: string;
  /** Least value the plan takes; what is below it means something else and is not carried over. */
  readonly least?: number;
  /** What a value below `least` means to the other program. */
  readonly below?: string;
  /** Words that set nothing here, and why. */
  readonly without?: { readonly words: readonly string[]; readonly because: string };
  /** Counts only where this server runs. */
  readonly server?: "gunicorn" | "granian";
};
export type Table = Readonly<Record<string, Sized>>;

const count = (to: string, least = 1, below = "no limit, which a plan cannot prove"): Sized => ({
  to,
  read: whole,
  allowed: "a whole number",
  least,
  below,
});
const span = (to: string, unit: "ms" | "s" = "s"): Sized => ({
  to,
  read: secondsFrom(unit),
  allowed: `a time in ${unit === "s" ? "seconds" : "milliseconds"}`,
  least: 0.001,
  below: "no limit, which a plan cannot prove",
});
const flag = (to: string): Sized => ({ to, read: truth, allowed: "true or false" });
const oneOfWords = (to: string, words: Readonly<Record<string, string>>): Sized => ({
  to,
  read: oneOf(words),
  allowed: `one of ${Object.keys(words).join(", ")}`,
});

const workers: Reader = (text) => (text.trim().toLowerCase() === "auto" ? "auto" : whole(text));
const workerCount = { to: "gateway.workers", read: workers, allowed: "a whole number or auto", least: 1 } as const;
const ENVIRONMENTS = { development: "dev", dev: "dev", test: "dev", staging: "prod", production: "prod", prod: "prod" };

/** Environment of the gateway itself. */
export const gatewaySized: Table = {
  ENVIRONMENT: oneOfWords("environment", ENVIRONMENTS),
  DEPLOYMENT_ENV: oneOfWords("environment", ENVIRONMENTS),
  HTTP_SERVER: oneOfWords("gateway.engine", {
    gunicorn: "fastify",
    granian: "bounded",
    fastify: "fastify",
    bounded: "bounded",
  }),
  GUNICORN_WORKERS: { ...workerCount, server: "gunicorn" },
  GRANIAN_WORKERS: { ...workerCount, server: "granian" },
  GUNICORN_BACKLOG: { ...count("given.gateway.backlog"), server: "gunicorn" },
  GRANIAN_BACKLOG: { ...count("given.gateway.backlog"), server: "granian" },
  GRANIAN_BACKPRESSURE: { ...count("given.gateway.inFlightPerWorker"), server: "granian" },
  GUNICORN_TIMEOUT: { ...span("given.timeouts.handlerS"), server: "gunicorn" },
  GUNICORN_GRACEFUL_TIMEOUT: { ...span("gateway.drainS"), server: "gunicorn" },
  GUNICORN_KEEP_ALIVE: { ...span("given.timeouts.gatewayKeepaliveS"), server: "gunicorn" },
  DB_POOL_SIZE: count("given.database.poolPerWorker"),
  DB_MAX_OVERFLOW: count("database.overflow", 0),
  DB_POOL_TIMEOUT: span("given.timeouts.dbAcquireS"),
  DB_POOL_RECYCLE: span("given.database.recycleS"),
  REDIS_MAX_CONNECTIONS: count("redis.connectionsPerWorker"),
  REDIS_SOCKET_TIMEOUT: span("given.timeouts.redisCommandS"),
  REDIS_LEADER_TTL: span("given.timeouts.leaderTtlS"),
  REDIS_LEADER_HEARTBEAT_INTERVAL: span("given.timeouts.leaderHeartbeatS"),
  TOOL_TIMEOUT: span("load.toolTimeoutS"),
  HTTPX_READ_TIMEOUT: span("given.timeouts.upstreamBodyS"),
  HTTPX_KEEPALIVE_EXPIRY: span("given.timeouts.upstreamKeepaliveS"),
  RETRY_MAX_ATTEMPTS: count("given.retries.tool.attempts"),
  RETRY_BASE_DELAY: { ...span("given.retries.tool.baseMs"), read: millisecondsFromSeconds, least: 0 },
  RETRY_MAX_DELAY: { ...span("given.retries.tool.maxMs"), read: millisecondsFromSeconds, least: 0 },
  SSE_KEEPALIVE_INTERVAL: span("given.timeouts.sseKeepaliveS"),
  STREAMABLE_HTTP_MAX_EVENTS_PER_STREAM: count("redis.eventsPerStream", 0),
  MCP_SESSION_POOL_MAX_PER_KEY: count("mcp.maxPerKey"),
  MCP_SESSION_POOL_MAX_TOTAL_SESSIONS: count("mcp.maxTotalSessions"),
  MCP_SESSION_POOL_TTL: span("given.timeouts.sessionTtlS"),
  MCP_SESSION_POOL_TRANSPORT_TIMEOUT: span("given.timeouts.sessionTransportS"),
  MCP_SESSION_POOL_ACQUIRE_TIMEOUT: span("given.timeouts.sessionAcquireS"),
  MCP_SESSION_POOL_CREATE_TIMEOUT: span("given.timeouts.sessionCreateS"),
  MCP_SESSION_POOL_IDLE_EVICTION: span("given.timeouts.sessionIdleEvictionS"),
  MCP_SESSION_POOL_HEALTH_CHECK_INTERVAL: span("given.timeouts.healthIntervalS"),
  MCP_SESSION_POOL_HEALTH_CHECK_TIMEOUT: span("given.timeouts.sessionHealthS"),
  JWT_CACHE_TTL: span("given.caches.jwtTtlS"),
  AUTH_CACHE_REVOCATION_TTL: span("security.revocationBudgetS"),
  AUDIT_TRAIL_ENABLED: flag("security.auditTrail"),
  CACHE_TYPE: {
    ...oneOfWords("redis.role", { redis: "both" }),
    allowed: "one of redis, memory, database, none",
    without: {
      words: ["memory", "database", "none"],
      because: "what crosses processes is kept in Redis where REDIS_URL names one, else in PostgreSQL",
    },
  },
};

/** Environment of the usual PgBouncer images: pgbouncer.ini's names in capitals. */
export const poolerSized: Table = {
  MAX_CLIENT_CONN: count("given.pgbouncer.maxClientConn"),
  DEFAULT_POOL_SIZE: count("given.pgbouncer.defaultPoolSize"),
  MIN_POOL_SIZE: count("given.pgbouncer.minPoolSize", 0),
  RESERVE_POOL_SIZE: count("given.pgbouncer.reservePoolSize", 0),
  RESERVE_POOL_TIMEOUT: span("given.pgbouncer.reservePoolTimeoutS"),
  MAX_DB_CONNECTIONS: count("given.pgbouncer.maxDbConnections"),
  MAX_USER_CONNECTIONS: count("given.pgbouncer.maxUserConnections"),
  MAX_PREPARED_STATEMENTS: count("given.pgbouncer.maxPreparedStatements", 0),
  SERVER_LIFETIME: span("given.pgbouncer.serverLifetimeS"),
  SERVER_IDLE_TIMEOUT: span("given.pgbouncer.serverIdleTimeoutS"),
  SERVER_CONNECT_TIMEOUT: span("given.pgbouncer.serverConnectTimeoutS"),
  CLIENT_IDLE_TIMEOUT: span("given.pgbouncer.clientIdleTimeoutS"),
  QUERY_WAIT_TIMEOUT: span("given.pgbouncer.queryWaitTimeoutS"),
  IDLE_TRANSACTION_TIMEOUT: span("given.timeouts.idleTransactionS"),
  SERVER_RESET_QUERY_ALWAYS: flag("database.pgbouncer.resetQueryAlways"),
  LISTEN_BACKLOG: count("given.pgbouncer.listenBacklog"),
};

const KIB = 1024;
const size = (to: string, bareUnit: number): Sized => ({
  to,
  read: postgresMiB(bareUnit),
  allowed: "a size such as 512MB",
  least: 1,
  below: "a value that PostgreSQL chooses",
});
const PAGE = 8 * KIB;

/** Parameters that `postgres -c name=value` sets; bare numbers are in the unit that pg_settings shows. */
export const postgresSized: Table = {
  max_connections: count("given.postgres.maxConnections"),
  superuser_reserved_connections: count("given.postgres.reservedConnections", 0),
  shared_buffers: size("given.postgres.sharedBuffersMiB", PAGE),
  effective_cache_size: size("given.postgres.effectiveCacheSizeMiB", PAGE),
  work_mem: size("given.postgres.workMemMiB", KIB),
  maintenance_work_mem: size("given.postgres.maintenanceWorkMemMiB", KIB),
  autovacuum_work_mem: size("given.postgres.autovacuumWorkMemMiB", KIB),
  autovacuum_max_workers: count("given.postgres.autovacuumMaxWorkers"),
  wal_buffers: size("given.postgres.walBuffersMiB", PAGE),
  min_wal_size: size("given.postgres.minWalSizeMiB", KIB ** 2),
  max_wal_size: size("given.postgres.maxWalSizeMiB", KIB ** 2),
  random_page_cost: { to: "given.postgres.randomPageCost", read: decimal, allowed: "a number", least: 0.001 },
  effective_io_concurrency: count("given.postgres.effectiveIoConcurrency", 0),
  max_worker_processes: count("given.postgres.maxWorkerProcesses"),
  max_parallel_workers: count("given.postgres.maxParallelWorkers", 0),
  max_parallel_workers_per_gather: count("given.postgres.maxParallelWorkersPerGather", 0),
  max_parallel_maintenance_workers: count("given.postgres.maxParallelMaintenanceWorkers", 0),
  max_wal_senders: count("given.postgres.maxWalSenders", 0),
  jit: flag("given.postgres.jit"),
  huge_pages: oneOfWords("given.postgres.hugePages", { off: "off", try: "try", on: "try" }),
  wal_compression: oneOfWords("given.postgres.walCompression", { off: "off", on: "pglz", pglz: "pglz", lz4: "lz4" }),
  statement_timeout: span("given.timeouts.dbStatementS", "ms"),
  idle_in_transaction_session_timeout: span("given.timeouts.idleInTransactionS", "ms"),
};

const POLICIES = ["noeviction", "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu", "volatile-ttl"];

/** Options of `redis-server --name value`. */
export const redisSized: Table = {
  maxmemory: {
    to: "given.redis.maxmemoryMiB",
    read: redisMiB,
    allowed: "a size such as 1gb",
    least: 1,
    below: "no limit, which a plan cannot prove",
  },
  "maxmemory-policy": oneOfWords("given.redis.policy", Object.fromEntries(POLICIES.map((name) => [name, name]))),
  maxclients: count("given.redis.maxclients"),
  "tcp-backlog": count("given.redis.tcpBacklog"),
  appendonly: flag("redis.persistence"),
};

const cores = (to: string): Sized => ({ to, read: decimal, allowed: "a number of cores", least: 0.001 });
const pinnedMemory = (to: string): Sized => ({ to, read: dockerMiB, allowed: "a size such as 8G", least: 1 });
/** Inputs take memory with its unit. */
const memory = (to: string): Sized => ({ ...pinnedMemory(to), read: (text) => withUnit(dockerMiB(text)) });

function withUnit(value: number | undefined): string | undefined {
  return value === undefined || value < 1 ? undefined : `${value}Mi`;
}

/** `1024 65535`: how many ports lie between. */
const portRange: Reader = (text) => {
  const [, first = "", last = ""] = /^\s*(\d{1,5})\s+(\d{1,5})\s*$/.exec(text) ?? [];
  return first === "" ? undefined : Number(last) - Number(first) + 1;
};

/** What a compose file says of a service beside its environment and command: by role, then by place. */
export const serviceSized: Readonly<Record<string, Table>> = {
  gateway: {
    cpus: cores("gateway.cpu"),
    "reservations.cpus": cores("gateway.cpuRequest"),
    memory: memory("gateway.memory"),
    "net.core.somaxconn": count("cluster.somaxconn"),
  },
  postgres: {
    cpus: cores("database.postgres.cpu"),
    memory: memory("database.postgres.memory"),
    shm_size: pinnedMemory("given.postgres.shmMiB"),
  },
  pgbouncer: { replicas: count("database.pgbouncer.instances") },
  redis: { memory: pinnedMemory("given.redis.memoryMiB") },
  nginx: {
    cpus: cores("nginx.cpu"),
    memory: memory("nginx.memory"),
    replicas: count("nginx.replicas"),
    "net.ipv4.ip_local_port_range": {
      to: "cluster.ephemeralPorts",
      read: portRange,
      allowed: "two ports such as 1024 65535",
      least: 1,
    },
  },
};
