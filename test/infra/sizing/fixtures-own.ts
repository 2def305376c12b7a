/** Configurations of our own, each refused or accepted for one reason; together every budget is violated alone by one of them. */
import { changed, type Fixture, large, measured, small } from "./fixtures.ts";

function own(name: string, raw: Fixture["raw"], refused: readonly string[], warned: readonly string[] = []): Fixture {
  return { name, source: "own", raw, refused, warned };
}

/** One thing is wrong with each. */
export const ownRefused: readonly Fixture[] = [
  // 11 × 4 workers × 1 = 44 in flight where 1.2 × 720 = 864 are there on an ordinary afternoon.
  own("one request in flight per worker", changed(large, { "given.gateway.inFlightPerWorker": 1 }), ["I1"], ["I31"]),
  // 4 × (1 024 + 148 + 2.3) + 60 = 4 757 MiB of 0.9 × 4 096.
  own("a heap of a GiB for each of four workers", changed(large, { "given.gateway.maxOldSpaceMiB": 1024 }), ["I3"]),
  // 4 × (128 + 148) + 60 = 1 164 MiB at the very least, of 0.9 × 1 024; with one request in flight each it still does not fit, and
  // nothing is kept alive for so few.
  own("four workers in one GiB", changed(large, { "gateway.memory": "1Gi" }), ["I1", "I3"], ["I31"]),
  // Cores are shared by twice as many event loops: slower, not wrong.
  own("nine workers on four cores", changed(large, { "gateway.workers": 9, "gateway.memory": "8Gi" }), [], ["I4"]),
  own("production on a guessed service rate", changed(large, { calibration: undefined, "gateway.rpsPerWorker": 150 }), [
    "I5",
  ]),
  own("production on twice the measured rate", changed(large, { "gateway.rpsPerWorker": 300 }), ["I5"]),
  // λ 4 320 × 0.4 × 5 ms = 8.64 cores of 0.7 × 8.
  own("a database whose processor is the limit", changed(large, { "load.dbCpuMs": 5 }), ["I51"]),
  // 18 × 4 × 1 024 × 0.4 × 5 ms ÷ 18 = 8.2 s behind connections that are waited for 2 s.
  own(
    "more admitted than the database can drain",
    changed(large, { "gateway.memory": "8Gi", "given.gateway.inFlightPerWorker": 1024 }),
    ["I52"],
  ),
  // A is 144: two poolers of 100 take it together, but one of them may be lost.
  own("two poolers that only suffice together", changed(large, { "given.pgbouncer.maxClientConn": 100 }), ["I6"]),
  // Without a forced user there is a pool for each of four users and the auth_user: 5 × 12 = 60 of 12.
  own(
    "a pool per user in a limit for one",
    changed(large, {
      "database.pgbouncer.forcedUser": false,
      "database.pgbouncer.users": 4,
      "given.pgbouncer.maxDbConnections": 12,
      "given.pgbouncer.maxUserConnections": 12,
    }),
    ["I7"],
  ),
  // 2 × 12 + 3 + 15 = 42 of the 40 that a managed database sells.
  own("a managed database with 40 connections", changed(large, { "database.postgres.ceiling": 40 }), ["I8"]),
  own("max_connections one too few", changed(large, { "given.postgres.maxConnections": 41 }), ["I8"]),
  own("more warm connections than the pool has", changed(large, { "given.pgbouncer.minPoolSize": 20 }), ["I9"]),
  // 18 × 4 × 2 + 10 = 154 clients of 128.
  own("a managed Redis with 128 clients", changed(large, { "redis.ceiling": 128 }), ["I10"]),
  // nginx asks for 2 × 5 525 descriptors and more.
  own("containers with 8192 descriptors", changed(large, { "cluster.nofileHard": 8192 }), ["I11"]),
  own("a cleanup that takes every connection", changed(large, { "given.database.cleanupConcurrency": 20 }), ["I12"]),
  own("a reset query that nobody needs", changed(large, { "database.pgbouncer.resetQueryAlways": true }), [], ["I14"]),
  own(
    "a statement that outlives its query",
    changed(large, { "given.timeouts.dbStatementS": 11, "given.timeouts.dbQueryS": 11 }),
    ["I17"],
  ),
  own("a pooler more patient than the database", changed(large, { "given.timeouts.idleTransactionS": 300 }), ["I18"]),
  // 90 < 120, but not half of it: between two looks of the pool the pooler may have hung up.
  own("connections recycled too late", changed(large, { "given.database.recycleS": 90 }), ["I19"]),
  own("idle longer than it may live", changed(large, { "given.pgbouncer.serverIdleTimeoutS": 7200 }), ["I20"]),
  own("an answer given up before the proxy gives up", changed(large, { "given.timeouts.proxyReadS": 60 }), ["I21"]),
  own("a session that takes longer to make than to wait for", changed(large, { "given.timeouts.sessionCreateS": 60 }), [
    "I22",
  ]),
  // The gateway closes after 72 s what nginx still believes open at 75: the next request meets a closed socket.
  own(
    "nginx keeps connections that the gateway closed",
    changed(large, { "given.timeouts.nginxUpstreamKeepaliveS": 75 }),
    ["I23"],
  ),
  // One lost keepalive and the stream is cut: 2 × 60 > 75.
  own("a sign of life a minute", changed(large, { "given.timeouts.sseKeepaliveS": 60 }), ["I24"]),
  own("a leader that may not miss one beat", changed(large, { "given.timeouts.leaderHeartbeatS": 10 }), ["I25"]),
  // 3 × 30 s of 12 × 5.
  own(
    "a gateway that is killed while it starts",
    changed(large, { "gateway.coldStartS": 30, "given.probes.startup.failureThreshold": 12 }),
    ["I27"],
  ),
  // 1 + 2 + 4 + 8 + 16 + 32 + 60 = 123 s of pauses in a call that has 60.
  own("eight tries of a tool", changed(large, { "given.retries.tool.attempts": 8 }), ["I26"]),
  // The pooler hands the next transaction to a connection that never saw the statement.
  own(
    "named statements through PgBouncer 1.18",
    changed(large, { "database.pgbouncer.preparedStatements": true, "database.pgbouncer.version": "1.18" }),
    ["I13"],
  ),
  own(
    "the same with a setting that 1.18 does not have",
    changed(large, {
      "database.pgbouncer.preparedStatements": true,
      "database.pgbouncer.version": "1.18",
      "given.pgbouncer.maxPreparedStatements": 100,
    }),
    ["I13"],
  ),
  own("a longer queue that the kubelet does not allow", changed(large, { "cluster.somaxconn": 65_535 }), ["I30"]),
  own("production without audit trail", changed(large, { "security.auditTrail": false }), ["I50"]),
  // 100 servers × 10 identities = 1 000 sessions of a worker that may have 277.
  own("sessions to a hundred servers", changed(large, { "mcp.servers": 100 }), ["I53"]),
  own("a rate that was measured with the other engine", changed(large, { "gateway.engine": "fastify" }), ["I5"]),
  // λ 4 320 × 0.4 = 1 728 transactions a second of 0.7 × 2 000: one of two poolers may be lost.
  own("poolers that pass on too little", changed(large, { "database.pgbouncer.txPerSecond": 2000 }), ["I55"]),
  // λ 4 320 × 2 = 8 640 commands a second of 0.7 × 10 000.
  own("a Redis too slow for one thread", changed(large, { "redis.commandsPerSecond": 10_000 }), ["I56"]),
  // 3 000 × 1.5 requests a second of 0.7 × 2 × 2 × 1 000.
  own("nginx that passes on too little", changed(large, { "nginx.rpsPerCore": 1000 }), ["I57"]),
  // 4 workers at 70 % are 280 % of one core.
  own("a quarter of the cores requested", changed(large, { "gateway.cpuRequest": 1 }), ["I54"]),
  own("Kubernetes' 30 seconds of grace", changed(large, { "given.timeouts.graceS": 30 }), ["I28"]),
  own(
    "600 new connections a second to one address",
    changed(large, { "given.nginx.newConnectionsPerSecond": 600 }),
    [],
    ["I31"],
  ),
  // A lost zone would leave one.
  own("production on two replicas", changed(large, { "load.peakRps": 300, "given.gateway.replicas.min": 2 }), ["I34"]),
  own("a budget that lets nobody go", changed(large, { "given.disruption.maxUnavailable": 0 }), ["I35"]),
  // 18 × 4 cores and what stands behind them, of 40.
  own("a quota that a rollout exceeds", changed(large, { "cluster.quota": { cpu: 40 } }), ["I36"]),
  // 8 192 + 10 × 3 000 MiB of 0.9 × 32 768.
  own("three thousand backends in 32 GiB", changed(large, { "given.postgres.maxConnections": 3000 }), ["I41"]),
  own("cache and state on one Redis in production", changed(large, { "redis.role": "both" }), ["I43"]),
  // 195 + 5 + 1 + 64 = 265 MiB of events, sessions, users and cache.
  own("more to keep than maxmemory", changed(large, { "given.redis.maxmemoryMiB": 256 }), ["I43"]),
  own("a volume as large as its data", changed(large, { "data.dataGiB": 100, "given.postgres.volumeGiB": 100 }), [
    "I44",
  ]),
  own("a backup that is not done when the next begins", changed(large, { "data.backup.windowH": 26 }), ["I45"]),
  own("an identity believed for five minutes", changed(large, { "given.nginx.identityTtlS": 300 }), ["I48"]),
  own("a token believed for five minutes", changed(large, { "given.caches.jwtTtlS": 300 }), ["I49"]),
];

