/**
 * Every timeout once, as a chain: who gives up first must be the one that can still say why. A longer tool call pushes what waits for
 * it outwards; the budgets I15–I28 check the order.
 */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { DOCUMENTS, OURS } from "../inputs/sources.ts";
import { up } from "../rounding.ts";
import { calibrationFor } from "./gateway.ts";

type Timeouts = Plan["timeouts"];
type Fixed = Exclude<keyof Timeouts, Outer | "toolS" | "graceS" | "dbQueryS">;

/** Paths stand here in full, since a search for repairs derives thousands of plans. */
const FIXED: Readonly<Record<Fixed, readonly [path: string, seconds: number, source: string]>> = {
  redisCommandS: ["timeouts.redisCommandS", 1, DOCUMENTS],
  dbAcquireS: ["timeouts.dbAcquireS", 2, OURS],
  dbStatementS: ["timeouts.dbStatementS", 10, OURS],
  dbIdleS: ["timeouts.dbIdleS", 10, "pg-pool's default"],
  idleTransactionS: ["timeouts.idleTransactionS", 30, DOCUMENTS],
  idleInTransactionS: ["timeouts.idleInTransactionS", 60, OURS],
  nginxUpstreamKeepaliveS: ["timeouts.nginxUpstreamKeepaliveS", 60, "nginx's default"],
  gatewayKeepaliveS: ["timeouts.gatewayKeepaliveS", 72, "Fastify's default"],
  upstreamKeepaliveS: ["timeouts.upstreamKeepaliveS", 4, "undici's default"],
  upstreamServerKeepaliveS: ["timeouts.upstreamServerKeepaliveS", 5, "Node's default at the upstream"],
  sseKeepaliveS: ["timeouts.sseKeepaliveS", 30, DOCUMENTS],
  streamReadS: ["timeouts.streamReadS", 3600, OURS],
  sessionCreateS: ["timeouts.sessionCreateS", 10, OURS],
  sessionAcquireS: ["timeouts.sessionAcquireS", 30, DOCUMENTS],
  sessionHealthS: ["timeouts.sessionHealthS", 5, DOCUMENTS],
  healthIntervalS: ["timeouts.healthIntervalS", 60, DOCUMENTS],
  sessionTtlS: ["timeouts.sessionTtlS", 300, DOCUMENTS],
  sessionIdleEvictionS: ["timeouts.sessionIdleEvictionS", 600, DOCUMENTS],
  leaderHeartbeatS: ["timeouts.leaderHeartbeatS", 5, DOCUMENTS],
  leaderTtlS: ["timeouts.leaderTtlS", 15, DOCUMENTS],
  probeCheckS: ["timeouts.probeCheckS", 2, OURS],
  readinessS: ["timeouts.readinessS", 3, OURS],
  preStopS: ["timeouts.preStopS", 10, "time until endpoints are withdrawn everywhere"],
};

/** What waits for what, from the inside out: usual seconds, and how many more than what it waits for. */
type Outer = "sessionTransportS" | "upstreamBodyS" | "handlerS" | "proxyReadS" | "lbIdleS" | "nginxKeepaliveS";
const OUTER: Readonly<Record<Outer, readonly [inner: keyof Timeouts, usual: number, beyond: number]>> = {
  sessionTransportS: ["toolS", 60, 0],
  upstreamBodyS: ["sessionTransportS", 65, 5],
  handlerS: ["upstreamBodyS", 70, 5],
  proxyReadS: ["handlerS", 75, 5],
  lbIdleS: ["proxyReadS", 80, 5],
  nginxKeepaliveS: ["lbIdleS", 85, 5],
};

/** Words once, for the same reason. */
const OUTER_NOTES = {
  sessionTransportS: noteOf("sessionTransportS"),
  upstreamBodyS: noteOf("upstreamBodyS"),
  handlerS: noteOf("handlerS"),
  proxyReadS: noteOf("proxyReadS"),
  lbIdleS: noteOf("lbIdleS"),
  nginxKeepaliveS: noteOf("nginxKeepaliveS"),
};

function noteOf(name: Outer) {
  const [inner, usual, beyond] = OUTER[name];
  return {
    path: `timeouts.${name}`,
    formula: beyond === 0 ? `${inner}, at least ${usual}` : `${inner} + ${beyond}, at least ${usual}`,
    from: [`timeouts.${inner}`],
  };
}

