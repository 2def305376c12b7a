import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { minor } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import {
  autoscaler,
  backup,
  budget,
  container,
  deployment,
  gateway,
  gatewayEgress,
  gatewayService,
  migration,
  postgres,
  put,
} from "./objects.ts";

const AT = "spec.template.spec";
const AFFINITY = `${AT}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution`;

describe("the cluster's minor", () => {
  it("knows every feature of the deployment from 1.27 on", () => {
    expect(minor(deployment, { kubernetesMinor: 27 })).toEqual([]);
  });

  it.each<[gate: string, since: number, object: Manifest, path: string, value: unknown, field?: string]>([
    ["autoscaling-v2", 23, autoscaler, "spec.minReplicas", 3, "apiVersion"],
    ["CronJobTimeZone", 25, backup, "spec.timeZone", "Etc/UTC"],
    ["NetworkPolicyEndPort", 25, gatewayEgress, "spec.egress[0].ports[0].endPort", 5433],
    ["JobPodFailurePolicy", 26, migration, "spec.podFailurePolicy", { rules: [] }],
    ["JobPodReplacementPolicy", 29, backup, "spec.jobTemplate.spec.podReplacementPolicy", "Failed"],
    ["PDBUnhealthyPodEvictionPolicy", 27, budget, "spec.unhealthyPodEvictionPolicy", "AlwaysAllow"],
    ["StatefulSetAutoDeletePVC", 27, postgres, "spec.persistentVolumeClaimRetentionPolicy", { whenDeleted: "Retain" }],
    ["PodLifecycleSleepAction", 30, gateway, `${AT}.containers[0].lifecycle.preStop.sleep`, { seconds: 10 }],
    ["AppArmorFields", 30, gateway, `${AT}.securityContext.appArmorProfile`, { type: "RuntimeDefault" }],
    ["AppArmorFields", 30, gateway, `${AT}.containers[0].securityContext.appArmorProfile`, { type: "RuntimeDefault" }],
    ["ServiceTrafficDistribution", 31, gatewayService, "spec.trafficDistribution", "PreferClose"],
    ["PreferSameTrafficDistribution", 34, gatewayService, "spec.trafficDistribution", "PreferSameZone"],
    ["UserNamespacesSupport", 33, gateway, `${AT}.hostUsers`, false],
    ["PodLevelResources", 34, gateway, `${AT}.resources`, { limits: { memory: "1Gi" } }],
    ["HPAConfigurableTolerance", 37, autoscaler, "spec.behavior.scaleUp.tolerance", "5%"],
    ["MaxUnavailableStatefulSet", 37, postgres, "spec.updateStrategy.rollingUpdate.maxUnavailable", 2],
  ])("finds %s before 1.%i", (gate, since, object, path, value, field = path) => {
    const using = [put(object, path, value)];
    const of = (kubernetesMinor: number) =>
      minor(using, { kubernetesMinor }).filter(({ rule }) => rule === `minor/${gate}`);
    expect(of(since)).toEqual([]);
    expect(of(since - 1)).toEqual([
      {
        rule: `minor/${gate}`,
        object: `${object.kind}/${object.metadata.name}`,
        field,
        value: JSON.stringify(field === "apiVersion" ? object.apiVersion : value),
        allowed: `nothing before Kubernetes 1.${since}`,
        why: `cluster.kubernetesMinor is ${since - 1}: raise it if the cluster is newer, or turn off what needs it`,
      },
    ]);
  });

  it.each<[gate: string, since: number, path: string, value: unknown, field: string]>([
    [
      "MatchLabelKeysInPodTopologySpread",
      27,
      `${AT}.topologySpreadConstraints`,
      [{ matchLabelKeys: ["pod-template-hash"] }],
      `${AT}.topologySpreadConstraints[0].matchLabelKeys`,
    ],
    [
      "MinDomainsInPodTopologySpread",
      27,
      `${AT}.topologySpreadConstraints`,
      [{}, { minDomains: 3 }],
      `${AT}.topologySpreadConstraints[1].minDomains`,
    ],
    ["MatchLabelKeysInPodAffinity", 31, AFFINITY, [{ matchLabelKeys: ["x"] }], `${AFFINITY}[0].matchLabelKeys`],
    [
      "SidecarContainers",
      29,
      `${AT}.initContainers`,
      [container("proxy", { restartPolicy: "Always" })],
      `${AT}.initContainers[0].restartPolicy`,
    ],
  ])("finds %s in lists", (gate, since, path, value, field) => {
    const found = (kubernetesMinor: number) =>
      minor([put(gateway, path, value)], { kubernetesMinor }).map(({ rule, field: at }) => [rule, at]);
    expect(found(since)).toEqual([]);
    expect(found(since - 1)).toEqual([[`minor/${gate}`, field]]);
  });

  it("finds metrics of single containers", () => {
    const metric = { type: "ContainerResource", containerResource: { name: "cpu", container: "gateway" } };
    const found = minor([put(autoscaler, "spec.metrics", [metric])], { kubernetesMinor: 26 });
    expect(found.map(({ rule, field }) => [rule, field])).toEqual([
      ["minor/HPAContainerMetrics", "spec.metrics[0].type"],
    ]);
  });
});
