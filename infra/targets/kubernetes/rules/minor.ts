/** Does the cluster's minor know every feature that the objects use: one that does not drops the field and says nothing. */
import type { Manifest } from "../manifest.ts";
import { type Finding, objectOf, shown } from "./finding.ts";
import { isSidecar, podOf } from "./pods.ts";
import { elementsAt, isTree, join, listAt, type Tree, textAt, treeAt, valueAt } from "./tree.ts";

export type MinorContext = {
  /** 31 for Kubernetes 1.31, from `cluster.kubernetesMinor`. */
  readonly kubernetesMinor: number;
};

type Use = { readonly field: string; readonly value: unknown };

type Feature = {
  /** The first minor in which it is on unless somebody turns it off. */
  readonly since: number;
  /** Kubernetes documentation, feature gates, under this name; or the API's deprecation guide. */
  readonly gate: string;
  readonly uses: (manifest: Manifest) => readonly Use[];
};

/** Findings `minor/<feature gate>`. */
export function minor(manifests: readonly Manifest[], { kubernetesMinor }: MinorContext): readonly Finding[] {
  return manifests.flatMap((manifest) =>
    FEATURES.filter(({ since }) => since > kubernetesMinor).flatMap(({ since, gate, uses }) =>
      uses(manifest).map(({ field, value }) => ({
        rule: `minor/${gate}`,
        object: objectOf(manifest),
        field,
        value: shown(value),
        allowed: `nothing before Kubernetes 1.${since}`,
        why: `cluster.kubernetesMinor is ${kubernetesMinor}: raise it if the cluster is newer, or turn off what needs it`,
      })),
    ),
  );
}

const FEATURES: readonly Feature[] = [
  {
    since: 23,
    gate: "autoscaling-v2",
    uses: ofKind("HorizontalPodAutoscaler", "apiVersion", (value) => value === "autoscaling/v2"),
  },
  { since: 25, gate: "CronJobTimeZone", uses: ofKind("CronJob", "spec.timeZone") },
  { since: 25, gate: "NetworkPolicyEndPort", uses: endPorts },
  { since: 26, gate: "JobPodFailurePolicy", uses: ofJob("podFailurePolicy") },
  { since: 27, gate: "MatchLabelKeysInPodTopologySpread", uses: ofSpread("matchLabelKeys") },
  { since: 27, gate: "MinDomainsInPodTopologySpread", uses: ofSpread("minDomains") },
  {
    since: 27,
    gate: "PDBUnhealthyPodEvictionPolicy",
    uses: ofKind("PodDisruptionBudget", "spec.unhealthyPodEvictionPolicy"),
  },
  { since: 27, gate: "HPAContainerMetrics", uses: containerMetrics },
  {
    since: 27,
    gate: "StatefulSetAutoDeletePVC",
    uses: ofKind("StatefulSet", "spec.persistentVolumeClaimRetentionPolicy"),
  },
  { since: 29, gate: "JobPodReplacementPolicy", uses: ofJob("podReplacementPolicy") },
  { since: 29, gate: "SidecarContainers", uses: sidecars },
  { since: 30, gate: "PodLifecycleSleepAction", uses: sleeps },
  { since: 30, gate: "AppArmorFields", uses: appArmor },
  { since: 31, gate: "ServiceTrafficDistribution", uses: ofKind("Service", "spec.trafficDistribution") },
  { since: 31, gate: "MatchLabelKeysInPodAffinity", uses: ofAffinity },
  { since: 33, gate: "UserNamespacesSupport", uses: ofPod("hostUsers", (value) => value === false) },
  {
    since: 34,
    gate: "PreferSameTrafficDistribution",
    uses: ofKind("Service", "spec.trafficDistribution", isPreferSame),
  },
  { since: 34, gate: "PodLevelResources", uses: ofPod("resources") },
  { since: 37, gate: "HPAConfigurableTolerance", uses: tolerances },
  {
    since: 37,
    gate: "MaxUnavailableStatefulSet",
    uses: ofKind("StatefulSet", "spec.updateStrategy.rollingUpdate.maxUnavailable"),
  },
];

function isSet(value: unknown): boolean {
  return value !== undefined;
}

function isPreferSame(value: unknown): boolean {
  return value === "PreferSameZone" || value === "PreferSameNode";
}