/** What looks dangerous and is not. */
export const ownAccepted: readonly Fixture[] = [
  own("the small worked example", small, []),
  own("the large worked example", large, []),
  own("the large one on a measured rate of 4000", changed(large, { calibration: measured(4000) }), []),
  // The chain of timeouts grows with the longest tool.
  own("tools that take ten minutes", changed(large, { "load.toolTimeoutS": 600 }), []),
  own("a guessed rate outside production", changed(small, { "gateway.rpsPerWorker": 400 }), []),
  own("no pooler for a small one", changed(small, { "database.mode": "direct" }), []),
  own("one replica outside production", changed(small, { "gateway.haFloor": 1 }), []),
  own("exactly as many connections as are opened", changed(large, { "given.postgres.maxConnections": 42 }), []),
  own(
    "exactly as many clients as one pooler has to take",
    changed(large, { "given.pgbouncer.maxClientConn": 144 }),
    [],
  ),
  own("a gateway that starts for minutes", changed(large, { "gateway.coldStartS": 200 }), []),
  own(
    "named statements through a PgBouncer that tracks them",
    changed(large, { "database.pgbouncer.preparedStatements": true, "database.pgbouncer.version": "1.21" }),
    [],
  ),
  own("DB_MAX_RETRIES 5 every 2 s fit a request", changed(large, { "given.retries.database.attempts": 5 }), []),
  own("a cache may forget", changed(large, { "redis.role": "cache", "given.redis.policy": "allkeys-lru" }), []),
  own("both on one Redis outside production", changed(small, { "redis.role": "both" }), []),
];
