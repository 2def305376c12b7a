/** How many pods a workload has: at least, at most, and in the worst instant of an update. */
import type { Manifest } from "../manifest.ts";
import { parseShare } from "./quantity.ts";
import { numberAt, textAt, valueAt } from "./tree.ts";

export type Scale = { readonly least: number; readonly most: number; readonly autoscaler: Manifest | undefined };

export function autoscalerOf(workload: Manifest, manifests: readonly Manifest[]): Manifest | undefined {
  return manifests.find(
    (one) =>
      one.kind === "HorizontalPodAutoscaler" &&
      one.metadata.namespace === workload.metadata.namespace &&
      textAt(one, "spec", "scaleTargetRef", "kind") === workload.kind &&
      textAt(one, "spec", "scaleTargetRef", "name") === workload.metadata.name,
  );
}

/** Kubernetes defaults: one replica, one as an autoscaler's least. */
export function scaleOf(workload: Manifest, manifests: readonly Manifest[]): Scale {
  const autoscaler = autoscalerOf(workload, manifests);
  if (autoscaler === undefined) {
    const replicas = numberAt(workload, "spec", "replicas") ?? 1;
    return { least: replicas, most: replicas, autoscaler };
  }
  const least = numberAt(autoscaler, "spec", "minReplicas") ?? 1;
  return { least, most: numberAt(autoscaler, "spec", "maxReplicas") ?? least, autoscaler };
}

/**
 * Pods at once while everything happens at once: the autoscaler at its most and an update under way (`maxSurge`, 25 % by default,
 * rounded up), every job running, each schedule once. Zero for what has no pods, and for a DaemonSet, whose pods the nodes decide.
 */
export function worstInstant(workload: Manifest, manifests: readonly Manifest[]): number {
  switch (workload.kind) {
    case "Pod":
      return 1;
    case "Deployment": {
      const { most } = scaleOf(workload, manifests);
      if (textAt(workload, "spec", "strategy", "type") === "Recreate") return most;
      const surge = valueAt(workload, "spec", "strategy", "rollingUpdate", "maxSurge") ?? "25%";
      return most + (parseShare(surge, most, Math.ceil) ?? 0);
    }
    case "StatefulSet":
    case "ReplicaSet":
      return scaleOf(workload, manifests).most;
    case "Job":
      return numberAt(workload, "spec", "parallelism") ?? 1;
    case "CronJob":
      return numberAt(workload, "spec", "jobTemplate", "spec", "parallelism") ?? 1;
    default:
      return 0;
  }
}
