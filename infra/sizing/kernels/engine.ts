/** Which server engine fits, and why. */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";

/** From here on an overload must be turned away cheaply rather than queued: a queue of a second is as long as this. */
const BUSY_RPS = 1000;
const BURSTY = 2;

export function planEngine(input: SizingInput, load: Plan["load"], derive: Derivation): Plan["engine"] {
  const { engine } = input.gateway;
  const { burst } = input.load;
  const isBursty = burst >= BURSTY;
  const isBusy = load.gatewayRps >= BUSY_RPS;
  const kind = derive.word(
    "engine.kind",
    engine === "auto" ? (isBursty || isBusy ? "bounded" : "fastify") : engine,
    `engine; auto: bounded when burst ≥ ${BURSTY} or gatewayRps ≥ ${BUSY_RPS}, else fastify`,
    ["input.gateway.engine", "input.load.burst", "load.gatewayRps"],
  );
  const why =
    engine !== "auto" || Object.hasOwn(input.given, "engine.kind")
      ? "given"
      : isBursty
        ? `bursts of ${burst} times the average have to be refused at once rather than queued`
        : isBusy
          ? `${Math.round(load.gatewayRps)} requests/s want the engine with the most throughput per core and a hard cap`
          : `${Math.round(load.gatewayRps)} requests/s in bursts of ${burst} times the average are served by the familiar engine`;
  return { kind, why: derive.word("engine.why", why, "words for engine.kind", ["engine.kind"]) };
}
