/** Does the autoscaler own what it scales, within bounds, and at a pace that was chosen. */
import type { Manifest } from "../manifest.ts";
import { type Finding, objectOf, shown } from "./finding.ts";
import { podOf } from "./pods.ts";
import { parseQuantity } from "./quantity.ts";
import { autoscalerOf } from "./scale.ts";
import { elementsAt, isTree, numberAt, textAt, valueAt } from "./tree.ts";

/** Findings `autoscaling/<what>`. Kubernetes documentation, horizontal pod autoscaling. */
export function autoscaling(manifests: readonly Manifest[]): readonly Finding[] {
  return manifests.flatMap((manifest) => {
    if (manifest.kind === "HorizontalPodAutoscaler") return judge(manifest, manifests);
    const scaler = autoscalerOf(manifest, manifests);
    const replicas = valueAt(manifest, "spec", "replicas");
    if (scaler === undefined || replicas === undefined) return [];
    const why = `${objectOf(scaler)} owns it: both would write it in turns, and under server-side apply they conflict`;
    const object = objectOf(manifest);
    return [
      { rule: "autoscaling/replicas", object, field: "spec.replicas", value: shown(replicas), allowed: "nothing", why },
    ];
  });
}

function judge(scaler: Manifest, manifests: readonly Manifest[]): readonly Finding[] {
  const object = objectOf(scaler);
  const [least, most] = [numberAt(scaler, "spec", "minReplicas") ?? 1, numberAt(scaler, "spec", "maxReplicas") ?? 0];
  const bounds: Finding = {
    rule: "autoscaling/bounds",
    object,
    field: "spec.minReplicas",
    value: shown(least),
    allowed: `at most ${most}`,
    why: "an API server refuses an autoscaler whose least is more than its most",
  };
  const behavior = ["scaleUp", "scaleDown"]
    .filter((way) => !isTree(valueAt(scaler, "spec", "behavior", way)))
    .map((way) => ({
      rule: "autoscaling/behavior",
      object,
      field: `spec.behavior.${way}`,
      value: "nothing",
      allowed: "policies and a window",
      why: "the plan counts on the pace; Kubernetes' own is another",
    }));
  return [...(least > most ? [bounds] : []), ...behavior, ...shares(scaler, manifests)];
}

/** A share of what is asked for needs every container to ask for some. */
function shares(scaler: Manifest, manifests: readonly Manifest[]): readonly Finding[] {
  const target = manifests.find((one) => autoscalerOf(one, manifests) === scaler);
  const containers = (target === undefined ? undefined : podOf(target))?.containers ?? [];
  return elementsAt(scaler, "spec.metrics", "spec", "metrics").flatMap(({ at, body }) => {
    const name = textAt(body, "resource", "name");
    const isShare = textAt(body, "resource", "target", "type") === "Utilization";
    if (name === undefined || !isShare) return [];
    return containers
      .filter((one) => one.role === "containers")
      .filter((one) => (parseQuantity(valueAt(one.body, "resources", "requests", name)) ?? 0) === 0)
      .map((one) => ({
        rule: "autoscaling/request",
        object: objectOf(scaler),
        field: at,
        value: `a share of the ${name} that container ${one.name} asks for, which is nothing`,
        allowed: "a request in every container",
        why: "the autoscaler cannot compute the share and does nothing",
      }));
  });
}
