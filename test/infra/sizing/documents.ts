/**
 * What the tuning guides of existing deployments compute, as they print it: to read such a deployment, to say what its authors meant,
 * and to show where their own numbers do not follow. The plan itself never uses these.
 */

/** S1, workers of Gunicorn: 2·cores + 1. Cores whole or not; fractions are cut off. */
export function gunicornWorkers(cores: number): number {
  return Math.floor(2 * cores + 1);
}

/** S2, `GUNICORN_WORKERS=auto`: S1, at most 16; on eight cores it contradicts S1. */
export function gunicornWorkersAuto(cores: number): number {
  return Math.min(gunicornWorkers(cores), 16);
}

/** S7, `GRANIAN_WORKERS=auto`: one per core, at most 16. */
export function granianWorkersAuto(cores: number): number {
  return Math.max(1, Math.min(Math.floor(cores), 16));
}

/** S7, `GRANIAN_RUNTIME_MODE=auto`: several threads per worker beyond eight workers. */
export function granianRuntimeMode(workers: number): "mt" | "st" {
  return workers > 8 ? "mt" : "st";
}

/** S4, cores of a replica: one for two workers. */
export function coresForWorkers(workers: number): number {
  return workers / 2;
}

/** S5, memory of a replica in MB: 256 and 200 for each worker. */
export function memoryForWorkers(workers: number): number {
  return 256 + 200 * workers;
}

/** S8, requests that one replica admits before it answers 503. */
export function admissionCapacity(workers: number, backpressure: number): number {
  return workers * backpressure;
}

/** S9, requests per second of the fleet. */
export function fleetRps(pods: number, workers: number, rpsPerWorker: number): number {
  return pods * workers * rpsPerWorker;
}

/** S10, PostgreSQL's max_connections where the pool is thought to be one per pod: 1.2 of the pools and 20. */
export function maxConnectionsByPod(pods: number, pool: number): number {
  return aFifthMore(pods * pool) + 20;
}

/** S12 and, without the buffer, S13: the same where the pool is one per worker, which it is. Overflow is forgotten in both. */
export function maxConnectionsByWorker(pods: number, workers: number, pool: number, buffer = 200): number {
  return aFifthMore(pods * workers * pool) + buffer;
}

/** S15, connections that the workers can open. The guides leave the overflow out; SQLAlchemy does not. */
export function appConnections(replicas: number, workers: number, pool: number, overflow = 0): number {
  return replicas * workers * (pool + overflow);
}

/** S16, memory of PostgreSQL's backends in MB: 10 for each. */
export function backendMemory(maxConnections: number): number {
  return 10 * maxConnections;
}

/** S17, shared_buffers and effective_cache_size of a machine's memory, in its unit: a quarter and three. */
export function postgresCaches(memory: number): {
  readonly sharedBuffers: number;
  readonly effectiveCacheSize: number;
} {
  return { sharedBuffers: memory / 4, effectiveCacheSize: (memory * 3) / 4 };
}

/** S18, PgBouncer's MAX_CLIENT_CONN: twice the workers' pools. */
export function maxClientConnections(replicas: number, workers: number, pool: number): number {
  return appConnections(replicas, workers, pool) * 2;
}

/** S20, DB_POOL_SIZE of a worker: half of its share of the users. Its own examples hold for 3 × 24 workers only. */
export function poolByUsers(concurrentUsers: number, workers: number): number {
  return (concurrentUsers / workers) * 0.5;
}

/** S21, DB_POOL_RECYCLE in seconds: half of the pooler's CLIENT_IDLE_TIMEOUT. */
export function poolRecycle(clientIdleTimeoutS: number): number {
  return clientIdleTimeoutS / 2;
}

/** S22, REDIS_MAX_CONNECTIONS of a worker: one and a half times its share of the requests in flight. */
export function redisPool(concurrentRequests: number, workers: number): number {
  return (concurrentRequests * 1.5) / workers;
}

/** S23, Redis connections of the fleet and whether they stay below maxclients. */
export function redisConnections(
  workers: number,
  pool: number,
  maxclients: number,
): { readonly connections: number; readonly fits: boolean } {
  return { connections: workers * pool, fits: workers * pool < maxclients };
}

/** S24, memory of sessions in MB: 50 KB for each user. */
export function sessionMemory(concurrentUsers: number): number {
  return (concurrentUsers * 50) / 1000;
}

/** S25, memory of kept messages in MB: 100 KB each, for as many minutes as they live. */
export function messageMemory(messagesPerMinute: number, ttlS: number): number {
  return (messagesPerMinute * 100 * (ttlS / 60)) / 1000;
}

/** S26, Redis' memory in MB: sessions and messages and half as much again. */
export function redisMemory(concurrentUsers: number, messagesPerMinute: number, ttlS: number): number {
  return (sessionMemory(concurrentUsers) + messageMemory(messagesPerMinute, ttlS)) * 1.5;
}

/** S28, seconds that a startup probe allows. */
export function startupBudget(failureThreshold: number, periodS: number): number {
  return failureThreshold * periodS;
}

/** S32, upstream sessions that a pool keyed by (address, identity, transport) may come to hold when tokens rotate. */
export function openSessions(
  users: number,
  servers: number,
  transports: number,
  rotations: number,
  maxPerKey: number,
): number {
  return users * servers * transports * rotations * maxPerKey;
}

/** A result that the guides print and their own formula does not give. */
export type Erratum = {
  readonly formula: string;
  /** The guides' example, in their names. */
  readonly example: string;
  readonly printed: number;
  readonly computed: number;
  readonly unit: string;
};

export const errata: readonly Erratum[] = [
  {
    formula: "S2",
    example: "GUNICORN_WORKERS=auto on 8 cores, where the table says 16-17",
    printed: gunicornWorkers(8),
    computed: gunicornWorkersAuto(8),
    unit: "workers",
  },
  {
    formula: "S5",
    example: "16 workers, requests.memory 3584Mi",
    printed: 3584,
    computed: memoryForWorkers(16),
    unit: "MB",
  },
  {
    formula: "S14",
    example: "max_connections = (50 pods × 16 workers × 50 pool × 1.2) + 200",
    printed: 50_000,
    computed: maxConnectionsByWorker(50, 16, 50),
    unit: "connections",
  },
  {
    formula: "S22",
    example: "500 concurrent requests with 10 workers",
    printed: 50,
    computed: redisPool(500, 10),
    unit: "connections",
  },
  {
    formula: "S26",
    example: "10 000 users and 1000 messages a minute kept for 600 s",
    printed: 2500,
    computed: redisMemory(10_000, 1000, 600),
    unit: "MB",
  },
  {
    formula: "S29",
    // nginx, ngx_http_limit_req_module: a state takes 128 bytes on 64-bit platforms, a megabyte keeps about 8 thousand.
    example: "limit_req_zone of 10 MB, clients that it can tell apart",
    printed: 160_000,
    computed: 10 * 8000,
    unit: "clients",
  },
];

/** ×1.2, exact for whole numbers. */
function aFifthMore(count: number): number {
  return (count * 6) / 5;
}
