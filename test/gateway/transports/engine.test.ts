/** The HTTP edge of both engines over real sockets: what happens to odd methods, cut uploads, upgrades and a gateway that drains. */
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { MCP_HEADERS, openStream, send, waitFor } from "../../harness/index.ts";
import { type Exchanged, engineNames, gateway, type Served, served, snapshot } from "./harness.ts";

const catalogue = snapshot({ gateways: [gateway("one")] });
const scripts = { one: { era: "legacy" as const, answer: () => undefined } };
let running: Served | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

const INITIALIZE = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "c", version: "1" } },
});

async function session(url: string): Promise<Record<string, string>> {
  const answer = await send("POST", `${url}/mcp`, MCP_HEADERS, INITIALIZE);
  return { ...MCP_HEADERS, "mcp-session-id": String(answer.headers["mcp-session-id"]) };
}

/** Writes bytes and answers with all that comes back until the other side ends, or until `enough` matches. */
function raw(port: number, text: string, enough?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let all = "";
    socket.on("data", (chunk: Buffer) => {
      all += chunk.toString();
      if (enough?.test(all)) socket.destroy();
    });
    socket.on("close", () => resolve(all));
    socket.on("error", reject);
  });
}

describe.each(engineNames)("the HTTP edge (%s)", (engine) => {
  async function start(more: object = {}): Promise<Served> {
    running = await served({ engine, catalogue, scripts, ...more });
    return running;
  }

  it("does not take HEAD on an MCP endpoint for DELETE", async () => {
    const { url } = await start();
    const headers = await session(url);
    const head = await send("HEAD", `${url}/mcp`, headers);
    expect(head.status).toBe(405);
    expect(head.headers.allow).toBe("POST, GET, DELETE");
    const ping = await send("POST", `${url}/mcp`, headers, '{"jsonrpc":"2.0","id":2,"method":"ping"}');
    expect(ping.status).toBe(200);
    expect((await send("HEAD", `${url}/health`, {})).status).toBe(200);
  });

  it("gives the slot of an upload that was cut off back", async () => {
    const it = await start();
    const socket = connect(it.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(
      "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    );
    await waitFor(() => it.inFlight() === 1, 60_000, "the request was admitted");
    socket.destroy();
    await waitFor(() => it.inFlight() === 0, 60_000, "the slot is free");
    expect(await it.drain(5000)).toEqual({ cut: 0 });
  });

  it("serves a request that offers h2c as if it did not", async () => {
    const { port } = await start();
    const answer = await raw(
      port,
      "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
      /healthy/,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("answers a path that cannot be decoded with a registered code", async () => {
    const { port } = await start();
    const answer = await raw(port, "GET /%zz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toContain("MCPS_NOT_FOUND");
  });

  it("calls a content type that is none by its name", async () => {
    const { url } = await start();
    const answer = await send("POST", `${url}/mcp`, { ...MCP_HEADERS, "content-type": "nonsense" }, "{}");
    expect(answer.status).toBe(415);
    expect(answer.text).toContain("MCPS_CONTENT_TYPE");
  });

  it("takes no place among the streams for an upgrade that fails", async () => {
    const it = await start();
    const answer = await raw(
      it.port,
      "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect([it.streams(), it.inFlight()]).toEqual([0, 0]);
  });

  it("lets an open stream take no slot of a call", async () => {
    const it = await start({ maxInFlight: 1, maxStreams: 1 });
    const headers = await session(it.url);
    const stream = await openStream("GET", `${it.url}/mcp`, headers);
    expect(stream.status).toBe(200);
    expect((await send("POST", `${it.url}/mcp`, headers, '{"jsonrpc":"2.0","id":2,"method":"ping"}')).status).toBe(200);
    expect((await send("GET", `${it.url}/mcp`, headers)).status).toBe(503);
    stream.close();
  });

  it("lets the answer to a question through while calls fill all slots", async () => {
    const asking = {
      era: "legacy" as const,
      answer: (call: Exchanged) => call.say({ id: 5, method: "elicitation/create", params: { message: "m" } }),
    };
    const it = await start({ maxInFlight: 1, scripts: { one: asking } });
    const opened = await send("POST", `${it.url}/mcp`, MCP_HEADERS, INITIALIZE.replace("{}", '{"elicitation":{}}'));
    const headers = { ...MCP_HEADERS, "mcp-session-id": String(opened.headers["mcp-session-id"]) };
    const call = '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"one__t"}}';
    const stream = await openStream("POST", `${it.url}/mcp`, headers, call);
    const question = await waitFor(() => stream.events.find(({ data }) => data.includes("elicitation/create")));
    expect((await send("POST", `${it.url}/mcp`, headers, call)).status).toBe(503);
    const { id } = JSON.parse(question.data) as { id: string };
    const answer = JSON.stringify({ jsonrpc: "2.0", id, result: { action: "accept" } });
    expect((await send("POST", `${it.url}/mcp`, headers, answer)).status).toBe(202);
    await waitFor(() => it.upstreams.notified.length === 1);
    it.upstreams.last("tools/call").result({ content: [] });
    await stream.ended;
    expect(it.inFlight()).toBe(0);
  });

  it("closes kept connections with their answer once it drains", async () => {
    const it = await start();
    const socket = connect(it.port, "127.0.0.1");
    let all = "";
    socket.on("data", (chunk: Buffer) => {
      all += chunk.toString();
    });
    socket.write(
      "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{",
    );
    await waitFor(() => it.inFlight() === 1, 60_000, "the request was admitted");
    const drained = it.drain(5000);
    socket.write("}");
    await drained;
    await waitFor(() => all.includes("\r\n\r\n"), 60_000, "the answer is there");
    expect(all.toLowerCase()).toContain("connection: close");
    socket.destroy();
  });
});
