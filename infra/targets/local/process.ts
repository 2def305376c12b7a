/** One process of a workload: started as its user in a session of its own, seen to its end, and swept together with what it left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import type { Workload } from "../../topology/index.ts";
import { openLog } from "./logs.ts";
import type { CommandContext } from "./probe.ts";
import { allStats, belongings, type Identity, isAlive, type Stat, statOf } from "./proc.ts";
import type { User } from "./users.ts";

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type Started = {
  readonly identity: Identity;
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<Ended>;
  hasEnded(): boolean;
};

/** How a workload's programs are run, the probes among them. */
export function contextOf({ environment }: Workload, user: User | undefined): CommandContext {
  // Files and sockets have absolute paths; the root is the one directory that everybody may be in.
  return { environment, uid: user?.uid, gid: user?.gid, directory: "/" };
}

/**
 * In a session of its own: a terminal's Ctrl-C reaches the supervisor alone, and its end does not take the processes with it. Throws
 * RangeError where the program cannot be started at all.
 */
export async function startProcess(workload: Workload, logs: string, user: User | undefined): Promise<Started> {
  const [program = "", ...args] = workload.command;
  const log = openLog(logs, workload.name, user);
  const child = spawn(program, args, {
    env: { ...workload.environment },
    cwd: contextOf(workload, user).directory,
    stdio: ["ignore", log, log],
    detached: true,
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  });
  closeSync(log);
  const ended = endOf(child);
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
  });
  const { pid } = child;
  if (pid === undefined) {
    const reason = await failureOf(child);
    throw new RangeError(`${workload.name}: ${program} cannot be started: ${reason}`);
  }
  return { identity: { pid, startTicks: statOf(pid)?.startTicks ?? 0 }, ended, hasEnded: () => hasEnded };
}

function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}

function failureOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => child.once("error", (error) => resolve(error.message)));
}

export function endText({ code, signal }: Ended): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

/** Sends it to the process if it is still the one; false where it is gone. */
export function signalTo(identity: Identity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Ends whatever is left of it without a word: workers of a master that was killed hold its port. */
export function sweep(leader: Identity): readonly Stat[] {
  const left = [...belongings(leader, allStats()), ...(isAlive(leader) ? [leader] : [])];
  return left.filter((one) => signalTo(one, "SIGKILL")).flatMap(({ pid }) => statOf(pid) ?? []);
}

const POLL_MS = 50;

/** Resolves with true when it has gone, false when it has not by the deadline: for one that is not our child, whose end nobody tells us. */
export async function waitForEnd(identity: Identity, deadlineMs: number): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  while (isAlive(identity)) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}

/** The signal that ends it in order, and the kill for all of it when its time is over. Resolves when nothing of it is left. */
export async function stopProcess(
  identity: Identity,
  signal: NodeJS.Signals,
  graceMs: number,
): Promise<"ended" | "killed"> {
  // What descends from it is found while it lives: afterwards nothing leads there any more.
  const before = belongings(identity, allStats());
  signalTo(identity, signal);
  const isGone = await waitForEnd(identity, graceMs);
  sweep(identity);
  for (const one of before) if (!(await waitForEnd(one, isGone ? graceMs : 0))) signalTo(one, "SIGKILL");
  await waitForEnd(identity, graceMs);
  return isGone ? "ended" : "killed";
}
