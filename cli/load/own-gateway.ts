/** A gateway of the load test's own, for --serve: its start is measured, its process is in reach, and it is stopped at the end. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { type Child, startChild } from "./child.ts";
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
const UPSTREAM = join(import.meta.dirname, "upstream.ts");
const upstreamLine = z.object({ url: z.string() });
const readyLine = z.object({ url: z.string(), mcpUrl: z.string(), token: z.string(), pid: z.int() });
type Ready = z.infer<typeof readyLine> & { readonly child: Child; readonly seconds: number };

const READY_POLL_MS = 10;
const READY_WITHIN_MS = 60_000;
/** Settings that make another gateway; everything else of the environment is kept away, above all its database. */
const PASSED_ON = ["PATH", "HTTP_SERVER", "LOG_LEVEL", "TZ"];

/**
 * Starts an upstream over HTTP, which costs the gateway's worker what other machines' upstreams would cost it, and a gateway twice in
 * a directory of its own: the first start creates the database and ends, the second one is measured and kept. Throws LoadFailure.
 */
export async function startOwnGateway(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<OwnGateway> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-stack-load-"));
  const children: Child[] = [];
  const stop = async (): Promise<void> => {
    for (const child of children.reverse()) await child.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const args = [UPSTREAM];
    const upstream = await startChild({ name: "the upstream", args, cwd: directory, env: { PATH: env.PATH } }, signal);
    children.push(upstream);
    const { url } = upstreamLine.parse(JSON.parse(upstream.line));
    await writeFile(join(directory, "mcp.json"), JSON.stringify({ mcpServers: { load: { type: "http", url } } }));
    const first = await startGateway(directory, env, signal);
    await first.child.stop();
    const { child, seconds, mcpUrl, token, pid } = await startGateway(directory, env, signal);
    children.push(child);
    return { mcpUrl, token, pid, coldStartS: seconds, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startGateway(directory: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Ready> {
  const began = performance.now();
  const passed = Object.fromEntries(PASSED_ON.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
  const child = await startChild(
    {
      name: "the gateway",
      args: [PROGRAM, "serve", "--first-run", "--port", "0", "--json", "--config", join(directory, "mcp.json")],
      // A .env file beside the caller is not meant for it.
      cwd: directory,
      env: { LOG_LEVEL: "error", ...passed, HOME: directory, DATA_DIR: directory, MCP_EXAMPLE_SERVER: "false" },
    },
    signal,
  );
  try {
    const ready = readyLine.parse(JSON.parse(child.line));
    await untilReady(`${ready.url}/ready`, signal);
    return { ...ready, child, seconds: (performance.now() - began) / 1000 };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** Throws LoadFailure when it is not ready in time, is gone, or the test is interrupted. */
async function untilReady(url: string, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_WITHIN_MS)]);
  try {
    while ((await fetch(url, { signal: limit })).status !== 200)
      await pause(READY_POLL_MS, undefined, { signal: limit });
  } catch (error) {
    if (signal.aborted) throw new LoadFailure("interrupted while the gateway started");
    const why = error instanceof Error ? error.message : String(error);
    throw new LoadFailure(`the gateway was not ready within ${READY_WITHIN_MS / 1000} s: ${why}`);
  }
}
