/** Can a node be drained, and does something serve meanwhile: the budgets of disruption. */
import type { Manifest } from "../manifest.ts";
import { type Finding, objectOf, shown } from "./finding.ts";
import { selects } from "./label-selector.ts";
import { type Pod, podsOf } from "./pods.ts";
import { parseShare } from "./quantity.ts";
import { scaleOf } from "./scale.ts";
import { textAt, valueAt } from "./tree.ts";

const REPLICATED = ["Deployment", "StatefulSet"];

/**
 * Findings `disruption/<what>`. Kubernetes documentation, disruption budgets: shares are rounded up; a pod under two budgets cannot be
 * evicted at all; without `AlwaysAllow` a pod that never becomes ready blocks the drain that would replace it.
 */
export function disruption(manifests: readonly Manifest[]): readonly Finding[] {
  const pods = podsOf(manifests).filter(({ manifest }) => REPLICATED.includes(manifest.kind));
  const budgets = manifests.filter(({ kind }) => kind === "PodDisruptionBudget");
  return [
    ...budgets.flatMap((budget) => judgeBudget(budget, pods, manifests)),
    ...pods.flatMap((pod) => judgeWorkload(pod, budgets, manifests)),
  ];
}

function covers(budget: Manifest, { manifest, labels }: Pod): boolean {
  return (
    budget.metadata.namespace === manifest.metadata.namespace && selects(valueAt(budget, "spec", "selector"), labels)
  );
}

function judgeBudget(budget: Manifest, pods: readonly Pod[], manifests: readonly Manifest[]): readonly Finding[] {
  const object = objectOf(budget);
  const replicas = pods
    .filter((pod) => covers(budget, pod))
    .reduce((sum, { manifest }) => sum + scaleOf(manifest, manifests).least, 0);
  const policy = textAt(budget, "spec", "unhealthyPodEvictionPolicy");
  const stuck: Finding = {
    rule: "disruption/unhealthy",
    object,
    field: "spec.unhealthyPodEvictionPolicy",
    value: shown(policy),
    allowed: "AlwaysAllow",
    why: "a pod that never becomes ready would block the drain that replaces it",
  };
  return [...(policy === "AlwaysAllow" ? [] : [stuck]), ...satisfiable(budget, object, replicas)];
}

/** At the fewest replicas that there may be, one must be allowed to go. */
function satisfiable(budget: Manifest, object: string, replicas: number): readonly Finding[] {
  const [least, away] = [valueAt(budget, "spec", "minAvailable"), valueAt(budget, "spec", "maxUnavailable")];
  if ((least === undefined) === (away === undefined)) {
    const why = "a budget has one of minAvailable and maxUnavailable";
    const field = "spec.maxUnavailable";
    return [{ rule: "disruption/form", object, field, value: shown(away), allowed: "one of the two", why }];
  }
  // A budget for pods of an operator: how many they are is not known here.
  if (replicas === 0) return [];
  const common = {
    rule: "disruption/satisfiable",
    object,
    why: `with ${replicas} replicas no pod could ever be evicted, and no node drained`,
  };
  if (least !== undefined && (parseShare(least, replicas, Math.ceil) ?? 0) >= replicas) {
    const allowed = `less than ${replicas}; better maxUnavailable: 1`;
    return [{ ...common, field: "spec.minAvailable", value: shown(least), allowed }];
  }
  if (away !== undefined && (parseShare(away, replicas, Math.ceil) ?? 0) < 1) {
    return [{ ...common, field: "spec.maxUnavailable", value: shown(away), allowed: "at least 1" }];
  }
  return [];
}

function judgeWorkload(pod: Pod, budgets: readonly Manifest[], manifests: readonly Manifest[]): readonly Finding[] {
  const { least } = scaleOf(pod.manifest, manifests);
  const covering = budgets.filter((budget) => covers(budget, pod)).map(({ metadata }) => metadata.name);
  const wanted = least >= 2 ? 1 : 0;
  if (covering.length === wanted) return [];
  const why =
    covering.length > 1
      ? "a pod under two budgets cannot be evicted"
      : least >= 2
        ? "a drain could take all of its pods at once"
        : "a budget for a single pod either blocks every drain or says nothing";
  return [
    {
      rule: "disruption/budget",
      object: objectOf(pod.manifest),
      field: "PodDisruptionBudget",
      value: covering.join(", ") || "nothing",
      allowed: wanted === 1 ? "one, with maxUnavailable: 1" : "nothing",
      why: `${why}; it has at least ${least} replica${least === 1 ? "" : "s"}`,
    },
  ];
}
