/** A process table as text, and who in it belongs to an instance. Pure. */
import type { Instance } from "./observer.ts";

export type Process = {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  /** What it calls itself; its arguments otherwise. */
  readonly title: string;
  /** Soft limit; undefined where it may not be looked at. */
  readonly openFiles: number | undefined;
};

/** Three parts between lines of `--`: stat, limits and cmdline of /proc, the latter two with their file names (proc(5)). */
export function readProcessTable(text: string): readonly Process[] {
  const [stats = "", limits = "", titles = ""] = text.split(/^--$/m);
  const openFiles = byPid(limits, /^\/proc\/(\d+)\/limits:Max open files\s+(\S+)/gm);
  const title = byPid(titles, /^\/proc\/(\d+)\/cmdline:(.*)$/gm);
  return stats.split("\n").flatMap((line) => {
    const pid = Number(/^(\d+) \(/.exec(line)?.[1]);
    if (Number.isNaN(pid)) return [];
    const [, parent, , session] = line.slice(line.lastIndexOf(")") + 2).split(" ");
    const limit = openFiles.get(pid);
    return {
      pid,
      parent: Number(parent),
      session: Number(session),
      title: (title.get(pid) ?? "").trim(),
      openFiles: limit === undefined ? undefined : limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit),
    };
  });
}

function byPid(text: string, line: RegExp): ReadonlyMap<number, string> {
  return new Map([...text.matchAll(line)].map(([, pid, value = ""]) => [Number(pid), value]));
}

/** The first process and whatever descends from it: a table of its own holds the asking program too, which does not. */
export function membersOf(table: readonly Process[], { pid }: Pick<Instance, "pid">): readonly Process[] {
  const members = table.filter((one) => one.pid === pid);
  for (const member of members) members.push(...table.filter((one) => one.parent === member.pid && one.pid !== pid));
  return members;
}
