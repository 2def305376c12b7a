import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { quota } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import { parseQuantity } from "../../../../../infra/targets/kubernetes/rules/quantity.ts";
import { container, gateway, including, NAMESPACE, put } from "./objects.ts";

function limits(hard: Record<string, unknown>, more: Record<string, unknown> = {}): Manifest {
  return {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "all", namespace: NAMESPACE },
    spec: { hard, ...more },
  };
}

const WHY = "replicas at their most, an update under way and every job at once need it; pods beyond it are not started";

/** The gateway at 8 with a surge of 2, one postgres, one migration, one backup: 13 pods of 500m, 256Mi and 64Mi each. */
const NEEDED = {
  pods: 13,
  cpu: "6500m",
  "requests.cpu": "6.5",
  "requests.memory": "3328Mi",
  "limits.memory": "3328Mi",
  "requests.ephemeral-storage": "832Mi",
  persistentvolumeclaims: 2,
  "requests.storage": "30Gi",
  services: 2,
  secrets: 1,
  configmaps: 1,
};

describe("the quota", () => {
  it("has room for the worst instant, exactly", () => {
    expect(quota(including(limits(NEEDED)))).toEqual([]);
  });

  it.each([
    ["pods", 12, "13"],
    ["cpu", "6499m", "6500m"],
    ["limits.memory", "3Gi", "3328Mi"],
    ["requests.ephemeral-storage", "831Mi", "832Mi"],
    ["persistentvolumeclaims", 1, "2"],
    ["requests.storage", "29Gi", "30720Mi"],
    ["pods", "many", "13"],
  ])("without room for %s is found", (name, hard, needed) => {
    expect(quota(including(limits({ [name]: hard })))).toEqual([
      {
        rule: "quota/room",
        object: "ResourceQuota/all",
        field: `spec.hard["${name}"]`,
        value: JSON.stringify(hard),
        allowed: `at least ${needed}`,
        why: WHY,
      },
    ]);
  });

  it("counts the larger of what starts and what runs, sidecars in both", () => {
    const size = (memory: string) => ({ requests: { memory, cpu: "1" }, limits: { memory } });
    const pod = put(gateway, "spec.template.spec", {
      initContainers: [
        container("sidecar", { restartPolicy: "Always", resources: size("1Gi") }),
        container("prepare", { resources: size("5Gi") }),
        container("load", { resources: size("6Gi") }),
      ],
      containers: [container("a", { resources: size("2Gi") }), container("b", { resources: size("3Gi") })],
    });
    const alone = [put(pod, "spec.replicas", 1), limits({ "requests.memory": "1Mi", pods: 2 })];
    expect(quota(alone).map(({ allowed }) => allowed)).toEqual([`at least ${2 * 7 * 1024}Mi`]);
    const withoutSurge = [
      put(alone[0] ?? pod, "spec.strategy", { type: "Recreate" }),
      limits({ "requests.memory": "1Mi" }),
    ];
    expect(quota(withoutSurge).map(({ allowed }) => allowed)).toEqual([`at least ${7 * 1024}Mi`]);
  });

  it("counts a limit as asked for where nothing is asked for, and nothing as a limit where there is none", () => {
    const only = (resources: unknown) =>
      put(put(gateway, "spec.template.spec", { containers: [container("a", { resources })] }), "spec.strategy", {
        type: "Recreate",
      });
    const needed = (resources: unknown, name: string) =>
      quota([only(resources), limits({ [name]: "1Mi" })]).map(({ rule, allowed }) => [rule, allowed]);
    expect(needed({ limits: { memory: "1Gi" } }, "requests.memory")).toEqual([["quota/room", "at least 1024Mi"]]);
    expect(needed({}, "requests.memory")).toEqual([["quota/limit", "a quantity"]]);
    expect(needed({ requests: { memory: "1Gi" } }, "limits.memory")).toEqual([["quota/limit", "a quantity"]]);
  });

  it("refuses pods that do not say what it counts, unless there are defaults", () => {
    const at = "spec.template.spec.containers[0].resources.limits";
    const silent = put(gateway, `${at}.cpu`, undefined);
    const objects = including(silent, limits({ "limits.cpu": "100" }));
    expect(quota(objects)).toEqual([
      {
        rule: "quota/limit",
        object: "Deployment/gateway",
        field: `${at}["cpu"]`,
        value: "nothing",
        allowed: "a quantity",
        why: "the quota counts limits.cpu, and admission refuses a pod that does not say it",
      },
    ]);
    const range: Manifest = { apiVersion: "v1", kind: "LimitRange", metadata: { name: "r", namespace: NAMESPACE } };
    expect(quota([...objects, range])).toEqual([]);
  });

  it("leaves quotas of a scope, of other namespaces and of other things alone", () => {
    expect(quota(including(limits({ pods: 1 }, { scopes: ["BestEffort"] })))).toEqual([]);
    expect(quota(including(put(limits({ pods: 1 }), "metadata.namespace", "other")))).toHaveLength(0);
    expect(quota(including(limits({ "count/jobs.batch": 1 })))).toEqual([]);
  });
});

describe("quantities", () => {
  it.each([
    ["500m", 0.5],
    ["2", 2],
    [2, 2],
    ["1.5Gi", 1.5 * 2 ** 30],
    ["1e3", 1000],
    ["1E3", 1000],
    ["10k", 10_000],
    ["1G", 1e9],
    [".5", 0.5],
    ["", undefined],
    ["1GB", undefined],
    ["-1", undefined],
    [null, undefined],
  ])("%j is %d", (text, value) => {
    expect(parseQuantity(text)).toBe(value);
  });
});
