/** What the cluster has to grant: replicas, evictions, processor shares, quota. */
import { cpuTarget } from "../kernels/cluster.ts";
import { reservedBy, sumOf } from "../kernels/cost.ts";
import { up } from "../rounding.ts";
import { type BudgetRule, refuse } from "./rule.ts";

export const replicas: readonly BudgetRule[] = [
  refuse({
    id: "I34",
    statement: "fewest replicas ≤ most replicas",
    unit: "replicas",
    source: "Kubernetes documentation, HorizontalPodAutoscaler",
    terms: ["gateway.replicas.min", "gateway.replicas.max"],
    sides: ({ plan: { gateway } }) => [gateway.replicas.min, gateway.replicas.max],
  }),
  refuse({
    id: "I34",
    statement: "replicas that the autoscaler may run ≤ most replicas that everything else is planned for",
    unit: "replicas",
    source: "Kubernetes documentation, HorizontalPodAutoscaler",
    terms: ["autoscaling.max", "gateway.replicas.max"],
    sides: ({ plan }) => [plan.autoscaling.max, plan.gateway.replicas.max],
  }),
  refuse({
    id: "I34",
    statement: "fewest replicas that carry the load ≤ replicas that the autoscaler keeps",
    unit: "replicas",
    source: "Kubernetes documentation, HorizontalPodAutoscaler",
    terms: ["gateway.replicas.min", "autoscaling.min"],
    sides: ({ plan }) => [plan.gateway.replicas.min, plan.autoscaling.min],
  }),
  refuse({
    id: "I34",
    statement: "surge of a rollout, rounded up, ≤ replicas at the worst instant − most replicas",
    unit: "replicas",
    source: "Kubernetes documentation, rolling updates: maxSurge is rounded up",
    terms: ["autoscaling.maxSurge", "gateway.replicas.max", "gateway.replicas.peak"],
    sides: ({ plan: { autoscaling, gateway } }) => [
      up(autoscaling.maxSurge * gateway.replicas.max),
      gateway.replicas.peak - gateway.replicas.max,
    ],
  }),
  refuse({
    id: "I34",
    statement: "max(3, zones) ≤ fewest replicas in production",
    unit: "replicas",
    source: "one may be lost while another is replaced",
    terms: ["disruption.zones", "gateway.replicas.min"],
    sides: ({ input, plan }) =>
      input.environment === "prod" ? [Math.max(3, plan.disruption.zones), plan.gateway.replicas.min] : undefined,
  }),
  refuse({
    id: "I35",
    statement: "1 ≤ replicas that may be evicted when the fewest run",
    unit: "replicas",
    source: "Kubernetes documentation, PodDisruptionBudget: else no node can be drained",
    terms: ["disruption.minAvailable", "disruption.maxUnavailable", "gateway.replicas.min"],
    sides: ({ plan: { disruption, gateway } }) => [
      1,
      Math.min(
        disruption.maxUnavailable ?? gateway.replicas.min,
        gateway.replicas.min - (disruption.minAvailable ?? 0),
      ),
    ],
  }),
  refuse({
    id: "I54",
    statement: "CPU target of the autoscaler (70 % of the cores that workers use, of the request) ≤ 95",
    unit: "percent",
    source: "Kubernetes documentation: use is compared with the request; beyond it a busy node slows the pod first",
    terms: ["gateway.workers", "gateway.cpu", "gateway.cpuRequest", "autoscaling.enabled"],
    sides: ({ plan }) => (plan.autoscaling.enabled ? [cpuTarget(plan.gateway), 95] : undefined),
  }),
  refuse({
    id: "I54",
    statement: "CPU target of the autoscaler as it is set ≤ 95",
    unit: "percent",
    source: "Kubernetes documentation: use is compared with the request",
    terms: ["autoscaling.targetCpuPercent", "autoscaling.enabled"],
    sides: ({ plan: { autoscaling } }) => (autoscaling.enabled ? [autoscaling.targetCpuPercent, 95] : undefined),
  }),
  refuse({
    id: "I54",
    statement: "CPU request of a replica ≤ its limit",
    unit: "cores",
    source: "Kubernetes documentation, resources",
    terms: ["gateway.cpuRequest", "gateway.cpu"],
    sides: ({ plan: { gateway } }) => [gateway.cpuRequest, gateway.cpu],
  }),
  ...(["cpu", "memory", "pods"] as const).map((part) =>
    refuse({
      id: "I36",
      statement: `${part} of all tiers at the worst instant ≤ quota of the namespace`,
      unit: part === "cpu" ? "cores" : part === "memory" ? "MiB" : "pods",
      source: "Kubernetes documentation, ResourceQuota: a rollout that does not fit hangs",
      terms: [
        "gateway.replicas.peak",
        ...(part === "pods"
          ? []
          : part === "cpu"
            ? ["gateway.cpuRequest", "postgres.cpu", "nginx.cpu", "redis.cpu"]
            : []),
        ...(part === "memory"
          ? ["gateway.memoryMiB", "postgres.memoryMiB", "redis.memoryMiB", "nginx.memoryMiB", "pgbouncer.memoryMiB"]
          : []),
        "nginx.replicas",
        "pgbouncer.instances",
        `input.cluster.quota.${part}`,
      ],
      sides: ({ input, plan }) => {
        const quota = input.cluster.quota?.[part];
        if (quota === undefined) return undefined;
        return [sumOf(reservedBy(plan, plan.gateway.replicas.peak), part === "memory" ? "memoryMiB" : part), quota];
      },
    }),
  ),
];
