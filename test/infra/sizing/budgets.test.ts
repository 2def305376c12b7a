/** Every budget is broken by a case of its own, alone; the document of each says what does not hold and what would repair it. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { headroomOf } from "../../../infra/sizing/budgets/index.ts";
import { budgetRules, plan, readInput } from "../../../infra/sizing/index.ts";
import { verdictText } from "../../../infra/sizing/report/index.ts";
import { dev, prod, withChanges } from "./cases.ts";

type Raw = { readonly [name: string]: unknown };
const given = (pins: Raw): Raw => ({ given: pins });
const direct: Raw = { database: { mode: "direct" } };

/** `id statement` → what has to change in which base for that alone to break; numbers left and right as they must come out. */
const broken: Readonly<Record<string, readonly [base: Raw, changes: Raw, left: number, right: number]>> = {
  "I1 1.2 · average requests in flight ≤ fewest replicas · workers · in flight per worker": [
    dev,
    given({ "gateway.inFlightPerWorker": 8 }),
    8.64,
    8,
  ],
  "I1 1.2 · requests in flight at the peak ≤ most replicas · workers · in flight per worker": [
    prod,
    given({
      "gateway.replicas.min": 14,
      "gateway.inFlightPerWorker": 23,
      "gateway.replicas.max": 14,
      "disruption.maxUnavailable": 1,
    }),
    1296,
    1288,
  ],
  "I1 requests per second at the peak ≤ most replicas · workers with a core · service rate · 0.7": [
    dev,
    given({ "gateway.rpsPerWorker": 50, "gateway.replicas.max": 2, "gateway.replicas.peak": 3 }),
    72,
    70,
  ],
  "I3 workers · (heap + base + requests in flight) + primary ≤ 0.9 · memory of a replica": [
    dev,
    given({ "gateway.maxOldSpaceMiB": 252 }),
    461.0625,
    460.8,
  ],
  "I3 least heap of a worker ≤ heap": [dev, given({ "gateway.maxOldSpaceMiB": 127 }), 128, 127],
  "I4 workers of a replica ≤ its cores": [dev, { gateway: { workers: 2, memory: "1Gi" } }, 2, 1],
  "I5 planned service rate of a worker ≤ service rate that a load test measured with the same engine (mcp-stack load --calibration)":
    [prod, { calibration: undefined }, 150, 0],
  "I51 database processor time at the peak ≤ 0.7 · cores of PostgreSQL": [dev, { load: { dbCpuMs: 20 } }, 0.72, 0.7],
  "I52 time in which the database drains all that may be admitted ≤ wait for a connection": [
    dev,
    given({ "gateway.inFlightPerWorker": 1000, "gateway.memoryMiB": 1024 }),
    2.5,
    2,
  ],
  "I53 upstream sessions that a worker keeps apart (servers · identities · transports · per key) ≤ its cap": [
    dev,
    { mcp: { identities: 200 } },
    2000,
    1666,
  ],
  "I53 sessions of all workers at the worst instant ≤ upstream sessions of the whole deployment": [
    dev,
    given({ "mcp.sessionsPerWorker": 1667 }),
    5001,
    5000,
  ],
  "I53 stateful sessions ≤ fewest replicas · workers · sessions per worker": [
    dev,
    { load: { statefulSessions: 2000 } },
    2000,
    1666,
  ],
  "I55 database transactions at the peak ≤ 0.7 · what the poolers pass on, one instance of several lost": [
    dev,
    { database: { pgbouncer: { txPerSecond: 50 } } },
    36,
    35,
  ],
  "I56 Redis commands at the peak ≤ 0.7 · what one instance serves (beyond it: a cluster of shards)": [
    dev,
    { redis: { commandsPerSecond: 200 } },
    144,
    140,
  ],
  "I57 requests at the peak of a burst ≤ 0.7 · what nginx passes on, one instance of several lost": [
    dev,
    { nginx: { rpsPerCore: 100 } },
    75,
    70,
  ],
  "I6 Σ worker pools at the worst instant ≤ PgBouncer clients, one instance of several lost": [
    prod,
    given({ "pgbouncer.maxClientConn": 143 }),
    144,
    143,
  ],
  "I7 (default pool + reserve) · pools ≤ server connections of a PgBouncer": [
    dev,
    given({ "pgbouncer.maxDbConnections": 3 }),
    4,
    3,
  ],
  "I7 server connections of a PgBouncer ≤ connections per user · users": [
    dev,
    given({ "pgbouncer.maxUserConnections": 3 }),
    4,
    3,
  ],
  "I8 server connections at the worst instant + reserved + direct users ≤ max_connections": [
    prod,
    given({ "postgres.maxConnections": 41 }),
    42,
    41,
  ],
  "I8 max_connections ≤ what the managed database allows": [
    prod,
    { database: { postgres: { ceiling: 46 } }, given: { "postgres.maxConnections": 47 } },
    47,
    46,
  ],
  "I9 least pool ≤ default pool": [dev, given({ "pgbouncer.minPoolSize": 4 }), 4, 3],
  "I10 Redis connections at the worst instant ≤ maxclients": [prod, given({ "redis.maxclients": 153 }), 154, 153],
  "I10 maxclients ≤ hard limit of descriptors − 32": [
    dev,
    { cluster: { nofileHard: 65_536 }, given: { "redis.maxclients": 65_505 } },
    65_505,
    65_504,
  ],
  "I10 maxclients ≤ what the managed Redis allows": [
    prod,
    { redis: { ceiling: 500 }, given: { "redis.maxclients": 1000 } },
    1000,
    500,
  ],
  "I11 descriptors that a gateway worker opens ≤ its limit": [dev, given({ "gateway.nofile": 1920 }), 1921, 1920],
  "I11 descriptors that PgBouncer opens ≤ its limit": [dev, given({ "pgbouncer.nofile": 63 }), 64, 63],
  "I11 descriptors that a PostgreSQL backend opens ≤ its limit": [dev, given({ "postgres.nofile": 1063 }), 1064, 1063],
  "I11 descriptors that Redis opens ≤ its limit": [dev, given({ "redis.nofile": 1031 }), 1032, 1031],
  "I11 descriptors that an nginx worker opens ≤ its limit": [dev, given({ "nginx.nofile": 1023 }), 1024, 1023],
  "I11 descriptors of a gateway worker ≤ hard limit of the cluster": [
    dev,
    { cluster: { nofileHard: 4000 }, given: { "gateway.nofile": 4001 } },
    4001,
    4000,
  ],
  "I11 descriptors of PgBouncer ≤ hard limit of the cluster": [
    dev,
    { cluster: { nofileHard: 4000 }, given: { "pgbouncer.nofile": 4001 } },
    4001,
    4000,
  ],
  "I11 descriptors of a PostgreSQL backend ≤ hard limit of the cluster": [
    dev,
    { cluster: { nofileHard: 4000 }, given: { "postgres.nofile": 4001 } },
    4001,
    4000,
  ],
  "I11 descriptors of Redis ≤ hard limit of the cluster": [
    dev,
    { cluster: { nofileHard: 4000 }, given: { "redis.nofile": 4001 } },
    4001,
    4000,
  ],
  "I11 descriptors of an nginx worker ≤ hard limit of the cluster": [
    dev,
    { cluster: { nofileHard: 2500 } },
    2560,
    2500,
  ],
  "I58 connections of all clients and towards the gateway ≤ worker connections, one nginx of several lost": [
    prod,
    given({ "nginx.workerConnections": 4249 }),
    17_000,
    16_996,
  ],
  "I12 sessions cleaned up at once ≤ pool of a worker": [dev, given({ "database.cleanupConcurrency": 3 }), 3, 2],
  "I13 named prepared statements in transaction mode ≤ those that PgBouncer tracks (1.21 or later)": [
    dev,
    { database: { pgbouncer: { preparedStatements: true, version: "1.18" } } },
    1,
    0,
  ],
  "I14 reset queries in transaction mode ≤ 0: a needless round trip, the gateway leaves nothing to reset": [
    dev,
    { database: { pgbouncer: { resetQueryAlways: true } } },
    1,
    0,
  ],
  "I15 redisCommandS < dbAcquireS": [dev, given({ "timeouts.redisCommandS": 2 }), 2, 2],
  "I16 dbAcquireS + pgbouncer.queryWaitTimeoutS + dbStatementS < handlerS": [
    dev,
    given({ "pgbouncer.queryWaitTimeoutS": 58 }),
    70,
    70,
  ],
  "I17 dbStatementS < dbQueryS": [dev, given({ "timeouts.dbQueryS": 10 }), 10, 10],
  "I18 idleTransactionS ≤ idleInTransactionS": [dev, given({ "timeouts.idleTransactionS": 61 }), 61, 60],
  "I19 2 · life of a gateway's database connection (recycleS) ≤ pgbouncer.clientIdleTimeoutS": [
    dev,
    given({ "database.recycleS": 61 }),
    122,
    120,
  ],
  "I19 dbIdleS < pgbouncer.clientIdleTimeoutS": [dev, given({ "timeouts.dbIdleS": 120 }), 120, 120],
  "I20 pgbouncer.serverIdleTimeoutS ≤ pgbouncer.serverLifetimeS": [
    dev,
    given({ "pgbouncer.serverIdleTimeoutS": 3601 }),
    3601,
    3600,
  ],
  "I21 toolS ≤ sessionTransportS": [dev, given({ "timeouts.sessionTransportS": 30 }), 60, 30],
  "I21 sessionTransportS < upstreamBodyS": [dev, given({ "timeouts.upstreamBodyS": 60 }), 60, 60],
  "I21 upstreamBodyS < handlerS": [dev, given({ "timeouts.handlerS": 65 }), 65, 65],
  "I21 handlerS < proxyReadS": [dev, given({ "timeouts.proxyReadS": 70 }), 70, 70],
  "I21 proxyReadS < lbIdleS": [dev, given({ "timeouts.lbIdleS": 75 }), 75, 75],
  "I22 sessionCreateS ≤ sessionAcquireS": [dev, given({ "timeouts.sessionCreateS": 31 }), 31, 30],
  "I22 sessionHealthS < sessionTransportS": [dev, given({ "timeouts.sessionHealthS": 60 }), 60, 60],
  "I22 healthIntervalS < sessionTtlS": [dev, given({ "timeouts.healthIntervalS": 300 }), 300, 300],
  "I22 sessionTtlS ≤ sessionIdleEvictionS": [dev, given({ "timeouts.sessionTtlS": 601 }), 601, 600],
  "I23 lbIdleS < nginxKeepaliveS": [dev, given({ "timeouts.nginxKeepaliveS": 80 }), 80, 80],
  "I23 nginxUpstreamKeepaliveS < gatewayKeepaliveS": [dev, given({ "timeouts.gatewayKeepaliveS": 60 }), 60, 60],
  "I23 upstreamKeepaliveS < upstreamServerKeepaliveS": [dev, given({ "timeouts.upstreamKeepaliveS": 5 }), 5, 5],
  "I24 2 · sseKeepaliveS ≤ min(proxyReadS, lbIdleS)": [dev, given({ "timeouts.sseKeepaliveS": 38 }), 76, 75],
  "I25 3 · leaderHeartbeatS ≤ leaderTtlS": [dev, given({ "timeouts.leaderHeartbeatS": 6 }), 18, 15],
  "I26 pauses between the tries of a tool call < toolS, the caller's deadline": [
    dev,
    given({ "retries.tool.attempts": 7 }),
    63,
    60,
  ],
  "I26 pauses between the tries of a database call < handlerS, the caller's deadline": [
    dev,
    given({ "retries.database.attempts": 36 }),
    70,
    70,
  ],
  "I26 pauses between the tries of a redis call < handlerS, the caller's deadline": [
    dev,
    given({ "retries.redis.attempts": 36 }),
    70,
    70,
  ],
  "I27 probeCheckS < readinessS": [dev, given({ "timeouts.probeCheckS": 3 }), 3, 3],
  "I27 2 · patience of readiness ≤ patience of liveness (period · failures)": [
    dev,
    given({ "probes.readiness.failureThreshold": 8 }),
    80,
    75,
  ],
  "I27 3 · cold start ≤ patience of the startup probe (period · failures)": [
    dev,
    given({ "probes.startup.failureThreshold": 2 }),
    15,
    10,
  ],
  "I28 preStopS + handlerS + 5 ≤ graceS": [dev, given({ "timeouts.graceS": 84 }), 85, 84],
  "I28 5 ≤ preStopS": [dev, given({ "timeouts.preStopS": 4 }), 5, 4],
  "I29 listen backlog of the gateway ≤ somaxconn": [dev, given({ "gateway.backlog": 8192 }), 8192, 4096],
  "I29 listen backlog of nginx ≤ somaxconn": [dev, given({ "nginx.backlog": 8192 }), 8192, 4096],
  "I29 listen backlog of PgBouncer ≤ somaxconn": [dev, given({ "pgbouncer.listenBacklog": 8192 }), 8192, 4096],
  "I29 listen backlog of Redis ≤ somaxconn": [dev, given({ "redis.tcpBacklog": 8192 }), 8192, 4096],
  "I30 sysctls that the cluster does not allow ≤ 0": [dev, { cluster: { somaxconn: 65_535 } }, 1, 0],
  "I31 60 s · new connections per second from an nginx to one address ≤ ephemeral ports": [
    prod,
    given({ "nginx.keepalivePerWorker": 1 }),
    129_137.962667,
    28_232,
  ],
  "I34 fewest replicas ≤ most replicas": [dev, given({ "gateway.replicas.min": 3, "gateway.replicas.max": 2 }), 3, 2],
  "I34 replicas that the autoscaler may run ≤ most replicas that everything else is planned for": [
    dev,
    given({ "autoscaling.max": 3 }),
    3,
    2,
  ],
  "I34 fewest replicas that carry the load ≤ replicas that the autoscaler keeps": [
    prod,
    given({ "autoscaling.min": 10 }),
    11,
    10,
  ],
  "I34 surge of a rollout, rounded up, ≤ replicas at the worst instant − most replicas": [
    prod,
    given({ "gateway.replicas.peak": 17 }),
    4,
    3,
  ],
  "I34 max(3, zones) ≤ fewest replicas in production": [
    prod,
    { gateway: { rpsPerWorker: 4000, haFloor: 2 }, load: { zones: 1 } },
    3,
    2,
  ],
  "I35 1 ≤ replicas that may be evicted when the fewest run": [
    prod,
    given({ "gateway.replicas.min": 11, "disruption.minAvailable": 11 }),
    1,
    0,
  ],
  "I54 CPU target of the autoscaler (70 % of the cores that workers use, of the request) ≤ 95": [
    dev,
    { gateway: { cpuRequest: "500m" } },
    140,
    95,
  ],
  "I54 CPU target of the autoscaler as it is set ≤ 95": [dev, given({ "autoscaling.targetCpuPercent": 96 }), 96, 95],
  "I54 CPU request of a replica ≤ its limit": [dev, { gateway: { cpuRequest: 2 } }, 2, 1],
  "I36 cpu of all tiers at the worst instant ≤ quota of the namespace": [dev, { cluster: { quota: { cpu: 6 } } }, 7, 6],
  "I36 memory of all tiers at the worst instant ≤ quota of the namespace": [
    dev,
    { cluster: { quota: { memory: "3067Mi" } } },
    3068,
    3067,
  ],
  "I36 pods of all tiers at the worst instant ≤ quota of the namespace": [
    dev,
    { cluster: { quota: { pods: 6 } } },
    7,
    6,
  ],
  "I41 shared buffers + 10 MiB · max_connections + 2 · work_mem · active + maintenance + autovacuum ≤ 0.9 · memory of PostgreSQL":
    [dev, given({ "postgres.workMemMiB": 32 }), 922, 921.6],
  "I43 maxmemory < memory of the Redis container": [dev, given({ "redis.memoryMiB": 98 }), 98, 98],
  "I43 state that Redis holds ≤ maxmemory": [dev, given({ "redis.maxmemoryMiB": 64 }), 64.985352, 64],
  "I43 evicting policies on a Redis that keeps state ≤ 0": [dev, given({ "redis.policy": "allkeys-lru" }), 1, 0],
  "I43 cache and state on one Redis in production ≤ 0": [prod, { redis: { role: "both" } }, 1, 0],
  "I44 2 · max_wal_size + data ≤ volume of PostgreSQL": [dev, given({ "postgres.volumeGiB": 17 }), 18, 17],
  "I45 time of a backup < time between two": [dev, { data: { backup: { windowH: 24 } } }, 24, 24],
  "I45 backups kept · size ≤ volume of the backups": [dev, given({ "backup.volumeGiB": 34 }), 35, 34],
  "I48 life of an identity in nginx ≤ time within which a revocation must act": [
    dev,
    given({ "nginx.identityTtlS": 31 }),
    31,
    30,
  ],
  "I49 life of a checked token in the gateway ≤ time within which a revocation must act": [
    dev,
    given({ "caches.jwtTtlS": 31 }),
    31,
    30,
  ],
  "I59 load.gatewayRps as it follows from the rest ≤ load.gatewayRps as it is pinned": [
    dev,
    given({ "load.gatewayRps": 71 }),
    72,
    71,
  ],
  "I59 load.averageRps as it follows from the rest ≤ load.averageRps as it is pinned": [
    dev,
    given({ "load.averageRps": 47 }),
    48,
    47,
  ],
  "I59 load.inFlight as it follows from the rest ≤ load.inFlight as it is pinned": [
    dev,
    given({ "load.inFlight": 10 }),
    10.8,
    10,
  ],
  "I59 load.dbConnectionsBusy as it follows from the rest ≤ load.dbConnectionsBusy as it is pinned": [
    dev,
    given({ "load.dbConnectionsBusy": 0.17 }),
    0.18,
    0.17,
  ],
  "I59 load.dbCores as it follows from the rest ≤ load.dbCores as it is pinned": [
    dev,
    given({ "load.dbCores": 0.03 }),
    0.036,
    0.03,
  ],
  "I59 database.appConnections as it follows from the rest ≤ database.appConnections as it is pinned": [
    dev,
    given({ "database.appConnections": 5 }),
    6,
    5,
  ],
  "I59 redis.connections as it follows from the rest ≤ redis.connections as it is pinned": [
    dev,
    given({ "redis.connections": 15 }),
    16,
    15,
  ],
  "I59 mcp.keys as it follows from the rest ≤ mcp.keys as it is pinned": [dev, given({ "mcp.keys": 99 }), 100, 99],
  "I59 pgbouncer.pools as it follows from the rest ≤ pgbouncer.pools as it is pinned": [
    dev,
    { database: { pgbouncer: { databases: 2 } }, given: { "pgbouncer.pools": 1 } },
    2,
    1,
  ],
  "I59 disruption.zones as it follows from the rest ≤ disruption.zones as it is pinned": [
    prod,
    given({ "disruption.zones": 2 }),
    3,
    2,
  ],
  "I50 1 ≤ audit trails in production": [prod, { security: { auditTrail: false } }, 1, 0],
};

