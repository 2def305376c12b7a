/** Programs that a load test starts for itself: each says in one JSON line on stdout that it is ready, and is ended by its id. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { LoadFailure } from "./failure.ts";

export type Child = {
  /** The first line of stdout. */
  readonly line: string;
  /** SIGTERM, after 15 s SIGKILL; resolves when it is gone. Idempotent. */
  stop(): Promise<void>;
};

export type Program = {
  /** For people: "the gateway". */
  readonly name: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
};

const DRAIN_MS = 15_000;

/** Runs a program of this project on this Node. Throws LoadFailure with what it said when it ends before it is ready, or on abort. */
export async function startChild(program: Program, signal: AbortSignal): Promise<Child> {
  // Its own process group: Ctrl-C in a terminal is for the load test, which ends its children after the report.
  const child = spawn(process.execPath, [...program.args], {
    cwd: program.cwd,
    env: program.env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("close", () => process.removeListener("exit", kill));
  try {
    return { line: await firstLine(program.name, child, signal), stop: () => end(child) };
  } catch (error) {
    await end(child);
    throw error;
  }
}

function firstLine(name: string, child: ChildProcess, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4000);
    });
    if (child.stdout !== null) createInterface({ input: child.stdout }).once("line", resolve);
    child.once("error", reject);
    child.once("close", (code) => reject(new LoadFailure(`${name} ended with ${code} before it was ready\n${said}`)));
    const stop = () => reject(new LoadFailure(`interrupted while ${name} started`));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), DRAIN_MS);
  await closed;
  clearTimeout(timer);
}
