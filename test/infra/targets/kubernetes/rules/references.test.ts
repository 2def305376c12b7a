import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { references } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import {
  autoscaler,
  backup,
  budget,
  configMap,
  deployment,
  excluding,
  gateway,
  gatewayEgress,
  gatewayService,
  including,
  labelsOf,
  monitor,
  NAMESPACE,
  postgres,
  postgresIngress,
  postgresService,
  put,
  secret,
} from "./objects.ts";

const AT = "spec.template.spec";
const ALONE = { external: [], externalPods: [] };
const OTHER = { matchLabels: { app: "other" } };
const RECOMMENDED = "app.kubernetes.io/name, instance, component";
const GATEWAY = "app.kubernetes.io/name=gateway, app.kubernetes.io/instance=prod";

function find(...changed: readonly Manifest[]): readonly string[] {
  return references(including(...changed), ALONE).map(
    ({ rule, object, field, value, allowed }) => `${rule} ${object} ${field}: ${value} (${allowed})`,
  );
}

describe("selectors", () => {
  it("all select something in the deployment", () => {
    expect(references(deployment, ALONE)).toEqual([]);
  });

  it.each<[Manifest, string, unknown, string]>([
    [
      gatewayService,
      "spec.selector",
      { app: "other" },
      "references/selector Service/gateway spec.selector: app=other (labels of a pod of the deployment)",
    ],
    [
      budget,
      "spec.selector",
      OTHER,
      "references/selector PodDisruptionBudget/gateway spec.selector: app=other (labels of a pod of the deployment)",
    ],
    [
      gatewayEgress,
      "spec.podSelector",
      OTHER,
      "references/selector NetworkPolicy/gateway-egress spec.podSelector: app=other (labels of a pod of the deployment)",
    ],
    [
      gatewayEgress,
      "spec.egress[0].to[0].podSelector",
      OTHER,
      "references/selector NetworkPolicy/gateway-egress spec.egress[0].to[0].podSelector: app=other (labels of a pod of the deployment)",
    ],
    [
      autoscaler,
      "spec.scaleTargetRef.name",
      "gatewy",
      'references/scale-target HorizontalPodAutoscaler/gateway spec.scaleTargetRef: {"apiVersion":"apps/v1","kind":"Deployment","name":"gatewy"} (a workload of the deployment)',
    ],
    [
      gateway,
      `${AT}.topologySpreadConstraints`,
      [{ topologyKey: "zone", labelSelector: { matchLabels: labelsOf("nginx") } }],
      `references/spread Deployment/gateway ${AT}.topologySpreadConstraints[0].labelSelector: app.kubernetes.io/name=nginx, app.kubernetes.io/instance=prod (${GATEWAY}, app.kubernetes.io/version=1.0.0)`,
    ],
  ])("that select nothing are found: %#", (object, path, value, sentence) => {
    expect(find(put(object, path, value))).toEqual([sentence]);
  });

  it("of a ServiceMonitor are about the labels of Services", () => {
    expect(find(put(monitor, "spec.selector", OTHER))).toEqual([
      "references/selector ServiceMonitor/gateway spec.selector: app=other (labels of a Service of the deployment)",
      'references/monitor-port ServiceMonitor/gateway spec.endpoints[0].port: "http" (nothing)',
    ]);
  });

  it("of a workload select its own pods and nobody else's", () => {
    expect(find(put(postgres, "spec.selector", { matchLabels: labelsOf("gateway") }))).toEqual([
      `references/own-template StatefulSet/postgres spec.selector: ${GATEWAY} (app.kubernetes.io/name=postgres, app.kubernetes.io/instance=prod)`,
      `references/overlap StatefulSet/postgres spec.selector: ${GATEWAY} (labels that no other workload's pods have)`,
    ]);
  });

  it("of other namespaces are others' business", () => {
    const twin = put(put(gateway, "metadata.namespace", "other"), "metadata.name", "twin");
    expect(find(twin).filter((one) => one.startsWith("references/overlap"))).toEqual([]);
    const system = { namespaceSelector: {}, podSelector: { matchLabels: { "k8s-app": "kube-dns" } } };
    expect(find(put(gatewayEgress, "spec.egress[0].to[1]", system))).toEqual([]);
  });

  it.each(["app.kubernetes.io/version", "helm.sh/chart", "checksum/config", "config-hash"])(
    "never ask for %s",
    (key) => {
      const labels = { ...labelsOf("gateway"), [key]: "1" };
      const changed = put(put(gateway, "spec.selector.matchLabels", labels), "spec.template.metadata.labels", labels);
      expect(find(changed)).toEqual([
        `references/stable-labels Deployment/gateway spec.selector: ${key} (${RECOMMENDED})`,
      ]);
    },
  );

  it("understand expressions", () => {
    const expressions = (...matchExpressions: unknown[]) => put(budget, "spec.selector", { matchExpressions });
    const key = "app.kubernetes.io/name";
    expect(find(expressions({ key, operator: "In", values: ["gateway"] }, { key, operator: "Exists" }))).toEqual([]);
    expect(find(expressions({ key: "x", operator: "DoesNotExist" }))).toEqual([]);
    const selector = (text: string) =>
      `references/selector PodDisruptionBudget/gateway spec.selector: ${text} (labels of a pod of the deployment)`;
    expect(find(expressions({ key: "x", operator: "Exists" }))).toEqual([selector("x Exists ()")]);
    const nobody = ["gateway", "postgres", "migration", "backup"];
    expect(find(expressions({ key, operator: "NotIn", values: nobody }))).toEqual([
      selector(`${key} NotIn (${nobody.join(", ")})`),
    ]);
  });

  it("may mean the pods of an operator, if the context says so", () => {
    const forCluster = put(budget, "spec.selector", { matchLabels: { "cnpg.io/cluster": "pg" } });
    const pod = { namespace: NAMESPACE, labels: { "cnpg.io/cluster": "pg", "cnpg.io/instanceRole": "primary" } };
    expect(references(including(forCluster), { external: [], externalPods: [pod] })).toEqual([]);
    const elsewhere = { ...pod, namespace: "other" };
    expect(references(including(forCluster), { external: [], externalPods: [elsewhere] })).toHaveLength(1);
  });
});

