/** A small topology made by hand: one workload of each shape, so that a test sees what the target makes of exactly this. */
import {
  type Deployment,
  deploymentSchema,
  type Edge,
  secretMarker,
  type Topology,
  type Workload,
} from "../../../../infra/topology/index.ts";
import { plans } from "../../topology/plans.ts";

const DIGEST = `@sha256:${"3f8d5c3c".repeat(8)}`;
export const GATEWAY_IMAGE = `registry.example/mcp-stack:1${DIGEST}`;

export function deploymentOf(more: Readonly<Record<string, unknown>> = {}): Deployment {
  return deploymentSchema.parse({
    target: "kubernetes",
    images: {
      gateway: { reference: GATEWAY_IMAGE },
      nginx: { reference: `nginx:1${DIGEST}` },
      pgbouncer: { reference: `pgbouncer:1${DIGEST}` },
      postgres: { reference: `postgres:18${DIGEST}` },
      redis: { reference: `redis:8${DIGEST}` },
    },
    ...more,
  });
}

const probe = (path: string) => ({
  periodS: 5,
  timeoutS: 2,
  failureThreshold: 3,
  check: { kind: "http" as const, scheme: "http" as const, port: 4444, path },
  inside: ["true"],
});

const common = {
  environment: {},
  files: [],
  ports: [],
  addressing: "each",
  reload: null,
  nofile: null,
  resources: { cpuRequest: 0.25, cpuLimit: 1, memoryMiB: 256, ephemeralMiB: 80 },
  sysctls: {},
  probes: null,
  volumes: [],
  disruption: null,
  after: [],
} satisfies Partial<Workload>;

export const postgres: Workload = {
  ...common,
  name: "postgres",
  tier: "postgres",
  shape: { kind: "stateful" },
  image: { reference: `postgres:18${DIGEST}`, uid: 999 },
  command: ["sh", "-c", 'echo $(id) && exec "$@"', "sh", "postgres"],
  files: [
    { path: "/etc/mcp-stack/postgresql.conf", text: "max_connections = 10\n", isSecret: false, isReread: false },
    {
      path: "/run/secrets/mcp-stack/password",
      text: `${secretMarker("database-superuser")}\n`,
      isSecret: true,
      isReread: false,
    },
  ],
  checksum: "a".repeat(64),
  ports: [{ name: "postgres", port: 5432 }],
  resources: { cpuRequest: 2, cpuLimit: 2, memoryMiB: 4096, ephemeralMiB: 128 },
  volumes: [
    { kind: "kept", name: "postgres-data", path: "/var/lib/mcp-stack", sizeGiB: 20 },
    { kind: "scratch", name: "run", path: "/run/mcp-stack", sizeMiB: 1, medium: "disk" },
    { kind: "scratch", name: "shared-memory", path: "/dev/shm", sizeMiB: 256, medium: "memory" },
  ],
  shutdown: { signal: "SIGINT", waitS: 0, graceS: 120 },
};

export const migrations: Workload = {
  ...common,
  name: "migrations",
  tier: "migrations",
  shape: { kind: "job", deadlineS: 600, retries: 3 },
  image: { reference: GATEWAY_IMAGE, uid: 1000 },
  command: ["node", "cli/mcp-stack.js", "migrate"],
  checksum: "b".repeat(64),
  shutdown: { signal: "SIGTERM", waitS: 0, graceS: 30 },
  after: ["postgres"],
};

export const gateway: Workload = {
  ...common,
  name: "gateway",
  tier: "gateway",
  shape: {
    kind: "replicated",
    replicas: 2,
    scaling: {
      min: 2,
      max: 6,
      targetCpuPercent: 70,
      up: { percent: 100, pods: 4, periodS: 15 },
      down: { percent: 10, periodS: 60, stabilisationS: 300 },
    },
    rollout: { order: "beside", surge: 0.25, minReadyS: 10, progressDeadlineS: 600 },
  },
  image: { reference: GATEWAY_IMAGE, uid: 1000 },
  command: ["node", "cli/mcp-stack.js", "serve"],
  nofile: 4096,
  environment: { PORT: "4444", GREETING: "$(HOME) $$" },
  checksum: "c".repeat(64),
  ports: [{ name: "http", port: 4444 }],
  resources: { cpuRequest: 1, cpuLimit: 1.5, memoryMiB: 1024, ephemeralMiB: 512 },
  sysctls: { "net.ipv4.ip_local_port_range": "1024 65535" },
  probes: {
    startup: { ...probe("/health"), failureThreshold: 12 },
    readiness: probe("/ready"),
    liveness: probe("/health"),
  },
  volumes: [{ kind: "scratch", name: "temporary", path: "/tmp", sizeMiB: 512, medium: "disk" }],
  shutdown: { signal: "SIGTERM", waitS: 10, graceS: 44.2 },
  disruption: { maxUnavailable: 1 },
  after: ["migrations"],
};

export const nginx: Workload = {
  ...common,
  name: "nginx",
  tier: "nginx",
  shape: {
    kind: "replicated",
    replicas: 2,
    scaling: null,
    rollout: { order: "beside", surge: 0, minReadyS: 5, progressDeadlineS: 600 },
  },
  image: { reference: `nginx:1${DIGEST}`, uid: 101 },
  command: ["nginx", "-c", "/etc/mcp-stack/nginx.conf"],
  nofile: 2048,
  checksum: "d".repeat(64),
  ports: [{ name: "http", port: 8080 }],
  addressing: "shared",
  shutdown: { signal: "SIGQUIT", waitS: 10, graceS: 60 },
  disruption: { maxUnavailable: 1 },
  after: ["gateway"],
};

export const backup: Workload = {
  ...common,
  name: "backup",
  tier: "backup",
  shape: { kind: "schedule", cron: "0 2 * * *", deadlineS: 3600 },
  image: { reference: `postgres:18${DIGEST}`, uid: 999 },
  command: ["sh", "/etc/mcp-stack/start"],
  checksum: "e".repeat(64),
  volumes: [{ kind: "kept", name: "backups", path: "/var/lib/mcp-stack", sizeGiB: 40 }],
  shutdown: { signal: "SIGTERM", waitS: 0, graceS: 30 },
  after: ["migrations"],
};

const edge = (from: Edge["from"], to: Edge["to"], port: number, protocol: Edge["protocol"] = "TCP"): Edge => ({
  from,
  to,
  port,
  protocol,
  why: "a test needs it",
});

export const topology: Topology = {
  stack: "shop",
  environment: "prod",
  plan: plans.prod,
  workloads: [postgres, migrations, gateway, nginx, backup],
  edges: [
    edge("ingress", "nginx", 8080),
    edge("nginx", "gateway", 4444),
    edge("gateway", "postgres", 5432),
    edge("gateway", "upstreams", 80),
    edge("gateway", "upstreams", 443),
    edge("migrations", "postgres", 5432),
    edge("backup", "postgres", 5432),
    edge("gateway", "dns", 53, "UDP"),
    edge("gateway", "dns", 53),
  ],
  secrets: [
    { name: "database-superuser", why: "of the superuser", kind: "generated", length: 32, version: "1" },
    { name: "database-gateway", why: "of the gateway", kind: "given", key: "mcp-stack:databasePassword", version: "1" },
  ],
  entry: { workload: "nginx", port: 8080 },
};

/** The small topology with one workload changed. */
export function withWorkload(name: string, change: Partial<Workload>): Topology {
  return {
    ...topology,
    workloads: topology.workloads.map((workload) => (workload.name === name ? { ...workload, ...change } : workload)),
  };
}
