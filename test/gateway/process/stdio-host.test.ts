/** The stdio host as a process of its own: start, restart, stop, and that nothing outlives a killed gateway or host. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type RunningStdioHost, startStdioHost } from "../../../gateway/process/index.ts";
import { contentOf, isAlive, rememberingLog, SocketClient } from "../upstreams/fixtures/stdio-client.ts";

const bad = join(import.meta.dirname, "../upstreams/fixtures/misbehaving-server.ts");
let dataDir: string;
let hosts: RunningStdioHost[];
let parents: ChildProcess[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "host-test-"));
  hosts = [];
  parents = [];
});
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.stop()));
  for (const parent of parents) parent.kill("SIGKILL");
  await rm(dataDir, { recursive: true });
});

async function start(directory: string): Promise<RunningStdioHost> {
  const host = await startStdioHost({
    dataDir: directory,
    maxChildren: 4,
    idleMs: 60_000,
    maxMessageBytes: 100_000,
    environment: process.env,
    log: rememberingLog([]),
    graceMs: 300,
  });
  hosts.push(host);
  return host;
}

async function openPid(client: SocketClient, flags: string[] = []): Promise<number> {
  await client.send("PUT", "/definitions/s", {}, { revision: "1", command: process.execPath, args: [bad, ...flags] });
  return Number(contentOf(await client.call("s", await client.session("s"), 1, "pid")));
}

test("stopping ends the host and its children, also stubborn ones, and removes the socket", async () => {
  const host = await start(dataDir);
  const client = new SocketClient(host.socketPath);
  const child = await openPid(client, ["--stubborn"]);
  const pid = host.pid ?? 0;
  expect([isAlive(child), isAlive(pid), existsSync(host.socketPath)]).toEqual([true, true, true]);
  await Promise.all([client.close(), host.stop()]);
  expect([isAlive(child), isAlive(pid), existsSync(host.socketPath)]).toEqual([false, false, false]);
});

test("a data directory with a long path gets a socket elsewhere", async () => {
  const host = await start(join(dataDir, "d".repeat(100)));
  expect(Buffer.byteLength(host.socketPath)).toBeLessThanOrEqual(100);
  const client = new SocketClient(host.socketPath);
  expect((await client.send("GET", "/status")).status).toBe(200);
  await client.close();
});

test("a run directory that others can enter is refused with its mode", async () => {
  await mkdir(join(dataDir, "run"), { mode: 0o755 });
  await expect(start(dataDir)).rejects.toThrow(
    `The data directory ${join(dataDir, "run")} cannot be used: others can enter it (mode 755, needed 700) (DATA_DIR)`,
  );
});

test("a killed host comes back on the same socket without its children and definitions", async () => {
  const host = await start(dataDir);
  const before = new SocketClient(host.socketPath);
  const child = await openPid(before, ["--stubborn"]);
  const pid = host.pid ?? 0;
  process.kill(pid, "SIGKILL");
  await vi.waitFor(() => expect([host.status().state, host.pid === pid]).toEqual(["running", false]), 60_000);
  expect(isAlive(child)).toBe(false);
  await before.close();
  const after = new SocketClient(host.socketPath);
  const answer = await after.send("POST", "/s/mcp", {}, {});
  expect([answer.status, answer.headers["x-mcp-stack-definition"]]).toEqual([404, "unknown"]);
  await after.close();
});

test.each([["obedient"], ["stubborn"]])(
  "kill -9 of the gateway leaves neither the host nor an %s child",
  async (kind) => {
    const parent = spawn(
      process.execPath,
      [
        join(import.meta.dirname, "fixtures/host-parent.ts"),
        dataDir,
        bad,
        ...(kind === "stubborn" ? ["--stubborn"] : []),
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    parents.push(parent);
    const [line] = await once(createInterface({ input: parent.stdout }), "line");
    const { host, children } = JSON.parse(line) as { host: number; children: number[] };
    const all = [host, ...children];
    expect(all.map(isAlive)).toEqual([true, true]);
    parent.kill("SIGKILL");
    await vi.waitFor(() => expect(all.map(isAlive)).toEqual([false, false]), 60_000);
  },
);
