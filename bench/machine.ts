/** Processes on chosen cores. On machines without taskset, or with one core, the bench runs unpinned. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";

/** The program under test has this core to itself; all that asks and answers it has the other. */
export const UNDER_TEST = 0;
export const BESIDE = 1;

export const pinned = availableParallelism() > 1 && spawnSync("taskset", ["-V"]).status === 0;

export type Part = { readonly pid: number; readonly child: ChildProcess; stop(): Promise<void> };
type Streams = {
  readonly env?: NodeJS.ProcessEnv;
  /** What it complains about goes to the terminal, or nowhere. */
  readonly stderr?: "inherit" | "ignore";
  readonly as?: { readonly uid: number; readonly gid: number } | undefined;
  readonly cwd?: string;
};

export function start(core: number, command: string, args: readonly string[], streams: Streams = {}): Part {
  const [program = command, ...rest] = pinned ? ["taskset", "-c", String(core), command, ...args] : [command, ...args];
  const child = spawn(program, rest, {
    stdio: ["pipe", "pipe", streams.stderr ?? "inherit"],
    env: { ...process.env, ...streams.env },
    ...(streams.cwd === undefined ? {} : { cwd: streams.cwd }),
    ...streams.as,
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => {
      process.removeListener("exit", kill);
      resolve();
    });
  });
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
    part.child.once("error", reject);
    part.child.once("close", (code) => reject(new Error(`ended with ${code} before it was ready`)));
  });
}

/** All that a part prints until it ends. Rejects when it ends with another code than 0. */
export function output(part: Part): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    part.child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    part.child.once("error", reject);
    part.child.once("close", (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`${part.child.spawnargs.join(" ").slice(0, 300)} ended with ${code}: ${text.slice(-500)}`));
    });
  });
}

/** Whether a program can be started under this name. */
export function isInstalled(program: string, versionFlag: string): boolean {
  return spawnSync(program, [versionFlag]).error === undefined;
}

/** Seconds that a core was not idle since the machine started (proc(5), /proc/stat); NaN where that is not told. */
export function coreBusySeconds(core: number): number {
  try {
    const line = new RegExp(`^cpu${core} (.*)$`, "m").exec(readFileSync("/proc/stat", "latin1"))?.[1] ?? "";
    const [user = Number.NaN, nice = 0, system = 0, , , irq = 0, soft = 0, steal = 0] = line.split(" ").map(Number);
    return (user + nice + system + irq + soft + steal) / 100;
  } catch {
    return Number.NaN;
  }
}

/** A port of 127.0.0.1 that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Asks until it is answered so; throws after ten seconds. */
export async function answersAt(what: string, isThere: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    if (await isThere().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${what} does not answer`);
}
