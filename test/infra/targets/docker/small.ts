/** A topology by hand, with one workload of each kind, for whole structures in assertions. */
import {
  BUILT_IMAGE,
  deploymentSchema,
  type Probe,
  secretMarker,
  type Topology,
  type Workload,
} from "../../../../infra/topology/index.ts";
import { plans } from "../../topology/plans.ts";

export const deployment = deploymentSchema.parse({
  target: "docker",
  images: { node: "registry.example/node:26" },
  docker: { bind: "192.0.2.1", ports: { nginx: 80, postgres: 55 } },
});

const BASE = {
  nofile: null,
  environment: {},
  files: [],
  ports: [],
  addressing: "each",
  reload: null,
  resources: { cpuRequest: 0.1, cpuLimit: 0.5, memoryMiB: 64, ephemeralMiB: 64 },
  sysctls: {},
  probes: null,
  volumes: [],
  disruption: null,
  after: [],
} as const;

const probe: Probe = {
  periodS: 5,
  timeoutS: 2,
  failureThreshold: 3,
  check: { kind: "tcp", port: 5432 },
  inside: ["ask", "me"],
};

const store: Workload = {
  ...BASE,
  name: "store",
  tier: "postgres",
  shape: { kind: "stateful" },
  image: { reference: "registry.example/postgres:18", uid: 999 },
  command: ["sh", "-c", "start the store"],
  nofile: 1000,
  environment: { MODE: "store" },
  files: [
    { path: "/etc/mcp-stack/store.conf", text: "size 1\n", isSecret: false, isReread: false },
    { path: "/run/secrets/mcp-stack/password", text: secretMarker("store"), isSecret: true, isReread: false },
  ],
  checksum: "a".repeat(64),
  ports: [{ name: "store", port: 5432 }],
  sysctls: { "net.ipv4.ip_local_port_range": "37536 65535" },
  probes: { startup: { ...probe, failureThreshold: 10 }, readiness: probe, liveness: null },
  volumes: [
    { kind: "kept", name: "store-data", path: "/var/lib/mcp-stack", sizeGiB: 1 },
    { kind: "scratch", name: "temporary", path: "/tmp", sizeMiB: 16, medium: "disk" },
    { kind: "scratch", name: "work", path: "/work", sizeMiB: 8, medium: "memory" },
    { kind: "scratch", name: "shared-memory", path: "/dev/shm", sizeMiB: 128, medium: "memory" },
  ],
  shutdown: { signal: "SIGINT", waitS: 0, graceS: 60 },
};

const schema: Workload = {
  ...BASE,
  name: "schema",
  tier: "migrations",
  shape: { kind: "job", deadlineS: 600, retries: 3 },
  image: { reference: BUILT_IMAGE, uid: 1000 },
  command: ["node", "migrate"],
  files: [{ path: "/run/secrets/mcp-stack/url", text: secretMarker("store", "url"), isSecret: true, isReread: false }],
  checksum: "b".repeat(64),
  shutdown: { signal: "SIGTERM", waitS: 0, graceS: 30 },
  after: ["store"],
};

const gateway: Workload = {
  ...BASE,
  name: "gateway",
  tier: "gateway",
  shape: {
    kind: "replicated",
    replicas: 2,
    scaling: null,
    rollout: { order: "beside", surge: 0.25, minReadyS: 10, progressDeadlineS: 600 },
  },
  image: { reference: BUILT_IMAGE, uid: 1000 },
  command: ["sh", "-c", "start the gateway"],
  checksum: "c".repeat(64),
  ports: [{ name: "http", port: 4444 }],
  shutdown: { signal: "SIGTERM", waitS: 5, graceS: 45 },
  after: ["schema"],
};

const nightly: Workload = {
  ...BASE,
  name: "nightly",
  tier: "backup",
  shape: { kind: "schedule", cron: "17 2 * * *", deadlineS: 600 },
  image: { reference: "registry.example/postgres:18", uid: 999 },
  command: ["sh", "-c", "save the store"],
  checksum: "d".repeat(64),
  volumes: [{ kind: "kept", name: "store-data", path: "/var/lib/mcp-stack", sizeGiB: 1 }],
  shutdown: { signal: "SIGTERM", waitS: 0, graceS: 30 },
  after: ["schema"],
};

/** Its image holds one program. */
const counters: Workload = {
  ...BASE,
  name: "counters",
  tier: "exporter",
  shape: {
    kind: "replicated",
    replicas: 1,
    scaling: null,
    rollout: { order: "beside", surge: 1, minReadyS: 0, progressDeadlineS: 600 },
  },
  image: { reference: "registry.example/exporter:1", uid: 65_534 },
  command: ["/exporter"],
  files: [{ path: "/run/secrets/mcp-stack/password", text: secretMarker("store"), isSecret: true, isReread: false }],
  checksum: "e".repeat(64),
  probes: {
    startup: { ...probe, inside: [] },
    readiness: { ...probe, inside: [] },
    liveness: { ...probe, inside: [] },
  },
  shutdown: { signal: "SIGTERM", waitS: 0, graceS: 10 },
  after: ["store"],
};

export const topology: Topology = {
  stack: "try",
  environment: "dev",
  plan: { ...plans.dev, kernel: { ...plans.dev.kernel, nofileHard: 1100 } },
  workloads: [store, schema, gateway, nightly, counters],
  edges: [
    { from: "gateway", to: "postgres", port: 5432, protocol: "TCP", why: "rows" },
    { from: "gateway", to: "upstreams", port: 443, protocol: "TCP", why: "calls" },
    { from: "backup", to: "dns", port: 53, protocol: "UDP", why: "names" },
  ],
  secrets: [{ name: "store", why: "password of the store", kind: "generated", length: 48, version: "1" }],
  entry: { workload: "gateway", port: 4444 },
};

/** The topology with one of its workloads changed. */
export function withWorkload(name: string, change: Partial<Workload>): Topology {
  const workloads = topology.workloads.map((one) => (one.name === name ? { ...one, ...change } : one));
  return { ...topology, workloads };
}
