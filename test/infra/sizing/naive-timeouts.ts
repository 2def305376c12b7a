/** The budgets of time, read off the rules: the chain of timeouts, lifetimes of connections, probes, retries. */
import type { Plan } from "../../../contract/plan.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";
import { below, type Inequality, most } from "./naive-inequality.ts";

export function timeouts({ timeouts: t, pgbouncer }: Plan): readonly Inequality[] {
  // Without a pooler nothing waits in it.
  const queryWait = pgbouncer?.queryWaitTimeoutS ?? 0;
  return [
    below("I15", "redisCommand < dbAcquire", t.redisCommandS, t.dbAcquireS),
    below("I16", "acquire + queryWait + statement < handler", t.dbAcquireS + queryWait + t.dbStatementS, t.handlerS),
    below("I17", "dbStatement < dbQuery", t.dbStatementS, t.dbQueryS),
    most("I18", "idleTransaction ≤ idleInTransaction", t.idleTransactionS, t.idleInTransactionS),
    most("I21", "tool ≤ sessionTransport", t.toolS, t.sessionTransportS),
    below("I21", "sessionTransport < upstreamBody", t.sessionTransportS, t.upstreamBodyS),
    below("I21", "upstreamBody < handler", t.upstreamBodyS, t.handlerS),
    below("I21", "handler < proxyRead", t.handlerS, t.proxyReadS),
    below("I21", "proxyRead < lbIdle", t.proxyReadS, t.lbIdleS),
    most("I22", "sessionCreate ≤ sessionAcquire", t.sessionCreateS, t.sessionAcquireS),
    below("I22", "sessionHealth < sessionTransport", t.sessionHealthS, t.sessionTransportS),
    below("I22", "healthInterval < sessionTtl", t.healthIntervalS, t.sessionTtlS),
    most("I22", "sessionTtl ≤ idleEviction", t.sessionTtlS, t.sessionIdleEvictionS),
    below("I23", "lbIdle < nginxKeepalive", t.lbIdleS, t.nginxKeepaliveS),
    below("I23", "nginxUpstreamKeepalive < gatewayKeepalive", t.nginxUpstreamKeepaliveS, t.gatewayKeepaliveS),
    below("I23", "upstreamKeepalive < the upstream's", t.upstreamKeepaliveS, t.upstreamServerKeepaliveS),
    most("I24", "2·sseKeepalive ≤ min(proxyRead, lbIdle)", 2 * t.sseKeepaliveS, Math.min(t.proxyReadS, t.lbIdleS)),
    most("I25", "3·heartbeat ≤ leaderTtl", 3 * t.leaderHeartbeatS, t.leaderTtlS),
  ];
}

export function lifetimes(
  input: SizingInput,
  { timeouts: t, pgbouncer, database, probes, engine }: Plan,
): readonly Inequality[] {
  const { liveness, readiness, startup } = probes;
  // A start of another engine is no start of this one.
  const coldStart =
    input.gateway.coldStartS ??
    (input.calibration?.engine === engine.kind ? input.calibration.coldStartS : undefined) ??
    5;
  const pooled =
    pgbouncer === null
      ? []
      : [
          below("I19", "recycle < client_idle", database.recycleS, pgbouncer.clientIdleTimeoutS),
          below("I19", "idle < client_idle", t.dbIdleS, pgbouncer.clientIdleTimeoutS),
          most("I19", "recycle ≤ half of client_idle", database.recycleS, pgbouncer.clientIdleTimeoutS / 2),
          most("I20", "server_idle ≤ server_lifetime", pgbouncer.serverIdleTimeoutS, pgbouncer.serverLifetimeS),
        ];
  return [
    ...pooled,
    // That no probe waits for a pool is a fact about the gateway's code, not about a number.
    below("I27", "probeCheck < readiness timeout", t.probeCheckS, t.readinessS),
    most(
      "I27",
      "2 × readiness' patience ≤ liveness' patience",
      2 * readiness.periodS * readiness.failureThreshold,
      liveness.periodS * liveness.failureThreshold,
    ),
    most("I27", "3 × cold start ≤ startup budget", 3 * coldStart, startup.periodS * startup.failureThreshold),
    most("I28", "preStop + handler + 5 ≤ grace", t.preStopS + t.handlerS + 5, t.graceS),
    most("I28", "5 ≤ preStop", 5, t.preStopS),
  ];
}

/**
 * Attempts share the deadline of the call they repeat, so what has to fit under the caller's is the pauses between them: base, twice
 * that, …, each at most `max`. A tool's caller waits for toolS; what a request does in the database and in Redis, for its handler.
 */
export function retries({ retries: r, timeouts: t }: Plan): readonly Inequality[] {
  const pauses = ({ attempts, baseMs, maxMs }: Plan["retries"]["tool"]): number => {
    let sum = 0;
    for (let n = 0; n < attempts - 1; n += 1) sum += Math.min(maxMs, baseMs * 2 ** Math.min(n, 50)) / 1000;
    return sum;
  };
  return [
    below("I26", "pauses between tries of a tool < tool", pauses(r.tool), t.toolS),
    below("I26", "pauses between queries < handler", pauses(r.database), t.handlerS),
    below("I26", "pauses between commands < handler", pauses(r.redis), t.handlerS),
  ];
}
