/** What arrives: λ, L and what of it reaches the database. */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { inFlight } from "../queueing.ts";
import { tidy } from "../rounding.ts";

/** λ = peak · burst · (1 − cacheable · hit); L = λ · latency (Little); L_db = λ · queries · transaction. */
export function planLoad({ load }: SizingInput, derive: Derivation): Plan["load"] {
  const missed = 1 - load.cacheableShare * load.cacheHitRatio;
  const gatewayRps = derive.demand(
    "load.gatewayRps",
    tidy(load.peakRps * load.burst * missed),
    "peakRps · burst · (1 − cacheableShare · cacheHitRatio)",
    ["input.load.peakRps", "input.load.burst", "input.load.cacheableShare", "input.load.cacheHitRatio"],
  );
  const queries = gatewayRps * load.dbQueriesPerRequest;
  return {
    gatewayRps,
    averageRps: derive.demand("load.averageRps", tidy(gatewayRps / load.burst), "gatewayRps ÷ burst", [
      "load.gatewayRps",
      "input.load.burst",
    ]),
    inFlight: derive.demand(
      "load.inFlight",
      tidy(inFlight(gatewayRps, load.meanLatencyMs / 1000)),
      "gatewayRps · meanLatencyMs (Little)",
      ["load.gatewayRps", "input.load.meanLatencyMs"],
    ),
    dbConnectionsBusy: derive.demand(
      "load.dbConnectionsBusy",
      tidy(inFlight(queries, load.dbTxMs / 1000)),
      "gatewayRps · dbQueriesPerRequest · dbTxMs (Little)",
      ["load.gatewayRps", "input.load.dbQueriesPerRequest", "input.load.dbTxMs"],
    ),
    dbCores: derive.demand(
      "load.dbCores",
      tidy(inFlight(queries, load.dbCpuMs / 1000)),
      "gatewayRps · dbQueriesPerRequest · dbCpuMs",
      ["load.gatewayRps", "input.load.dbQueriesPerRequest", "input.load.dbCpuMs"],
    ),
  };
}
