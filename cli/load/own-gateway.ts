/** A gateway of the load test's own, for --serve: its start is measured, its processes are in reach, and it is stopped at the end. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { LoadFailure } from "./failure.ts";

export type OwnGateway = {
  readonly mcpUrl: string;
  readonly token: string;
  /** The worker. */
  readonly pid: number;
  /** From the start of the process to /ready, with the database there already. */
  readonly coldStartS: number;
  stop(): Promise<void>;
};

const PROGRAM = join(import.meta.dirname, "..", "mcp-stack.js");
const readyLine = z.object({ url: z.string(), mcpUrl: z.string(), token: z.string(), pid: z.int() });
type Running = { readonly child: ChildProcess; readonly ready: z.infer<typeof readyLine>; readonly seconds: number };

const DRAIN_MS = 15_000;
const READY_POLL_MS = 10;
/** Settings that make another gateway; everything else of the environment is kept away, above all its database. */
const PASSED_ON = ["PATH", "HTTP_SERVER", "LOG_LEVEL", "TZ"];

/**
 * Starts a gateway twice in a directory of its own: the first start creates the database and ends, the second one is measured and
 * kept. Throws LoadFailure with what the gateway said when it does not start, or when `signal` aborts.
 */
export async function startOwnGateway(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<OwnGateway> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-stack-load-"));
  const remove = () => rm(directory, { recursive: true, force: true, maxRetries: 5 });
  try {
    const first = await start(directory, env, signal);
    await end(first.child);
    const { child, ready, seconds } = await start(directory, env, signal);
    return {
      ...ready,
      coldStartS: seconds,
      async stop() {
        await end(child);
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function start(directory: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Running> {
  const began = performance.now();
  const passed = Object.fromEntries(PASSED_ON.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
  // Its own process group: Ctrl-C in a terminal is for the load test, which ends the gateway after the report. Its own working
  // directory: a .env file beside the caller is not meant for it.
  const child = spawn(
    process.execPath,
    [PROGRAM, "serve", "--first-run", "--port", "0", "--json", "--data-dir", directory],
    {
      cwd: directory,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { LOG_LEVEL: "error", ...passed, HOME: directory },
    },
  );
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("close", () => process.removeListener("exit", kill));
  try {
    const ready = readyLine.parse(JSON.parse(await firstLine(child, signal)));
    while ((await fetch(`${ready.url}/ready`, { signal })).status !== 200) await pause(READY_POLL_MS);
    return { child, ready, seconds: (performance.now() - began) / 1000 };
  } catch (error) {
    await end(child);
    throw signal.aborted ? new LoadFailure("interrupted while the gateway started") : error;
  }
}

function firstLine(child: ChildProcess, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4000);
    });
    if (child.stdout !== null) createInterface({ input: child.stdout }).once("line", resolve);
    child.once("error", reject);
    child.once("close", (code) =>
      reject(new LoadFailure(`the gateway ended with ${code} before it was ready\n${said}`)),
    );
    signal.addEventListener("abort", () => reject(new LoadFailure("interrupted")), { once: true });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), DRAIN_MS);
  await closed;
  clearTimeout(timer);
}
