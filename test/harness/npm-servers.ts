/** The reference servers of npm, as registrations (stdio) or as processes (HTTP). */
import { resolve } from "node:path";
import { freePort } from "./ports.ts";
import { type Running, run } from "./process.ts";
import { waitFor } from "./wait.ts";

const BIN = resolve(import.meta.dirname, "../../node_modules/@modelcontextprotocol");

export function everythingServer(name: string) {
  return stdio(name, [`${BIN}/server-everything/dist/index.js`, "stdio"]);
}

export function memoryServer(name: string, file: string) {
  return { ...stdio(name, [`${BIN}/server-memory/dist/index.js`]), env: { MEMORY_FILE_PATH: file } };
}

export function filesystemServer(name: string, directory: string) {
  return stdio(name, [`${BIN}/server-filesystem/dist/index.js`, directory]);
}

export function thinkingServer(name: string) {
  return stdio(name, [`${BIN}/server-sequential-thinking/dist/index.js`]);
}

function stdio(name: string, args: readonly string[]) {
  return { name, transport: "STDIO", command: process.execPath, args } as const;
}

/** server-everything as a process over streamable HTTP or HTTP+SSE. */
export async function spawnEverything(
  mode: "streamableHttp" | "sse",
): Promise<{ readonly url: string; readonly process: Running }> {
  const port = await freePort();
  const child = run(process.execPath, [`${BIN}/server-everything/dist/index.js`, mode], {
    env: { PATH: process.env.PATH, PORT: String(port) },
  });
  const url = `http://127.0.0.1:${port}/${mode === "sse" ? "sse" : "mcp"}`;
  await waitFor(() => reachable(`http://127.0.0.1:${port}/`), 60_000, `server-everything ${mode}`);
  return { url, process: child };
}

async function reachable(url: string): Promise<boolean> {
  const response = await fetch(url);
  await response.body?.cancel();
  return true;
}
