/** stdio upstreams: a stand-in for the stdio host on a Unix socket for its refusals, then the host itself with real servers. */

import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { UpstreamTarget } from "../../../gateway/upstreams/index.ts";
import { listenStdioHost } from "../../../gateway/upstreams/stdio-host/index.ts";
import { closing } from "../../harness/closing.ts";
import {
  type Handler,
  holder,
  json,
  legacyLife,
  message,
  methodsOf,
  quietLog,
  resultOf,
  room,
  rpc,
  send,
  serve,
  target,
} from "./harness.ts";

const closers = closing();

const STDIO: Partial<UpstreamTarget> = {
  transport: "stdio",
  stdio: { command: "node", args: ["server.js"], env: { KEY: "v" }, isolation: "session" },
};

/** Knows one definition at a time, and asks for it as the host does. */
async function host(life: Handler) {
  const directory = await mkdtemp(join(tmpdir(), "mcps-"));
  const socket = join(directory, "host.sock");
  let revision: string | undefined;
  const made = await serve((seen, response, request) => {
    if (seen.method === "PUT") {
      revision = JSON.parse(seen.body).revision;
      response.writeHead(201).end("{}");
    } else if (seen.headers["x-mcp-stack-revision"] !== revision) {
      const state = revision === undefined ? "unknown" : "stale";
      json(
        response,
        404,
        { jsonrpc: "2.0", id: null, error: { code: -32602, message: state } },
        { "x-mcp-stack-definition": state },
      );
    } else life(seen, response, request);
  }, socket);
  const upstreams = room({ stdioSocket: () => socket });
  closers.push(
    made.close,
    () => rm(directory, { recursive: true }),
    () => upstreams.close(),
  );
  return { made, upstreams, forgetDefinition: () => (revision = undefined) };
}

describe("stdio", () => {
  it("tells the host what to run, once, and sends again", async () => {
    const { made, upstreams, forgetDefinition } = await host((seen, response) => {
      if (!legacyLife(seen, response, "sid")) rpc(response, seen, "ok");
    });
    const to = target("", STDIO);
    const both = [1, 2].map((id) => send(upstreams, to, holder(`s:${id}`), message(id, "tools/call")));
    expect((await Promise.all(both)).map(resultOf)).toEqual(["ok", "ok"]);
    const puts = made.seen.filter((seen) => seen.method === "PUT");
    expect(puts.map((seen) => [seen.path, JSON.parse(seen.body)])).toEqual([
      [
        "/definitions/up-1",
        {
          name: "sample",
          revision: "r1",
          command: "node",
          args: ["server.js"],
          env: { KEY: "v" },
          isolation: "session",
        },
      ],
    ]);
    expect(made.seen.at(-1)).toMatchObject({ path: "/up-1/mcp", headers: { "x-mcp-stack-revision": "r1" } });
    forgetDefinition();
    const again = [1, 2, 3].map((id) => send(upstreams, to, holder("s:1"), message(id, "tools/call")));
    expect((await Promise.all(again)).map(resultOf)).toEqual(["ok", "ok", "ok"]);
    expect(made.seen.filter((seen) => seen.method === "PUT").length).toBe(2);
  });

  it("passes the host's reason on when it is full", async () => {
    const { upstreams } = await host((seen, response) =>
      json(response, 503, {
        jsonrpc: "2.0",
        id: seen.json?.id,
        error: { code: -32017, message: "64 children run already" },
      }),
    );
    const { fault } = await send(upstreams, target("", STDIO), holder(), message(1, "x"));
    expect(fault?.message).toBe("Upstream sample cannot start: 64 children run already");
  });

  it("opens a session anew when the host has lost it with its child", async () => {
    let count = 0;
    const { made, upstreams } = await host((seen, response) => {
      if (seen.json?.method === "initialize") count++;
      if (legacyLife(seen, response, `sid-${count}`)) return;
      const lost = seen.headers["mcp-session-id"] !== "sid-3";
      if (lost) json(response, 404, { jsonrpc: "2.0", id: seen.json?.id, error: { code: -32001, message: "unknown" } });
      else rpc(response, seen, "ok");
    });
    expect(resultOf(await send(upstreams, target("", STDIO), holder(), message(1, "x")))).toBe("ok");
    expect(methodsOf(made).filter((method) => method === "initialize").length).toBe(3);
  });

  it("says when there is no host", async () => {
    const without = room();
    closers.push(() => without.close());
    const { fault } = await send(without, target("", STDIO), holder(), message(1, "x"));
    expect(fault?.message).toBe("Upstream sample cannot be reached: this gateway runs no stdio host");
    const gone = room({ stdioSocket: () => "/nonexistent/host.sock" });
    closers.push(() => gone.close());
    const other = await send(gone, target("", STDIO), holder(), message(1, "x"));
    expect(other.fault?.message).toBe("Upstream sample cannot be reached: the socket does not exist (ENOENT)");
  });
});

describe("stdio by way of the real host", () => {
  const require = createRequire(import.meta.url);
  const everything = require.resolve("@modelcontextprotocol/server-everything/dist/index.js");
  const timeServer = join(import.meta.dirname, "../../../examples/time-server.ts");

  async function hosted() {
    const directory = await mkdtemp(join(tmpdir(), "mcps-"));
    const socketPath = join(directory, "host.sock");
    const running = await listenStdioHost({
      socketPath,
      maxChildren: 4,
      idleMs: 60_000,
      maxMessageBytes: 1_000_000,
      graceMs: 300,
      probeTimeoutMs: 30_000,
      baseEnv: { PATH: "" },
      log: quietLog,
    });
    const upstreams = room({ stdioSocket: () => socketPath });
    closers.push(
      () => rm(directory, { recursive: true }),
      () => running.stop(),
      () => upstreams.close(),
    );
    return upstreams;
  }

  function program(...args: string[]): UpstreamTarget {
    const stdio = { command: process.execPath, args, env: {}, isolation: "session" } as const;
    return target("", { transport: "stdio", stdio, requestTimeoutMs: 30_000 });
  }

  it("calls tools of a legacy server in a session of the holder's own", async () => {
    const upstreams = await hosted();
    const to = program(everything, "stdio");
    expect(await upstreams.profile(to)).toMatchObject({
      era: "legacy",
      protocolVersion: "2025-11-25",
      sessionless: false,
    });
    const call = message(1, "tools/call", { name: "echo", arguments: { message: "hi" } });
    expect(resultOf(await send(upstreams, to, holder(), call))).toEqual({
      content: [{ type: "text", text: "Echo: hi" }],
    });
    expect((await upstreams.held("s:1")).upstreamIds).toEqual(["up-1"]);
    expect((await upstreams.inspect(to)).tools.map((tool) => tool.name)).toContain("echo");
    await upstreams.release("s:1", [to]);
  });

  it("speaks the modern era with a child that does", async () => {
    const upstreams = await hosted();
    const to = program(timeServer);
    expect((await upstreams.profile(to)).era).toBe("modern");
    const found = await upstreams.inspect(to);
    expect(found.tools.map((tool) => tool.name)).toContain("convert_time");
    expect(found.incomplete).toEqual([]);
  });

  it("names a program that cannot be started", async () => {
    const upstreams = await hosted();
    const { fault } = await send(upstreams, program("/nonexistent.js"), holder(), message(1, "x"));
    expect(fault?.code).toBe("MCPS_UPSTREAM_UNREACHABLE");
    expect(fault?.message).toMatch(/^Upstream sample cannot be reached: it ended with exit code 1;/);
  });
});
