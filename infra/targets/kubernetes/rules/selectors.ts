/** Every selector selects what it is meant to, and only by labels that stay. */
import type { Manifest } from "../manifest.ts";
import { type Offence, shown } from "./finding.ts";
import { keysOf, type Labels, mapSelects, printSelector, selects } from "./label-selector.ts";
import { podOf } from "./pods.ts";
import { labelsBeside, type ReferenceCheck } from "./reference-check.ts";
import { elementsAt, isTree, join, textAt, textsAt, valueAt } from "./tree.ts";

const WORKLOADS = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"];

type Selector = { readonly at: string; readonly selector: unknown };

function selectorOf(manifest: Manifest): readonly Selector[] {
  const spec = valueAt(manifest, "spec");
  if (manifest.kind === "NetworkPolicy") return networkSelectors(manifest);
  if (manifest.kind === "Service") {
    const selector = textsAt(spec, "selector");
    return Object.keys(selector).length === 0 ? [] : [{ at: "spec.selector", selector: { matchLabels: selector } }];
  }
  const kinds = [...WORKLOADS, "PodDisruptionBudget", "ServiceMonitor", "PodMonitor"];
  return kinds.includes(manifest.kind) ? [{ at: "spec.selector", selector: valueAt(spec, "selector") }] : [];
}

/** Its own pods, and peers in its own namespace. */
function networkSelectors(manifest: Manifest): readonly Selector[] {
  const peers = ["ingress", "egress"].flatMap((way) =>
    elementsAt(manifest, `spec.${way}`, "spec", way).flatMap((rule) => {
      const side = way === "ingress" ? "from" : "to";
      return elementsAt(rule.body, `${rule.at}.${side}`, side)
        .filter(({ body }) => isTree(body.podSelector) && body.namespaceSelector === undefined)
        .map(({ at, body }) => ({ at: `${at}.podSelector`, selector: body.podSelector }));
    }),
  );
  return [{ at: "spec.podSelector", selector: valueAt(manifest, "spec", "podSelector") }, ...peers];
}

/** What the selector of a kind selects among. */
const matches: ReferenceCheck = (manifest, around) => {
  if (WORKLOADS.includes(manifest.kind)) return [];
  const services = () =>
    around.manifests.filter(({ kind }) => kind === "Service").map(({ metadata }): Labels => metadata.labels ?? {});
  const candidates = manifest.kind === "ServiceMonitor" ? services() : labelsBeside(manifest, around);
  return selectorOf(manifest)
    .filter(({ selector }) => printSelector(selector) !== "everything")
    .filter(({ selector }) => !candidates.some((labels) => selects(selector, labels)))
    .map(({ at, selector }) => ({
      field: at,
      value: printSelector(selector),
      allowed: `labels of a ${manifest.kind === "ServiceMonitor" ? "Service" : "pod"} of the deployment`,
      why: "it selects nothing, and nobody would say so",
    }));
};

const ownTemplate: ReferenceCheck = (manifest) => {
  const pod = podOf(manifest);
  const selector = valueAt(manifest, "spec", "selector");
  if (!WORKLOADS.includes(manifest.kind) || pod === undefined || selects(selector, pod.labels)) return [];
  return [
    {
      field: "spec.selector",
      value: printSelector(selector),
      allowed: printSelector({ matchLabels: pod.labels }),
      why: "a workload must select the pods of its own template",
    },
  ];
};

/** Two workloads that select each other's pods delete each other's pods. */
const overlap: ReferenceCheck = (manifest, { pods }) => {
  if (!WORKLOADS.includes(manifest.kind)) return [];
  const selector = valueAt(manifest, "spec", "selector");
  return pods
    .filter((pod) => pod.manifest !== manifest && pod.manifest.metadata.namespace === manifest.metadata.namespace)
    .filter((pod) => selects(selector, pod.labels))
    .map((pod) => ({
      field: "spec.selector",
      value: printSelector(selector),
      allowed: "labels that no other workload's pods have",
      why: `it selects the pods of ${pod.manifest.kind}/${pod.manifest.metadata.name} too`,
    }));
};

/** A selector cannot be changed in place, so that what changes with a release or a configuration must not be in it. */
const UNSTABLE = /(?:^|[./-])(?:version|chart|revision|checksum|hash|digest|config|date)(?:$|[./-])/i;

const stableLabels: ReferenceCheck = (manifest) =>
  selectorOf(manifest).flatMap(({ at, selector }) =>
    keysOf(selector)
      .filter((key) => UNSTABLE.test(key))
      .map((key) => ({
        field: at,
        value: key,
        allowed: "app.kubernetes.io/name, instance, component",
        why: "a label that a release or a configuration changes would replace what selects by it",
      })),
  );

const scaleTarget: ReferenceCheck = (manifest, { manifests }) => {
  if (manifest.kind !== "HorizontalPodAutoscaler") return [];
  const target = valueAt(manifest, "spec", "scaleTargetRef");
  const isTarget = (one: Manifest) =>
    one.kind === textAt(target, "kind") &&
    one.metadata.name === textAt(target, "name") &&
    one.apiVersion === textAt(target, "apiVersion") &&
    one.metadata.namespace === manifest.metadata.namespace;
  if (manifests.some(isTarget)) return [];
  const why = "it scales nothing";
  return [{ field: "spec.scaleTargetRef", value: shown(target), allowed: "a workload of the deployment", why }];
};

/** Spread and affinity of a pod are meant for its own kind. */
const spread: ReferenceCheck = (manifest) => {
  const pod = podOf(manifest);
  if (pod === undefined) return [];
  const constraints = elementsAt(pod.spec, `${pod.at}.topologySpreadConstraints`, "topologySpreadConstraints");
  return constraints
    .filter(({ body }) => !selects(body.labelSelector, pod.labels))
    .map(({ at, body }): Offence & { why: string } => ({
      field: join(at, "labelSelector"),
      value: printSelector(body.labelSelector),
      allowed: printSelector({ matchLabels: pod.labels }),
      why: "pods are spread among those that the selector selects, and these are not among them",
    }));
};

export const selectorChecks: Readonly<Record<string, ReferenceCheck>> = {
  selector: matches,
  "own-template": ownTemplate,
  overlap,
  "stable-labels": stableLabels,
  "scale-target": scaleTarget,
  spread,
};

/** The pods of the deployment that a Service sends to. */
export function podsBehind(service: Manifest, around: Parameters<ReferenceCheck>[1]) {
  const selector = textsAt(service, "spec", "selector");
  return around.pods.filter(
    (pod) => pod.manifest.metadata.namespace === service.metadata.namespace && mapSelects(selector, pod.labels),
  );
}
