/** The reference servers of npm behind one gateway, driven by the official clients of both SDK lines and the Inspector's CLI. */
import { mkdir, realpath, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  connectV1,
  connectV2,
  createServer,
  everythingServer,
  filesystemServer,
  type Gateway,
  memoryServer,
  type Registered,
  register,
  run,
  startGateway,
  temporaryDirectory,
  thinkingServer,
  type VirtualServer,
} from "../harness/index.ts";

const INSPECTOR = resolve(import.meta.dirname, "../../node_modules/.bin/mcp-inspector");
/** server-everything has more for clients that declare sampling, elicitation or roots. */
const TOOLS = { everything: 13, memory: 9, files: 14, thinking: 1 } as const;

describe("reference servers behind one gateway", () => {
  let gateway: Gateway;
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let shared = "";
  const upstreams: Record<string, Registered> = {};
  let alone: VirtualServer;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    shared = join(await realpath(directory.path), "shared");
    await mkdir(shared);
    await writeFile(join(shared, "hello.txt"), "hello from a file");
    gateway = await startGateway();
    const registrations = [
      everythingServer("everything"),
      memoryServer("memory", join(directory.path, "memory.json")),
      filesystemServer("files", shared),
      thinkingServer("thinking"),
    ];
    for (const registration of registrations) upstreams[registration.name] = await register(gateway, registration);
    alone = await createServer(
      gateway,
      "memory alone",
      Object.values(upstreams).filter(({ slug }) => slug === "memory"),
    );
  }, 180_000);
  afterAll(async () => {
    await gateway?.stop();
    await directory?.remove();
  });

  const clients = {
    "first line": (url: string) => connectV1(url, gateway),
    "second line, legacy": (url: string) => connectV2(url, gateway, "legacy"),
    "second line, modern": (url: string) => connectV2(url, gateway, "modern"),
  } as const;

  for (const [title, connect] of Object.entries(clients)) {
    it(`${title}: lists everything under prefixed names and calls a tool of each server`, async () => {
      const client = await connect(gateway.mcpUrl);
      try {
        const { tools, _meta: meta } = await client.listTools();
        const counts: Record<string, number> = {};
        for (const { name } of tools) {
          const slug = name.split("__")[0] ?? "";
          counts[slug] = (counts[slug] ?? 0) + 1;
        }
        expect({ counts, missing: meta?.["mcp-stack/missing"] }).toEqual({ counts: TOOLS, missing: undefined });
        const call = async (name: string, args: Record<string, unknown>) => {
          const result = JSON.parse(JSON.stringify(await client.callTool({ name, arguments: args })));
          return result.content[0].text as string;
        };
        expect(await call("everything__echo", { message: "hi" })).toBe("Echo: hi");
        expect(await call("files__read_text_file", { path: join(shared, "hello.txt") })).toBe("hello from a file");
        expect(JSON.parse(await call("memory__read_graph", {}))).toEqual({ entities: [], relations: [] });
        const thought = { thought: "a", thoughtNumber: 1, totalThoughts: 1, nextThoughtNeeded: false };
        expect(JSON.parse(await call("thinking__sequentialthinking", thought))).toMatchObject({ thoughtNumber: 1 });
      } finally {
        await client.close();
      }
    });

    it(`${title}: names are the upstream's own at its endpoint and on a virtual server with one upstream`, async () => {
      for (const url of [upstreams.memory?.mcpUrl ?? "", alone.mcpUrl]) {
        const client = await connect(url);
        const names = (await client.listTools()).tools.map(({ name }) => name);
        await client.close();
        expect(names.length).toBe(TOOLS.memory);
        expect(names).toContain("read_graph");
      }
    });
  }

  it("resources and prompts: prefixed URIs and names are read through the federated endpoint", async () => {
    const client = await connectV1(gateway.mcpUrl, gateway);
    try {
      const { resources } = await client.listResources();
      const uri = resources.find((resource) => resource.uri.startsWith("everything+"))?.uri ?? "";
      const { contents } = await client.readResource({ uri });
      expect(contents.length).toBe(1);
      const { prompts } = await client.listPrompts();
      expect(prompts.map(({ name }) => name)).toContain("everything__simple-prompt");
      const prompt = await client.getPrompt({ name: "everything__simple-prompt" });
      expect(prompt.messages[0]?.content).toEqual({ type: "text", text: "This is a simple prompt without arguments." });
    } finally {
      await client.close();
    }
  });

  it.for(["legacy", "modern"])("the Inspector's CLI lists and calls, %s", async (era) => {
    const inspect = async (...args: string[]): Promise<Record<string, unknown>> => {
      const flags = [
        "--transport",
        "http",
        "--protocol-era",
        era,
        "--header",
        `Authorization: Bearer ${gateway.token}`,
      ];
      const inspector = run(
        process.execPath,
        [INSPECTOR, "--cli", "-q", "--format", "json", gateway.mcpUrl, ...flags, ...args],
        {
          env: { PATH: process.env.PATH, HOME: directory.path },
        },
      );
      const code = await inspector.exited;
      if (code !== 0) throw new Error(`inspector: ${code}\n${inspector.stdout()}\n${inspector.stderr()}`);
      return JSON.parse(inspector.stdout());
    };
    const text = JSON.stringify(await inspect("--method", "tools/list"));
    for (const slug of Object.keys(TOOLS)) expect(text).toContain(`"${slug}__`);
    const call = await inspect("--method", "tools/call", "--tool-name", "everything__echo", "--tool-arg", "message=hi");
    expect(JSON.stringify(call)).toContain("Echo: hi");
  });
});
