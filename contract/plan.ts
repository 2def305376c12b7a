/**
 * The plan of a deployment: every number of it, once. Sizing derives and proves it, the topology renders it, the gateway reads the
 * one it was deployed with. Units stand in the names; a number that does not apply to a variant is null, never a guess.
 */
import { z } from "zod";

/** Versions of PgBouncer that are known here. */
export const POOLER_VERSIONS = ["1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24", "1.25"] as const;

const count = () => z.int().min(0);
const atLeast = (least: number) => z.int().min(least);
const mebibytes = () => z.number().min(0);
const secondsOf = () => z.number().positive();
const ratio = () => z.number().min(0);

export const timeoutsSchema = z.strictObject({
  redisCommandS: secondsOf(),
  dbAcquireS: secondsOf(),
  dbStatementS: secondsOf(),
  dbQueryS: secondsOf(),
  dbIdleS: secondsOf(),
  idleTransactionS: secondsOf(),
  idleInTransactionS: secondsOf(),
  toolS: secondsOf(),
  sessionTransportS: secondsOf(),
  upstreamBodyS: secondsOf(),
  handlerS: secondsOf(),
  proxyReadS: secondsOf(),
  lbIdleS: secondsOf(),
  nginxKeepaliveS: secondsOf(),
  nginxUpstreamKeepaliveS: secondsOf(),
  gatewayKeepaliveS: secondsOf(),
  upstreamKeepaliveS: secondsOf(),
  /** What a Node server behind the gateway keeps by default; a fact about others, not a knob. */
  upstreamServerKeepaliveS: secondsOf(),
  sseKeepaliveS: secondsOf(),
  streamReadS: secondsOf(),
  sessionCreateS: secondsOf(),
  sessionAcquireS: secondsOf(),
  sessionHealthS: secondsOf(),
  healthIntervalS: secondsOf(),
  sessionTtlS: secondsOf(),
  sessionIdleEvictionS: secondsOf(),
  leaderHeartbeatS: secondsOf(),
  leaderTtlS: secondsOf(),
  /** What /ready may spend on its own checks, and what a probe waits for an answer. */
  probeCheckS: secondsOf(),
  readinessS: secondsOf(),
  preStopS: secondsOf(),
  graceS: secondsOf(),
});

const probeSchema = z.strictObject({ periodS: secondsOf(), failureThreshold: atLeast(1) });

const zoneSchema = z.strictObject({
  /** Shared memory of the keys, MiB: 8 000 keys per MiB. */
  keysMiB: atLeast(1),
  maxSizeMiB: atLeast(1),
  inactiveS: secondsOf(),
  validS: secondsOf(),
});

const retrySchema = z.strictObject({
  /** Tries in all, the first included. */
  attempts: atLeast(1),
  baseMs: count(),
  maxMs: count(),
});

