/** HTTP+SSE (MCP 2024-11-05) and WebSocket clients. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  connectSse,
  connectV1,
  createServer,
  type Gateway,
  LEGACY,
  message,
  register,
  spawnEverything,
  startGateway,
  type VirtualServer,
} from "../harness/index.ts";

describe("other transports", () => {
  let gateway: Gateway;
  let fixture: Everything;
  let server: VirtualServer;
  beforeAll(async () => {
    [gateway, fixture] = await Promise.all([startGateway(), startEverything({ mode: "legacy" })]);
    server = await createServer(gateway, "one", [await register(gateway, { name: "up", url: fixture.url })]);
  }, 90_000);
  afterAll(async () => {
    await gateway?.stop();
    await fixture?.close();
  });

  const endpoint = (kind: "sse" | "ws", where: string): { url: string; prefix: string } =>
    where === "federated"
      ? { url: `${gateway.url}/${kind}`, prefix: "up__" }
      : { url: `${gateway.url}/servers/${server.id}/${kind}`, prefix: "" };

  it.for(["federated", "virtual server"])("HTTP+SSE, %s: lists, calls, counts within one session", async (where) => {
    const { url, prefix } = endpoint("sse", where);
    const client = await connectSse(url, gateway);
    try {
      const names = (await client.listTools()).tools.map(({ name }) => name);
      expect(names).toContain(`${prefix}echo`);
      for (const text of ["1", "2"])
        expect((await client.callTool({ name: `${prefix}count`, arguments: {} })).content).toEqual([
          { type: "text", text },
        ]);
    } finally {
      await client.close();
    }
  });

  it.for(["federated", "virtual server"])("WebSocket, %s: one message per text frame", async (where) => {
    const { url, prefix } = endpoint("ws", where);
    const socket = new WebSocket(url.replace("http", "ws"), "mcp", { headers: { ...gateway.headers } });
    const received: Record<string, unknown>[] = [];
    const waiting = new Map<unknown, (value: Record<string, unknown>) => void>();
    socket.on("message", (data) => {
      const parsed = JSON.parse(String(data));
      received.push(parsed);
      waiting.get(parsed.id)?.(parsed);
    });
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    expect(socket.protocol).toBe("mcp");
    const ask = (id: number, method: string, params?: object): Promise<Record<string, unknown>> =>
      new Promise((resolve) => {
        waiting.set(id, resolve);
        socket.send(message(id, method, params));
      });
    const clientInfo = { name: "ws", version: "1" };
    const opened = await ask(0, "initialize", { protocolVersion: LEGACY, capabilities: {}, clientInfo });
    expect(opened).toMatchObject({ id: 0, result: { protocolVersion: LEGACY } });
    socket.send(message(undefined, "notifications/initialized"));
    const call = await ask(1, "tools/call", { name: `${prefix}echo`, arguments: { text: "over a socket" } });
    expect(call).toMatchObject({ id: 1, result: { content: [{ type: "text", text: "over a socket" }] } });
    const progressing = { name: `${prefix}test_tool_with_progress`, arguments: {}, _meta: { progressToken: "p" } };
    await ask(2, "tools/call", progressing);
    const progress = received.filter(({ method }) => method === "notifications/progress");
    expect(progress.length).toBe(3);
    socket.close();
  });

  it("a WebSocket without a token is refused with 401 before the upgrade", async () => {
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/ws`, "mcp");
    const status = await new Promise((resolve, reject) => {
      socket.once("unexpected-response", (_, response) => resolve(response.statusCode));
      socket.once("open", () => reject(new Error("it was opened")));
      socket.once("error", () => {});
    });
    expect(status).toBe(401);
  });

  it("HTTP+SSE upstreams are served to streamable HTTP clients", async () => {
    const upstream = await spawnEverything("sse");
    try {
      await register(gateway, { name: "old", url: upstream.url, transport: "SSE" });
      const client = await connectV1(gateway.mcpUrl, gateway);
      const result = await client.callTool({ name: "old__echo", arguments: { message: "hi" } });
      await client.close();
      expect(result.content).toEqual([{ type: "text", text: "Echo: hi" }]);
    } finally {
      await upstream.process.stop();
    }
  });
});
