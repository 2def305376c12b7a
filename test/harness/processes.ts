/** Which processes a process has started, and whether they are gone. Linux only: reads /proc. */
import { readdirSync, readFileSync } from "node:fs";

type Stat = { readonly state: string; readonly parent: number };

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [state = "", parent = ""] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

/** All processes below this one. */
export function descendants(pid: number): number[] {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const parents = new Map(all.map((name) => [Number(name), statOf(Number(name))?.parent]));
  const found: number[] = [];
  const queue = [pid];
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
    for (const [child, parent] of parents) {
      if (parent !== one) continue;
      found.push(child);
      queue.push(child);
    }
  }
  return found;
}

/** False also for a process that has ended and whose parent has not asked how. */
export function isRunning(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.state !== "Z" && stat.state !== "X";
}
