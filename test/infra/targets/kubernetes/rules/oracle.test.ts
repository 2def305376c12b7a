import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { replacements } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import {
  autoscaler,
  configMap,
  deployment,
  excluding,
  gateway,
  gatewayService,
  including,
  labelsOf,
  migration,
  postgres,
  postgresService,
  put,
  secret,
} from "./objects.ts";

const claim: Manifest = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name: "backups", namespace: "mcp", labels: labelsOf("backups") },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "20Gi" } } },
};
const binding: Manifest = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "RoleBinding",
  metadata: { name: "b", namespace: "mcp" },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "r" },
};

describe("the replacement oracle", () => {
  it("finds nothing in what stays, nor in what is new", () => {
    expect(replacements(deployment, deployment)).toEqual([]);
    expect(replacements(excluding(postgres, gateway), deployment)).toEqual([]);
  });

  it("finds nothing in a change of size: replicas, memory, claims, settings, pools", () => {
    const at = "spec.template.spec.containers[0].resources.limits.memory";
    const larger = including(
      put(autoscaler, "spec.maxReplicas", 40),
      put(gateway, at, "2Gi"),
      put(put(postgres, at, "64Gi"), "spec.replicas", 3),
      put(claim, "spec.resources.requests.storage", "200Gi"),
      put(configMap, "data.LOG_LEVEL", "debug"),
      put(secret, "stringData.JWT_KEY", "another"),
    );
    expect(replacements(including(claim), larger)).toEqual([]);
  });

  it.each<[Manifest, string, unknown, boolean]>([
    [gateway, "spec.selector", { matchLabels: { app: "x" } }, false],
    [postgres, "spec.podManagementPolicy", "Parallel", true],
    [postgres, "spec.revisionHistoryLimit", 3, true],
    [postgres, "spec.selector", { matchLabels: { app: "x" } }, true],
    [postgres, "spec.serviceName", "database", true],
    [postgres, "spec.volumeClaimTemplates", [], true],
    [migration, "spec.template", {}, false],
    [migration, "spec.parallelism", 2, false],
    [migration, "spec.completions", 2, false],
    [gatewayService, "spec.clusterIP", "10.0.0.7", false],
    [postgresService, "spec.clusterIP", undefined, true],
    [claim, "spec.accessModes", ["ReadWriteMany"], true],
    [claim, "spec.storageClassName", "fast", true],
    [claim, "spec.volumeName", "pv-1", true],
    [claim, "spec.selector", {}, true],
    [secret, "type", "kubernetes.io/tls", false],
    [binding, "roleRef", {}, false],
  ])("finds that %# is replaced", (object, path, value, holdsData) => {
    expect(replacements(including(object), including(put(object, path, value)))).toEqual([
      {
        object: `${object.kind}/${object.metadata.name}`,
        change: "replaced",
        path,
        why: `${path} of a ${object.kind} cannot be changed in place`,
        holdsData,
      },
    ]);
  });

  it("knows that the size of a template's claim replaces the whole StatefulSet", () => {
    const grown = put(postgres, "spec.volumeClaimTemplates[0].spec.resources.requests.storage", "20Gi");
    expect(replacements(deployment, including(grown)).map(({ path }) => path)).toEqual(["spec.volumeClaimTemplates"]);
  });

  it("replaces what says of itself that it is immutable", () => {
    const frozen = put(configMap, "immutable", true);
    const changed = put(frozen, "data.LOG_LEVEL", "debug");
    expect(replacements([frozen], [changed]).map(({ path }) => path)).toEqual(["data"]);
  });

  it("finds what vanished", () => {
    expect(replacements(deployment, excluding(postgresService, autoscaler))).toEqual([
      {
        object: "Service/postgres",
        change: "deleted",
        path: "metadata.name",
        why: "no object of this kind and name is left",
        holdsData: true,
      },
      {
        object: "HorizontalPodAutoscaler/gateway",
        change: "deleted",
        path: "metadata.name",
        why: "no object of this kind and name is left",
        holdsData: false,
      },
    ]);
  });

  it("finds what was renamed or moved: Jobs by design, data by mistake", () => {
    const renamed = [...excluding(migration, postgres), put(migration, "metadata.name", "migration-4f2a")];
    const moved = put(postgres, "metadata.namespace", "mcp-2");
    expect(replacements(deployment, [...renamed, moved])).toEqual([
      {
        object: "StatefulSet/postgres",
        change: "renamed",
        path: "metadata.namespace",
        why: "it becomes mcp-2 and was mcp: another object, and this one is deleted",
        holdsData: true,
      },
      {
        object: "Job/migration",
        change: "renamed",
        path: "metadata.name",
        why: "it becomes migration-4f2a and was migration: another object, and this one is deleted",
        holdsData: false,
      },
    ]);
  });

  it("takes nothing for the heir of what has no labels, nor for data what stands elsewhere", () => {
    const bare = (name: string): Manifest => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "mcp" },
    });
    expect(replacements([bare("a")], [bare("b")]).map(({ object, change }) => [object, change])).toEqual([
      ["ConfigMap/a", "deleted"],
    ]);
    const elsewhere = put(put(postgresService, "metadata.namespace", "other"), "metadata.name", "db");
    expect(replacements(including(elsewhere), deployment).map(({ object, holdsData }) => [object, holdsData])).toEqual([
      ["Service/db", false],
    ]);
    const beside = put(postgresService, "metadata.name", "db");
    expect(replacements(including(beside), deployment).map(({ object, holdsData }) => [object, holdsData])).toEqual([
      ["Service/db", true],
    ]);
  });

  it("does not take a new version of an API for another object", () => {
    const beta = { ...autoscaler, apiVersion: "autoscaling/v2beta2" };
    expect(replacements(including(beta), deployment)).toEqual([]);
  });
});
