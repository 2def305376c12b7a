/** What becomes of each part of a topology, object by object: whole objects where their form is the point. */
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../infra/targets/kubernetes/manifest.ts";
import {
  kubernetesManifests,
  kubernetesParts,
  secretRequirements,
  withoutSecrets,
} from "../../../../infra/targets/kubernetes/manifests/index.ts";
import type { Topology, Workload } from "../../../../infra/topology/index.ts";
import { deploymentOf, GATEWAY_IMAGE, topology, withWorkload } from "./small.ts";

const render = (of: Topology = topology, more: Readonly<Record<string, unknown>> = {}) =>
  kubernetesManifests(of, deploymentOf(more));

function named(kind: string, name: string, among: readonly Manifest[] = render()): Manifest {
  const found = among.find((one) => one.kind === kind && one.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind}/${name}`);
  return found;
}

/** What stands at a path; undefined where nothing does. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (part, key) => (Object(part) === part ? Reflect.get(Object(part), key) : undefined),
    value,
  );
}

const podOf = (kind: string, name: string, among?: readonly Manifest[]) =>
  at(named(kind, name, among), "spec", "template", "spec");
const containerOf = (kind: string, name: string, among?: readonly Manifest[]) =>
  at(podOf(kind, name, among), "containers", 0);

const common = {
  "app.kubernetes.io/instance": "shop",
  "app.kubernetes.io/part-of": "mcp-stack",
  "app.kubernetes.io/managed-by": "mcp-stack",
};
const labels = (tier: string) => ({
  ...common,
  "app.kubernetes.io/component": tier,
  "app.kubernetes.io/name": tier,
});
const selector = (name: string) => ({ "app.kubernetes.io/name": name, "app.kubernetes.io/instance": "shop" });

describe("a replicated workload", () => {
  it("is a Deployment whose replicas are its autoscaler's", () => {
    const found = named("Deployment", "gateway");
    const { template: _, ...spec } = Object(found.spec);
    expect({ ...found, spec }).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: {
        name: "gateway",
        namespace: "mcp",
        labels: labels("gateway"),
        annotations: { "pulumi.com/deletionPropagationPolicy": "foreground" },
      },
      spec: {
        selector: { matchLabels: selector("gateway") },
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
        minReadySeconds: 10,
        progressDeadlineSeconds: 600,
        revisionHistoryLimit: 3,
      },
    });
  });

  it("has pods that may do nothing but what they are for", () => {
    expect(at(named("Deployment", "gateway"), "spec", "template", "metadata")).toEqual({
      labels: labels("gateway"),
      annotations: { "checksum/config": "c".repeat(64) },
    });
    const spread = (topologyKey: string, whenUnsatisfiable: string) => ({
      maxSkew: 1,
      topologyKey,
      whenUnsatisfiable,
      labelSelector: { matchLabels: selector("gateway") },
      nodeTaintsPolicy: "Honor",
      matchLabelKeys: ["pod-template-hash"],
    });
    const probe = (path: string, failureThreshold: number) => ({
      periodSeconds: 5,
      timeoutSeconds: 2,
      failureThreshold,
      httpGet: { port: 4444, path },
    });
    expect(podOf("Deployment", "gateway")).toEqual({
      serviceAccountName: "gateway",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      priorityClassName: "shop-mcp-serving",
      terminationGracePeriodSeconds: 45,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        fsGroup: 1000,
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
        sysctls: [{ name: "net.ipv4.ip_local_port_range", value: "1024 65535" }],
      },
      topologySpreadConstraints: [
        spread("topology.kubernetes.io/zone", "ScheduleAnyway"),
        spread("kubernetes.io/hostname", "DoNotSchedule"),
      ],
      containers: [
        {
          name: "gateway",
          image: GATEWAY_IMAGE,
          imagePullPolicy: "IfNotPresent",
          command: ["node", "cli/mcp-stack.js", "serve"],
          env: [
            { name: "PORT", value: "4444" },
            { name: "GREETING", value: "$$(HOME) $$$" },
          ],
          ports: [{ name: "http", containerPort: 4444, protocol: "TCP" }],
          resources: {
            requests: { cpu: "1", memory: "1Gi", "ephemeral-storage": "512Mi" },
            limits: { cpu: "1500m", memory: "1Gi", "ephemeral-storage": "512Mi" },
          },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
          startupProbe: probe("/health", 12),
          readinessProbe: probe("/ready", 3),
          livenessProbe: probe("/health", 3),
          lifecycle: { preStop: { sleep: { seconds: 10 } } },
          volumeMounts: [{ name: "temporary", mountPath: "/tmp" }],
        },
      ],
      volumes: [{ name: "temporary", emptyDir: { sizeLimit: "512Mi" } }],
    });
  });

  it("has replicas of its own where nothing scales it, and one pod away at a time where it may have none extra", () => {
    expect(at(named("Deployment", "nginx"), "spec", "replicas")).toBe(2);
    expect(at(named("Deployment", "nginx"), "spec", "strategy", "rollingUpdate")).toEqual({
      maxSurge: "0%",
      maxUnavailable: 1,
    });
  });

  it("may share a node where it is no production", () => {
    const constraints = at(
      podOf("Deployment", "gateway", render({ ...topology, environment: "dev" })),
      "topologySpreadConstraints",
    );
    expect(at(constraints, 1, "whenUnsatisfiable")).toBe("ScheduleAnyway");
  });

  it("is scaled by processor use at the plan's pace, and budgeted", () => {
    expect(named("HorizontalPodAutoscaler", "gateway").spec).toEqual({
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "gateway" },
      minReplicas: 2,
      maxReplicas: 6,
      metrics: [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } } },
      ],
      behavior: {
        scaleUp: {
          stabilizationWindowSeconds: 0,
          selectPolicy: "Max",
          policies: [
            { type: "Percent", value: 100, periodSeconds: 15 },
            { type: "Pods", value: 4, periodSeconds: 15 },
          ],
        },
        scaleDown: {
          stabilizationWindowSeconds: 300,
          selectPolicy: "Max",
          policies: [{ type: "Percent", value: 10, periodSeconds: 60 }],
        },
      },
    });
    expect(named("PodDisruptionBudget", "gateway").spec).toEqual({
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: "AlwaysAllow",
      selector: { matchLabels: selector("gateway") },
    });
  });

  it("is scaled by how full admission is too where somebody serves that metric", () => {
    const scaler = named(
      "HorizontalPodAutoscaler",
      "gateway",
      render(topology, { kubernetes: { inFlightMetric: true } }),
    );
    expect(at(scaler, "spec", "metrics", 1)).toEqual({
      type: "Pods",
      pods: {
        metric: { name: "mcp_admission_utilisation" },
        target: { type: "AverageValue", averageValue: "700m" },
      },
    });
  });
});

describe("how a process ends", () => {
  const hookOf = (change: Partial<Workload>, minor = 34) => {
    const changed = withWorkload("nginx", change);
    const plan = { ...changed.plan, kernel: { ...changed.plan.kernel, kubernetesMinor: minor } };
    return at(containerOf("Deployment", "nginx", render({ ...changed, plan })), "lifecycle", "preStop");
  };

  it("waits, sends its signal, and keeps SIGTERM away until it is gone", () => {
    expect(hookOf({})).toEqual({
      exec: { command: ["sh", "-c", "sleep 10; kill -QUIT 1; while kill -0 1 2>/dev/null; do sleep 1; done"] },
    });
    expect(hookOf({ shutdown: { signal: "SIGINT", waitS: 0, graceS: 60 } })).toEqual({
      exec: { command: ["sh", "-c", "kill -INT 1; while kill -0 1 2>/dev/null; do sleep 1; done"] },
    });
  });

  it("only waits where SIGTERM is its signal, by a program where the cluster knows no such action", () => {
    const shutdown = { signal: "SIGTERM" as const, waitS: 7.5, graceS: 60 };
    expect(hookOf({ shutdown })).toEqual({ sleep: { seconds: 8 } });
    expect(hookOf({ shutdown }, 29)).toEqual({ exec: { command: ["sleep", "8"] } });
    expect(hookOf({ shutdown: { ...shutdown, waitS: 0 } })).toBeUndefined();
  });
});

describe("a stateful workload", () => {
  it("is a StatefulSet of one without templates of claims, behind a Service that names its pod", () => {
    const { template: _, ...spec } = Object(named("StatefulSet", "postgres").spec);
    expect(spec).toEqual({
      replicas: 1,
      serviceName: "postgres",
      podManagementPolicy: "OrderedReady",
      revisionHistoryLimit: 3,
      selector: { matchLabels: selector("postgres") },
      updateStrategy: { type: "RollingUpdate" },
    });
    expect(named("Service", "postgres")).toEqual({
      apiVersion: "v1",
      kind: "Service",
      metadata: {
        name: "postgres",
        namespace: "mcp",
        labels: labels("postgres"),
        annotations: { "pulumi.com/skipAwait": "true" },
      },
      spec: {
        type: "ClusterIP",
        clusterIP: "None",
        selector: selector("postgres"),
        ports: [{ name: "postgres", port: 5432, targetPort: "postgres", protocol: "TCP" }],
      },
    });
  });

  it("mounts files by directory, what is kept, and memory that counts as its own", () => {
    expect(at(podOf("StatefulSet", "postgres"), "volumes")).toEqual([
      {
        name: "config-0",
        configMap: {
          name: "postgres-config",
          defaultMode: 0o440,
          items: [{ key: "postgresql.conf", path: "postgresql.conf" }],
        },
      },
      {
        name: "secrets-0",
        secret: { secretName: "postgres-secrets", defaultMode: 0o440, items: [{ key: "password", path: "password" }] },
      },
      { name: "postgres-data", persistentVolumeClaim: { claimName: "postgres-data" } },
      { name: "run", emptyDir: { sizeLimit: "1Mi" } },
      { name: "shared-memory", emptyDir: { medium: "Memory", sizeLimit: "256Mi" } },
    ]);
    expect(at(containerOf("StatefulSet", "postgres"), "volumeMounts")).toEqual([
      { name: "config-0", mountPath: "/etc/mcp-stack", readOnly: true },
      { name: "secrets-0", mountPath: "/run/secrets/mcp-stack", readOnly: true },
      { name: "postgres-data", mountPath: "/var/lib/mcp-stack" },
      { name: "run", mountPath: "/run/mcp-stack" },
      { name: "shared-memory", mountPath: "/dev/shm" },
    ]);
  });

  it("has a claim that nobody waits for", () => {
    expect(
      named("PersistentVolumeClaim", "postgres-data", render(topology, { kubernetes: { storageClass: "fast" } })),
    ).toEqual({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: {
        name: "postgres-data",
        namespace: "mcp",
        labels: { ...common, "app.kubernetes.io/component": "postgres" },
        annotations: { "pulumi.com/skipAwait": "true" },
      },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "20Gi" } }, storageClassName: "fast" },
    });
  });

  it("is not told what Kubernetes would replace in its command", () => {
    expect(at(containerOf("StatefulSet", "postgres"), "command")).toEqual([
      "sh",
      "-c",
      'echo $$(id) && exec "$@"',
      "sh",
      "postgres",
    ]);
  });
});

describe("a job", () => {
  const jobOf = (among: readonly Manifest[]) => among.find(({ kind }) => kind === "Job");

  it("is named by its content, is tried again, and stays", () => {
    const job = jobOf(render());
    expect(job?.metadata).toEqual({
      name: expect.stringMatching(/^migrations-[0-9a-f]{10}$/),
      namespace: "mcp",
      labels: labels("migrations"),
      annotations: { "pulumi.com/deletionPropagationPolicy": "foreground", "pulumi.com/replaceUnready": "true" },
    });
    const { template, ...spec } = Object(job?.spec);
    expect(spec).toEqual({ completions: 1, parallelism: 1, backoffLimit: 3, activeDeadlineSeconds: 600 });
    expect(at(template, "spec", "restartPolicy")).toBe("Never");
  });

  it("has another name when anything in it changes, and only then", () => {
    const name = (of: Topology) => jobOf(render(of))?.metadata.name;
    const own = name(topology);
    expect(name(withWorkload("migrations", { checksum: "f".repeat(64) }))).not.toBe(own);
    expect(name(withWorkload("migrations", { command: ["node", "other"] }))).not.toBe(own);
    expect(name(withWorkload("gateway", { checksum: "f".repeat(64) }))).toBe(own);
  });
});

describe("a schedule", () => {
  it("is a CronJob that never runs twice at once", () => {
    const { jobTemplate, ...spec } = Object(named("CronJob", "backup").spec);
    expect(spec).toEqual({
      schedule: "0 2 * * *",
      timeZone: "Etc/UTC",
      concurrencyPolicy: "Forbid",
      startingDeadlineSeconds: 3600,
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 3,
    });
    expect(at(jobTemplate, "spec", "activeDeadlineSeconds")).toBe(3600);
    expect(at(jobTemplate, "spec", "template", "spec", "volumes")).toEqual([
      { name: "backups", persistentVolumeClaim: { claimName: "backups" } },
    ]);
  });

  it("shares a claim with another of its tier, as large as the larger wants it", () => {
    const kept = (sizeGiB: number): Workload["volumes"][number] => ({
      kind: "kept",
      name: "backups",
      path: "/var/lib/mcp-stack",
      sizeGiB,
    });
    const [backup] = topology.workloads.filter(({ name }) => name === "backup");
    if (backup === undefined) throw new Error("no backup");
    const other = { ...backup, name: "restore-test", volumes: [kept(64)] };
    const claims = render({ ...topology, workloads: [...topology.workloads, other] }).filter(
      ({ kind, metadata }) => kind === "PersistentVolumeClaim" && metadata.name === "backups",
    );
    expect(claims.map(({ spec }) => at(spec, "resources", "requests", "storage"))).toEqual(["64Gi"]);
  });
});

describe("files", () => {
  it("with secrets hold markers alone, and no line feed at their end", () => {
    expect(named("ConfigMap", "postgres-config").data).toEqual({ "postgresql.conf": "max_connections = 10\n" });
    expect(named("Secret", "postgres-secrets").stringData).toEqual({ password: "{{secret:database-superuser:plain}}" });
  });

  it("of one name in two directories are refused", () => {
    const file = (path: string) => ({ path, text: "", isSecret: false, isReread: false });
    expect(() => render(withWorkload("nginx", { files: [file("/a/same"), file("/b/same")] }))).toThrow(
      "files of one name in two directories: /a/same, /b/same",
    );
  });

  it("are told where they are left out", () => {
    expect(withoutSecrets(render()).filter(({ kind }) => kind === "Secret")).toEqual([]);
    expect(secretRequirements(render(), topology.secrets)).toEqual([
      {
        namespace: "mcp",
        name: "postgres-secrets",
        type: "Opaque",
        keys: [
          {
            key: "password",
            template: "{{secret:database-superuser:plain}}",
            values: [{ name: "database-superuser", why: "of the superuser" }],
          },
        ],
      },
    ]);
    expect(() => secretRequirements(render(), [])).toThrow("secret database-superuser is used and declared nowhere");
  });
});

describe("what stands around the tiers", () => {
  it("is a namespace that enforces the restricted profile of the cluster's version", () => {
    const restricted = Object.fromEntries(
      ["enforce", "audit", "warn"].flatMap((mode) => [
        [`pod-security.kubernetes.io/${mode}`, "restricted"],
        [`pod-security.kubernetes.io/${mode}-version`, `v1.${topology.plan.kernel.kubernetesMinor}`],
      ]),
    );
    expect(named("Namespace", "mcp").metadata.labels).toEqual({ ...common, ...restricted });
  });

  it("is a quota of the worst instant, and no way in that nobody asked for", () => {
    // gateway 6 + 2 of a surge + 6 that are ending (2 every 10 s for 45 s is more than there are), nginx 2, postgres 1, migrations 2, backup 1.
    expect(named("ResourceQuota", "worst-instant").spec).toEqual({
      hard: {
        pods: "20",
        "requests.cpu": "17250m",
        "limits.cpu": "28",
        "requests.memory": "19712Mi",
        "limits.memory": "19712Mi",
        "requests.ephemeral-storage": "7696Mi",
        "limits.ephemeral-storage": "7696Mi",
        persistentvolumeclaims: "2",
        "requests.storage": "60Gi",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
      },
    });
    expect(at(named("LimitRange", "containers").spec, "limits", 0)).toEqual({
      type: "Container",
      default: { cpu: "1", memory: "256Mi", "ephemeral-storage": "80Mi" },
      defaultRequest: { cpu: "250m", memory: "256Mi", "ephemeral-storage": "80Mi" },
      max: { cpu: "2", memory: "4Gi", "ephemeral-storage": "512Mi" },
    });
  });

  it("is a priority for each step, with names that no other stack has", () => {
    const classes = render().filter(({ kind }) => kind === "PriorityClass");
    expect(classes.map(({ metadata, value, preemptionPolicy }) => [metadata.name, value, preemptionPolicy])).toEqual([
      ["shop-mcp-data", 400_000, "PreemptLowerPriority"],
      ["shop-mcp-pooler", 300_000, "PreemptLowerPriority"],
      ["shop-mcp-serving", 200_000, "PreemptLowerPriority"],
      ["shop-mcp-jobs", 100_000, "Never"],
    ]);
  });

  it("is one account per tier, and no token", () => {
    const accounts = render().filter(({ kind }) => kind === "ServiceAccount");
    expect(
      accounts.map(({ metadata, automountServiceAccountToken }) => [metadata.name, automountServiceAccountToken]),
    ).toEqual(["postgres", "migrations", "gateway", "nginx", "backup"].map((tier) => [tier, false]));
  });

  it("is left to others where the configuration says so", () => {
    const kinds = new Set(
      render(topology, { kubernetes: { quota: false, priorityClasses: false } }).map(({ kind }) => kind),
    );
    expect(["ResourceQuota", "LimitRange", "PriorityClass"].filter((kind) => kinds.has(kind))).toEqual([]);
  });

  it("comes first, then tiers in the order of their start, then what follows them", () => {
    const edge = { kind: "ingress", className: "nginx", host: "mcp.example.com", tlsSecretName: "tls" };
    const parts = kubernetesParts(topology, deploymentOf({ kubernetes: { edge, nodeTuning: true } }));
    expect(parts.map(({ name }) => name)).toEqual([
      "foundation",
      "postgres",
      "migrations",
      "gateway",
      "nginx",
      "backup",
      "edge",
      "node-tuning",
    ]);
  });
});

describe("what is refused", () => {
  it("names the key: an allow-listed network of metadata, a name that is too long", () => {
    expect(() => render(topology, { upstreams: { networks: ["10.0.0.0/8", "169.254.169.0/24"] } })).toThrow(
      "upstreams.networks lets the gateway reach 169.254.169.0/24, where clouds hand out the node's credentials: take it out",
    );
    expect(() => render({ ...topology, stack: "s".repeat(41) })).toThrow("rename the stack");
  });
});
