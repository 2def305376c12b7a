/** What a REST tool's answer becomes: content, structured content, errors without secrets; and what happens to requests that fail. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RestOperation } from "../../../gateway/upstreams/index.ts";
import { counted, holder, message, open, room, send, target } from "./harness.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let base: string;
let answer: Answer;
let asked = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    asked++;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

type More = {
  readonly operation?: Partial<RestOperation>;
  readonly inputSchema?: object;
  readonly outputSchema?: object;
  readonly headers?: Record<string, string>;
  readonly options?: Parameters<typeof room>[0];
  readonly args?: unknown;
};

function tool({ operation, inputSchema = { type: "object" }, outputSchema }: More) {
  const full = { method: "GET", path: "/thing", parameters: [], ...operation };
  const definition = JSON.stringify({ name: "t", inputSchema, outputSchema });
  return { name: "t", definition, operation: JSON.stringify(full) };
}

async function call(respond: Answer, more: More = {}) {
  answer = respond;
  asked = 0;
  const metrics = counted();
  const rest = { tools: async () => [tool(more)], maxTextLength: 1000 };
  const upstreams = room({ rest, metrics, maxMessageBytes: 100_000, ...more.options });
  const to = target(base, { transport: "rest", headers: more.headers ?? {} });
  const sent = await send(upstreams, to, holder(), message(7, "tools/call", { name: "t", arguments: more.args ?? {} }));
  await upstreams.close();
  const [raw = ""] = sent.messages;
  return { raw, result: raw === "" ? undefined : JSON.parse(raw).result, fault: sent.fault, events: metrics.events };
}

const says = (type: string, body: string | Buffer, status = 200, headers: Record<string, string> = {}): Answer => {
  return (_, response) => void response.writeHead(status, { "content-type": type, ...headers }).end(body);
};

describe("a good answer", () => {
  it("of JSON stands in the result byte for byte, as text and as structured content", async () => {
    const body = '{ "id": 12345678901234567890,\n "f": 1.0, "s": "é" }';
    const { raw, events } = await call(says("application/vnd.api+json; charset=utf-8", body));
    expect(raw).toBe(
      `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":${JSON.stringify(body)}}],"structuredContent":${body}}}`,
    );
    expect(events).toEqual(["sample ok"]);
  });
  it("that is no object is put into one", async () => {
    expect((await call(says("application/json", "[1.0]"))).raw).toContain('"structuredContent":{"result":[1.0]}');
  });
  it.each([
    ["text/plain", "hello", { content: [{ type: "text", text: "hello" }] }],
    ["image/png", "abc", { content: [{ type: "image", data: "YWJj", mimeType: "image/png" }] }],
    ["audio/wav", "abc", { content: [{ type: "audio", data: "YWJj", mimeType: "audio/wav" }] }],
    [
      "application/pdf",
      "abc",
      {
        content: [
          { type: "resource", resource: { uri: "rest://sample/t", mimeType: "application/pdf", blob: "YWJj" } },
        ],
      },
    ],
    ["application/json", "", { content: [{ type: "text", text: "HTTP 200, without content" }] }],
  ])("of %s is content of its kind", async (type, body, expected) => {
    expect((await call(says(type, body))).result).toEqual(expected);
  });
  it("of other text is cut at the limit, at a character", async () => {
    const { result } = await call(says("text/plain", "é".repeat(3000)));
    expect(result.content[0].text).toBe(`${"é".repeat(1000)}… (cut; 6000 bytes in all)`);
  });
  it("that was compressed all the same is read, within the limit", async () => {
    const small = gzipSync('{"a":1}');
    expect(
      (await call(says("application/json", small, 200, { "content-encoding": "gzip" }))).result.structuredContent,
    ).toEqual({ a: 1 });
    const bomb = gzipSync(Buffer.alloc(10_000_000, 0x20));
    const { fault } = await call(says("application/json", bomb, 200, { "content-encoding": "gzip" }));
    expect(fault).toMatchObject({ code: "MCPS_UPSTREAM_TOO_LARGE" });
    const broken = await call(says("application/json", "x", 200, { "content-encoding": "gzip" }));
    expect(broken.fault).toMatchObject({ code: "MCPS_UPSTREAM_PROTOCOL" });
  });
  it("of an output schema fits it, or is an error that shows the answer", async () => {
    const outputSchema = { type: "object", properties: { id: { type: "integer" } }, required: ["id"] };
    expect((await call(says("application/json", '{"id":1}'), { outputSchema })).result.isError).toBeUndefined();
    const { result } = await call(says("application/json", '{"id":"x"}'), { outputSchema });
    expect(result).toEqual({
      isError: true,
      content: [
        {
          type: "text",
          text: 'HTTP 200 from GET /thing: the answer does not fit the output schema (/id: "x" has to be integer)',
        },
        { type: "text", text: '{"id":"x"}' },
      ],
    });
    const text = await call(says("text/html", "<p>"), { outputSchema });
    expect(text.result.content[0].text).toContain("(its Content-Type is text/html)");
  });
});

describe("an answer that is none", () => {
  it("is an error result with status and text, and without credentials", async () => {
    const basic = Buffer.from("me:hunter2-secret").toString("base64");
    const echo: Answer = ({ headers }, response) =>
      void response
        .writeHead(404, { "content-type": "text/plain" })
        .end(`no; ${headers.authorization}; ${headers["x-key"]}; hunter2-secret`);
    const { result } = await call(echo, { headers: { authorization: `Basic ${basic}`, "x-key": "k-123456789" } });
    expect(result).toEqual({
      isError: true,
      content: [{ type: "text", text: "HTTP 404 from GET /thing: no; [credential]; [credential]; [credential]" }],
    });
    const shy = await call(says("text/plain", "your token is …", 401));
    expect(shy.result.content[0].text).toBe(
      "HTTP 401 from GET /thing: the upstream refuses the gateway's credentials or their rights",
    );
  });
  it("a redirect is not followed", async () => {
    const { result } = await call(says("text/plain", "", 302, { location: "http://169.254.169.254/latest" }));
    expect(result).toMatchObject({ isError: true });
    expect(result.content[0].text).toBe("HTTP 302 from GET /thing: it redirects, and redirects are not followed");
    expect(asked).toBe(1);
  });
  it("broken JSON is told as such", async () => {
    const { result } = await call(says("application/json", "{oops"));
    expect(result.content[0].text).toBe("HTTP 200 from GET /thing: its JSON cannot be read: {oops");
  });
  it("more than allowed, and none in time, are the upstream's failures", async () => {
    expect((await call(says("text/plain", "x".repeat(100_001)))).fault).toMatchObject({
      code: "MCPS_UPSTREAM_TOO_LARGE",
    });
    const late = await call(() => undefined, { operation: { timeoutMs: 50 } });
    expect(late.fault).toMatchObject({ code: "MCPS_UPSTREAM_TIMEOUT" });
  });
});

describe("a request", () => {
  it("with arguments that do not fit is not sent: path, value, and what is allowed", async () => {
    const inputSchema = {
      type: "object",
      properties: { limit: { type: "integer", maximum: 100 }, kind: { enum: ["a", "b"] } },
      required: ["limit"],
      additionalProperties: false,
    };
    const { result } = await call(says("text/plain", "x"), { inputSchema, args: { limit: 500, kind: "c", other: 1 } });
    expect([asked, result.isError, result.content[0].text]).toEqual([
      0,
      true,
      "Nothing was sent: the arguments of t are not valid. /: other is not known; allowed: limit, kind; " +
        '/limit: 500 has to be <= 100; /kind: "c" has to be one of ["a","b"]',
    ]);
    const none = await call(says("text/plain", "x"), { inputSchema });
    expect(none.result.content[0].text).toBe("Nothing was sent: the arguments of t are not valid. /: limit is needed");
  });
  it("with a name that stands twice is not sent: what was checked is what arrives", async () => {
    const upstreams = room({ rest: { tools: async () => [tool({})], maxTextLength: 1000 } });
    asked = 0;
    const body = Buffer.from(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":[{"role":1,"ro\\u006ce":2}]}}}',
    );
    const to = target(base, { transport: "rest" });
    const { messages } = await send(upstreams, to, holder(), { ...message(1, "tools/call"), body });
    expect([asked, JSON.parse(messages[0] ?? "{}").result.content[0].text]).toEqual([
      0,
      "Nothing was sent: the arguments of t are not valid. /a/0/role: stands there twice",
    ]);
    await upstreams.close();
  });
  it("is not held up by a pattern of exponential time", async () => {
    const inputSchema = { type: "object", properties: { a: { type: "string", pattern: "^(a+)+$" } } };
    expect(
      (await call(says("text/plain", "x"), { inputSchema, args: { a: `${"a".repeat(60)}!` } })).result.isError,
    ).toBeUndefined();
  });
  it("ends with its caller", async () => {
    let closed: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    let begun: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      begun = resolve;
    });
    answer = (request) => {
      request.socket.on("close", closed);
      begun();
    };
    const metrics = counted();
    const upstreams = room({ metrics, rest: { tools: async () => [tool({})], maxTextLength: 1000 } });
    const to = target(base, { transport: "rest" });
    const { exchange, sink } = open(upstreams, to, holder(), message(1, "tools/call", { name: "t", arguments: {} }));
    await arrived;
    exchange.cancel();
    await gone;
    expect([sink.messages, metrics.events]).toEqual([[], ["sample cancelled"]]);
    await upstreams.close();
  });
  it("that may be repeated is, when the server was busy; another is not", async () => {
    const retries = { attempts: 3, baseMs: 1, maxMs: 10, jitter: 0, budget: 1 };
    const busyOnce: Answer = (_, response) =>
      void (asked === 1
        ? response.writeHead(503, { "content-type": "text/plain" }).end("later")
        : response.writeHead(200, { "content-type": "text/plain" }).end("done"));
    const got = await call(busyOnce, { options: { retries } });
    expect([asked, got.result, got.events]).toEqual([
      2,
      { content: [{ type: "text", text: "done" }] },
      ["sample retried", "sample ok"],
    ]);
    const posted = await call(busyOnce, { options: { retries }, operation: { method: "POST" } });
    expect([asked, posted.result.isError]).toEqual([1, true]);
  });
  it("is not made while the upstream cannot be reached", async () => {
    const circuits = { threshold: 2, resetMs: 60_000 };
    const upstreams = room({ circuits, rest: { tools: async () => [tool({})], maxTextLength: 1000 } });
    const to = target("http://127.0.0.1:1/", { transport: "rest" });
    const codes: unknown[] = [];
    for (let count = 0; count < 3; count++) {
      const { fault } = await send(upstreams, to, holder(), message(1, "tools/call", { name: "t", arguments: {} }));
      codes.push(fault?.code);
    }
    expect(codes).toEqual(["MCPS_UPSTREAM_UNREACHABLE", "MCPS_UPSTREAM_UNREACHABLE", "MCPS_UPSTREAM_CIRCUIT"]);
    await upstreams.close();
  });
  it("of another method or tool is answered as MCP wants it; lists come in pages", async () => {
    const many = Array.from({ length: 501 }, (_, at) => ({
      ...tool({}),
      name: `t${at}`,
      definition: `{"name":"t${at}"}`,
    }));
    const upstreams = room({ rest: { tools: async () => many, maxTextLength: 1000 } });
    const to = target(base, { transport: "rest" });
    const ask = async (method: string, params: object) =>
      JSON.parse((await send(upstreams, to, holder(), message(1, method, params))).messages[0] ?? "{}");
    const first = (await ask("tools/list", {})).result;
    expect([first.tools.length, first.nextCursor]).toEqual([500, "500"]);
    expect((await ask("tools/list", { cursor: "500" })).result).toEqual({ tools: [{ name: "t500" }] });
    expect((await ask("tools/list", { cursor: "x" })).error).toMatchObject({ code: -32602 });
    expect((await ask("tools/call", { name: "no" })).error).toMatchObject({ code: -32602 });
    expect((await ask("prompts/get", { name: "no" })).error).toMatchObject({ code: -32601 });
    await upstreams.close();
  });
});
