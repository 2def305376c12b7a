/** The room in front of the stdio host in front of real children: era probe, sessions, recovery, limits, as a gateway sees them. */
import { afterEach, describe, expect, test, vi } from "vitest";
import type { UpstreamTarget } from "../../../gateway/upstreams/index.ts";
import { bad, childPids, define, start, timeServer } from "./fixtures/running-host.ts";
import type { SocketClient } from "./fixtures/stdio-client.ts";
import { Collector, holder, message, resultOf, room, send, target } from "./harness.ts";

const rooms: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of rooms.splice(0)) await one.close();
});

function upstreams(client: SocketClient) {
  const made = room({ stdioSocket: () => client.socketPath });
  rooms.push(made);
  return made;
}

function stdio(
  id: string,
  args: string[],
  changes: Partial<UpstreamTarget> = {},
  isolation: "session" | "shared" = "session",
) {
  const { url: _, ...rest } = target("http://unused", { id: `id-of-${id}`, slug: id, transport: "stdio", ...changes });
  return { ...rest, stdio: { command: process.execPath, args, env: {}, isolation } };
}

const textOf = (text: string) => ({ content: [{ type: "text", text }] });
const tool = (id: number | string, name: string, extra: object = {}) =>
  message(id, "tools/call", { name, arguments: {}, ...extra });
const modernMeta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

describe("through the room", () => {
  test("a server of both eras is spoken to in the modern one", async () => {
    const client = await start();
    const through = upstreams(client);
    const time = stdio("time", [timeServer]);
    expect(await through.profile(time)).toMatchObject({ era: "modern", protocolVersion: "2026-07-28" });
    const call = message(1, "tools/call", { name: "echo", arguments: { message: "hi" }, _meta: modernMeta });
    expect(resultOf(await send(through, time, holder(), { ...call, name: "echo" }))).toMatchObject(textOf("hi"));
    expect(await childPids(client)).toHaveLength(1);
  });

  test.each([["session"], ["shared"]] as const)(
    "a legacy server is probed, initialized and called (%s)",
    async (isolation) => {
      const client = await start();
      const through = upstreams(client);
      const legacy = stdio("legacy", [bad], {}, isolation);
      expect(await through.profile(legacy)).toMatchObject({ era: "legacy", protocolVersion: "2025-11-25" });
      const pids = await Promise.all(
        ["s:1", "s:2"].map(async (key) => resultOf(await send(through, legacy, holder(key), tool(1, "pid")))),
      );
      expect(pids[0]).not.toBeUndefined();
      expect(JSON.stringify(pids[0]) === JSON.stringify(pids[1])).toBe(isolation === "shared");
      await through.release("s:1", [legacy]);
      await through.release("s:2", [legacy]);
      if (isolation === "session") await vi.waitFor(async () => expect(await childPids(client)).toEqual([]), 60_000);
    },
  );

  test("a call whose child dies is answered, and the next one has a new child", async () => {
    const client = await start();
    const through = upstreams(client);
    const legacy = stdio("legacy", [bad], { era: "legacy" });
    const died = await send(through, legacy, holder(), tool(1, "die"));
    expect(died.messages).toHaveLength(1);
    expect(died.messages[0]).toContain("it ended with exit code 3; its last stderr line: dying with undefined");
    expect(resultOf(await send(through, legacy, holder(), tool(2, "cancelled")))).toEqual(textOf("[]"));
  });

  test("a changed revision reaches the host by itself", async () => {
    const client = await start();
    const through = upstreams(client);
    expect(
      resultOf(await send(through, stdio("x", [bad], { era: "legacy" }), holder(), tool(1, "cancelled"))),
    ).toBeDefined();
    const changed = stdio("x", [bad, "--other"], { era: "legacy", revision: "r2" });
    expect(resultOf(await send(through, changed, holder(), tool(2, "cancelled")))).toEqual(textOf("[]"));
    expect((await client.send("GET", "/status")).text).toContain('"revision":"r2"');
  });

  test("an elicitation of the server comes on the call's stream and its answer goes back", async () => {
    const client = await start();
    const through = upstreams(client);
    const legacy = stdio("legacy", [bad], { era: "legacy" });
    const sink = new Collector();
    through.request(legacy, holder("s:1", { elicitation: {} }), tool(1, "ask"), sink);
    await sink.until(1);
    expect(JSON.parse(sink.messages[0] ?? "").method).toBe("elicitation/create");
    const body = Buffer.from('{"jsonrpc":"2.0","id":"server-1","result":{"action":"accept"}}');
    await through.notify(legacy, holder("s:1", { elicitation: {} }), { body, method: "" });
    expect(resultOf(await sink.done)).toEqual(textOf('{"action":"accept"}'));
  });

  test("a full host and a program that is missing are named", async () => {
    const client = await start({ maxChildren: 1 });
    const through = upstreams(client);
    await define(client, "filler", [bad]);
    await client.session("filler");
    const full = await send(through, stdio("late", [bad], { era: "legacy" }), holder(), tool(1, "pid"));
    expect(full.fault?.message).toBe(
      "Upstream late cannot start: 1 stdio children run already, which is the limit (STDIO_MAX_CHILDREN)",
    );
    await client.send("DELETE", "/definitions/filler");
    await vi.waitFor(async () => expect((await client.send("GET", "/status")).text).toContain('"children":0'), 60_000);
    const gone = stdio("gone", [], { era: "legacy" });
    const missing = { ...gone, stdio: { ...gone.stdio, command: "/nonexistent" } };
    const refused = await send(through, missing, holder(), tool(1, "pid"));
    expect(refused.fault?.message).toBe("Upstream gone cannot start: spawn /nonexistent ENOENT");
    const dead = await send(
      through,
      stdio("dead", [bad, "--die-at-start"], { era: "legacy" }),
      holder(),
      tool(1, "pid"),
    );
    expect(dead.fault?.message).toContain(
      "it ended with exit code 5; its last stderr line: cannot open the license file",
    );
  });
});
