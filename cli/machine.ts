/** What this machine is, written into a stack's configuration where that speaks of the same thing: versions of daemons, limits of the kernel. */
import { readFileSync } from "node:fs";
import { POOLER_VERSIONS } from "../contract/plan.ts";
import type { Programs } from "../infra/targets/local/index.ts";
import { descriptorLimit } from "./descriptors.ts";
import type { StackFile } from "./local-stack.ts";
import { isRecord } from "./stack.ts";

export type MachineFacts = {
  readonly programs: Programs;
  /** Hard limit of descriptors of this process, and so of what it starts. */
  readonly nofileHard: number;
  readonly somaxconn: number;
};

type Leaf = string | number;

export function machineFacts(programs: Programs): MachineFacts {
  const somaxconn = Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8"));
  return { programs, nofileHard: descriptorLimit(UNLIMITED), somaxconn };
}

/** What a kernel lets a process have that has no limit (fs.nr_open). */
const UNLIMITED = 1_048_576;

/** Both parts with this machine's facts in place; `notes` names every value of the file that gave way. */
export function withMachine(
  file: StackFile,
  { programs, nofileHard, somaxconn }: MachineFacts,
): { readonly sizing: unknown; readonly deployment: unknown; readonly notes: readonly string[] } {
  const { nginx, pgbouncer, postgres, redis } = programs;
  const sizing: readonly (readonly [string, Leaf | undefined])[] = [
    ["database.pgbouncer.version", pgbouncer === null ? undefined : poolerVersion(pgbouncer.version)],
    ["database.postgres.version", postgres === null ? undefined : Number.parseInt(postgres.version, 10)],
    ["cluster.nofileHard", nofileHard],
    ["cluster.somaxconn", somaxconn],
  ];
  const deployment: readonly (readonly [string, Leaf | undefined])[] = [
    ["images.nginx.version", nginx?.version],
    ["images.nginx.javascript", nginx?.modules.javascript ?? undefined],
    ["images.nginx.brotli", nginx?.modules.brotli ?? undefined],
    ["images.nginx.zstd", nginx?.modules.zstd ?? undefined],
    ["images.redis.version", redis?.version],
  ];
  return {
    sizing: withLeaves(file.sizing, sizing),
    deployment: withLeaves(file.deployment ?? {}, [["target", "local"], ...deployment]),
    notes: [...gaveWay("sizing", file.sizing, sizing), ...gaveWay("deployment", file.deployment, deployment)],
  };
}

/** The newest known one that is not newer: what a later PgBouncer added is not rendered for it. */
export function poolerVersion(version: string): string {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNotNewer = (known: string) => {
    const [knownMajor = 0, knownMinor = 0] = known.split(".").map(Number);
    return knownMajor < major || (knownMajor === major && knownMinor <= minor);
  };
  return POOLER_VERSIONS.findLast(isNotNewer) ?? version;
}

/** Paths of `leaves` set in a copy; what is no record stays as it is, for the reader to refuse. */
function withLeaves(raw: unknown, leaves: readonly (readonly [string, Leaf | undefined])[]): unknown {
  return leaves.reduce(
    (part, [path, value]) => (value === undefined ? part : withLeaf(part, path.split("."), value)),
    raw,
  );
}

function withLeaf(raw: unknown, [key = "", ...rest]: readonly string[], value: Leaf): unknown {
  if (raw !== undefined && !isRecord(raw)) return raw;
  return { ...raw, [key]: rest.length === 0 ? value : withLeaf(raw?.[key], rest, value) };
}

function gaveWay(
  part: string,
  raw: unknown,
  leaves: readonly (readonly [string, Leaf | undefined])[],
): readonly string[] {
  return leaves.flatMap(([path, value]) => {
    const written = path.split(".").reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), raw);
    if (value === undefined || written === undefined || String(written) === String(value)) return [];
    return [`${part}.${path} is ${String(written)} in the stack's file; this machine has ${value}, which holds here`];
  });
}
