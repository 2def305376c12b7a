/**
 * Configurations that people published, written as inputs and pinned numbers, and what has to be said about each: which budgets
 * refuse it, which only warn. The lists are complete: a configuration is refused for these reasons and for no other.
 */
import { type Raw, withValue } from "./arbitraries.ts";

export type Fixture = {
  readonly name: string;
  /** Who published it, in words; "own" for configurations of this project. */
  readonly source: string;
  readonly raw: Raw;
  readonly refused: readonly string[];
  readonly warned: readonly string[];
  /** Budgets that its authors got right and that therefore have to hold. */
  readonly holding?: readonly string[];
};

const TUNING = "tuning guide of the gateway";
const SCALING = "scaling guide of the gateway";

/** A load test as it may stand beside a deployment. */
export function measured(rpsPerWorker: number, more: Raw = {}): Raw {
  return {
    measuredAt: "2026-11-20T10:00:00Z",
    version: "0.1.0",
    engine: "bounded",
    machine: { cpu: "a processor", cores: 8, memoryMiB: 16_384, runtime: "v26.9.0" },
    load: { profile: "step", era: "modern", mix: { "tools/call": 1 }, requests: 100_000, errorShare: 0 },
    rpsPerWorker,
    ...more,
  };
}

/** The small worked example: one gateway, one of everything. */
export const small: Raw = {
  environment: "dev",
  load: {
    peakRps: 50,
    meanLatencyMs: 150,
    dbQueriesPerRequest: 0.5,
    dbTxMs: 5,
    concurrentUsers: 20,
    sseStreams: 10,
    statefulSessions: 10,
  },
  gateway: { cpu: 1, memory: "512Mi", rpsPerWorker: 150 },
  database: { postgres: { cpu: 1, memory: "1Gi" } },
  nginx: { replicas: 1 },
};

/** The large one: three zones, two poolers, a rate that a load test found. */
export const large: Raw = {
  environment: "prod",
  load: {
    peakRps: 3000,
    meanLatencyMs: 250,
    dbQueriesPerRequest: 0.4,
    dbTxMs: 5,
    dbCpuMs: 1,
    concurrentUsers: 6500,
    sseStreams: 2000,
    statefulSessions: 10_000,
    zones: 3,
  },
  gateway: { engine: "bounded", cpu: 4, memory: "4096Mi", haFloor: 3 },
  database: { pgbouncer: { instances: 2 }, postgres: { cpu: 8, memory: "32Gi" } },
  nginx: { replicas: 3, cpu: 2 },
  calibration: measured(150),
};

/** A copy of a document with other values, by dotted path; pins are `given.<path>`, whose dots belong to the path. */
export function changed(base: Raw, changes: Raw): Raw {
  const pins = Object.entries(changes).filter(([path]) => path.startsWith("given."));
  const given = Object.fromEntries(pins.map(([path, value]) => [path.slice("given.".length), value]));
  let document = base;
  for (const [path, value] of Object.entries(changes))
    if (!path.startsWith("given.")) document = withValue(document, path, value);
  const before = base.given;
  return pins.length === 0
    ? document
    : { ...document, given: { ...(typeof before === "object" ? before : {}), ...given } };
}

/**
 * A guide's load is nowhere stated; this one is light enough that only its own numbers can refuse it. Session pooling is off by default
 * in the guides, hence no upstream servers to keep sessions for.
 */
const light: Raw = {
  environment: "dev",
  load: {
    peakRps: 1000,
    meanLatencyMs: 100,
    dbQueriesPerRequest: 0.2,
    dbTxMs: 5,
    dbCpuMs: 1,
    concurrentUsers: 1000,
    sseStreams: 0,
    statefulSessions: 0,
  },
  redis: { role: "state" },
  mcp: { servers: 0 },
  calibration: measured(1000),
};

/** Helm values of the scaling guide: three to twenty pods of eight workers on one to two cores. */
const helmValues = changed(light, {
  gateway: { cpu: "2000m", cpuRequest: "1000m", memory: "4Gi", workers: 8 },
  database: { mode: "direct", overflow: 10, postgres: { cpu: 4, memory: "8Gi" } },
  "given.gateway.replicas.min": 3,
  "given.gateway.replicas.max": 20,
  "given.database.poolPerWorker": 50,
});

