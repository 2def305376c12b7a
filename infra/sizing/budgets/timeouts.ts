/** The order of the timeouts: the inner one gives up first, and the server of a connection keeps it longer than its client. */
import type { Plan } from "../../../contract/plan.ts";
import { coldStart } from "../kernels/timeouts.ts";
import { type BudgetRule, refuse } from "./rule.ts";

type Name = keyof Plan["timeouts"];

const INNER_FIRST = "the inner wait ends first, or nobody can say why";
const SERVER_LONGER = "RFC 9112 §9.3: a server that closes first races with its client's next request";

/** `left < right`, or `≤`, between two timeouts. */
function order(id: string, left: Name, relation: "<" | "≤", right: Name, source = INNER_FIRST): BudgetRule {
  return refuse({
    id,
    statement: `${left} ${relation} ${right}`,
    unit: "s",
    source,
    terms: [`timeouts.${left}`, `timeouts.${right}`],
    ...(relation === "<" ? { isStrict: true as const } : {}),
    sides: ({ plan: { timeouts } }) => [timeouts[left], timeouts[right]],
  });
}

/** Pauses between the tries of a call, seconds: base · 2ⁿ, each at most the greatest; so most of many are the greatest. */
function pauseS({ attempts, baseMs, maxMs }: Plan["retries"]["tool"]): number {
  const pauses = attempts - 1;
  const growing = baseMs === 0 ? pauses : Math.min(pauses, Math.max(0, Math.ceil(Math.log2(maxMs / baseMs))));
  return (baseMs * (2 ** (baseMs === 0 ? 0 : growing) - 1) + (pauses - growing) * maxMs) / 1000;
}

function retriesWithin(name: keyof Plan["retries"], deadline: Name): BudgetRule {
  return refuse({
    id: "I26",
    statement: `pauses between the tries of a ${name} call < ${deadline}, the caller's deadline`,
    unit: "s",
    source: "retries share the deadline of the call they repeat",
    isStrict: true,
    terms: [`retries.${name}.attempts`, `retries.${name}.baseMs`, `retries.${name}.maxMs`, `timeouts.${deadline}`],
    sides: ({ plan }) => [pauseS(plan.retries[name]), plan.timeouts[deadline]],
  });
}

