/** The containers of a workload: one for each replica, as its topology says. */
import { createHash } from "node:crypto";
import { type Deployment, scratchMiB, type Topology, type Workload } from "../../../topology/index.ts";
import type { DockerContainer, DockerHealth } from "./model.ts";
import { CHECKSUM_LABEL, labelsOf, nameOf, WORKLOAD_LABEL } from "./naming.ts";
import { attachmentOf } from "./networks.ts";
import { type Storage, sharedMemoryOf, tmpfsOf } from "./storage.ts";

/** Hard limits a quarter above what is needed: whoever opens a shell in a container that is full can still look. */
const NOFILE_HEADROOM = 1.25;

export function containersOf(
  topology: Topology,
  deployment: Deployment,
  workload: Workload,
  storage: Storage,
): readonly DockerContainer[] {
  return containerNames(topology, workload).map((name, replica) => {
    const [program = "", ...rest] = workload.command;
    return {
      name,
      ...roleOf(workload),
      workload: workload.name,
      image: workload.image.reference,
      user: `${workload.image.uid}:${workload.image.uid}`,
      // An image's own entrypoint knows better what its variables are; ours are files, and the command is whole.
      entrypoint: [program],
      command: rest,
      environment: workload.environment,
      ...attachmentOf(topology, deployment, workload, replica),
      mounts: storage.mounts,
      tmpfs: tmpfsOf(workload),
      sharedMemoryMiB: sharedMemoryOf(workload),
      uploads: [],
      isRootReadOnly: true,
      capabilities: [],
      // What the plan counted as disk is memory here, and comes on top of its process's.
      memoryMiB: workload.resources.memoryMiB + scratchMiB(workload.volumes),
      cpus: workload.resources.cpuLimit,
      nofile: nofileOf(topology, workload),
      sysctls: workload.sysctls,
      health: healthOf(workload),
      stop: { signal: workload.shutdown.signal, graceS: workload.shutdown.graceS },
      labels: labelsOf(topology, { [WORKLOAD_LABEL]: workload.name, [CHECKSUM_LABEL]: checksumOf(workload) }),
      after: [
        ...storage.preparations.map((preparation) => preparation.name),
        ...workload.after.flatMap((other) => namesOf(topology, other)),
      ],
      startsWith: startsWith(topology, workload, storage),
    };
  });
}

/**
 * A container that is replaced has another address. Everybody looks names up again, but not every nginx: from 1.27.3 on it can (nginx
 * documentation, `resolve`), before it asks once, at its start.
 */
function startsWith(topology: Topology, workload: Workload, { preparations }: Storage): readonly string[] {
  const written = preparations.flatMap(({ name, role }) => (role === "ownership" ? [] : [name]));
  const behind = workload.tier === "nginx" ? workload.after.flatMap((other) => namesOf(topology, other)) : [];
  return [...written, ...behind];
}

/** One name for a single container, a number for each of several. */
function containerNames(topology: Topology, { name, shape }: Workload): readonly string[] {
  const replicas = shape.kind === "replicated" ? shape.replicas : 1;
  if (replicas === 1) return [nameOf(topology, name)];
  return Array.from({ length: replicas }, (_, at) => nameOf(topology, name, at + 1));
}

function namesOf(topology: Topology, workload: string): readonly string[] {
  const found = topology.workloads.find(({ name }) => name === workload);
  if (found === undefined) throw new RangeError(`${workload} is waited for and is not in the topology`);
  return containerNames(topology, found);
}

/** A job is tried once: whoever waits for a container that the engine starts again is told of its first end, and not how it ended. */
function roleOf({ shape }: Workload): Pick<DockerContainer, "role" | "restart" | "deadlineS"> {
  if (shape.kind === "job") return { role: "job", restart: "no", deadlineS: shape.deadlineS };
  if (shape.kind === "schedule") return { role: "schedule", restart: "no", deadlineS: null };
  return { role: "service", restart: "unless-stopped", deadlineS: null };
}

/** Never beyond what the engine may grant: it would refuse to start the container. */
function nofileOf({ plan }: Topology, { nofile }: Workload): DockerContainer["nofile"] {
  if (nofile === null) return null;
  return { soft: nofile, hard: Math.min(plan.kernel.nofileHard, Math.ceil(nofile * NOFILE_HEADROOM)) };
}

/** Docker asks one question from start to end: readiness, whose failures count only after the start's time is over. */
function healthOf({ probes }: Workload): DockerHealth | null {
  if (probes === null || probes.readiness.inside.length === 0) return null;
  const { startup, readiness } = probes;
  const startS = startup.periodS * startup.failureThreshold;
  return {
    command: readiness.inside,
    intervalS: readiness.periodS,
    timeoutS: readiness.timeoutS,
    retries: readiness.failureThreshold,
    startS,
    waitS: Math.ceil(startS + readiness.failureThreshold * (readiness.periodS + readiness.timeoutS)),
  };
}

/** Of everything that the process reads, also what it could read again: a container is never told to, it starts again. */
function checksumOf({ checksum, files }: Workload): string {
  const reread = files.filter(({ isReread }) => isReread).map(({ path, text }) => [path, text]);
  if (reread.length === 0) return checksum;
  return createHash("sha256")
    .update(JSON.stringify([checksum, reread]))
    .digest("hex");
}
