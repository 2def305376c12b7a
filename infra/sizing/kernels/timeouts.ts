/**
 * Every timeout once, as a chain: who gives up first must be the one that can still say why. A longer tool call pushes what waits for
 * it outwards; the budgets I15–I28 check the order.
 */
import type { Plan } from "../../../contract/plan.ts";
import { byDefault, type Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { up } from "../rounding.ts";

type Timeouts = Plan["timeouts"];
type Fixed = Exclude<
  keyof Timeouts,
  "toolS" | "sessionTransportS" | "upstreamBodyS" | "handlerS" | "proxyReadS" | "lbIdleS" | "nginxKeepaliveS" | "graceS"
>;

const DOCUMENTS = "the documents";
const OURS = "this project";

/** Seconds and where they come from. */
const FIXED: Readonly<Record<Fixed, readonly [number, string]>> = {
  redisCommandS: [1, DOCUMENTS],
  dbAcquireS: [2, OURS],
  dbStatementS: [10, OURS],
  dbQueryS: [11, OURS],
  dbIdleS: [10, "pg-pool's default"],
  idleTransactionS: [30, DOCUMENTS],
  idleInTransactionS: [60, OURS],
  nginxUpstreamKeepaliveS: [60, "nginx's default"],
  gatewayKeepaliveS: [72, "Fastify's default"],
  upstreamKeepaliveS: [4, "undici's default"],
  upstreamServerKeepaliveS: [5, "Node's default at the upstream"],
  sseKeepaliveS: [30, DOCUMENTS],
  streamReadS: [3600, OURS],
  sessionCreateS: [10, OURS],
  sessionAcquireS: [30, DOCUMENTS],
  sessionHealthS: [5, DOCUMENTS],
  healthIntervalS: [60, DOCUMENTS],
  sessionTtlS: [300, DOCUMENTS],
  sessionIdleEvictionS: [600, DOCUMENTS],
  leaderHeartbeatS: [5, DOCUMENTS],
  leaderTtlS: [15, DOCUMENTS],
  probeCheckS: [2, OURS],
  readinessS: [3, OURS],
  preStopS: [10, "time until endpoints are withdrawn everywhere"],
};

/** All but `graceS`, which follows from the drain. */
export function planTimeouts(input: SizingInput, derive: Derivation): Omit<Timeouts, "graceS"> {
  const toolS = derive.number("timeouts.toolS", input.load.toolTimeoutS, "toolTimeoutS", ["input.load.toolTimeoutS"]);
  /** At least its usual value, and `beyond` seconds more than what it waits for. */
  const after = (name: keyof Timeouts, usual: number, inner: keyof Timeouts, innerS: number, beyond: number) =>
    derive.number(
      `timeouts.${name}`,
      Math.max(usual, innerS + beyond),
      beyond === 0 ? `${inner}, at least ${usual}` : `${inner} + ${beyond}, at least ${usual}`,
      [`timeouts.${inner}`],
    );
  const sessionTransportS = after("sessionTransportS", 60, "toolS", toolS, 0);
  const upstreamBodyS = after("upstreamBodyS", 65, "sessionTransportS", sessionTransportS, 5);
  const handlerS = after("handlerS", 70, "upstreamBodyS", upstreamBodyS, 5);
  const proxyReadS = after("proxyReadS", 75, "handlerS", handlerS, 5);
  const lbIdleS = after("lbIdleS", 80, "proxyReadS", proxyReadS, 5);
  const nginxKeepaliveS = after("nginxKeepaliveS", 85, "lbIdleS", lbIdleS, 5);
  const fixed = (name: Fixed) => derive.constant(`timeouts.${name}`, FIXED[name][0], byDefault(FIXED[name][1]));
  return {
    redisCommandS: fixed("redisCommandS"),
    dbAcquireS: fixed("dbAcquireS"),
    dbStatementS: fixed("dbStatementS"),
    dbQueryS: fixed("dbQueryS"),
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
export function planProbes(input: SizingInput, derive: Derivation): Plan["probes"] {
  const at = (path: string, value: number, source: string) =>
    derive.constant(`probes.${path}`, value, byDefault(source));
  const startupPeriodS = at("startup.periodS", 5, DOCUMENTS);
  return {
    startup: {
      periodS: startupPeriodS,
      failureThreshold: derive.number(
        "probes.startup.failureThreshold",
        Math.max(12, up((3 * coldStart(input)) / startupPeriodS)),
        "max(12, ⌈3 · coldStartS ÷ periodS⌉)",
        ["input.gateway.coldStartS", "input.calibration", "probes.startup.periodS"],
      ),
    },
    readiness: {
      periodS: at("readiness.periodS", 5, OURS),
      failureThreshold: at("readiness.failureThreshold", 3, DOCUMENTS),
    },
    liveness: {
      periodS: at("liveness.periodS", 15, DOCUMENTS),
      failureThreshold: at("liveness.failureThreshold", 5, DOCUMENTS),
    },
  };
}

/** Seconds from the start of a replica until it is ready: as given, as measured, else 5. */
export function coldStart({ gateway, calibration }: SizingInput): number {
  return gateway.coldStartS ?? calibration?.coldStartS ?? 5;
}
