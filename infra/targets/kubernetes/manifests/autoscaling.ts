/** How many replicas there are, and how many may be gone at once. */
import { podMetricOf } from "../../../observability/index.ts";
import type { Scaling, Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { seconds } from "./quantity.ts";
import { metadataOf, type Site, type Tree, workloadLabels, workloadSelector } from "./site.ts";

/** Kubernetes documentation, HorizontalPodAutoscaler v2. No target for memory: what a garbage collector holds never shrinks. */
export function autoscaler(site: Site, workload: Workload): readonly Manifest[] {
  if (workload.shape.kind !== "replicated" || workload.shape.scaling === null) return [];
  const { scaling } = workload.shape;
  return [
    {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: metadataOf(site, workload.name, workloadLabels(site, workload)),
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: workload.name },
        minReplicas: scaling.min,
        maxReplicas: scaling.max,
        metrics: [cpuMetric(scaling), ...inFlightMetric(site, workload)],
        behavior: behaviorOf(scaling),
      },
    },
  ];
}

function cpuMetric({ targetCpuPercent }: Scaling): Tree {
  return {
    type: "Resource",
    resource: { name: "cpu", target: { type: "Utilization", averageUtilization: targetCpuPercent } },
  };
}

function inFlightMetric(site: Site, { tier }: Workload): readonly Tree[] {
  const isWanted = site.deployment.kubernetes.inFlightMetric && tier === "gateway";
  const metric = isWanted ? podMetricOf(site.topology.plan) : null;
  if (metric === null) return [];
  const { name, averageValue } = metric;
  return [{ type: "Pods", pods: { metric: { name }, target: { type: "AverageValue", averageValue } } }];
}

function behaviorOf({ up, down }: Scaling): Tree {
  return {
    scaleUp: {
      stabilizationWindowSeconds: 0,
      selectPolicy: "Max",
      policies: [
        { type: "Percent", value: up.percent, periodSeconds: seconds(up.periodS) },
        { type: "Pods", value: up.pods, periodSeconds: seconds(up.periodS) },
      ],
    },
    scaleDown: {
      stabilizationWindowSeconds: seconds(down.stabilisationS),
      selectPolicy: "Max",
      policies: [{ type: "Percent", value: down.percent, periodSeconds: seconds(down.periodS) }],
    },
  };
}

/**
 * `maxUnavailable`, for a least number of pods would block every drain at the autoscaler's minimum. A pod that is not healthy never
 * blocks one. Kubernetes documentation, PodDisruptionBudget, unhealthy pod eviction policy.
 */
export function disruptionBudget(site: Site, workload: Workload): readonly Manifest[] {
  if (workload.disruption === null) return [];
  return [
    {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: metadataOf(site, workload.name, workloadLabels(site, workload)),
      spec: {
        maxUnavailable: workload.disruption.maxUnavailable,
        unhealthyPodEvictionPolicy: "AlwaysAllow",
        selector: { matchLabels: workloadSelector(site, workload) },
      },
    },
  ];
}
