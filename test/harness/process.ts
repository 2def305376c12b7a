/** Child processes of tests: started with captured output, ended by their id, never left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { compiled } from "./data-directories.ts";

export type Running = {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** The first complete line of stdout; rejects when the process ends before or the deadline passes. */
  firstLine(deadlineMs: number): Promise<string>;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, after `graceMs` SIGKILL. Idempotent. */
  stop(graceMs?: number): Promise<number | NodeJS.Signals>;
};

const living = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

const OUTPUT_LIMIT = 1_000_000;

export function run(
  command: string,
  args: readonly string[],
  options: {
    readonly env?: NodeJS.ProcessEnv;
    readonly cwd?: string;
    readonly uid?: number;
    readonly gid?: number;
    /** A process group of its own, as a shell gives to what it runs in the foreground. */
    readonly detached?: boolean;
  } = {},
): Running {
  const env = options.env === undefined ? process.env : { ...compiled(), ...options.env };
  const child = spawn(command, [...args], { ...options, env, stdio: ["ignore", "pipe", "pipe"] });
  living.add(child);
  let stdout = "";
  let stderr = "";
  const lineListeners = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (stdout.length < OUTPUT_LIMIT) stdout += text;
    for (const listener of lineListeners) listener();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-OUTPUT_LIMIT);
  });
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("error", (error) => {
      stderr += String(error);
      resolve(127);
    });
    child.once("close", (code, signal) => resolve(code ?? signal ?? 1));
  }).finally(() => living.delete(child));
  const running: Running = {
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    kill: (signal) => void child.kill(signal),
    firstLine: (deadlineMs) => firstLine(deadlineMs),
    async stop(graceMs = 10_000) {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      return exited.finally(() => clearTimeout(timer));
    },
  };
  return running;

  function firstLine(deadlineMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${command} ${args.join(" ")}: ${why}\n${stderr.slice(-4000)}`));
      const timer = setTimeout(() => fail(`no line within ${deadlineMs} ms`), deadlineMs);
      const look = (): void => {
        const end = stdout.indexOf("\n");
        if (end < 0) return;
        clearTimeout(timer);
        lineListeners.delete(look);
        resolve(stdout.slice(0, end));
      };
      lineListeners.add(look);
      void exited.then((code) => {
        clearTimeout(timer);
        if (!stdout.includes("\n")) fail(`ended with ${code}`);
      });
      look();
    });
  }
}
