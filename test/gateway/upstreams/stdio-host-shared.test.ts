/** Several callers on one child: isolation `shared`, and the modern era. */
import { describe, expect, test, vi } from "vitest";
import { bad, childPids, define, start, timeServer } from "./fixtures/running-host.ts";
import { contentOf } from "./fixtures/stdio-client.ts";

const modernMeta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

describe("one child for all sessions", () => {
  test("is initialized once, without client capabilities, and keeps equal ids apart", async () => {
    const client = await start();
    await define(client, "bad", [bad], { isolation: "shared" });
    const [one, two] = await Promise.all([
      client.session("bad", { sampling: {} }),
      client.session("bad", { elicitation: {} }),
    ]);
    const answers = await Promise.all([client.call("bad", one, 1, "pid"), client.call("bad", two, 1, "pid")]);
    expect(new Set(answers.map(contentOf)).size).toBe(1);
    const seen = contentOf(await client.call("bad", one, 2, "initialize")) as Record<string, Record<string, unknown>>;
    expect([seen.initializations, seen.lastInitialize?.capabilities]).toEqual([1, {}]);
    const asked = contentOf(await client.call("bad", two, 3, "ask"));
    expect(asked).toEqual({ code: -32601, message: "Method not found: elicitation/create" });
    await client.send("DELETE", "/bad/mcp", one);
    expect((await client.call("bad", two, 4, "pid")).status).toBe(200);
  });

  test("its failed start is told to every session that waited for it", async () => {
    const client = await start();
    await define(client, "dead", [bad, "--die-at-start"], { isolation: "shared" });
    const initialize = (id: number) =>
      client.send("POST", "/dead/mcp", {}, { jsonrpc: "2.0", id, method: "initialize", params: {} });
    const answers = await Promise.all([initialize(1), initialize(2)]);
    for (const [index, answer] of answers.entries()) {
      expect([answer.status, JSON.parse(answer.text).id, JSON.parse(answer.text).error.code]).toEqual([
        502,
        index + 1,
        -32012,
      ]);
      expect(answer.headers["mcp-session-id"]).toBeUndefined();
    }
  });

  test("ends when its last session has been idle", async () => {
    const client = await start({ idleMs: 40 });
    await define(client, "bad", [bad], { isolation: "shared" });
    const session = await client.session("bad");
    await vi.waitFor(async () => expect(await childPids(client)).toEqual([]), 60_000);
    expect((await client.call("bad", session, 1, "pid")).status).toBe(404);
  });

  test("a resource update reaches the session that subscribed, and no other", async () => {
    const client = await start();
    await define(client, "bad", [bad], { isolation: "shared" });
    const [one, two] = [await client.session("bad"), await client.session("bad")];
    const subscribe = { jsonrpc: "2.0", id: 1, method: "resources/subscribe", params: { uri: "test://a" } };
    expect((await client.send("POST", "/bad/mcp", one, subscribe)).status).toBe(200);
    await client.call("bad", two, 2, "updated");
    await client.call("bad", two, 3, "change");
    const read = async (session: Record<string, string>, until: string) => {
      let text = "";
      const stream = await client.open("GET", "/bad/mcp", session);
      for await (const chunk of stream.body) {
        text += String(chunk);
        if (text.includes(until)) return text;
      }
      return text;
    };
    expect(await read(one, "list_changed")).toContain("resources/updated");
    expect(await read(two, "list_changed")).not.toContain("resources/updated");
  });
});

describe("modern era", () => {
  const rpc = (id: unknown, method: string, params: object = {}, meta: object = {}) => ({
    jsonrpc: "2.0",
    id,
    method,
    params: { ...params, _meta: { ...modernMeta, ...meta } },
  });

  test("one child serves all callers, without sessions, with the era's statuses", async () => {
    const client = await start();
    await define(client, "t", [timeServer]);
    const future = { "io.modelcontextprotocol/protocolVersion": "2099-01-01" };
    const refused = await client.send("POST", "/t/mcp", {}, rpc(3, "tools/list", {}, future));
    expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([400, -32022]);
    const answers = await Promise.all([
      client.send("POST", "/t/mcp", {}, rpc(1, "tools/call", { name: "echo", arguments: { message: "a" } })),
      client.send("POST", "/t/mcp", {}, rpc(1, "tools/call", { name: "echo", arguments: { message: "b" } })),
    ]);
    const texts = answers.map(
      (answer) => (answer.messages[0] as { result: { content: { text: string }[] } }).result.content[0]?.text,
    );
    expect(texts).toEqual(["a", "b"]);
    expect(answers[0]?.headers["mcp-session-id"]).toBeUndefined();
    expect((await childPids(client)).length).toBe(1);
    expect((await client.send("POST", "/t/mcp", {}, rpc(2, "no/such"))).status).toBe(404);
    expect((await client.send("GET", "/t/mcp")).status).toBe(405);
  });

  test("listen streams carry their caller's id, also two with the same one, and end with their caller", async () => {
    const client = await start();
    await define(client, "t", [timeServer]);
    const listen = rpc("L", "subscriptions/listen", { notifications: { toolsListChanged: true } });
    const gone = new AbortController();
    for (const signal of [gone.signal, gone.signal]) {
      const stream = await client.open("POST", "/t/mcp", {}, listen, signal);
      const first = String((await stream.body[Symbol.asyncIterator]().next()).value);
      expect(first).toContain("notifications/subscriptions/acknowledged");
      expect(first).toContain('"io.modelcontextprotocol/subscriptionId":"L"');
    }
    expect((await client.send("GET", "/status")).text).toContain('"waiting":2');
    gone.abort();
    await vi.waitFor(async () => expect((await client.send("GET", "/status")).text).toContain('"waiting":0'), 60_000);
  });

  test("closing the response cancels the call in the child", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const gone = new AbortController();
    const call = client.open("POST", "/bad/mcp", {}, rpc(1, "tools/call", { name: "never" }), gone.signal);
    call.catch(() => {});
    await vi.waitFor(async () => expect((await client.send("GET", "/status")).text).toContain('"waiting":1'), 60_000);
    gone.abort();
    await vi.waitFor(
      async () =>
        expect(
          contentOf(await client.send("POST", "/bad/mcp", {}, rpc(2, "tools/call", { name: "cancelled" }))),
        ).toEqual([1]),
      60_000,
    );
  });

  test.each([
    ["answers with an error", []],
    ["is silent", ["--silent"]],
    ["ends itself", ["--strict"]],
  ])("a legacy server that %s is known by 404 and -32601, and its probe child ends", async (_, flags) => {
    const client = await start({ probeTimeoutMs: flags.includes("--silent") ? 500 : 30_000 });
    await define(client, "bad", [bad, ...flags]);
    const answer = await client.send("POST", "/bad/mcp", {}, rpc("probe", "server/discover"));
    expect([answer.status, JSON.parse(answer.text).id, JSON.parse(answer.text).error.code]).toEqual([
      404,
      "probe",
      -32601,
    ]);
    await vi.waitFor(async () => expect(await childPids(client)).toEqual([]), 60_000);
    expect((await client.call("bad", await client.session("bad"), 1, "pid")).status).toBe(200);
  });
});