/** All but `graceS`, which follows from the drain. */
export function planTimeouts(input: SizingInput, derive: Derivation): Omit<Timeouts, "graceS"> {
  const fixed = (name: Fixed) => derive.standard(...FIXED[name]);
  const after = (name: Outer, innerS: number) => {
    const [, usual, beyond] = OUTER[name];
    const { path, formula, from } = OUTER_NOTES[name];
    return derive.number(path, Math.max(usual, innerS + beyond), formula, from);
  };
  const toolS = derive.number("timeouts.toolS", input.load.toolTimeoutS, "toolTimeoutS", ["input.load.toolTimeoutS"]);
  const dbStatementS = fixed("dbStatementS");
  const sessionTransportS = after("sessionTransportS", toolS);
  const upstreamBodyS = after("upstreamBodyS", sessionTransportS);
  const handlerS = after("handlerS", upstreamBodyS);
  const proxyReadS = after("proxyReadS", handlerS);
  const lbIdleS = after("lbIdleS", proxyReadS);
  const nginxKeepaliveS = after("nginxKeepaliveS", lbIdleS);
  return {
    redisCommandS: fixed("redisCommandS"),
    dbAcquireS: fixed("dbAcquireS"),
    dbStatementS,
    dbQueryS: derive.number("timeouts.dbQueryS", dbStatementS + 1, "dbStatementS + 1", ["timeouts.dbStatementS"]),
    dbIdleS: fixed("dbIdleS"),
    idleTransactionS: fixed("idleTransactionS"),
    idleInTransactionS: fixed("idleInTransactionS"),
    toolS,
    sessionTransportS,
    upstreamBodyS,
    handlerS,
    proxyReadS,
    lbIdleS,
    nginxKeepaliveS,
    nginxUpstreamKeepaliveS: fixed("nginxUpstreamKeepaliveS"),
    gatewayKeepaliveS: fixed("gatewayKeepaliveS"),
    upstreamKeepaliveS: fixed("upstreamKeepaliveS"),
    upstreamServerKeepaliveS: fixed("upstreamServerKeepaliveS"),
    sseKeepaliveS: fixed("sseKeepaliveS"),
    streamReadS: fixed("streamReadS"),
    sessionCreateS: fixed("sessionCreateS"),
    sessionAcquireS: fixed("sessionAcquireS"),
    sessionHealthS: fixed("sessionHealthS"),
    healthIntervalS: fixed("healthIntervalS"),
    sessionTtlS: fixed("sessionTtlS"),
    sessionIdleEvictionS: fixed("sessionIdleEvictionS"),
    leaderHeartbeatS: fixed("leaderHeartbeatS"),
    leaderTtlS: fixed("leaderTtlS"),
    probeCheckS: fixed("probeCheckS"),
    readinessS: fixed("readinessS"),
    preStopS: fixed("preStopS"),
  };
}

/** Time for running calls at a stop, and the whole time that the platform grants before it kills. */
export function planShutdown(
  input: SizingInput,
  timeouts: Omit<Timeouts, "graceS">,
  derive: Derivation,
): { readonly shutdown: Plan["shutdown"]; readonly graceS: number } {
  const drainS = derive.number(
    "shutdown.drainS",
    input.gateway.drainS ?? Math.max(30, timeouts.handlerS),
    "drainS, else max(30, handlerS)",
    ["input.gateway.drainS", "timeouts.handlerS"],
  );
  const graceS = derive.number("timeouts.graceS", timeouts.preStopS + drainS + 5, "preStopS + drainS + 5", [
    "timeouts.preStopS",
    "shutdown.drainS",
  ]);
  return { shutdown: { drainS }, graceS };
}

/** Startup allows three times the cold start; liveness is more patient than readiness, since it kills. */
export function planProbes(input: SizingInput, engine: Plan["engine"]["kind"], derive: Derivation): Plan["probes"] {
  const at = (path: string, value: number, source: string) => derive.standard(path, value, source);
  const startupPeriodS = at("probes.startup.periodS", 5, DOCUMENTS);
  return {
    startup: {
      periodS: startupPeriodS,
      failureThreshold: derive.number(
        "probes.startup.failureThreshold",
        Math.max(12, up((3 * coldStart(input, engine)) / startupPeriodS)),
        "max(12, ⌈3 · coldStartS ÷ periodS⌉)",
        ["input.gateway.coldStartS", "input.calibration", "engine.kind", "probes.startup.periodS"],
      ),
    },
    readiness: {
      periodS: at("probes.readiness.periodS", 5, OURS),
      failureThreshold: at("probes.readiness.failureThreshold", 3, DOCUMENTS),
    },
    liveness: {
      periodS: at("probes.liveness.periodS", 15, DOCUMENTS),
      failureThreshold: at("probes.liveness.failureThreshold", 5, DOCUMENTS),
    },
  };
}

/** Seconds from the start of a replica until it is ready: as given, as measured, else 5. */
export function coldStart(input: Pick<SizingInput, "gateway" | "calibration">, engine: Plan["engine"]["kind"]): number {
  return input.gateway.coldStartS ?? calibrationFor(input, engine)?.coldStartS ?? 5;
}
