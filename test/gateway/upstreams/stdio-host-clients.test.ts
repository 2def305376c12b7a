/** Official clients and servers from npm through the socket of the stdio host. */
import { join } from "node:path";
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { fetch as socketFetch } from "undici";
import { describe, expect, test, vi } from "vitest";
import { childPids, define, directory, root, start, timeServer } from "./fixtures/running-host.ts";
import type { SocketClient } from "./fixtures/stdio-client.ts";

describe("official clients and servers through the socket", () => {
  function fetchOver(client: SocketClient): typeof globalThis.fetch {
    return ((url: string | URL, init: object) =>
      socketFetch(String(url), { ...init, dispatcher: client.agent })) as unknown as typeof globalThis.fetch;
  }
  const url = (id: string) => new URL(`http://stdio-host/${id}/mcp`);

  test("server-everything with the v1 client: tools, progress, logging", async () => {
    const client = await start();
    await define(client, "e", [
      join(root, "node_modules/@modelcontextprotocol/server-everything/dist/index.js"),
      "stdio",
    ]);
    const v1 = new ClientV1({ name: "v1", version: "1" });
    await v1.connect(new TransportV1(url("e"), { fetch: fetchOver(client) }) as Parameters<typeof v1.connect>[0]);
    expect((await v1.listTools()).tools.length).toBeGreaterThan(9);
    const progress: number[] = [];
    await v1.callTool({ name: "trigger-long-running-operation", arguments: { duration: 0.2, steps: 4 } }, undefined, {
      onprogress: (step) => void progress.push(step.progress),
    });
    // The client drops progress that arrives in one read with the response.
    expect(progress.length).toBeGreaterThan(0);
    expect(progress).toEqual([1, 2, 3, 4].slice(0, progress.length));
    await v1.close();
  });

  test("server-everything asks the v1 client: roots on the GET stream, elicitation and sampling in a call", async () => {
    const client = await start();
    await define(client, "e", [
      join(root, "node_modules/@modelcontextprotocol/server-everything/dist/index.js"),
      "stdio",
    ]);
    const v1 = new ClientV1(
      { name: "v1", version: "1" },
      { capabilities: { roots: {}, elicitation: {}, sampling: {} } },
    );
    const asked: string[] = [];
    v1.setRequestHandler(ListRootsRequestSchema, () => {
      asked.push("roots");
      return { roots: [{ uri: "file:///home", name: "home" }] };
    });
    v1.setRequestHandler(ElicitRequestSchema, () => {
      asked.push("elicitation");
      return { action: "decline" };
    });
    v1.setRequestHandler(CreateMessageRequestSchema, () => {
      asked.push("sampling");
      return { model: "none", role: "assistant", content: { type: "text", text: "sampled" } };
    });
    await v1.connect(new TransportV1(url("e"), { fetch: fetchOver(client) }) as Parameters<typeof v1.connect>[0]);
    await vi.waitFor(() => expect(asked).toEqual(["roots"]), 60_000);
    await v1.callTool({ name: "trigger-elicitation-request", arguments: {} });
    const sampled = await v1.callTool({ name: "trigger-sampling-request", arguments: { prompt: "x" } });
    expect(asked).toEqual(["roots", "elicitation", "sampling"]);
    expect(JSON.stringify(sampled.content)).toContain("sampled");
    await v1.close();
  });

  test("server-memory with the v1 client; two sessions have two children", async () => {
    const client = await start();
    await define(client, "m", [join(root, "node_modules/@modelcontextprotocol/server-memory/dist/index.js")], {
      env: { MEMORY_FILE_PATH: join(directory, "memory.json") },
    });
    for (let round = 0; round < 2; round++) {
      const v1 = new ClientV1({ name: "v1", version: "1" });
      await v1.connect(new TransportV1(url("m"), { fetch: fetchOver(client) }) as Parameters<typeof v1.connect>[0]);
      expect((await v1.listTools()).tools).toHaveLength(9);
    }
    expect(await childPids(client)).toHaveLength(2);
  });

  test.each(["legacy", "auto"] as const)("the example server with the v2 client, mode %s", async (mode) => {
    const client = await start();
    await define(client, "t", [timeServer]);
    const v2 = new ClientV2({ name: "v2", version: "1" }, { versionNegotiation: { mode } });
    await v2.connect(new TransportV2(url("t"), { fetch: fetchOver(client) }));
    expect(v2.getNegotiatedProtocolVersion()).toBe(mode === "auto" ? "2026-07-28" : "2025-11-25");
    const result = await v2.callTool({ name: "add", arguments: { a: "9007199254740993", b: 1 } });
    expect(result.content).toEqual([{ type: "text", text: "9007199254740994" }]);
    await v2.close();
  });
});
