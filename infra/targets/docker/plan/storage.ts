/**
 * Volumes of a workload and the containers that prepare them. A container with a read-only root takes no uploads, not even into a
 * volume; so another one, without network, receives the files, gives them to the workload's user and ends.
 */
import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { File, Topology, Volume, Workload } from "../../../topology/index.ts";
import { secretsIn } from "../../../topology/index.ts";
import type { DockerContainer, DockerMount, DockerVolume } from "./model.ts";
import { labelsOf, nameOf, WORKLOAD_LABEL } from "./naming.ts";

export type Storage = {
  readonly volumes: readonly DockerVolume[];
  readonly preparations: readonly DockerContainer[];
  readonly mounts: readonly DockerMount[];
};

/** Enough for a shell and chown. */
const PREPARATION_MIB = 32;
const HASH_LENGTH = 12;

/** Shared between workloads that name the same kept volume: each is in `volumes` of every one of them. */
export function storageOf(topology: Topology, workload: Workload): Storage {
  const parts = [
    filesOf(topology, workload, "files"),
    filesOf(topology, workload, "secrets"),
    ...workload.volumes.flatMap((volume) => (volume.kind === "kept" ? [keptOf(topology, workload, volume)] : [])),
  ];
  const mounts = parts.flatMap((part) => part.mounts);
  const twice = mounts.find(({ path }, at) => mounts.findIndex((other) => other.path === path) !== at);
  if (twice !== undefined)
    throw new RangeError(
      `${workload.name} keeps two kinds of files in ${twice.path}; each kind needs a directory of its own`,
    );
  return {
    volumes: parts.flatMap(({ volumes }) => volumes),
    preparations: parts.flatMap(({ preparations }) => preparations),
    mounts,
  };
}

/** The mount options of scratch space: of the workload's user alone; programs may run from it, as from a pod's. */
export function tmpfsOf({ volumes, image: { uid } }: Workload): Readonly<Record<string, string>> {
  return Object.fromEntries(
    volumes.flatMap((volume) =>
      volume.kind === "scratch" && volume.path !== SHARED_MEMORY
        ? [[volume.path, `rw,nosuid,nodev,exec,size=${volume.sizeMiB}m,mode=0700,uid=${uid},gid=${uid}`]]
        : [],
    ),
  );
}

/** A path that Docker mounts itself, with a size of its own. */
const SHARED_MEMORY = "/dev/shm";

export function sharedMemoryOf({ volumes }: Workload): number | null {
  const volume = volumes.find(({ path }) => path === SHARED_MEMORY);
  return volume?.kind === "scratch" ? volume.sizeMiB : null;
}

function filesOf(topology: Topology, workload: Workload, role: "files" | "secrets"): Storage {
  const files = workload.files.filter(({ isSecret }) => isSecret === (role === "secrets"));
  const directories = [...new Set(files.map(({ path }) => posix.dirname(path)))];
  const made = directories.map((directory, at) => {
    const inIt = files.filter(({ path }) => posix.dirname(path) === directory);
    // A volume for each content: a file that is gone would stay in an old one, and whoever still runs keeps what he has read.
    const name = nameOf(topology, workload.name, role, ...(at === 0 ? [] : [at + 1]));
    const volume = `${name}-${contentHash(topology, inIt)}`;
    const labels = labelsOf(topology, { [WORKLOAD_LABEL]: workload.name });
    const seed: DockerContainer = {
      ...preparation(topology, workload, name, role),
      mounts: [{ volume, path: directory, isReadOnly: false }],
      uploads: inIt.map(({ path, text }) => ({ path, text, mode: "0400" })),
      command: ["-R", owner(workload), directory],
      labels,
    };
    return {
      volume: { slot: name, name: volume, isKept: false, labels },
      seed,
      mount: { volume, path: directory, isReadOnly: true },
    };
  });
  return {
    volumes: made.map(({ volume }) => volume),
    preparations: made.map(({ seed }) => seed),
    mounts: made.map(({ mount }) => mount),
  };
}

function keptOf(topology: Topology, workload: Workload, volume: Extract<Volume, { kind: "kept" }>): Storage {
  const name = nameOf(topology, volume.name);
  const labels = labelsOf(topology);
  const mount = { volume: name, path: volume.path, isReadOnly: false };
  return {
    volumes: [{ slot: name, name, isKept: true, labels }],
    preparations: [
      {
        ...preparation(topology, workload, nameOf(topology, workload.name, volume.name, "ownership"), "ownership"),
        mounts: [mount],
        command: [owner(workload), volume.path],
        labels: labelsOf(topology, { [WORKLOAD_LABEL]: workload.name }),
      },
    ],
    mounts: [mount],
  };
}

/** Runs as root, with the one capability that changing an owner takes. */
function preparation(
  topology: Topology,
  workload: Workload,
  name: string,
  role: "files" | "secrets" | "ownership",
): Omit<DockerContainer, "mounts" | "command" | "labels"> {
  return {
    name,
    role,
    workload: workload.name,
    image: imageWithShell(topology, workload),
    user: "0:0",
    entrypoint: ["chown"],
    environment: {},
    networks: [],
    ports: [],
    tmpfs: {},
    sharedMemoryMiB: null,
    uploads: [],
    isRootReadOnly: role === "ownership",
    capabilities: ["CHOWN"],
    memoryMiB: PREPARATION_MIB,
    cpus: 1,
    nofile: null,
    sysctls: {},
    health: null,
    stop: { signal: "SIGTERM", graceS: 10 },
    restart: "no",
    deadlineS: 60,
    after: [],
    startsWith: [],
  };
}

/** Images of exporters hold a program and nothing else; whoever starts through a shell has its tools too. */
function imageWithShell({ workloads }: Topology, workload: Workload): string {
  const withShell = workloads.filter(({ command }) => command[0] === "sh").map(({ image }) => image.reference);
  const own = workload.image.reference;
  return withShell.includes(own) ? own : (withShell[0] ?? own);
}

function owner({ image: { uid } }: Workload): string {
  return `${uid}:${uid}`;
}

/** Of texts before their secrets are in them, and of these secrets' versions: nothing can be learned of a secret from it. */
function contentHash({ secrets }: Topology, files: readonly File[]): string {
  const versions = secrets.map(({ name, version }) => [name, version] as const);
  const used = new Set(files.flatMap(({ text }) => secretsIn(text)));
  const content = [files.map(({ path, text }) => [path, text]), versions.filter(([name]) => used.has(name))];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, HASH_LENGTH);
}