describe("ports", () => {
  const SCRAPED = 'references/monitor-port ServiceMonitor/gateway spec.endpoints[0].port: "metrics" (http)';
  it.each<[Manifest, string, unknown, string]>([
    [
      gatewayService,
      "spec.ports[0].targetPort",
      "https",
      'references/service-port Service/gateway spec.ports[0].targetPort: "https" (http (4444))',
    ],
    [
      postgresService,
      "spec.ports[0].targetPort",
      5433,
      "references/service-port Service/postgres spec.ports[0].targetPort: 5433 (postgres (5432))",
    ],
    [
      gateway,
      `${AT}.containers[0].readinessProbe.httpGet.port`,
      "admin",
      `references/probe-port Deployment/gateway ${AT}.containers[0].readinessProbe.httpGet.port: "admin" (http)`,
    ],
    [
      gateway,
      `${AT}.containers[0].livenessProbe.tcpSocket.port`,
      4445,
      `references/probe-port Deployment/gateway ${AT}.containers[0].livenessProbe.tcpSocket.port: 4445 (http)`,
    ],
    [
      postgresIngress,
      "spec.ingress[0].ports[0].port",
      "postgresql",
      'references/policy-port NetworkPolicy/postgres-ingress spec.ingress[0].ports[0].port: "postgresql" (postgres (5432))',
    ],
    [
      gatewayEgress,
      "spec.egress[0].ports[0].port",
      "postgresql",
      'references/policy-port NetworkPolicy/gateway-egress spec.egress[0].ports[0].port: "postgresql" (postgres (5432))',
    ],
    [monitor, "spec.endpoints[0].port", "metrics", SCRAPED],
    [
      gateway,
      `${AT}.containers[0].ports[1]`,
      { name: "http", containerPort: 9090 },
      `references/port-name Deployment/gateway ${AT}.containers[0].ports[1].name: "http" (a name of its own)`,
    ],
  ])("that nobody opens are found: %#", (object, path, value, sentence) => {
    expect(find(put(object, path, value))).toEqual([sentence]);
  });

  it("of a Service without a selector are somebody else's", () => {
    expect(find(put(put(gatewayService, "spec.selector", undefined), "spec.ports[0].targetPort", 9999))).toEqual([]);
  });

  it("of Ingress and HTTPRoute are ports of Services", () => {
    const metadata = { name: "edge", namespace: NAMESPACE };
    const ingress = (name: string, port: unknown): Manifest => {
      const path = { path: "/", pathType: "Prefix", backend: { service: { name, port } } };
      const spec = { rules: [{ host: "mcp.example", http: { paths: [path] } }] };
      return { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata, spec };
    };
    const route = (name: string, port: number): Manifest => {
      const spec = { rules: [{ backendRefs: [{ name, port }] }] };
      return { apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", metadata, spec };
    };
    expect(find(ingress("gateway", { number: 4444 }))).toEqual([]);
    expect(find(ingress("gateway", { name: "http" }))).toEqual([]);
    expect(find(route("gateway", 4444))).toEqual([]);
    expect(find(ingress("nginx", { number: 8080 }))).toEqual([
      "references/backend Ingress/edge spec.rules[0].http.paths[0].backend.service: nginx:8080 (postgres | gateway)",
    ]);
    expect(find(route("gateway", 80))).toEqual([
      "references/backend HTTPRoute/edge spec.rules[0].backendRefs[0]: gateway:80 (gateway:4444)",
    ]);
  });
});

describe("objects by name", () => {
  const container = `${AT}.containers[0]`;
  const maps = "ConfigMap/gateway";
  it.each<[Manifest, string, unknown, string]>([
    [
      gateway,
      `${AT}.serviceAccountName`,
      "gate",
      "ServiceAccount/gate (ServiceAccount/gateway | ServiceAccount/postgres | ServiceAccount/migration | ServiceAccount/backup)",
    ],
    [gateway, `${AT}.priorityClassName`, "high", "PriorityClass/high (PriorityClass/mcp-serving)"],
    [gateway, `${AT}.runtimeClassName`, "gvisor", "RuntimeClass/gvisor (nothing)"],
    [gateway, `${container}.envFrom[0].configMapRef`, { name: "gone" }, `ConfigMap/gone (${maps})`],
    [gateway, `${container}.envFrom[1].secretRef`, { name: "gone" }, "Secret/gone (Secret/gateway)"],
    [
      gateway,
      `${container}.env[0].valueFrom.secretKeyRef`,
      { name: "gateway", key: "JWT" },
      "key JWT of Secret/gateway (JWT_KEY | DATABASE_URL)",
    ],
    [
      gateway,
      `${AT}.volumes[1].configMap`,
      { name: "gateway", items: [{ key: "plan.yaml" }] },
      "key plan.yaml of ConfigMap/gateway (plan.json | LOG_LEVEL)",
    ],
    [postgres, "spec.serviceName", "database", "Service/database (Service/postgres | Service/gateway)"],
  ])("that do not exist are found: %#", (object, path, value, sentence) => {
    expect(find(put(object, path, value))).toEqual([
      `references/object ${object.kind}/${object.metadata.name} ${path}: ${sentence}`,
    ]);
  });

  it("are found in every source of a volume", () => {
    const at = "spec.jobTemplate.spec.template.spec";
    const volumes = [
      { name: "a", secret: { secretName: "gone-1" } },
      { name: "b", persistentVolumeClaim: { claimName: "gone-2" } },
      { name: "c", projected: { sources: [{ secret: { name: "gone-3" } }, { configMap: { name: "gone-4" } }] } },
      { name: "d", configMap: { name: "gone-5", optional: true } },
    ];
    expect(find(put(backup, `${at}.volumes`, volumes))).toEqual([
      `references/object CronJob/backup ${at}.volumes[0].secret: Secret/gone-1 (Secret/gateway)`,
      `references/object CronJob/backup ${at}.volumes[1].persistentVolumeClaim.claimName: PersistentVolumeClaim/gone-2 (PersistentVolumeClaim/backups)`,
      `references/object CronJob/backup ${at}.volumes[2].projected.sources[0].secret: Secret/gone-3 (Secret/gateway)`,
      `references/object CronJob/backup ${at}.volumes[2].projected.sources[1].configMap: ConfigMap/gone-4 (${maps})`,
    ]);
  });

  it("may exist without us, if the context says so", () => {
    const pulling = put(gateway, `${AT}.imagePullSecrets`, [{ name: "registry" }]);
    expect(references(including(pulling), { ...ALONE, external: ["Secret/registry"] })).toEqual([]);
    expect(references(including(pulling), ALONE)).toEqual([
      {
        rule: "references/object",
        object: "Deployment/gateway",
        field: `${AT}.imagePullSecrets[0].name`,
        value: "Secret/registry",
        allowed: "Secret/gateway",
        why: "there is no such object, and none is listed as existing already",
      },
    ]);
  });

  it("may be missing where the reference says so", () => {
    const source = { configMapRef: { name: "gone", optional: true } };
    expect(find(put(gateway, `${container}.envFrom[0]`, source))).toEqual([]);
    const key = { name: "A", valueFrom: { secretKeyRef: { name: "gateway", key: "gone", optional: true } } };
    expect(find(put(gateway, `${container}.env[0]`, key))).toEqual([]);
  });

  it("must be in the same namespace, but for those of the whole cluster", () => {
    expect(find(put(configMap, "metadata.namespace", "other"))).toEqual([
      `references/object Deployment/gateway ${AT}.volumes[1].configMap: ConfigMap/gateway (nothing)`,
      `references/object Deployment/gateway ${container}.envFrom[0].configMapRef: ConfigMap/gateway (nothing)`,
    ]);
  });

  it("that any object needs are missed when they are taken away", () => {
    const needed = deployment.filter(({ kind }) =>
      ["ServiceAccount", "ConfigMap", "Secret", "PriorityClass", "PersistentVolumeClaim"].includes(kind),
    );
    expect(needed).toContain(secret);
    fc.assert(
      fc.property(fc.constantFrom(...needed), (gone) => {
        const missed = references(excluding(gone), ALONE);
        expect(missed.length).toBeGreaterThan(0);
        const id = `${gone.kind}/${gone.metadata.name}`;
        expect(missed.filter(({ rule, value }) => rule !== "references/object" || value !== id)).toEqual([]);
      }),
    );
  });

  it("of mounts are volumes of the pod", () => {
    expect(find(put(gateway, `${container}.volumeMounts[0].name`, "temp"))).toEqual([
      `references/mount Deployment/gateway ${container}.volumeMounts[0].name: "temp" (tmp | plan)`,
    ]);
  });
});