/** Its "production-values.yaml": five to fifty pods of sixteen workers. */
const productionValues = changed(light, {
  gateway: { cpu: "4000m", cpuRequest: "2000m", memory: "8Gi", workers: 16 },
  database: { overflow: 10, postgres: { cpu: 8, memory: "32Gi" } },
  "given.gateway.replicas.min": 5,
  "given.gateway.replicas.max": 50,
  "given.database.poolPerWorker": 50,
});

/** Its "Docker Compose Reference Architecture": two replicas that nothing scales and that are replaced one by one. */
const compose = changed(light, {
  gateway: { cpu: 8, memory: "8Gi", workers: 16, maxSurge: 0, hpa: false },
  database: { overflow: 30, postgres: { cpu: 4, memory: "16Gi" } },
  "given.gateway.replicas.min": 2,
  "given.gateway.replicas.max": 2,
  "given.database.poolPerWorker": 15,
  "given.pgbouncer.maxClientConn": 3000,
  "given.pgbouncer.defaultPoolSize": 120,
  "given.pgbouncer.reservePoolSize": 25,
  "given.pgbouncer.maxDbConnections": 200,
  "given.pgbouncer.maxUserConnections": 200,
  "given.postgres.maxConnections": 500,
  "given.postgres.sharedBuffersMiB": 512,
  "given.postgres.effectiveCacheSizeMiB": 1536,
  "given.postgres.workMemMiB": 16,
  "given.postgres.maintenanceWorkMemMiB": 128,
});

const CONNECTIONS = ["I6", "I7", "I8", "I9", "I10", "I11", "I12"];

