/** The room in front of real servers: server-everything from npm in both HTTP transports, and a modern server of the v2 SDK. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import { type AddressInfo, createServer as createNetServer } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { memoryState, type SharedState } from "../../../gateway/coordination/index.ts";
import { Collector, holder, message, notification, resultOf, room, send, target } from "./harness.ts";

const require = createRequire(import.meta.url);
const rooms: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of rooms.splice(0)) await one.close();
});

function upstreams(options: Parameters<typeof room>[0] = {}) {
  const made = room(options);
  rooms.push(made);
  return made;
}

async function freePort(): Promise<number> {
  const probe = createNetServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Spawns server-everything; resolves when it says that it listens. */
async function everything(mode: "streamableHttp" | "sse"): Promise<{ child: ChildProcess; origin: string }> {
  const port = await freePort();
  const entry = require.resolve("@modelcontextprotocol/server-everything/dist/index.js");
  const child = spawn(process.execPath, [entry, mode], {
    env: { PATH: "", PORT: String(port) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`server-everything ended with ${code}`)));
    child.stderr?.on("data", (chunk: Buffer) => {
      if (chunk.includes(String(port))) resolve();
    });
  });
  return { child, origin: `http://127.0.0.1:${port}` };
}

async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

async function sessionIn(state: SharedState): Promise<string | undefined> {
  return (await state.mapGet("line:s:1")).get("up:up-1");
}

const CALL = { name: "echo", arguments: { message: "hi" } };
const ECHOED = { content: [{ type: "text", text: "Echo: hi" }] };

describe("server-everything over streamable HTTP", () => {
  let running: Awaited<ReturnType<typeof everything>>;
  beforeAll(async () => {
    running = await everything("streamableHttp");
  });
  afterAll(() => stop(running.child));

  it("is legacy, keeps sessions, and answers calls", async () => {
    const made = upstreams();
    const to = target(`${running.origin}/mcp`);
    const profile = await made.profile(to);
    expect(profile).toMatchObject({ era: "legacy", protocolVersion: "2025-11-25", sessionless: false });
    expect(JSON.parse(profile.serverInfo.toString()).name).toBe("mcp-servers/everything");
    expect(resultOf(await send(made, to, holder(), message(1, "tools/call", CALL)))).toEqual(ECHOED);
    await made.release("s:1", [to]);
  });

  it("streams progress with the request and elicits within it", async () => {
    const made = upstreams();
    const to = target(`${running.origin}/mcp`);
    const from = holder("s:1", { elicitation: {} });
    const slow = {
      name: "trigger-long-running-operation",
      arguments: { duration: 0.3, steps: 3 },
      _meta: { progressToken: 9 },
    };
    const outcome = await send(made, to, from, message(9, "tools/call", slow));
    expect(outcome.messages.map((text) => JSON.parse(text).params?.progress)).toEqual([1, 2, 3, undefined]);
    const sink = new Collector();
    made.request(to, from, message(10, "tools/call", { name: "trigger-elicitation-request", arguments: {} }), sink);
    await sink.until(1);
    const asked = JSON.parse(sink.messages[0] ?? "");
    expect(asked.method).toBe("elicitation/create");
    const answer = { jsonrpc: "2.0", id: asked.id, result: { action: "decline" } };
    await made.notify(to, from, { body: Buffer.from(JSON.stringify(answer)), method: "" });
    expect(JSON.stringify(resultOf(await sink.done))).toContain("declined");
    await made.release("s:1", [to]);
  });

  it("is inspected, and keeps no session of it", async () => {
    const found = await upstreams().inspect(target(`${running.origin}/mcp`));
    expect(found.tools.map((tool) => tool.name)).toContain("echo");
    expect(found.prompts.map((prompt) => prompt.name)).toContain("simple-prompt");
    expect(found.resources.length).toBeGreaterThan(0);
    expect(found.resourceTemplates.length).toBeGreaterThan(0);
    expect(JSON.parse(found.tools[0]?.raw.toString() ?? "").name).toBe(found.tools[0]?.name);
    expect(found.incomplete).toEqual([]);
  });

  it("is used by two processes with one session, which lives until it is released", async () => {
    const state = memoryState();
    const [one, two] = [upstreams({ state }), upstreams({ state })];
    const to = target(`${running.origin}/mcp`);
    resultOf(await send(one, to, holder(), message(1, "tools/call", CALL)));
    const held = await sessionIn(state);
    resultOf(await send(two, to, holder(), message(2, "tools/call", CALL)));
    expect(await sessionIn(state)).toBe(held);
    await two.release("s:1", [to]);
    // The first process still believes in the session and is told otherwise.
    resultOf(await send(one, to, holder(), message(3, "tools/call", CALL)));
    expect(await sessionIn(state)).not.toBe(held);
    await one.release("s:1", [to]);
  });
});

