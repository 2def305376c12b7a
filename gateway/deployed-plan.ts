/** The plan that this gateway was deployed with: what it promises is shown, and counted where it is exceeded. Part of the composition root. */
import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { type Plan, planDocumentSchema, planSchema } from "../contract/plan.ts";
import type { PlannedLoad } from "./admission/index.ts";
import type { Log, Metrics } from "./telemetry/index.ts";

/**
 * The plan of PLAN_FILE: what `mcp-stack plan --json` prints, or the plan in it alone. Undefined without a file, and with a warning for one
 * that cannot be used: a gateway serves without its plan as well as with it.
 */
export async function readDeployedPlan(path: string | undefined, log: Log): Promise<Plan | undefined> {
  if (path === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    const isDocument = typeof value === "object" && value !== null && "plan" in value;
    const read = isDocument ? planDocumentSchema.safeParse(value) : planSchema.safeParse(value);
    if (!read.success) throw new Error(problemOf(read.error));
    if (!("plan" in read.data)) return read.data;
    if (!read.data.accepted) log.warn("the plan of this deployment does not hold", { path, setting: "PLAN_FILE" });
    return read.data.plan;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.warn("the plan of this deployment cannot be used", { path, setting: "PLAN_FILE", reason });
    return undefined;
  }
}

function problemOf({ issues }: z.ZodError): string {
  const [first] = issues;
  return `${first?.path.join(".") || "the document"}: ${first?.message} (${issues.length} problem(s))`;
}

/** Shows the plan's limits among the metrics; the answer is what admission compares with, and counts. */
export function showPlan({ gateway, mcp, database }: Plan, metrics: Metrics): PlannedLoad {
  const show = (limit: string, value: number) => metrics.gauge("mcp_plan_limit", limit).set(value);
  // The counter stands at 0 from the start: what is not there has no rate.
  const watched = (name: string, limit: number) => {
    const counter = metrics.counter("mcp_plan_exceeded_total", name);
    show(name, limit);
    return { limit, exceeded: () => counter.inc() };
  };
  show("replicas_max", gateway.replicas.max);
  show("pool_per_worker", database.poolPerWorker);
  return {
    inFlight: watched("in_flight_per_worker", gateway.inFlightPerWorker),
    streams: watched("streams_per_worker", mcp.streamsPerWorker),
  };
}
