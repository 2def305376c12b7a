/** How much the namespace may take: as much as its tiers take at the worst instant, and nothing that opens it to the outside. */
import type { Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { operatedDemand } from "./operator.ts";
import { cpu, gibibytes, mebibytes } from "./quantity.ts";
import { commonLabels, metadataOf, type Site, type Tree } from "./site.ts";
import { keptVolumes } from "./storage.ts";

/** What a number of equal pods reserves. */
export type Demand = {
  readonly pods: number;
  readonly cpuRequest: number;
  readonly cpuLimit: number;
  readonly memoryMiB: number;
  readonly ephemeralMiB: number;
  /** GiB of each of its claims. */
  readonly claimsGiB: readonly number[];
};

/** The quota and the range, or nothing where the configuration says that somebody else sets them. */
export function namespaceLimits(site: Site): readonly Manifest[] {
  if (!site.deployment.kubernetes.quota) return [];
  const demands = [...site.topology.workloads.map(demandOf), ...operatedDemand(site)];
  const claimed = [
    ...keptVolumes(site.topology.workloads).map(({ sizeGiB }) => sizeGiB),
    ...demands.flatMap(({ claimsGiB }) => claimsGiB),
  ];
  return [quota(site, demands, claimed), range(site, demands)];
}

/**
 * Pods that are alive at once at most. A rollout at the greatest scale adds its surge; pods that are ending still count, and Kubernetes
 * starts others without waiting for them: a surge of them every `minReadyS`, each for its grace. Kubernetes documentation, Deployments
 * and resource quotas. Of a job the one before may not have ended.
 */
export function alivePods({ shape, shutdown }: Workload): number {
  if (shape.kind === "stateful" || shape.kind === "schedule") return 1;
  if (shape.kind === "job") return 2;
  const most = shape.scaling?.max ?? shape.replicas;
  const { rollout } = shape;
  if (rollout.order === "after") return most;
  const surge = Math.ceil(most * rollout.surge);
  const ending = surge * Math.ceil(shutdown.graceS / Math.max(1, rollout.minReadyS));
  return most + surge + Math.min(most, ending);
}

function demandOf(workload: Workload): Demand {
  return { pods: alivePods(workload), ...workload.resources, claimsGiB: [] };
}

function quota(site: Site, demands: readonly Demand[], claimedGiB: readonly number[]): Manifest {
  const total = (of: (demand: Demand) => number) => demands.reduce((sum, one) => sum + one.pods * of(one), 0);
  const memory = mebibytes(total(({ memoryMiB }) => memoryMiB));
  const ephemeral = mebibytes(total(({ ephemeralMiB }) => ephemeralMiB));
  return {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: metadataOf(site, "worst-instant", commonLabels(site)),
    spec: {
      hard: {
        pods: String(total(() => 1)),
        "requests.cpu": cpu(total(({ cpuRequest }) => cpuRequest)),
        "limits.cpu": cpu(total(({ cpuLimit }) => cpuLimit)),
        "requests.memory": memory,
        "limits.memory": memory,
        "requests.ephemeral-storage": ephemeral,
        "limits.ephemeral-storage": ephemeral,
        persistentvolumeclaims: String(claimedGiB.length),
        "requests.storage": gibibytes(claimedGiB.reduce((sum, size) => sum + size, 0)),
        "services.loadbalancers": "0",
        "services.nodeports": "0",
      },
    },
  };
}

/** No container is larger than the plan's largest; one that says nothing (an operator's, say) is as small as the smallest. */
function range(site: Site, demands: readonly Demand[]): Manifest {
  const pick = (choose: (...values: number[]) => number): Tree => ({
    cpu: cpu(choose(...demands.map(({ cpuLimit }) => cpuLimit))),
    memory: mebibytes(choose(...demands.map(({ memoryMiB }) => memoryMiB))),
    "ephemeral-storage": mebibytes(choose(...demands.map(({ ephemeralMiB }) => ephemeralMiB))),
  });
  const least = pick(Math.min);
  const leastRequest = { ...least, cpu: cpu(Math.min(...demands.map(({ cpuRequest }) => cpuRequest))) };
  return {
    apiVersion: "v1",
    kind: "LimitRange",
    metadata: metadataOf(site, "containers", commonLabels(site)),
    spec: { limits: [{ type: "Container", default: least, defaultRequest: leastRequest, max: pick(Math.max) }] },
  };
}
