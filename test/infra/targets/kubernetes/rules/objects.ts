/** A small deployment that breaks no rule, and single changes of it: every test of a rule breaks one thing in it. */
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";

const DIGEST = "sha256:3f8d5c3c1f9a0c5b9cbb9c0a3b9df3b8c9a3c4f7ad5dd0cfa6c9b7a1d2e4f601";
export const NAMESPACE = "mcp";
const LIMITS = { cpu: "500m", memory: "256Mi", "ephemeral-storage": "64Mi" };

export function labelsOf(name: string): Record<string, string> {
  return { "app.kubernetes.io/name": name, "app.kubernetes.io/instance": "prod" };
}

function metadata(name: string, labels: Record<string, string> = labelsOf(name)): Manifest["metadata"] {
  return { name, namespace: NAMESPACE, labels };
}

export function container(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name,
    image: `registry.example/mcp/${name}@${DIGEST}`,
    imagePullPolicy: "IfNotPresent",
    resources: { requests: { ...LIMITS }, limits: { ...LIMITS } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    ...more,
  };
}

export function podSpec(name: string, containers: readonly unknown[], more: Record<string, unknown> = {}) {
  return {
    serviceAccountName: name,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    priorityClassName: "mcp-serving",
    securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: "RuntimeDefault" } },
    containers,
    ...more,
  };
}

export const gateway: Manifest = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: metadata("gateway"),
  spec: {
    selector: { matchLabels: labelsOf("gateway") },
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
    template: {
      metadata: { labels: { ...labelsOf("gateway"), "app.kubernetes.io/version": "1.0.0" } },
      spec: podSpec(
        "gateway",
        [
          container("gateway", {
            ports: [{ name: "http", containerPort: 4444 }],
            envFrom: [{ configMapRef: { name: "gateway" } }, { secretRef: { name: "gateway" } }],
            env: [{ name: "JWT_KEY", valueFrom: { secretKeyRef: { name: "gateway", key: "JWT_KEY" } } }],
            volumeMounts: [
              { name: "tmp", mountPath: "/tmp" },
              { name: "plan", mountPath: "/etc/mcp-stack", readOnly: true },
            ],
            readinessProbe: { httpGet: { path: "/ready", port: "http" } },
            livenessProbe: { tcpSocket: { port: 4444 } },
          }),
        ],
        {
          terminationGracePeriodSeconds: 45,
          volumes: [
            { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
            { name: "plan", configMap: { name: "gateway", items: [{ key: "plan.json", path: "plan.json" }] } },
          ],
        },
      ),
    },
  },
};

export const postgres: Manifest = {
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: metadata("postgres"),
  spec: {
    replicas: 1,
    serviceName: "postgres",
    selector: { matchLabels: labelsOf("postgres") },
    template: {
      metadata: { labels: labelsOf("postgres") },
      spec: podSpec(
        "postgres",
        [
          container("postgres", {
            ports: [{ name: "postgres", containerPort: 5432 }],
            volumeMounts: [{ name: "data", mountPath: "/var/lib/postgresql" }],
          }),
        ],
        { terminationGracePeriodSeconds: 120 },
      ),
    },
    volumeClaimTemplates: [
      {
        metadata: { name: "data" },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "10Gi" } } },
      },
    ],
  },
};

export const migration: Manifest = {
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: metadata("migration"),
  spec: {
    backoffLimit: 3,
    template: {
      metadata: { labels: labelsOf("migration") },
      spec: podSpec("migration", [container("migration")], { restartPolicy: "Never" }),
    },
  },
};

export const backup: Manifest = {
  apiVersion: "batch/v1",
  kind: "CronJob",
  metadata: metadata("backup"),
  spec: {
    schedule: "0 3 * * *",
    concurrencyPolicy: "Forbid",
    jobTemplate: {
      spec: {
        template: {
          metadata: { labels: labelsOf("backup") },
          spec: podSpec("backup", [container("dump")], {
            restartPolicy: "Never",
            initContainers: [container("wait")],
            volumes: [{ name: "backups", persistentVolumeClaim: { claimName: "backups" } }],
          }),
        },
      },
    },
  },
};

function service(name: string, port: number, target: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(name),
    spec: { clusterIP: "None", selector: labelsOf(name), ports: [{ name: target, port, targetPort: target }] },
  };
}

export const gatewayService = service("gateway", 4444, "http");
export const postgresService = service("postgres", 5432, "postgres");

