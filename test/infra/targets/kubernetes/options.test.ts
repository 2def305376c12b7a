/** What a stack has by configuration only: an edge, node tuning, monitoring, an operator's PostgreSQL. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { dashboardOf } from "../../../../infra/observability/index.ts";
import type { Manifest } from "../../../../infra/targets/kubernetes/manifest.ts";
import { kubernetesManifests, kubernetesParts } from "../../../../infra/targets/kubernetes/manifests/index.ts";
import { deploymentOf, topology } from "./small.ts";
import { DIGEST, stackOf, VARIANTS } from "./stacks.ts";

const ofSmall = (kubernetes: Readonly<Record<string, unknown>>) =>
  kubernetesManifests(topology, deploymentOf({ kubernetes }));

function variant(name: string): readonly Manifest[] {
  const build = VARIANTS[name];
  if (build === undefined) throw new Error(`no variant ${name}`);
  const { topology: built, deployment } = build();
  return kubernetesManifests(built, deployment);
}

function only(kind: string, among: readonly Manifest[]): Manifest {
  const [found, ...more] = among.filter((one) => one.kind === kind);
  if (found === undefined || more.length > 0) throw new Error(`${more.length + (found ? 1 : 0)} of ${kind}`);
  return found;
}

const common = {
  "app.kubernetes.io/instance": "shop",
  "app.kubernetes.io/part-of": "mcp-stack",
  "app.kubernetes.io/managed-by": "mcp-stack",
};

describe("the edge", () => {
  it("is an Ingress with TLS to the entry", () => {
    const annotations = { "nginx.ingress.kubernetes.io/proxy-read-timeout": "7200" };
    const edge = { kind: "ingress", className: "nginx", host: "mcp.example.com", tlsSecretName: "tls", annotations };
    expect(only("Ingress", ofSmall({ edge }))).toEqual({
      apiVersion: "networking.k8s.io/v1",
      kind: "Ingress",
      metadata: {
        name: "edge",
        namespace: "mcp",
        labels: common,
        annotations: {
          "nginx.ingress.kubernetes.io/proxy-body-size": "4m",
          "nginx.ingress.kubernetes.io/proxy-read-timeout": "7200",
          "nginx.ingress.kubernetes.io/proxy-send-timeout": "3600",
          "nginx.ingress.kubernetes.io/proxy-connect-timeout": "3",
          "nginx.ingress.kubernetes.io/proxy-buffering": "off",
          "nginx.ingress.kubernetes.io/proxy-request-buffering": "off",
          "pulumi.com/skipAwait": "true",
        },
      },
      spec: {
        ingressClassName: "nginx",
        tls: [{ hosts: ["mcp.example.com"], secretName: "tls" }],
        rules: [
          {
            host: "mcp.example.com",
            http: {
              paths: [
                { path: "/", pathType: "Prefix", backend: { service: { name: "nginx", port: { number: 8080 } } } },
              ],
            },
          },
        ],
      },
    });
  });

  it("is a route of the Gateway API that cuts no stream", () => {
    const edge = { kind: "gateway-api", gatewayName: "public", gatewayNamespace: "gateways", host: "mcp.example.com" };
    expect(only("HTTPRoute", ofSmall({ edge })).spec).toEqual({
      parentRefs: [{ name: "public", namespace: "gateways" }],
      hostnames: ["mcp.example.com"],
      rules: [
        {
          matches: [{ path: { type: "PathPrefix", value: "/" } }],
          backendRefs: [{ name: "nginx", port: 8080 }],
          timeouts: { request: "0s" },
        },
      ],
    });
  });
});

describe("node tuning", () => {
  const tuned = kubernetesParts(topology, deploymentOf({ kubernetes: { nodeTuning: true } })).find(
    ({ name }) => name === "node-tuning",
  );
  const manifests = tuned?.manifests ?? [];

  it("is privileged in a namespace of its own, which nobody reaches", () => {
    expect(manifests.map(({ kind, metadata }) => [kind, metadata.namespace, metadata.name])).toEqual([
      ["Namespace", undefined, "mcp-node-tuning"],
      ["NetworkPolicy", "mcp-node-tuning", "default-deny"],
      ["ServiceAccount", "mcp-node-tuning", "node-tuning"],
      ["DaemonSet", "mcp-node-tuning", "node-tuning"],
    ]);
    expect(only("Namespace", manifests).metadata.labels?.["pod-security.kubernetes.io/enforce"]).toBe("privileged");
  });

  it("sets what is not enough, leaves what is, and says both", () => {
    const pod = Object(only("DaemonSet", manifests).spec).template.spec;
    const [shell, flag, script] = pod.initContainers[0].command;
    expect([shell, flag]).toEqual(["sh", "-c"]);
    // Its files are stood in for: reading and writing them is what a node has to let it do.
    const values = new Map([
      ["fs/nr_open", "1048576"],
      ["fs/file-max", "100"],
      ["net/core/netdev_max_backlog", "1000"],
      ["vm/swappiness", "60"],
    ]);
    const setUp = [...values].map(([path, value]) => `mkdir -p "$(dirname ${path})"; echo ${value} >${path}`);
    const run = `cd "$(mktemp -d)"; ${setUp.join("; ")}; ${script.replaceAll("$$", "$").replaceAll("/proc/sys/", "")}`;
    const { stdout, stderr, status } = spawnSync("sh", ["-c", run], { encoding: "utf8" });
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    const { somaxconn } = topology.plan.kernel;
    expect(stdout.trim().split("\n")).toEqual([
      "fs.nr_open: 1048576, now 1048576; 4096 for descriptors of one process",
      // 14 gateways of 4096 and two nginx of 2048.
      "fs.file-max: 100, now 61440; 61440 for descriptors of all pods, if one node had to hold them",
      `net.core.netdev_max_backlog: 1000, now ${Math.max(1000, somaxconn)}; ${somaxconn} for packets of as many new connections as a listener may have waiting`,
      "vm.swappiness: 60, now 1; 1 for data is meant to be in memory",
    ]);
  });

  it("is not there unless somebody asks for it", () => {
    expect(ofSmall({}).filter(({ kind }) => kind === "DaemonSet")).toEqual([]);
  });
});

describe("monitoring", () => {
  const manifests = variant("with everything optional");

  it("is read where its counters are, with the gateway's token", () => {
    const monitors = manifests.filter(({ kind }) => kind === "ServiceMonitor");
    expect(monitors.map(({ metadata, spec }) => [metadata.name, Object(spec).endpoints])).toEqual([
      [
        "gateway",
        [
          {
            port: "http",
            path: "/metrics",
            authorization: { type: "Bearer", credentials: { name: "gateway-secrets", key: "metrics-token" } },
          },
        ],
      ],
      ["exporter", [{ port: "metrics" }]],
    ]);
    const secret = manifests.find(({ kind, metadata }) => kind === "Secret" && metadata.name === "gateway-secrets");
    expect(Object.keys(Object(secret?.stringData))).toContain("metrics-token");
  });

  it("has rules of what is there: exporters by the names of their Services, and backups by theirs", () => {
    const rules = JSON.stringify(only("PrometheusRule", manifests).spec);
    for (const name of ["exporter-nginx", "exporter-pgbouncer", "exporter-postgres", "exporter-redis", "gateway"])
      expect(rules).toContain(`job=\\"${name}\\"`);
    expect(rules).toContain("backup");
  });

  it("shows the plan's dashboard where Grafana's sidecar finds it", () => {
    const dashboard = manifests.find(({ kind, metadata }) => kind === "ConfigMap" && metadata.name === "dashboard");
    expect(dashboard?.metadata.labels?.grafana_dashboard).toBe("1");
    const [[file, text] = ["", ""]] = Object.entries(Object(dashboard?.data));
    expect(file).toBe("mcp-stack-prod.json");
    expect(Object.keys(JSON.parse(String(text)))).toEqual(Object.keys(dashboardOf(topology.plan, WATCH)));
  });

  it("is not there unless somebody asks for it", () => {
    const kinds = variant("prod").map(({ apiVersion }) => apiVersion);
    expect(kinds.filter((version) => version.startsWith("monitoring."))).toEqual([]);
  });
});

const unwatched = { job: null };
const WATCH = {
  stack: "prod",
  namespace: "mcp",
  gateway: { job: "gateway" },
  nginx: unwatched,
  pgbouncer: unwatched,
  postgres: unwatched,
  redis: unwatched,
  cluster: null,
  backup: null,
  certificate: null,
  objective: { availability: 0.999, fast: 0.95 },
  runbooks: "docs/runbooks.md",
};

const IMAGE = `ghcr.io/cloudnative-pg/postgresql:18.1${DIGEST}`;

describe("CloudNativePG", () => {
  const { topology: built, deployment } = stackOf("prod", {
    postgres: {
      variant: "cloudnativepg",
      instances: 3,
      imageName: IMAGE,
      backup: {
        destination: "s3://backups/mcp",
        endpoint: "https://s3.example.com",
        secretName: "keys",
        retentionDays: 7,
      },
    },
  });
  const manifests = kubernetesManifests(built, deployment);
  const { plan } = built;
  const cluster = Object(only("Cluster", manifests).spec);

  it("stands in for PostgreSQL, PgBouncer and backups of our own", () => {
    const tiers = ["postgres", "pgbouncer", "backup"];
    const started = manifests.filter(
      ({ kind, metadata }) =>
        ["Deployment", "StatefulSet", "CronJob", "Service"].includes(kind) && tiers.includes(metadata.name),
    );
    expect(started).toEqual([]);
    expect(built.workloads.flatMap(({ files }) => files).some(({ text }) => text.includes("postgres-rw.mcp.svc"))).toBe(
      true,
    );
  });

  it("is a Cluster of the plan's size, with parameters by the plan and none of the operator's own", () => {
    expect(cluster).toMatchObject({
      instances: 3,
      imageName: IMAGE,
      resources: { requests: { cpu: "8", memory: "32Gi" }, limits: { cpu: "8", memory: "32Gi" } },
      affinity: { podAntiAffinityType: "required", topologyKey: "kubernetes.io/hostname" },
      bootstrap: { initdb: { database: "mcp", owner: "migrator", secret: { name: "postgres-role-migrator" } } },
      inheritedMetadata: {
        labels: { "app.kubernetes.io/component": "postgres", "app.kubernetes.io/instance": "prod" },
      },
    });
    expect(cluster.postgresql.parameters).toMatchObject({
      max_connections: String(plan.postgres.maxConnections),
      shared_buffers: `${plan.postgres.sharedBuffersMiB}MB`,
      jit: "off",
    });
    const fixed = ["listen_addresses", "port", "hba_file", "unix_socket_directories", "log_destination"];
    expect(fixed.filter((name) => name in cluster.postgresql.parameters)).toEqual([]);
  });

  it("is the plan's version where nobody names an image", () => {
    const [found] = variant("with CloudNativePG, and no pooler").filter(({ kind }) => kind === "Cluster");
    expect(Object(found?.spec).imageName).toBe("ghcr.io/cloudnative-pg/postgresql:18");
  });

  it("rotates passwords through Secrets that it watches", () => {
    const secret = manifests.find(({ metadata }) => metadata.name === "postgres-role-gateway");
    expect(secret).toMatchObject({
      kind: "Secret",
      type: "kubernetes.io/basic-auth",
      metadata: { labels: { "cnpg.io/reload": "true" } },
      stringData: { username: "gateway", password: "{{secret:database-gateway:plain}}" },
    });
    expect(cluster.managed.roles).toEqual([
      { name: "gateway", ensure: "present", login: true, passwordSecret: { name: "postgres-role-gateway" } },
    ]);
  });

  it("archives WAL, and makes base backups in the plan's rhythm, with seconds before cron's fields", () => {
    expect(cluster.backup).toEqual({
      retentionPolicy: "7d",
      barmanObjectStore: {
        destinationPath: "s3://backups/mcp",
        endpointURL: "https://s3.example.com",
        s3Credentials: {
          accessKeyId: { name: "keys", key: "ACCESS_KEY_ID" },
          secretAccessKey: { name: "keys", key: "ACCESS_SECRET_KEY" },
        },
        wal: { compression: "gzip" },
        data: { compression: "gzip" },
      },
    });
    expect(Object(only("ScheduledBackup", manifests).spec).schedule).toMatch(/^0 \d+ \S+ \* \* \*$/);
  });

  it("pools by a Pooler with the plan's numbers, under the name that the gateway knows", () => {
    const pooler = only("Pooler", manifests);
    expect(pooler.metadata.name).toBe("pgbouncer");
    expect(Object(pooler.spec)).toMatchObject({
      cluster: { name: "postgres" },
      instances: 2,
      type: "rw",
      pgbouncer: {
        poolMode: "transaction",
        parameters: {
          max_client_conn: String(plan.pgbouncer?.maxClientConn),
          default_pool_size: String(plan.pgbouncer?.defaultPoolSize),
        },
      },
    });
    expect(Object.keys(Object(pooler.spec).pgbouncer.parameters)).not.toContain("listen_port");
  });

  it("has room in the quota for its instances, one more that joins, and its poolers", () => {
    const { instances = 0, cpu = 0 } = plan.pgbouncer ?? {};
    const own = kubernetesManifests({ ...built, plan: { ...plan, pgbouncer: null } }, deployment);
    const cores = (of: readonly Manifest[]) => {
      const text: string = Object(only("ResourceQuota", of).spec).hard["limits.cpu"];
      return text.endsWith("m") ? Number(text.slice(0, -1)) / 1000 : Number(text);
    };
    expect(cores(manifests) - cores(own)).toBeCloseTo((2 * instances + Math.ceil(instances / 4)) * cpu, 6);
    expect(Object(only("ResourceQuota", manifests).spec).hard["requests.storage"]).toBe(
      `${3 * plan.postgres.volumeGiB + keptGiB()}Gi`,
    );
  });

  function keptGiB(): number {
    const kept = built.workloads.flatMap(({ volumes }) => volumes.filter(({ kind }) => kind === "kept"));
    return kept.reduce((sum, volume) => sum + ("sizeGiB" in volume ? volume.sizeGiB : 0), 0);
  }
});
