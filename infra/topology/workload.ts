/** What all workloads have in common: how a process gets its descriptors, where programs are, and the sum over what it reads at its start. */
import { createHash } from "node:crypto";
import type { Directories, File, Resources, Volume, Workload } from "./model.ts";
import { secretsIn } from "./secret-text.ts";
import type { Site } from "./site.ts";

const PROGRAMS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** EX_CONFIG of sysexits: somebody has to change something before it can start. */
const UNGRANTED = 78;
/**
 * No platform sets descriptors per container everywhere, and 2^30 of them makes some programs slow. So a process raises its own soft limit
 * to what the plan needs, and ends with a sentence where the hard limit does not allow that.
 */
const RAISE = [
  "name=$1; need=$2; shift 2; hard=$(ulimit -Hn)",
  'if [ "$hard" != unlimited ] && [ "$hard" -lt "$need" ]; then',
  'echo "$name needs $need descriptors and may have $hard: raise the limit of the container runtime or the user (LimitNOFILE, default-ulimits, limits.conf), or write the true limit into sizing.cluster.nofileHard" >&2',
  `exit ${UNGRANTED}; fi`,
  'ulimit -Sn "$need" && exec "$@"',
]
  .join("; ")
  .replaceAll("then;", "then");

/** The command that checks and raises descriptors and then becomes `command`. */
export function withDescriptors(name: string, nofile: number, command: readonly string[]): readonly string[] {
  return ["sh", "-c", RAISE, "sh", name, String(nofile), ...command];
}

/** PATH: images and distributions keep daemons in different places. */
export function searchPath({ ground }: Site, first: readonly string[] = []): string {
  return [...first, ...ground.programs, ...PROGRAMS].join(":");
}

/** A file without secrets, below the workload's directory for those. */
export function plainFile(directories: Directories, name: string, text: string, isReread = false): File {
  return { path: `${directories.config}/${name}`, text, isSecret: false, isReread };
}

/** A file with markers of secrets. */
export function secretFile(directories: Directories, name: string, text: string): File {
  return { path: `${directories.secrets}/${name}`, text, isSecret: true, isReread: false };
}

/** Room for sockets and temporary files, on the node's disk. */
export function scratch(name: string, path: string, sizeMiB: number, medium: "disk" | "memory" = "disk"): Volume {
  return { kind: "scratch", name, path, sizeMiB: Math.ceil(sizeMiB), medium };
}

/** MiB of scratch space on the node's disk. */
export function scratchMiB(volumes: readonly Volume[]): number {
  const sizes = volumes.map((volume) => (volume.kind === "scratch" && volume.medium === "disk" ? volume.sizeMiB : 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Logs that the engine has not rotated yet. */
const LOGS_MIB = 64;

/** MiB of the node's disk: scratch space on it, and logs. */
export function ephemeralOf(volumes: readonly Volume[]): number {
  return LOGS_MIB + scratchMiB(volumes);
}

/** What the plan gives a tier, all of it from the first moment; `volumes` tell the rest. */
export function reserved(
  { cpu, memoryMiB }: { readonly cpu: number; readonly memoryMiB: number },
  volumes: readonly Volume[],
): Resources {
  return { cpuRequest: cpu, cpuLimit: cpu, memoryMiB, ephemeralMiB: ephemeralOf(volumes) };
}

/** What runs to its end: nobody asks it anything, and nobody comes to it. */
export const TO_ITS_END = {
  nofile: null,
  ports: [],
  addressing: "each",
  reload: null,
  sysctls: {},
  probes: null,
  shutdown: { signal: "SIGTERM", waitS: 0, graceS: 30 },
  disruption: null,
} as const satisfies Partial<Workload>;

/** A workload as its tier makes it. */
export type Unsealed = Omit<Workload, "checksum">;

/** The workload with the sum over its command, environment, files and the versions of the secrets in them. */
export function sealed(workload: Unsealed, versions: Readonly<Record<string, string>>): Workload {
  const read = workload.files.filter(({ isReread }) => !isReread);
  const secrets = [...new Set(read.flatMap(({ text }) => secretsIn(text)))].toSorted();
  const content = {
    command: workload.command,
    environment: workload.environment,
    files: read.map(({ path, text }) => [path, text]),
    secrets: secrets.map((name) => [name, versions[name]]),
  };
  return { ...workload, checksum: createHash("sha256").update(JSON.stringify(content)).digest("hex") };
}