export const timeouts: readonly BudgetRule[] = [
  order("I15", "redisCommandS", "<", "dbAcquireS"),
  refuse({
    id: "I16",
    statement: "dbAcquireS + pgbouncer.queryWaitTimeoutS + dbStatementS < handlerS",
    unit: "s",
    source: INNER_FIRST,
    isStrict: true,
    terms: ["timeouts.dbAcquireS", "pgbouncer.queryWaitTimeoutS", "timeouts.dbStatementS", "timeouts.handlerS"],
    sides: ({ plan: { timeouts, pgbouncer } }) => [
      timeouts.dbAcquireS + (pgbouncer?.queryWaitTimeoutS ?? 0) + timeouts.dbStatementS,
      timeouts.handlerS,
    ],
  }),
  order("I17", "dbStatementS", "<", "dbQueryS"),
  order("I18", "idleTransactionS", "≤", "idleInTransactionS"),
  refuse({
    id: "I19",
    statement: "2 · life of a gateway's database connection (recycleS) ≤ pgbouncer.clientIdleTimeoutS",
    unit: "s",
    source: "PgBouncer documentation: client_idle_timeout should exceed the client's connection lifetime",
    terms: ["database.recycleS", "pgbouncer.clientIdleTimeoutS"],
    sides: ({ plan: { database, pgbouncer } }) =>
      pgbouncer === null ? undefined : [2 * database.recycleS, pgbouncer.clientIdleTimeoutS],
  }),
  refuse({
    id: "I19",
    statement: "dbIdleS < pgbouncer.clientIdleTimeoutS",
    unit: "s",
    source: "PgBouncer documentation, client_idle_timeout",
    isStrict: true,
    terms: ["timeouts.dbIdleS", "pgbouncer.clientIdleTimeoutS"],
    sides: ({ plan: { timeouts, pgbouncer } }) =>
      pgbouncer === null ? undefined : [timeouts.dbIdleS, pgbouncer.clientIdleTimeoutS],
  }),
  refuse({
    id: "I20",
    statement: "pgbouncer.serverIdleTimeoutS ≤ pgbouncer.serverLifetimeS",
    unit: "s",
    source: "PgBouncer documentation, server_idle_timeout, server_lifetime",
    terms: ["pgbouncer.serverIdleTimeoutS", "pgbouncer.serverLifetimeS"],
    sides: ({ plan: { pgbouncer } }) =>
      pgbouncer === null ? undefined : [pgbouncer.serverIdleTimeoutS, pgbouncer.serverLifetimeS],
  }),
  order("I21", "toolS", "≤", "sessionTransportS"),
  order("I21", "sessionTransportS", "<", "upstreamBodyS"),
  order("I21", "upstreamBodyS", "<", "handlerS"),
  order("I21", "handlerS", "<", "proxyReadS"),
  order("I21", "proxyReadS", "<", "lbIdleS"),
  order("I22", "sessionCreateS", "≤", "sessionAcquireS"),
  order("I22", "sessionHealthS", "<", "sessionTransportS"),
  order("I22", "healthIntervalS", "<", "sessionTtlS"),
  order("I22", "sessionTtlS", "≤", "sessionIdleEvictionS"),
  order("I23", "lbIdleS", "<", "nginxKeepaliveS", SERVER_LONGER),
  order("I23", "nginxUpstreamKeepaliveS", "<", "gatewayKeepaliveS", SERVER_LONGER),
  order("I23", "upstreamKeepaliveS", "<", "upstreamServerKeepaliveS", SERVER_LONGER),
  refuse({
    id: "I24",
    statement: "2 · sseKeepaliveS ≤ min(proxyReadS, lbIdleS)",
    unit: "s",
    source: "a quiet stream must not look idle to anyone between, one comment lost included",
    terms: ["timeouts.sseKeepaliveS", "timeouts.proxyReadS", "timeouts.lbIdleS"],
    sides: ({ plan: { timeouts } }) => [2 * timeouts.sseKeepaliveS, Math.min(timeouts.proxyReadS, timeouts.lbIdleS)],
  }),
  refuse({
    id: "I25",
    statement: "3 · leaderHeartbeatS ≤ leaderTtlS",
    unit: "s",
    source: "two lost heartbeats are no change of leader",
    terms: ["timeouts.leaderHeartbeatS", "timeouts.leaderTtlS"],
    sides: ({ plan: { timeouts } }) => [3 * timeouts.leaderHeartbeatS, timeouts.leaderTtlS],
  }),
  retriesWithin("tool", "toolS"),
  retriesWithin("database", "handlerS"),
  retriesWithin("redis", "handlerS"),
  order("I27", "probeCheckS", "<", "readinessS"),
  refuse({
    id: "I27",
    statement: "2 · patience of readiness ≤ patience of liveness (period · failures)",
    unit: "s",
    source: "Kubernetes documentation, probes: liveness kills",
    terms: [
      "probes.readiness.periodS",
      "probes.readiness.failureThreshold",
      "probes.liveness.periodS",
      "probes.liveness.failureThreshold",
    ],
    sides: ({ plan: { probes } }) => [
      2 * probes.readiness.periodS * probes.readiness.failureThreshold,
      probes.liveness.periodS * probes.liveness.failureThreshold,
    ],
  }),
  refuse({
    id: "I27",
    statement: "3 · cold start ≤ patience of the startup probe (period · failures)",
    unit: "s",
    source: "Kubernetes documentation, startup probes",
    terms: [
      "input.gateway.coldStartS",
      "input.calibration",
      "probes.startup.periodS",
      "probes.startup.failureThreshold",
    ],
    sides: ({ input, plan: { probes, engine } }) => [
      3 * coldStart(input, engine.kind),
      probes.startup.periodS * probes.startup.failureThreshold,
    ],
  }),
  refuse({
    id: "I28",
    statement: "preStopS + handlerS + 5 ≤ graceS",
    unit: "s",
    source: "Kubernetes documentation, termination: what still runs after the grace period is killed",
    terms: ["timeouts.preStopS", "timeouts.handlerS", "timeouts.graceS"],
    sides: ({ plan: { timeouts } }) => [timeouts.preStopS + timeouts.handlerS + 5, timeouts.graceS],
  }),
  refuse({
    id: "I28",
    statement: "5 ≤ preStopS",
    unit: "s",
    source: "endpoints are withdrawn while the pod already stops",
    terms: ["timeouts.preStopS"],
    sides: ({ plan: { timeouts } }) => [5, timeouts.preStopS],
  }),
];