export const planSchema = z.strictObject({
  engine: z.strictObject({ kind: z.enum(["fastify", "bounded"]), why: z.string() }),
  load: z.strictObject({
    /** λ: requests per second that reach the gateway at the peak of a burst. */
    gatewayRps: ratio(),
    /** λ without the burst: the average of the peak hour. */
    averageRps: ratio(),
    /** L = λ·W (Little): requests in flight at the peak of a burst. */
    inFlight: ratio(),
    /** Busy database connections at the peak, on average. */
    dbConnectionsBusy: ratio(),
    /** Database cores used at the peak. */
    dbCores: ratio(),
  }),
  gateway: z.strictObject({
    replicas: z.strictObject({
      min: atLeast(1),
      max: atLeast(1),
      /** Alive at the worst instant of a rollout at the maximum. */
      peak: atLeast(1),
      /** Needed for the peak at the target use. */
      needed: atLeast(1),
    }),
    workers: atLeast(1),
    rpsPerWorker: z.number().positive(),
    inFlightPerWorker: atLeast(1),
    listeners: atLeast(1),
    backlog: atLeast(1),
    cpu: z.number().positive(),
    cpuRequest: z.number().positive(),
    memoryMiB: mebibytes(),
    maxOldSpaceMiB: z.int(),
    workerBaseMiB: mebibytes(),
    bytesPerRequest: count(),
    threadPool: atLeast(1),
    nofile: count(),
  }),
  database: z.strictObject({
    mode: z.enum(["pgbouncer", "direct"]),
    poolPerWorker: atLeast(1),
    overflow: count(),
    appConnections: count(),
    recycleS: secondsOf(),
    cleanupConcurrency: atLeast(1),
  }),
  pgbouncer: z
    .strictObject({
      version: z.string(),
      instances: atLeast(1),
      maxClientConn: count(),
      defaultPoolSize: atLeast(1),
      reservePoolSize: count(),
      minPoolSize: count(),
      maxDbConnections: count(),
      maxUserConnections: count(),
      /** Pools of one instance: databases, or databases times users without a forced one. */
      pools: atLeast(1),
      forcedUser: z.boolean(),
      users: atLeast(1),
      databases: atLeast(1),
      maxPreparedStatements: count(),
      resetQueryAlways: z.boolean(),
      queryWaitTimeoutS: secondsOf(),
      reservePoolTimeoutS: secondsOf(),
      serverConnectTimeoutS: secondsOf(),
      clientIdleTimeoutS: secondsOf(),
      serverLifetimeS: secondsOf(),
      serverIdleTimeoutS: secondsOf(),
      listenBacklog: atLeast(1),
      cpu: z.number().positive(),
      memoryMiB: mebibytes(),
      nofile: count(),
    })
    /** Null where the gateway speaks to PostgreSQL directly. */
    .nullable(),
  postgres: z.strictObject({
    version: atLeast(15),
    maxConnections: atLeast(1),
    reservedConnections: count(),
    /** Migrations, exporter, backup, an administrator: past the pooler. */
    directConnections: count(),
    sharedBuffersMiB: atLeast(1),
    effectiveCacheSizeMiB: atLeast(1),
    workMemMiB: atLeast(1),
    maintenanceWorkMemMiB: atLeast(1),
    autovacuumWorkMemMiB: atLeast(1),
    autovacuumMaxWorkers: atLeast(1),
    walBuffersMiB: atLeast(1),
    minWalSizeMiB: atLeast(1),
    maxWalSizeMiB: atLeast(1),
    randomPageCost: z.number().positive(),
    effectiveIoConcurrency: count().max(1000),
    maxWorkerProcesses: atLeast(1),
    maxParallelWorkers: count(),
    maxParallelWorkersPerGather: count(),
    maxParallelMaintenanceWorkers: count(),
    hugePages: z.enum(["off", "try"]),
    jit: z.boolean(),
    walCompression: z.enum(["off", "pglz", "lz4"]),
    maxWalSenders: count(),
    semaphores: count(),
    memoryMiB: mebibytes(),
    cpu: z.number().positive(),
    shmMiB: count(),
    volumeGiB: z.number().positive(),
    nofile: count(),
  }),
  redis: z.strictObject({
    role: z.enum(["cache", "state", "both"]),
    connectionsPerWorker: atLeast(1),
    connections: count(),
    maxclients: count(),
    maxmemoryMiB: count(),
    policy: z.enum(["noeviction", "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu", "volatile-ttl"]),
    persistence: z.boolean(),
    cpu: z.number().positive(),
    memoryMiB: mebibytes(),
    tcpBacklog: atLeast(1),
    nofile: count(),
  }),
  nginx: z.strictObject({
    replicas: atLeast(1),
    cpu: z.number().positive(),
    workerProcesses: atLeast(1),
    workerConnections: atLeast(1),
    keepalivePerWorker: count(),
    keepaliveRequests: atLeast(1),
    backlog: atLeast(1),
    /** New connections per second from one nginx to one gateway address at the peak. */
    newConnectionsPerSecond: ratio(),
    memoryMiB: mebibytes(),
    nofile: count(),
    zones: z.strictObject({
      static: zoneSchema,
      api: zoneSchema,
      schema: zoneSchema,
      admin: zoneSchema,
      requestLimitMiB: atLeast(1),
      connectionLimitMiB: atLeast(1),
    }),
    /** How long an answer of the identity check may be believed. */
    identityTtlS: secondsOf(),
  }),
  mcp: z.strictObject({
    sessionsPerWorker: count(),
    maxPerKey: count(),
    keys: count(),
    socketsPerOrigin: atLeast(1),
    /** Streams that one worker holds when the fewest replicas run. */
    streamsPerWorker: count(),
  }),
  caches: z.strictObject({ jwtTtlS: secondsOf(), revocationBudgetS: secondsOf() }),
  retries: z.strictObject({ tool: retrySchema, database: retrySchema, redis: retrySchema }),
  timeouts: timeoutsSchema,
  probes: z.strictObject({
    startup: probeSchema,
    readiness: probeSchema,
    liveness: probeSchema,
  }),
  autoscaling: z.strictObject({
    enabled: z.boolean(),
    min: atLeast(1),
    max: atLeast(1),
    /** Percent of the CPU request. */
    targetCpuPercent: count(),
    maxSurge: z.number().min(0).max(1),
    surge: count(),
    scaleUpPods: atLeast(1),
    scaleUpPercent: atLeast(1),
    scaleUpPeriodS: secondsOf(),
    scaleDownPercent: atLeast(1),
    scaleDownPeriodS: secondsOf(),
    scaleDownStabilisationS: secondsOf(),
  }),
  disruption: z.strictObject({
    /** One of the two is a number. */
    maxUnavailable: count().nullable(),
    minAvailable: count().nullable(),
    zones: atLeast(1),
  }),
  /** How long a worker that was told to stop waits for its calls; the rest of it stands in `timeouts`. */
  shutdown: z.strictObject({ drainS: secondsOf() }),
  kernel: z.strictObject({
    somaxconn: atLeast(1),
    nofileHard: atLeast(1),
    ephemeralPorts: atLeast(1),
    kubernetesMinor: atLeast(1),
    unsafeSysctls: z.boolean(),
    /** What the pods ask for; each has to be allowed by the cluster. */
    sysctls: z.array(z.string()),
  }),
  backup: z.strictObject({
    periodH: z.number().positive(),
    windowH: z.number().positive(),
    retained: atLeast(1),
    sizeGiB: z.number().min(0),
    volumeGiB: z.number().positive(),
  }),
  security: z.strictObject({ auditTrail: z.boolean() }),
  cost: z
    .strictObject({
      currency: z.string(),
      monthlyAtMin: ratio(),
      monthlyAtMax: ratio(),
      tiers: z.record(z.string(), ratio()),
    })
    /** Null without a table of prices. */
    .nullable(),
});