export const published: readonly Fixture[] = [
  {
    // 20 pods × 8 workers × (50 + 10) = 9 600 at the HPA's maximum, 25 pods and 12 000 while a rollout surges; 1 500 are allowed.
    // Those 1 500 backends alone would take 15 000 MiB of 8 192. The guide multiplies by pods only: 20 × 50 × 1.2 + 20 = 1 220.
    // And eight workers keep two cores 70 % busy at 140 % of a request of one core: there is no target to scale at.
    name: "Helm values with 20 pods and max_connections 1500",
    source: `${SCALING}, "Helm Chart Configuration"`,
    raw: changed(helmValues, { "given.postgres.maxConnections": 1500 }),
    refused: ["I8", "I41", "I54"],
    warned: ["I4"],
  },
  {
    // 50 + 13 surging pods × 16 × (50 + 10) = 60 480 > 50 000; 50 000 backends × 10 MiB = 488 GiB in 32 GiB.
    name: "production values with max_connections 50000 in 32 GiB",
    source: `${SCALING}, "Reference Architecture"`,
    raw: changed(productionValues, {
      "database.mode": "direct",
      "given.postgres.maxConnections": 50_000,
      "given.postgres.sharedBuffersMiB": 8192,
      "given.postgres.effectiveCacheSizeMiB": 24_576,
      "given.postgres.workMemMiB": 32,
    }),
    refused: ["I8", "I41", "I54"],
    warned: ["I4"],
  },
  {
    // 50 pods × 16 × 150 = 120 000, 151 200 while a rollout surges; Redis is started with --maxclients 10000.
    name: "production values with 150 Redis connections per worker",
    source: `${SCALING}, "Reference Architecture" with "High-Concurrency Redis Tuning"`,
    raw: changed(productionValues, { "redis.connectionsPerWorker": 150, "given.redis.maxclients": 10_000 }),
    refused: ["I10", "I54"],
    warned: ["I4"],
  },
  {
    // The same pool with 20 pods: 20 × 16 × 150 = 48 000. The guide's own check stops at two replicas: 32 × 150 = 4 800.
    name: "150 Redis connections per worker at 20 pods",
    source: `${SCALING}, "High-Concurrency Redis Tuning" with the Helm values' HPA`,
    raw: changed(productionValues, {
      "redis.connectionsPerWorker": 150,
      "given.redis.maxclients": 10_000,
      "given.gateway.replicas.max": 20,
    }),
    refused: ["I10", "I54"],
    warned: ["I4"],
  },
  {
    // A connection that the gateway means to keep for 3 600 s is closed by the pooler after 120 s idle: 3 600 > 120.
    name: "DB_POOL_RECYCLE 3600 with CLIENT_IDLE_TIMEOUT 120",
    source: `${SCALING}, "Pool Configuration" with the ${TUNING}, "PgBouncer Connection Pooler"`,
    raw: changed(small, { "given.database.recycleS": 3600, "given.pgbouncer.clientIdleTimeoutS": 120 }),
    refused: ["I19"],
    warned: [],
  },
  {
    // 600 + 150 = 750 > 700: a fifth of the reserve can never be used. And 2 s for a pooled connection, 60 s in the pooler's queue and
    // 10 s of statement are longer than the 70 s after which the answer is given up.
    name: "PgBouncer 600 + 150 within 700",
    source: `${TUNING}, "Example PgBouncer configuration"`,
    raw: changed(light, {
      gateway: { cpu: 8, memory: "8Gi" },
      database: { pgbouncer: { resetQueryAlways: true }, postgres: { cpu: 16, memory: "64Gi" } },
      "given.pgbouncer.maxClientConn": 5000,
      "given.pgbouncer.defaultPoolSize": 600,
      "given.pgbouncer.minPoolSize": 100,
      "given.pgbouncer.reservePoolSize": 150,
      "given.pgbouncer.maxDbConnections": 700,
      "given.pgbouncer.maxUserConnections": 700,
      "given.pgbouncer.serverLifetimeS": 1800,
      "given.pgbouncer.serverIdleTimeoutS": 600,
      "given.pgbouncer.queryWaitTimeoutS": 60,
      "given.pgbouncer.clientIdleTimeoutS": 120,
      "given.postgres.maxConnections": 800,
      "given.postgres.workMemMiB": 16,
    }),
    refused: ["I7", "I16"],
    warned: ["I14"],
  },
  {
    // 10 000 messages of 100 KB are 977 MiB, half as much again 1 465, of 1 024; the guide's own sum is 2.25 GB (it prints 2.5), with
    // 50 KB for each session. And what must not be forgotten is stored where the least recently used is.
    name: "Redis with maxmemory 1gb and allkeys-lru for sessions and messages",
    source: `${SCALING}, "Redis Sizing" with "Redis Server Tuning"`,
    raw: changed(light, {
      gateway: { cpu: 8, memory: "8Gi" },
      database: { postgres: { cpu: 8, memory: "32Gi" } },
      "load.sseStreams": 100,
      "redis.eventKiB": 100,
      "given.redis.maxmemoryMiB": 1024,
      "given.redis.policy": "allkeys-lru",
    }),
    refused: ["I43"],
    warned: [],
  },
  {
    // The policy alone: whatever it evicts under pressure is a session.
    name: "allkeys-lru under sessions",
    source: `${SCALING}, "Redis with performance tuning"`,
    raw: changed(large, { "given.redis.policy": "allkeys-lru" }),
    refused: ["I43"],
    warned: [],
  },
  {
    // 2 × 16 × 2 048 = 65 536 admitted; with a transaction in every fifth, held for up to 50 ms ("<50ms"), 120 server connections need
    // 65 536 × 0.2 × 0.05 ÷ 120 = 5.5 s to drain what waits 2 s at most. 8 192 pending connections are cut to 4 096 by the kernel.
    name: "GRANIAN_BACKPRESSURE 2048 on two replicas of 16 workers",
    source: `${SCALING}, "Granian Configuration" with its compose reference and its session hold time`,
    raw: changed(compose, {
      "load.dbTxMs": 50,
      "given.gateway.inFlightPerWorker": 2048,
      "given.gateway.backlog": 8192,
    }),
    refused: ["I52"],
    warned: ["I4", "I29"],
  },
  {
    // 2 × 2 × (15 + 30) = 180 at the minimum, 10 × 2 × 45 = 900 at the HPA's maximum (13 pods and 1 170 in a rollout); PostgreSQL was
    // left at 100.
    name: "ContextForge chart defaults",
    source: "ContextForge 1.0.8, values of its chart",
    raw: changed(light, {
      gateway: { cpu: 2, memory: "2Gi", workers: 2 },
      database: { mode: "direct", overflow: 30, postgres: { cpu: 4, memory: "8Gi" } },
      "given.gateway.replicas.min": 2,
      "given.gateway.replicas.max": 10,
      "given.database.poolPerWorker": 15,
      "given.postgres.maxConnections": 100,
      "given.postgres.workMemMiB": 4,
    }),
    refused: ["I8"],
    warned: [],
  },
  {
    // A tool may take 60 s, the session that carries its call gives up after 30.
    name: "session pool defaults with TOOL_TIMEOUT 60",
    source: `${TUNING}, "MCP Session Pool Tuning" with the ${SCALING}, "Application Tuning"`,
    raw: changed(large, { "given.timeouts.toolS": 60, "given.timeouts.sessionTransportS": 30 }),
    refused: ["I21"],
    warned: [],
  },
  {
    // Three must stay, three are there: no node can ever be drained.
    name: "PodDisruptionBudget minAvailable 3 with minReplicas 3",
    source: `${SCALING}, "Pod Disruption Budget" with "Helm Chart Configuration"`,
    raw: changed(large, {
      "load.peakRps": 300,
      "given.gateway.replicas.min": 3,
      "given.disruption.minAvailable": 3,
    }),
    refused: ["I35"],
    warned: [],
  },
  {
    // The kernel takes the smaller of both, silently: 8 192 becomes 4 096.
    name: "GRANIAN_BACKLOG 8192 with somaxconn 4096",
    source: `${SCALING}, "Granian Configuration" with "Kernel Parameters"`,
    raw: changed(large, { "cluster.somaxconn": 4096, "given.gateway.backlog": 8192 }),
    refused: [],
    warned: ["I29"],
  },
  {
    // 60 s for a pooled connection and 60 s in the pooler's queue, before a statement has begun: 130 s of 70.
    name: "DB_POOL_TIMEOUT 60 with QUERY_WAIT_TIMEOUT 60",
    source: `${TUNING}, "Database Connection Pool" with "Timeout Settings"`,
    raw: changed(large, { "given.timeouts.dbAcquireS": 60, "given.pgbouncer.queryWaitTimeoutS": 60 }),
    refused: ["I16"],
    warned: [],
  },
  {
    // "Low timeouts for fast failure": 5 s for a command, where a whole database connection is waited for 2 s.
    name: "REDIS_SOCKET_TIMEOUT 5.0",
    source: `${SCALING}, "High-Concurrency Redis Tuning"`,
    raw: changed(large, { "given.timeouts.redisCommandS": 5 }),
    refused: ["I15"],
    warned: [],
  },
  {
    // Liveness 3 × 15 s against readiness 3 × 10 s: a pod is restarted 15 s after it was taken out of service.
    name: "liveness almost as impatient as readiness",
    source: `${SCALING}, "Kubernetes Probe Configuration"`,
    raw: changed(large, {
      "given.probes.readiness.periodS": 10,
      "given.probes.readiness.failureThreshold": 3,
      "given.probes.liveness.periodS": 15,
      "given.probes.liveness.failureThreshold": 3,
    }),
    refused: ["I27"],
    warned: [],
  },
  {
    // 2 × 16 × (15 + 30) = 1 440 ≤ 3 000; 120 + 25 ≤ 200 ≤ 500; 2 × 16 × 150 + 10 = 4 810 ≤ 10 000. Connections hold. What does not is
    // memory: shared_buffers 512MB "25% of available RAM" means 2 GiB, and 500 backends want 5 000 MiB.
    name: "the compose reference: its connection budgets hold",
    source: `${SCALING}, "Docker Compose Reference Architecture"`,
    raw: changed(compose, {
      "database.postgres.memory": "2Gi",
      "redis.connectionsPerWorker": 150,
      "given.redis.maxclients": 10_000,
    }),
    refused: ["I41"],
    warned: ["I4"],
    holding: CONNECTIONS,
  },
  {
    // 3 × 24 × (20 + 10) = 2 160 ≤ 5 000 clients of PgBouncer; 3 × 24 × 50 + 10 = 3 610 ≤ 15 000 of Redis.
    name: "ContextForge's compose at three replicas: its client counts hold",
    source: "ContextForge 1.0.8, docker-compose.yml",
    raw: changed(light, {
      gateway: { cpu: 24, memory: "16Gi", workers: 24, maxSurge: 0, hpa: false },
      database: { overflow: 10, postgres: { cpu: 8, memory: "32Gi" } },
      "redis.connectionsPerWorker": 50,
      "given.gateway.replicas.min": 3,
      "given.gateway.replicas.max": 3,
      "given.database.poolPerWorker": 20,
      "given.pgbouncer.maxClientConn": 5000,
      "given.redis.maxclients": 15_000,
      "given.postgres.maxConnections": 800,
    }),
    refused: [],
    warned: [],
    holding: CONNECTIONS,
  },
];
