/** How much body a request may have before anybody knows who sends it: a kilobyte wherever a body means nothing. */
import { afterEach, describe, expect, it } from "vitest";
import type { EngineName } from "../../../gateway/engine/index.ts";
import { http1Client } from "../engine/http1-client.ts";
import { ask, http2Session } from "../engine/http2-client.ts";
import { lanes } from "../engine/lanes.ts";
import { engineNames, gateway, type Served, served, snapshot } from "./harness.ts";

const AUTH = { secret: "0123456789abcdef0123456789abcdef", required: true };
const PING = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
let room: Served | undefined;
afterEach(async () => {
  await room?.close();
  room = undefined;
});

async function start(engine: EngineName): Promise<Served> {
  const one = await served({
    catalogue: snapshot({ gateways: [gateway("one")] }),
    scripts: { one: { era: "legacy", answer: () => undefined } },
    auth: AUTH,
    engine,
  });
  room = one;
  return one;
}

const request = (line: string, length: number) =>
  `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${length}\r\n\r\n`;

describe.each(lanes)("a body over HTTP/1.1: $title", ({ engine, first }) => {
  async function enter() {
    const { port } = await start(engine);
    const client = await http1Client(port);
    if (first !== "") {
      client.send(first.replace("a.example", "127.0.0.1"));
      expect((await client.next("POST")).status).toBe(404);
    }
    return client;
  }

  it.each([
    ["a probe", "GET /health", 413, "MCPS_BODY_TOO_LARGE"],
    ["a stream", "GET /mcp", 413, "MCPS_BODY_TOO_LARGE"],
    ["the end of a session", "DELETE /mcp", 413, "MCPS_BODY_TOO_LARGE"],
    ["what is deleted", "DELETE /tools/1", 413, "MCPS_BODY_TOO_LARGE"],
    ["an action without arguments", "POST /tools/1/state", 413, "MCPS_BODY_TOO_LARGE"],
    ["a path that does not exist", "POST /nowhere", 404, "MCPS_NOT_FOUND"],
    ["a method that is not there", "PUT /mcp", 405, "MCPS_HTTP_METHOD"],
  ])("of %s is refused from its announcement on", async (_, line, status, code) => {
    const client = await enter();
    client.send(request(line, 1025));
    const answer = await client.next();
    expect([answer.status, JSON.parse(answer.body).error.data.code]).toEqual([status, code]);
    if (status === 413) expect(JSON.parse(answer.body).error.message).toContain(" 1024 bytes at most");
    expect(await client.rest()).toBe("");
  });

  it("of a probe may be there, and so may a large one where it means something", async () => {
    const client = await enter();
    client.send(request("GET /health", 1024) + "x".repeat(1024));
    expect((await client.next()).status).toBe(200);
    client.send(request("POST /mcp", 100_000) + PING.padEnd(100_000));
    expect((await client.next()).status).toBe(401);
  });
});

describe.each(engineNames)("a body over HTTP/2: %s", (engine) => {
  it.each([
    ["announced", { "content-length": 1025 }],
    ["not announced", {}],
  ])("of a probe is refused, %s, and one of a kilobyte is not", async (_, more) => {
    const { url } = await start(engine);
    const session = await http2Session(url);
    const large = await ask(session, { ":path": "/health", ...more }, Buffer.alloc(1025));
    expect([large.status, JSON.parse(large.text).error.data.code]).toEqual([413, "MCPS_BODY_TOO_LARGE"]);
    expect((await ask(session, { ":path": "/health" }, Buffer.alloc(1024))).status).toBe(200);
    expect((await ask(session, { ":path": "/mcp", ":method": "POST" }, PING.padEnd(100_000))).status).toBe(401);
    session.close();
  });
});