/** Breaks that bring another with them by their nature, with the reason. */
const companions: Readonly<Record<string, readonly string[]>> = {
  // Its descriptors are its clients and 32 more.
  "I10 maxclients ≤ hard limit of descriptors − 32": ["I11 descriptors of Redis ≤ hard limit of the cluster"],
};

const ROOT = join(import.meta.dirname, "..", "..", "..");

function subjectOf(base: Raw, changes: Raw) {
  const reading = readInput(withChanges(base, changes));
  if (!reading.ok) throw new Error(reading.problems.map(({ message }) => message).join("\n"));
  return { input: reading.input, document: plan(reading.input) };
}

describe("budgets", () => {
  it("every one has a case that breaks it", () => {
    expect(Object.keys(broken).toSorted()).toEqual(
      budgetRules.map((rule) => `${rule.id} ${rule.statement}`).toSorted(),
    );
  });

  it.each(Object.entries(broken))("%s", (name, [base, changes, left, right]) => {
    const { document } = subjectOf(base, changes);
    const found = [...document.refusals, ...document.warnings];
    expect(found.map(({ id, statement }) => `${id} ${statement}`).toSorted()).toEqual(
      [name, ...(companions[name] ?? [])].toSorted(),
    );
    const [line] = found.filter(({ id, statement }) => `${id} ${statement}` === name);
    expect([line?.left, line?.right, line?.holds]).toEqual([left, right, false]);
    expect(document.accepted).toBe(line?.severity === "warn");
  });

  it("every refusal is a text that says what does not hold, why it matters and what repairs it", async () => {
    const texts = Object.entries(broken).map(([name, [base, changes]]) =>
      verdictText({ title: "the stack", ...subjectOf(base, changes) }).replace(/^[^\n]*\n/, `# ${name}\n`),
    );
    await expect(texts.join("\n\n")).toMatchFileSnapshot(join(ROOT, "test/golden/plan/budgets.txt"));
  });

  it("without a pooler, the gateway's own connections count", () => {
    const { document } = subjectOf(prod, direct);
    expect(document.refusals).toEqual([]);
    expect(document.plan.pgbouncer).toBe(null);
    expect(document.budgets.filter(({ id }) => id === "I8").map(({ left, right }) => [left, right])).toEqual([
      [162, 193],
    ]);
  });
});

it("room that rounds to nothing is nothing, on either side, and can be written as JSON", () => {
  for (const [left, right] of [
    [59_002, 58_982.4],
    [58_982.4, 59_002],
    [0, 0],
  ] as const) {
    const room = headroomOf(left, right);
    expect([Object.is(room, 0), JSON.parse(JSON.stringify(room))]).toEqual([true, 0]);
  }
});
