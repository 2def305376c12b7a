/** What a gateway costs besides its calls: how long it takes to start, and the memory it holds, idle and after many sessions. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { residentMiB, treeCpuSeconds } from "../cli/load/processes.ts";
import { firstJson, type Part, start } from "./machine.ts";
import { registerUpstream } from "./targets.ts";

export type Processes = {
  /** The first run creates the database. */
  readonly firstStart: Start;
  readonly secondStart: Start;
  /** MiB of the gateway's process and of all its children together (the embedded database, the example server). */
  readonly idle: Memory;
  readonly afterSessions: Memory;
  readonly sessions: number;
};
/** Seconds from the start of the process to its ready line, and CPU seconds of it and its children until then. */
export type Start = { readonly seconds: number; readonly cpuSeconds: number };
export type Memory = { readonly gateway: number; readonly children: number };

const ROOT = join(import.meta.dirname, "..");
const CONCURRENT = 32;

async function startGateway(dataDir: string): Promise<{ part: Part; took: Start; ready: Record<string, string> }> {
  const began = performance.now();
  const args = [join(ROOT, "cli/mcp-stack.js"), "serve", "--first-run", "--port", "0", "--json"];
  const part = start(0, process.execPath, args, { DATA_DIR: dataDir, LOG_LEVEL: "error" });
  const ready = await firstJson(part);
  const seconds = (performance.now() - began) / 1000;
  return { part, took: { seconds, cpuSeconds: treeCpuSeconds(part.pid) ?? Number.NaN }, ready };
}

export async function measureProcesses(sessions: number): Promise<Processes> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-stack-bench-"));
  try {
    const first = await startGateway(directory);
    await first.part.stop();
    const second = await startGateway(directory);
    const upstream = start(1, process.execPath, [join(ROOT, "cli/load/upstream.ts")]);
    try {
      const { url = "", token = "" } = second.ready;
      await registerUpstream(url, `Bearer ${token}`, (await firstJson(upstream)).url ?? "");
      await openSessions(second.ready, 10);
      const idle = memoryOf(second.part.pid);
      await openSessions(second.ready, sessions);
      const afterSessions = memoryOf(second.part.pid);
      return { firstStart: first.took, secondStart: second.took, idle, afterSessions, sessions };
    } finally {
      await upstream.stop();
      await second.part.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function memoryOf(pid: number): Memory {
  const { own, descendants } = residentMiB(pid);
  return { gateway: own, children: descendants };
}

/** Sessions are opened and left open, each after one call. */
async function openSessions({ mcpUrl = "", token = "" }: Record<string, string>, count: number): Promise<void> {
  const headers = {
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
  const post = (body: object, more: Record<string, string> = {}) =>
    fetch(mcpUrl, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(body) });
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "1" } };
  const call = { name: "bench__echo", arguments: { text: "hello" } };
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const opened = await post({ jsonrpc: "2.0", id: 0, method: "initialize", params });
      await opened.text();
      const session = { "mcp-session-id": opened.headers.get("mcp-session-id") ?? "" };
      const answer = await post({ jsonrpc: "2.0", id: 1, method: "tools/call", params: call }, session);
      const text = await answer.text();
      if (!text.includes('"content"')) throw new Error(`tools/call: ${answer.status} ${text.slice(0, 500)}`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, worker));
}
