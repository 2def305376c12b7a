/** Processes on chosen cores and what they cost, from /proc. On machines without taskset or /proc the bench runs unpinned, without CPU figures. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const hasTaskset = spawnSync("taskset", ["-V"]).status === 0;
export const pinned = hasTaskset;

export type Part = { readonly pid: number; readonly child: ChildProcess; stop(): Promise<void> };

export function start(core: number, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Part {
  const [program, ...rest] = hasTaskset ? ["taskset", "-c", String(core), command, ...args] : [command, ...args];
  const child = spawn(program ?? command, rest, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    pid: child.pid ?? -1,
    child,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** The first line of a part's stdout, as JSON. Rejects when the part ends before. */
export function firstJson(part: Part): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: part.child.stdout ?? process.stdin });
    lines.once("line", (line) => resolve(JSON.parse(line)));
    part.child.once("close", (code) => reject(new Error(`ended with ${code} before it was ready`)));
  });
}

type Stat = { readonly parent: number; readonly ticks: number };

/** Every process of the machine. */
function processes(): Map<number, Stat> {
  const found = new Map<number, Stat>();
  for (const entry of readdirSync("/proc")) {
    const stat = /^\d+$/.test(entry) ? statOf(Number(entry)) : undefined;
    if (stat !== undefined) found.set(Number(entry), stat);
  }
  return found;
}

/** CPU seconds (user and system, waited-for children included) of a process and all its descendants; undefined without /proc. */
export function cpuSeconds(pid: number): number | undefined {
  try {
    const all = processes();
    let ticks = 0;
    for (const [candidate, { ticks: own }] of all) if (descends(candidate, pid, all)) ticks += own;
    return ticks / 100;
  } catch {
    return undefined;
  }
}

/** Resident memory of a process and of all its descendants together, in MiB; NaN without /proc. */
export function residentMiB(pid: number): { readonly own: number; readonly descendants: number } {
  try {
    const all = processes();
    let descendants = 0;
    for (const candidate of all.keys())
      if (candidate !== pid && descends(candidate, pid, all)) descendants += resident(candidate);
    return { own: resident(pid), descendants };
  } catch {
    return { own: Number.NaN, descendants: Number.NaN };
  }
}

function resident(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kib ?? 0) / 1024;
}

function statOf(pid: number): Stat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    // proc(5): after the name come state, ppid, …; utime, stime, cutime and cstime are fields 14 to 17.
    const ticks = fields.slice(11, 15).reduce((sum, value) => sum + value, 0);
    return { parent: fields[1] ?? 0, ticks };
  } catch {
    return undefined;
  }
}

function descends(pid: number, root: number, parents: ReadonlyMap<number, Stat>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 0; at = parents.get(at)?.parent)
    if (at === root) return true;
  return false;
}
