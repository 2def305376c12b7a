/** Processes on chosen cores. On machines without taskset the bench runs unpinned. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
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
