/** What processes cost, from Linux's /proc (proc(5)). Where there is no /proc the answers are undefined or NaN. */
import { readdirSync, readFileSync } from "node:fs";

/** proc(5) counts in clock ticks; USER_HZ is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

type Stat = { readonly parent: number; readonly own: number; readonly children: number };

/** CPU seconds (user and system, without children) of one process; undefined when it is not there. */
export function ownCpuSeconds(pid: number): number | undefined {
  const stat = statOf(pid);
  return stat === undefined ? undefined : stat.own / TICKS_PER_SECOND;
}

/** CPU seconds (user and system, waited-for children included) of a process and all its descendants; undefined without /proc. */
export function treeCpuSeconds(pid: number): number | undefined {
  try {
    const all = processes();
    let ticks = 0;
    for (const [candidate, { own, children }] of all) if (descends(candidate, pid, all)) ticks += own + children;
    return ticks / TICKS_PER_SECOND;
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
      if (candidate !== pid && descends(candidate, pid, all)) descendants += residentBytes(candidate) ?? 0;
    return { own: (residentBytes(pid) ?? Number.NaN) / 2 ** 20, descendants: descendants / 2 ** 20 };
  } catch {
    return { own: Number.NaN, descendants: Number.NaN };
  }
}

/** Resident memory of one process, bytes; undefined when it is not there. */
export function residentBytes(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}

/** Every process of the machine. */
function processes(): Map<number, Stat> {
  const found = new Map<number, Stat>();
  for (const entry of readdirSync("/proc")) {
    const stat = /^\d+$/.test(entry) ? statOf(Number(entry)) : undefined;
    if (stat !== undefined) found.set(Number(entry), stat);
  }
  return found;
}

function statOf(pid: number): Stat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    // proc(5): after the name come state, ppid, …; utime, stime, cutime and cstime are fields 14 to 17.
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
    return { parent: fields[1] ?? 0, own: user + system, children: childUser + childSystem };
  } catch {
    return undefined;
  }
}

function descends(pid: number, root: number, parents: ReadonlyMap<number, Stat>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 0; at = parents.get(at)?.parent)
    if (at === root) return true;
  return false;
}
