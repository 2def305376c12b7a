/** What the command line asks of the local target: up in the foreground, up in the background, down, status. */
import { fork } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Topology } from "../../topology/index.ts";
import { controlPath, isServed, request, serveControl } from "./control.ts";
import { type DaemonMessage, type Launch, readMessage } from "./launch.ts";
import { makeDataDirectory, requirePassage } from "./layout.ts";
import { followLogs, type LineSink } from "./logs.ts";
import { endOrphans } from "./orphans.ts";
import { requireFreePorts } from "./ports.ts";
import { waitForEnd } from "./process.ts";
import { leftovers, readState, type State } from "./state.ts";
import { Supervisor } from "./supervisor.ts";

export type Say = (sentence: string) => void;

/** Between an end and the next start: long enough for a port to be free again, and at most what a person waits for. */
const PAUSE = { minMs: 250, maxMs: 30_000 } as const;

/** What a supervisor with nothing left to supervise takes to end. */
const GOING_MS = 5000;

export type Status = { readonly state: State; readonly isSupervised: boolean };

/** Undefined where nothing of the stack runs. */
export async function statusOf(data: string): Promise<Status | undefined> {
  const told = await askSupervisor(data);
  if (told !== undefined) return { state: told, isSupervised: true };
  const state = readState(data);
  return state === undefined || leftovers(state).length === 0 ? undefined : { state, isSupervised: false };
}

/** Undefined where none answers: a socket may take connections for a moment after its owner was killed. */
async function askSupervisor(data: string): Promise<State | undefined> {
  if (!(await isServed(controlPath(data)))) return undefined;
  return await request(data, { do: "status" }, () => {}).catch(() => undefined);
}

/**
 * What has to hold before anything starts: the directory, no orphans, free ports. Throws RangeError naming the key to change. Resolves
 * with the names of orphans that were ended.
 */
export async function prepare(data: string, topology: Topology, host: string): Promise<readonly string[]> {
  makeDataDirectory(data);
  const ended = await endOrphans(data);
  const services = topology.workloads.filter(({ shape }) => shape.kind === "replicated" || shape.kind === "stateful");
  await requireFreePorts(services, [host]);
  return ended;
}

/** Changes a running stack. Throws RangeError as Supervisor.apply does. */
export function applyTo({ data, topology, secrets, users }: Launch, say: Say): Promise<State> {
  return request(data, { do: "apply", topology, secrets, users }, say);
}

export type Running = {
  /** Resolves when it has ended: by `stop`, or because another program asked. */
  readonly ended: Promise<void>;
  state(): State;
  stop(): Promise<void>;
};

/** Starts the stack in this process; `lines` is handed what its processes print. Rejects, with everything ended again, where one fails, or when `asked` resolves before it is up. */
export async function runHere(
  launch: Launch,
  say: Say,
  lines: LineSink | undefined,
  asked: Promise<void>,
): Promise<Running> {
  const { data, host, users } = launch;
  requirePassage(data, Object.values(users));
  const listeners: Say[] = [say];
  const supervisor = new Supervisor({
    data,
    host,
    pause: PAUSE,
    say: (sentence) => {
      for (const listener of listeners) listener(sentence);
    },
  });
  const over = Promise.withResolvers<void>();
  const control = await serveControl(data, supervisor, () => over.resolve());
  listeners.push(control.say);
  const following = lines === undefined ? undefined : followLogs(join(data, "logs"), () => supervisor.names(), lines);
  const ended = over.promise.then(async () => {
    following?.stop();
    await control.close();
  });
  const stop = async () => {
    await supervisor.stop();
    over.resolve();
    await ended;
  };
  void asked.then(stop);
  try {
    await supervisor.apply(launch);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ended, state: () => supervisor.state(), stop };
}

/** Starts a supervisor that outlives this process, and resolves when the stack is ready. Rejects where it does not get there. */
export async function runDetached(launch: Launch, say: Say): Promise<State> {
  const log = openSync(join(launch.data, "logs", "supervisor.log"), "a", 0o640);
  const child = fork(fileURLToPath(new URL("./daemon.ts", import.meta.url)), [], {
    detached: true,
    env: {},
    execArgv: [],
    stdio: ["ignore", log, log, "ipc"],
    serialization: "json",
  });
  closeSync(log);
  const outcome = Promise.withResolvers<void>();
  child.on("message", (raw) => {
    const message: DaemonMessage = readMessage(raw);
    if (message.type === "say") say(message.sentence);
    else if (message.type === "ready") outcome.resolve();
    else outcome.reject(new RangeError(message.reason));
  });
  child.once("error", outcome.reject);
  child.once("exit", (code, signal) =>
    outcome.reject(new RangeError(`the supervisor ended with ${signal ?? `exit code ${code}`}`)),
  );
  child.send(launch);
  try {
    await outcome.promise;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
  return await request(launch.data, { do: "status" }, () => {});
}

/** Runs once what a running stack has a schedule for. Throws RangeError where it fails, or nothing runs. */
export async function runSchedule(data: string, schedule: string, say: Say): Promise<void> {
  if (!(await isServed(controlPath(data)))) throw new RangeError("the stack does not run: mcp-stack up starts it");
  await request(data, { do: "run", schedule }, say);
}

/** Ends the stack, supervised or orphaned. Resolves with the names of what ran; the data stay. */
export async function stopStack(data: string, say: Say): Promise<readonly string[]> {
  const before = await askSupervisor(data);
  if (before === undefined) return await endOrphans(data);
  await request(data, { do: "stop" }, say);
  // It answers before it goes.
  if (before.supervisor.pid !== process.pid) await waitForEnd(before.supervisor, GOING_MS);
  return before.workloads.filter(({ identity }) => identity !== null).map(({ name }) => name);
}
