/** What Linux tells about processes: who one is beyond its number, who belongs to it. Reads /proc only; never signals. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process for ever: its number may be another's tomorrow, number and start together are not (proc(5), field 22 of stat). */
export type Identity = { readonly pid: number; readonly startTicks: number };

export type Stat = Identity & {
  /** One letter; Z has ended and nobody has asked how. */
  readonly state: string;
  readonly parent: number;
  readonly session: number;
};

/** Undefined where there is no such process. */
export function statOf(pid: number): Stat | undefined {
  const text = textOf(`/proc/${pid}/stat`);
  return text === undefined ? undefined : readStat(pid, text);
}

/** The name may hold blanks and brackets: fields count from the last one. */
export function readStat(pid: number, text: string): Stat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    pid,
    state: fields[0] ?? "",
    parent: Number(fields[1]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

/**
 * False as well for one that has ended and whose parent has not asked how. Its first thread may have ended before the others, and its
 * sockets are open until the last one has.
 */
export function isAlive({ pid, startTicks }: Identity): boolean {
  const stat = statOf(pid);
  if (stat === undefined || stat.startTicks !== startTicks || stat.state === "X") return false;
  return stat.state !== "Z" || threadsOf(pid) > 1;
}

function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0;
  }
}

export function allStats(): readonly Stat[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)) ?? []);
}

/**
 * Whoever belongs to a process that leads a session of its own: the rest of the session, and what descends from it (PostgreSQL gives each
 * of its processes a session). Not itself.
 */
export function belongings(leader: Identity, among: readonly Stat[]): readonly Stat[] {
  const found = new Set<Stat>();
  const now = among.find(({ pid }) => pid === leader.pid);
  // The number leads another session by now.
  if (now !== undefined && now.startTicks !== leader.startTicks) return [];
  const isMine = (one: Stat) =>
    one.pid !== leader.pid &&
    one.startTicks >= leader.startTicks &&
    (one.session === leader.pid || one.parent === leader.pid || [...found].some(({ pid }) => pid === one.parent));
  for (;;) {
    const more = among.filter((one) => !found.has(one) && isMine(one));
    if (more.length === 0) return [...found];
    for (const one of more) found.add(one);
  }
}

/** Numbers of the processes that it has started itself. */
export function childrenOf(pid: number): readonly number[] {
  return allStats()
    .filter(({ parent, state }) => parent === pid && state !== "Z")
    .map((one) => one.pid);
}

/** Its arguments, or the title that it gave itself. */
export function titleOf(pid: number): string {
  return (textOf(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " ").trim();
}

/** Of this start of the machine: ticks of another one say nothing. */
export function bootId(): string {
  return (textOf("/proc/sys/kernel/random/boot_id") ?? "").trim();
}

/** Inodes of the sockets that a process holds; empty where it may not be looked into. */
export function socketInodes(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const target = linkOf(`/proc/${pid}/fd/${fd}`);
      return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
    });
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
