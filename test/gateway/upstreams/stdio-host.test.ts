/** The stdio host in this process with real children: definitions and legacy sessions. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { bad, childPids, define, directory, start, timeServer } from "./fixtures/running-host.ts";
import { contentOf, isAlive } from "./fixtures/stdio-client.ts";

describe("definitions", () => {
  test("the socket is for this user only", async () => {
    await start();
    expect((await stat(join(directory, "run"))).mode & 0o777).toBe(0o700);
    expect((await stat(join(directory, "run/host-0.sock"))).mode & 0o777).toBe(0o600);
  });

  test("put is idempotent per revision, delete removes, what is unknown or stale says so", async () => {
    const client = await start();
    const outcome = async (revision: string) =>
      JSON.parse((await define(client, "a", [bad], { revision })).text).outcome;
    expect([await outcome("1"), await outcome("1"), await outcome("2")]).toEqual(["created", "unchanged", "replaced"]);
    const stale = await client.send("POST", "/a/mcp", { "x-mcp-stack-revision": "1" }, {});
    expect([stale.status, stale.headers["x-mcp-stack-definition"], stale.text]).toEqual([
      404,
      "stale",
      '{"code":"definition_stale"}',
    ]);
    expect((await client.send("DELETE", "/definitions/a")).status).toBe(200);
    expect((await client.send("DELETE", "/definitions/a")).status).toBe(404);
    const unknown = await client.send("POST", "/a/mcp", {}, {});
    expect([unknown.status, unknown.headers["x-mcp-stack-definition"], unknown.text]).toEqual([
      404,
      "unknown",
      '{"code":"definition_unknown"}',
    ]);
  });

  test.each([
    ["{", 400, -32700],
    ['{"revision":"1"}', 422, -32602],
    ['{"revision":"1","command":"x","shell":true}', 422, -32602],
    ['{"revision":"1","command":"x","env":{"A=B":"secret-value"}}', 422, -32602],
    ['{"revision":"1","command":"x","env":{"A":"secret-value\\u0000"}}', 422, -32602],
    ['{"revision":"1","command":"x","args":["secret-value\\u0000"]}', 422, -32602],
    ["x".repeat(1_100_000), 413, -32600],
  ])("refuses the definition %#", async (body, status, code) => {
    const client = await start();
    const answer = await client.send("PUT", "/definitions/a", {}, body);
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([status, code]);
    expect(answer.text).not.toContain("secret-value");
  });

  test("a new revision ends the old children after their running call, and their sessions at once", async () => {
    const client = await start();
    await define(client, "t", [timeServer]);
    const session = await client.session("t");
    const [pid] = await childPids(client);
    const running = client.call("t", session, 1, "slow", { arguments: { ms: 300 }, _meta: { progressToken: 1 } });
    await vi.waitFor(async () => expect((await client.send("GET", "/status")).text).toContain('"waiting":1'), 60_000);
    await define(client, "t", [timeServer], { revision: "r2" });
    expect((await client.call("t", session, 2, "echo")).status).toBe(404);
    expect((await running).messages.at(-1)).toEqual({
      jsonrpc: "2.0",
      id: 1,
      result: { content: [{ type: "text", text: "waited 300 ms" }] },
    });
    await vi.waitFor(() => expect(isAlive(pid ?? 0)).toBe(false), 60_000);
  });
});

describe("legacy sessions", () => {
  test("each session has a child of its own and equal ids do not meet", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const [one, two] = await Promise.all([client.session("bad"), client.session("bad")]);
    const answers = await Promise.all([client.call("bad", one, 1, "pid"), client.call("bad", two, 1, "pid")]);
    expect(answers.map((answer) => answer.messages.length)).toEqual([1, 1]);
    expect(new Set(answers.map(contentOf)).size).toBe(2);
    expect((await client.send("DELETE", "/bad/mcp", one)).status).toBe(200);
    expect((await client.call("bad", one, 2, "pid")).status).toBe(404);
    const ended = Number(contentOf(answers[0] ?? (await client.call("bad", two, 9, "pid"))));
    await vi.waitFor(() => expect(isAlive(ended)).toBe(false), 60_000);
    expect((await client.call("bad", two, "2", "pid")).messages).toHaveLength(1);
  });

  test("bytes of results and types of ids stay as they are", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const session = await client.session("bad");
    const answer = await client.call("bad", session, "01", "precise");
    expect(answer.text).toBe('{"jsonrpc":"2.0","id":"01","result":{"n":9007199254740993,"f":1.0,"z":0,"a":1}}');
    const pretty = '{\n "jsonrpc": "2.0",\r\n "id": 7, "method": "tools/call", "params": {"name": "precise"}}';
    expect((await client.send("POST", "/bad/mcp", session, pretty)).text).toContain('"id":7,');
  });

  test("progress comes before its response with the caller's token", async () => {
    const client = await start();
    await define(client, "t", [timeServer]);
    const session = await client.session("t");
    const answer = await client.call("t", session, 1, "slow", { arguments: { ms: 10 }, _meta: { progressToken: "p" } });
    expect(answer.headers["content-type"]).toBe("text/event-stream");
    expect(answer.messages).toHaveLength(11);
    expect(answer.messages[0]).toEqual({
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: { progressToken: "p", progress: 1, total: 10, message: "1 ms" },
    });
    const plain = await client.call("t", session, 2, "slow", { arguments: { ms: 10 } });
    expect(plain.headers["content-type"]).toBe("application/json");
  });

  test("a request of the server reaches the call's stream and its answer goes back", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const session = await client.session("bad", { elicitation: {} });
    const params = { name: "ask" };
    const call = await client.open("POST", "/bad/mcp", session, {
      jsonrpc: "2.0",
      id: 5,
      method: "tools/call",
      params,
    });
    const seen: string[] = [];
    for await (const chunk of call.body) {
      seen.push(String(chunk));
      if (!seen.join("").includes("elicitation/create") || seen.join("").includes("accept")) continue;
      const answer = { jsonrpc: "2.0", id: "server-1", result: { action: "accept" } };
      expect((await client.send("POST", "/bad/mcp", session, answer)).status).toBe(202);
    }
    expect(seen.join("")).toContain('{\\"action\\":\\"accept\\"}');
  });

  test("what belongs to no call waits for the GET stream", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const session = await client.session("bad");
    expect((await client.call("bad", session, 1, "change")).messages).toHaveLength(1);
    const stream = await client.open("GET", "/bad/mcp", session);
    const iterator = stream.body[Symbol.asyncIterator]();
    const first = String((await iterator.next()).value);
    expect(first).toContain('data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n');
    await client.send("DELETE", "/bad/mcp", session);
    expect((await iterator.next()).done).toBe(true);
  });

  test("log messages go with the running call", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const answer = await client.call("bad", await client.session("bad"), 1, "log");
    expect(answer.messages.map((message) => (message as { method?: string }).method)).toEqual([
      "notifications/message",
      undefined,
    ]);
  });

  test("cancellation is passed on with the server's id and ends the call's answer", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const session = await client.session("bad");
    const never = client.call("bad", session, "x", "never");
    await vi.waitFor(async () => expect((await client.send("GET", "/status")).text).toContain('"waiting":1'), 60_000);
    const cancel = (requestId: unknown) =>
      client.send("POST", "/bad/mcp", session, {
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId },
      });
    expect((await cancel("unknown")).status).toBe(202);
    expect((await cancel("x")).status).toBe(202);
    expect((await never).messages).toEqual([]);
    const seen = contentOf(await client.call("bad", session, 2, "cancelled"));
    expect(seen).toEqual([2]);
  });

  test.each([
    ["no session", {}, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}', 400, -32600],
    ["unknown session", { "mcp-session-id": "nope" }, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}', 404, -32001],
    ["broken JSON", {}, "{", 400, -32700],
    ["batch", {}, "[]", 400, -32600],
    ["too large", {}, `"${"x".repeat(200_001)}"`, 413, -32600],
  ])("refuses: %s", async (_, headers, body, status, code) => {
    const client = await start();
    await define(client, "bad", [bad]);
    const answer = await client.send("POST", "/bad/mcp", headers, body);
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([status, code]);
  });

  test("sessions that nobody uses end", async () => {
    const client = await start({ idleMs: 40 });
    await define(client, "bad", [bad]);
    const session = await client.session("bad");
    await vi.waitFor(async () => expect(await childPids(client)).toEqual([]), 60_000);
    expect((await client.call("bad", session, 1, "pid")).status).toBe(404);
  });
});