export type Plan = z.infer<typeof planSchema>;

export const severitySchema = z.enum(["refuse", "warn"]);

/** One inequality with its numbers: `left ≤ right`, or `left < right` where it is strict. */
export const budgetSchema = z.strictObject({
  id: z.string().regex(/^I\d+$/),
  statement: z.string(),
  left: z.number(),
  right: z.number(),
  strict: z.boolean(),
  unit: z.string(),
  /** (right − left) ÷ right, at least three digits; negative when it does not hold. */
  headroom: z.number(),
  severity: severitySchema,
  source: z.string(),
  holds: z.boolean(),
});

const scalar = z.union([z.number(), z.string(), z.boolean()]);

export const repairSchema = z.strictObject({ input: z.string(), from: scalar, to: scalar });

export const refusalSchema = budgetSchema.extend({
  /** Each alone makes the budget hold and breaks no other; the nearest value that does. */
  repairs: z.array(repairSchema),
});

export const provenanceSchema = z.discriminatedUnion("kind", [
  /** Written by the user, as an input or as a pinned number; `derived` is what the model would have said. */
  z.strictObject({ kind: z.literal("given"), from: z.array(z.string()), derived: scalar.optional() }),
  z.strictObject({ kind: z.literal("derived"), formula: z.string(), from: z.array(z.string()) }),
  z.strictObject({ kind: z.literal("default"), source: z.string() }),
  z.strictObject({ kind: z.literal("assumed"), source: z.string(), from: z.array(z.string()).optional() }),
  z.strictObject({
    kind: z.literal("measured"),
    on: z.string(),
    at: z.string(),
    by: z.string(),
    from: z.array(z.string()).optional(),
  }),
]);

/** What `mcp-stack plan --json` prints when the input could be read. */
export const planDocumentSchema = z.strictObject({
  accepted: z.boolean(),
  plan: planSchema,
  budgets: z.array(budgetSchema),
  /** By path, of inputs (`input.load.peakRps`) and of the plan's numbers (`pgbouncer.maxClientConn`). */
  provenance: z.record(z.string(), provenanceSchema),
  refusals: z.array(refusalSchema),
  warnings: z.array(refusalSchema),
});

export type Budget = z.infer<typeof budgetSchema>;
export type Repair = z.infer<typeof repairSchema>;
export type Refusal = z.infer<typeof refusalSchema>;
export type Provenance = z.infer<typeof provenanceSchema>;
export type PlanDocument = z.infer<typeof planDocumentSchema>;
export type Severity = z.infer<typeof severitySchema>;
