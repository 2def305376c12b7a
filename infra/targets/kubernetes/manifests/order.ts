/** Which of a stack's objects has to be ready, or done, before another starts. */
import type { Site } from "./site.ts";

/**
 * Name of what starts pods → names of what comes before it: what the topology says, and, for PostgreSQL and poolers that an operator
 * runs, everybody who connects to them. Throws RangeError where the topology names what is not there.
 */
export function startOrder(site: Site): ReadonlyMap<string, readonly string[]> {
  const { workloads, edges } = site.topology;
  const operated = operatedNames(site);
  const known = new Set([...workloads.map(({ name }) => name), ...operated]);
  const order = new Map<string, readonly string[]>();
  if (operated.includes("pgbouncer")) order.set("pgbouncer", ["postgres"]);
  for (const { name, tier, after } of workloads) {
    const unknown = after.filter((one) => !known.has(one));
    if (unknown.length > 0)
      throw new RangeError(`workload ${name} starts after ${unknown.join(", ")}, which is not there`);
    const connected = operated.filter((one) => edges.some(({ from, to }) => from === tier && to === one));
    order.set(name, [...new Set([...after, ...connected])]);
  }
  return order;
}

/** The operator's objects are named like the tiers that they stand for. */
function operatedNames({ topology, deployment }: Site): readonly string[] {
  if (deployment.postgres.variant !== "cloudnativepg") return [];
  return topology.plan.pgbouncer === null ? ["postgres"] : ["postgres", "pgbouncer"];
}
