/** How long an update may take before it has failed: from what the workload's own probes, rollout and grace allow. */
import type { Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";

/** Pulling an image, attaching a volume, finding a node: nothing of the plan says how long that takes. */
const START_OVERHEAD_S = 300;

/**
 * Seconds until everything that the workload may take has been taken; Pulumi's own limit would be ten minutes for each. Null where
 * nothing is waited for: a schedule is made, not run.
 */
export function awaitSeconds(workload: Workload): number | null {
  const { shape, probes, shutdown } = workload;
  const startup = probes === null ? 0 : probes.startup.periodS * probes.startup.failureThreshold;
  if (shape.kind === "schedule") return null;
  if (shape.kind === "job") return Math.ceil(shape.deadlineS + START_OVERHEAD_S);
  if (shape.kind === "stateful") return Math.ceil(START_OVERHEAD_S + startup + shutdown.graceS);
  const most = shape.scaling?.max ?? shape.replicas;
  const { rollout } = shape;
  // One after the other, each after the end of its predecessor.
  if (rollout.order === "after")
    return Math.ceil(START_OVERHEAD_S + most * (shutdown.graceS + startup + rollout.minReadyS));
  const perStep = Math.max(1, Math.ceil(most * rollout.surge));
  const steps = Math.ceil(most / perStep);
  const step = startup + rollout.minReadyS;
  return Math.ceil(START_OVERHEAD_S + Math.max(rollout.progressDeadlineS, steps * step) + shutdown.graceS);
}

/** An operator's instances start one after the other; null for what is no such cluster. */
export function clusterSeconds({ kind, spec }: Manifest): number | null {
  if (kind !== "Cluster" || typeof spec !== "object" || spec === null || !("instances" in spec)) return null;
  return Number(spec.instances) * 2 * START_OVERHEAD_S;
}
