/** Small workloads of shell scripts, so that the target can be tried without any server. */
import { join } from "node:path";
import type { Plan } from "../../../../contract/plan.ts";
import type { Probe, Topology, Workload } from "../../../../infra/topology/index.ts";
import { plans } from "../../topology/plans.ts";

export const plan: Plan = plans.dev;

/** Yes once the file is there. */
export function fileProbe(path: string, periodS = 0.05): Probe {
  return {
    periodS,
    timeoutS: 5,
    failureThreshold: 100,
    check: { kind: "command", command: ["test", "-f", path] },
    inside: [],
  };
}

/** A service below `data`; `script` is what its shell runs, with its own directory as $1. */
export function service(data: string, name: string, script: string, changes: Partial<Workload> = {}): Workload {
  const own = join(data, name);
  return {
    name,
    tier: "redis",
    shape: { kind: "stateful" },
    image: { reference: "none", uid: 1 },
    command: ["sh", "-c", script, name, own],
    nofile: null,
    environment: { PATH: "/usr/bin:/bin" },
    files: [],
    checksum: script,
    ports: [],
    addressing: "each",
    reload: null,
    resources: { cpuRequest: 1, cpuLimit: 1, memoryMiB: 64, ephemeralMiB: 64 },
    sysctls: {},
    probes: null,
    volumes: [{ kind: "kept", name: "data", path: join(own, "data"), sizeGiB: 1 }],
    shutdown: { signal: "SIGTERM", waitS: 0, graceS: 5 },
    disruption: null,
    after: [],
    ...changes,
  };
}

export function job(data: string, name: string, script: string, changes: Partial<Workload> = {}): Workload {
  return service(data, name, script, {
    tier: "migrations",
    shape: { kind: "job", deadlineS: 10, retries: 1 },
    ...changes,
  });
}

export function topology(...workloads: readonly Workload[]): Topology {
  return {
    stack: "test",
    environment: "dev",
    plan,
    workloads,
    edges: [],
    secrets: [],
    entry: { workload: workloads.at(-1)?.name ?? "", port: 8080 },
  };
}

/** Goes on until it is told to end, and says so. */
export const SERVE = 'trap "echo bye; exit 0" TERM; echo hello; while :; do sleep 0.05; done';
