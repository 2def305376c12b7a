/** What the cluster has to grant: replicas, evictions, processor shares, quota. */
import { cpuTarget } from "../kernels/cluster.ts";
import { reservedBy, sumOf } from "../kernels/cost.ts";
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
    statement: "most replicas ≤ replicas at the worst instant of a rollout",
    unit: "replicas",
    source: "Kubernetes documentation, rolling updates: the surge comes on top",
    terms: ["gateway.replicas.max", "gateway.replicas.peak"],
    sides: ({ plan: { gateway } }) => [gateway.replicas.max, gateway.replicas.peak],
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