function ofKind(kind: string, path: string, isUse: (value: unknown) => boolean = isSet): Feature["uses"] {
  return (manifest) => (manifest.kind === kind ? useAt(manifest, "", path, isUse) : []);
}

function useAt(tree: Tree, at: string, path: string, isUse: (value: unknown) => boolean = isSet): readonly Use[] {
  const value = valueAt(tree, ...path.split("."));
  return isUse(value) ? [{ field: at === "" ? path : `${at}.${path}`, value }] : [];
}

function ofPod(path: string, isUse: (value: unknown) => boolean = isSet): Feature["uses"] {
  return (manifest) => {
    const pod = podOf(manifest);
    return pod === undefined ? [] : useAt(pod.spec, pod.at, path, isUse);
  };
}

function ofJob(key: string): Feature["uses"] {
  const path: Readonly<Record<string, string>> = { Job: "spec", CronJob: "spec.jobTemplate.spec" };
  return (manifest) => useAt(manifest, "", `${path[manifest.kind] ?? "no job"}.${key}`);
}

function ofSpread(key: string): Feature["uses"] {
  return (manifest) => {
    const pod = podOf(manifest);
    if (pod === undefined) return [];
    const list = "topologySpreadConstraints";
    return elementsAt(pod.spec, `${pod.at}.${list}`, list).flatMap(({ at, body }) => useAt(body, at, key));
  };
}

function ofAffinity(manifest: Manifest): readonly Use[] {
  const pod = podOf(manifest);
  if (pod === undefined) return [];
  return ["podAffinity", "podAntiAffinity"].flatMap((side) => {
    const at = `${pod.at}.affinity.${side}`;
    const terms = treeAt(pod.spec, "affinity", side);
    const required = "requiredDuringSchedulingIgnoredDuringExecution";
    const preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    return [
      ...elementsAt(terms, `${at}.${required}`, required),
      ...elementsAt(terms, `${at}.${preferred}`, preferred).map((one) => ({
        at: `${one.at}.podAffinityTerm`,
        body: treeAt(one.body, "podAffinityTerm"),
      })),
    ].flatMap((term) => [
      ...useAt(term.body, term.at, "matchLabelKeys"),
      ...useAt(term.body, term.at, "mismatchLabelKeys"),
    ]);
  });
}

function ofContainers(manifest: Manifest, path: string): readonly Use[] {
  return (podOf(manifest)?.containers ?? []).flatMap(({ at, body }) => useAt(body, at, path));
}

function sleeps(manifest: Manifest): readonly Use[] {
  return ["preStop", "postStart"].flatMap((hook) => ofContainers(manifest, `lifecycle.${hook}.sleep`));
}

function appArmor(manifest: Manifest): readonly Use[] {
  const path = "securityContext.appArmorProfile";
  return [...ofPod(path)(manifest), ...ofContainers(manifest, path)];
}

function sidecars(manifest: Manifest): readonly Use[] {
  return (podOf(manifest)?.containers ?? [])
    .filter(isSidecar)
    .map(({ at, body }) => ({ field: join(at, "restartPolicy"), value: body.restartPolicy }));
}

function endPorts(manifest: Manifest): readonly Use[] {
  if (manifest.kind !== "NetworkPolicy") return [];
  return ["ingress", "egress"].flatMap((way) =>
    elementsAt(manifest, `spec.${way}`, "spec", way).flatMap((rule) =>
      elementsAt(rule.body, `${rule.at}.ports`, "ports").flatMap(({ at, body }) => useAt(body, at, "endPort")),
    ),
  );
}

function containerMetrics(manifest: Manifest): readonly Use[] {
  if (manifest.kind !== "HorizontalPodAutoscaler") return [];
  return elementsAt(manifest, "spec.metrics", "spec", "metrics")
    .filter(({ body }) => textAt(body, "type") === "ContainerResource" || isTree(body.containerResource))
    .map(({ at }) => ({ field: `${at}.type`, value: "ContainerResource" }));
}

function tolerances(manifest: Manifest): readonly Use[] {
  if (manifest.kind !== "HorizontalPodAutoscaler" || listAt(manifest, "spec", "metrics").length === 0) return [];
  return ["scaleUp", "scaleDown"].flatMap((way) => useAt(manifest, "", `spec.behavior.${way}.tolerance`));
}