describe("server-everything over HTTP+SSE", () => {
  let running: Awaited<ReturnType<typeof everything>>;
  beforeAll(async () => {
    running = await everything("sse");
  });
  afterAll(() => stop(running.child));

  it("greets, answers calls with progress, elicits, and is held until released", async () => {
    const made = upstreams();
    const to = target(`${running.origin}/sse`, { transport: "sse" });
    expect(await made.profile(to)).toMatchObject({ era: "legacy", protocolVersion: "2025-11-25" });
    const from = holder("s:1", { elicitation: {} });
    expect(resultOf(await send(made, to, from, message(1, "tools/call", CALL)))).toEqual(ECHOED);
    const slow = {
      name: "trigger-long-running-operation",
      arguments: { duration: 0.3, steps: 3 },
      _meta: { progressToken: 9 },
    };
    const sink = new Collector();
    made.request(to, from, message(10, "tools/call", { name: "trigger-elicitation-request", arguments: {} }), sink);
    const progress = await send(made, to, from, message(9, "tools/call", slow));
    expect(progress.messages.map((text) => JSON.parse(text).params?.progress)).toEqual([1, 2, 3, undefined]);
    await sink.until(1);
    const asked = JSON.parse(sink.messages[0] ?? "");
    expect(asked.method).toBe("elicitation/create");
    const answer = { jsonrpc: "2.0", id: asked.id, result: { action: "decline" } };
    await made.notify(to, from, { body: Buffer.from(JSON.stringify(answer)), method: "" });
    expect(JSON.stringify(resultOf(await sink.done))).toContain("declined");
    expect(await made.held("s:1")).toEqual({ upstreamIds: ["up-1"], subscriptions: [] });
    await made.release("s:1", [to]);
    expect((await made.held("s:1")).upstreamIds).toEqual([]);
  });

  it("is inspected", async () => {
    const found = await upstreams().inspect(target(`${running.origin}/sse`, { transport: "sse" }));
    expect(found.tools.map((tool) => tool.name)).toContain("echo");
    expect(found.incomplete).toEqual([]);
  });
});

describe("a modern server of the v2 SDK", () => {
  let http: Server;
  let url: string;
  let handler: ReturnType<typeof createMcpHandler>;
  const cancelled = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();

  beforeAll(async () => {
    // The SDK warns of the name; servers may have such names all the same.
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    handler = createMcpHandler(
      () => {
        const server = new McpServer(
          { name: "modern", version: "1" },
          { capabilities: { tools: { listChanged: true } } },
        );
        server.registerTool("grüße", { inputSchema: z.object({ message: z.string() }) }, async ({ message: text }) => ({
          content: [{ type: "text", text: `Echo: ${text}` }],
        }));
        server.registerTool("wait", { inputSchema: z.object({}) }, async (_, context) => {
          started.resolve();
          await new Promise<void>((resolve) => context.mcpReq.signal.addEventListener("abort", () => resolve()));
          cancelled.resolve();
          return { content: [] };
        });
        return server;
      },
      { legacy: "reject" },
    );
    const serve = toNodeHandler(handler);
    // The adapter's types are not written for exactOptionalPropertyTypes.
    http = createServer((request, response) => void serve(request as Parameters<typeof serve>[0], response));
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await handler.close();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });

  const META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "c", version: "1" },
  };

  it("is found by server/discover", async () => {
    const profile = await upstreams().profile(target(url));
    expect({
      ...profile,
      capabilities: JSON.parse(profile.capabilities.toString()),
      serverInfo: JSON.parse(profile.serverInfo.toString()),
    }).toEqual({
      era: "modern",
      protocolVersion: "2026-07-28",
      sessionless: false,
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: "modern", version: "1" },
    });
  });

  it("is inspected without a session", async () => {
    const found = await upstreams().inspect(target(url));
    expect(found.tools.map((tool) => tool.name)).toEqual(["grüße", "wait"]);
    expect({ ...found, tools: [], profile: found.profile.era }).toEqual({
      profile: "modern",
      tools: [],
      prompts: [],
      resources: [],
      resourceTemplates: [],
      incomplete: [],
    });
  });

  it("takes calls with encoded names and no session", async () => {
    const state = memoryState();
    const made = upstreams({ state });
    const params = { name: "grüße", arguments: { message: "hi" }, _meta: META };
    const outcome = await send(made, target(url), holder(), { ...message(1, "tools/call", params), name: "grüße" });
    expect(resultOf(outcome)).toMatchObject({ ...ECHOED, resultType: "complete" });
    await made.notify(target(url), holder(), notification("notifications/cancelled"));
    expect((await state.mapGet("line:s:1")).size).toBe(0);
  });

  it("cancels a call when its exchange is cancelled", async () => {
    const made = upstreams();
    const sink = new Collector();
    const params = { name: "wait", arguments: {}, _meta: META };
    const exchange = made.request(target(url), holder(), { ...message(2, "tools/call", params), name: "wait" }, sink);
    await started.promise;
    exchange.cancel();
    await cancelled.promise;
    expect(sink.endings).toBe(0);
  });

  it("keeps a subscription open and delivers what it brings", async () => {
    const made = upstreams();
    const sink = new Collector();
    const params = { notifications: { toolsListChanged: true }, _meta: META };
    const what = { ...message("sub", "subscriptions/listen", params), timeoutMs: 0 };
    const exchange = made.request(target(url), holder(), what, sink);
    await sink.until(1);
    handler.notify.toolsChanged();
    await sink.until(2);
    expect(sink.messages.map((text) => JSON.parse(text).method)).toEqual([
      "notifications/subscriptions/acknowledged",
      "notifications/tools/list_changed",
    ]);
    exchange.cancel();
  });

  it("has no stream to listen to", async () => {
    const sink = new Collector();
    upstreams().listen(target(url), holder(), sink);
    expect((await sink.done).fault).toBeUndefined();
  });

  it("is refused where a legacy server is expected", async () => {
    await expect(upstreams().profile(target(url, { era: "legacy" }))).rejects.toMatchObject({
      code: "MCPS_UPSTREAM_REFUSED",
    });
  });
});