export const autoscaler: Manifest = {
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  metadata: metadata("gateway"),
  spec: {
    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "gateway" },
    minReplicas: 3,
    maxReplicas: 8,
    metrics: [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } } }],
    behavior: {
      scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: "Percent", value: 100, periodSeconds: 15 }] },
      scaleDown: { stabilizationWindowSeconds: 300, policies: [{ type: "Percent", value: 10, periodSeconds: 60 }] },
    },
  },
};

export const budget: Manifest = {
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: metadata("gateway"),
  spec: {
    maxUnavailable: 1,
    unhealthyPodEvictionPolicy: "AlwaysAllow",
    selector: { matchLabels: labelsOf("gateway") },
  },
};

export const configMap: Manifest = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: metadata("gateway"),
  data: { "plan.json": "{}", LOG_LEVEL: "info" },
};

export const secret: Manifest = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: metadata("gateway"),
  stringData: { JWT_KEY: "k3y/with+signs=", DATABASE_URL: "postgres://gateway@postgres:5432/mcp" },
};

function accountOf(name: string): Manifest {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata(name), automountServiceAccountToken: false };
}

function policy(name: string, spec: Record<string, unknown>): Manifest {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: metadata(name), spec };
}

export const denyAll = policy("deny-all", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });

/** gateway → postgres:5432 in both halves, and names for everybody. */
export const gatewayEgress = policy("gateway-egress", {
  podSelector: { matchLabels: labelsOf("gateway") },
  policyTypes: ["Egress"],
  egress: [{ to: [{ podSelector: { matchLabels: labelsOf("postgres") } }], ports: [{ port: 5432, protocol: "TCP" }] }],
});
export const postgresIngress = policy("postgres-ingress", {
  podSelector: { matchLabels: labelsOf("postgres") },
  policyTypes: ["Ingress"],
  ingress: [{ from: [{ podSelector: { matchLabels: labelsOf("gateway") } }], ports: [{ port: "postgres" }] }],
});

export const monitor: Manifest = {
  apiVersion: "monitoring.coreos.com/v1",
  kind: "ServiceMonitor",
  metadata: metadata("gateway"),
  spec: { selector: { matchLabels: labelsOf("gateway") }, endpoints: [{ port: "http" }] },
};

const others: readonly Manifest[] = [
  {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: NAMESPACE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  },
  {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name: "mcp-serving" },
    value: 1000,
    description: "what serves requests",
  },
  {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: metadata("backups"),
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "20Gi" } } },
  },
];

export const deployment: readonly Manifest[] = [
  ...others,
  ...["gateway", "postgres", "migration", "backup"].map(accountOf),
  configMap,
  secret,
  postgresService,
  postgres,
  migration,
  backup,
  gatewayService,
  gateway,
  autoscaler,
  budget,
  denyAll,
  gatewayEgress,
  postgresIngress,
  monitor,
];

/** The deployment with one object replaced (same kind and name) or added. */
export function including(...changed: readonly Manifest[]): readonly Manifest[] {
  const isSame = (a: Manifest, b: Manifest) => a.kind === b.kind && a.metadata.name === b.metadata.name;
  const rest = deployment.map((one) => changed.find((other) => isSame(one, other)) ?? one);
  return [...rest, ...changed.filter((other) => !deployment.some((one) => isSame(one, other)))];
}

export function excluding(...gone: readonly Manifest[]): readonly Manifest[] {
  return deployment.filter((one) => !gone.includes(one));
}

/** A copy with `value` at `path` (`spec.ports[0].port`); undefined takes the key away. */
export function put(manifest: Manifest, path: string, value: unknown): Manifest {
  const copy = structuredClone(manifest);
  const keys = path.split(/\.|\[(\d+)\]/).filter((key) => key !== undefined && key !== "");
  const last = keys.pop() ?? "";
  const parent = keys.reduce<unknown>((found, key) => {
    if (typeof found !== "object" || found === null) throw new Error(`${path}: nothing at ${key}`);
    if (!Object.hasOwn(found, key)) Reflect.set(found, key, {});
    return Reflect.get(found, key);
  }, copy);
  if (typeof parent !== "object" || parent === null) throw new Error(`${path}: nothing there`);
  if (value === undefined) Reflect.deleteProperty(parent, last);
  else Reflect.set(parent, last, value);
  return copy;
}
