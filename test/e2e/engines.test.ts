/** Each engine in each of its forms, as a process of its own: one loop, several workers, several threads. They serve and end alike. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { type Answer, type Http1Client, http1Client } from "../gateway/engine/http1-client.ts";
import {
  callModern,
  descendants,
  eventData,
  type Gateway,
  isRunning,
  LEGACY,
  message,
  modernRequest,
  openLegacySession,
  openStream,
  register,
  send,
  startGateway,
  waitFor,
} from "../harness/index.ts";

const forms = [
  { title: "fastify", env: { HTTP_SERVER: "fastify" } },
  { title: "fastify, two workers", env: { HTTP_SERVER: "fastify", WORKERS: "2" } },
  { title: "bounded", env: { HTTP_SERVER: "bounded" } },
  { title: "bounded, two workers", env: { HTTP_SERVER: "bounded", RUNTIME_MODE: "st", WORKERS: "2" } },
  { title: "bounded, two threads", env: { HTTP_SERVER: "bounded", RUNTIME_MODE: "mt", RUNTIME_THREADS: "2" } },
] as const;

/** Every request of the harness comes on a connection of its own: so many of them reach all workers. */
const ROUNDS = 12;

describe.each(forms)("a gateway ($title)", ({ env }) => {
  let gateway: Gateway;
  let fixture: Everything;
  beforeAll(async () => {
    [gateway, fixture] = await Promise.all([startGateway({ env }), startEverything({ mode: "legacy" })]);
    await register(gateway, { name: "up", url: fixture.url });
    await everywhere();
  });
  afterAll(async () => {
    await gateway?.stop();
    await fixture?.close();
  });

  /** What one worker was told the others learn; none of them may be behind when the tests begin. */
  async function everywhere(): Promise<void> {
    await waitFor(async () => {
      const lists = Array.from({ length: ROUNDS }, () => callModern(gateway, gateway.mcpUrl, 1, "tools/list"));
      return (await Promise.all(lists)).every(({ text }) => text.includes("up__echo"));
    }, 60_000);
  }

  /** A connection on which a request has been answered, and which stays open. */
  async function keptConnection(): Promise<Http1Client> {
    const client = await http1Client(Number(new URL(gateway.url).port));
    client.send("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    expect((await client.next()).status).toBe(200);
    return client;
  }

  /** A worker learns of the end a moment after another one has: it is asked until it refuses. */
  async function refusalOf(client: Http1Client, late: string): Promise<Answer> {
    client.send(late);
    const answer = await client.next("POST");
    return answer.status === 200 ? refusalOf(client, late) : answer;
  }

  it("serves one session on many connections", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const ids = Array.from({ length: ROUNDS }, (_, index) => index + 1);
    const answers = await Promise.all(
      ids.map((id) => session.call(id, "tools/call", { name: "up__echo", arguments: { text: `call ${id}` } })),
    );
    expect(answers.map((answer) => [answer.status, answer.json()])).toEqual(
      ids.map((id) => [200, { jsonrpc: "2.0", id, result: { content: [{ type: "text", text: `call ${id}` }] } }]),
    );
    const headers = { ...gateway.headers, "mcp-session-id": session.id };
    expect((await send("DELETE", gateway.mcpUrl, headers)).status).toBe(200);
    // Ended at one worker, it is over at the others as soon as they have been told.
    await waitFor(async () => {
      const late = await Promise.all(ids.map((id) => session.call(id, "ping")));
      return late.every(({ status }) => status === 404);
    }, 60_000);
  });

  it("streams progress in its order, before the result", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const params = { name: "up__test_tool_with_progress", arguments: {}, _meta: { progressToken: "p" } };
    const answer = await session.call(7, "tools/call", params);
    const messages = eventData(answer.text).map((data) => JSON.parse(data));
    expect(messages.map(({ params: told, id }) => told?.progress ?? id)).toEqual([0, 50, 100, 7]);
  });

  it("tells a stream what was asked for on other connections", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const stream = await openStream("GET", gateway.mcpUrl, { ...session.headers, accept: "text/event-stream" });
    expect(stream.status).toBe(200);
    const uri = "up+test://watched-resource";
    expect((await session.call(1, "resources/subscribe", { uri })).json()).toEqual({
      jsonrpc: "2.0",
      id: 1,
      result: {},
    });
    const told = await waitFor(
      async () => {
        const touch = { name: "up__touch_resource", arguments: { uri: "test://watched-resource" } };
        await session.call(2, "tools/call", touch);
        return stream.events.find(({ data }) => data.includes("notifications/resources/updated"));
      },
      60_000,
      "the update",
    );
    expect(JSON.parse(told.data)).toMatchObject({ params: { uri } });
    stream.close();
  });

  it("speaks over WebSockets", async () => {
    const sockets = Array.from(
      { length: 4 },
      () => new WebSocket(`${gateway.url.replace("http", "ws")}/ws`, "mcp", { headers: { ...gateway.headers } }),
    );
    const texts = await Promise.all(sockets.map((socket, index) => echoOver(socket, `socket ${index}`)));
    expect(texts).toEqual(sockets.map((_, index) => `socket ${index}`));
    for (const socket of sockets) socket.close();
  });

  it("ends by SIGTERM with what it was doing done, and leaves nothing behind", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const keys = Array.from({ length: 4 }, (_, index) => `drained ${index}`);
    const calls = keys.map((key, id) =>
      session.call(id, "tools/call", { name: "up__wait", arguments: { key, ms: 60_000 } }),
    );
    await waitFor(() => keys.every((key) => fixture.observed.waiting.includes(key)), 60_000, "the calls upstream");
    const kept = await Promise.all(Array.from({ length: ROUNDS }, keptConnection));
    const started = [gateway.pid, ...descendants(gateway.pid)];
    const stream = await openStream("GET", gateway.mcpUrl, { ...session.headers, accept: "text/event-stream" });
    process.kill(gateway.pid, "SIGTERM");
    await stream.ended;
    expect(stream.isComplete()).toBe(true);
    const { headers, body } = modernRequest(1, "tools/list");
    const lines = Object.entries({ ...headers, ...gateway.headers, "content-length": String(body.length) });
    const late = `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
    const refusals = await Promise.all(kept.map((client) => refusalOf(client, late + body)));
    expect(refusals.map(({ status, headers: told, body: text }) => [status, told.connection, codeOf(text)])).toEqual(
      kept.map(() => [503, "close", "MCPS_DRAINING"]),
    );
    expect(await Promise.all(kept.map((client) => client.rest()))).toEqual(kept.map(() => ""));
    for (const key of keys) fixture.release(key);
    const answers = await Promise.all(calls);
    expect(answers.map(({ status, text }) => [status, text.includes('"waited"')])).toEqual(keys.map(() => [200, true]));
    expect(await gateway.exited).toBe(0);
    expect(started.filter(isRunning)).toEqual([]);
  });
});

function codeOf(text: string): unknown {
  return JSON.parse(text).error.data.code;
}

/** What the tool says that says what it is told, by hand over one connection. */
async function echoOver(socket: WebSocket, text: string): Promise<unknown> {
  const got: { readonly id?: number; readonly result?: { readonly content?: readonly { text: string }[] } }[] = [];
  socket.on("message", (data) => got.push(JSON.parse(String(data))));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const clientInfo = { name: "by hand", version: "1" };
  socket.send(message(1, "initialize", { protocolVersion: LEGACY, capabilities: {}, clientInfo }));
  await waitFor(() => got.some(({ id }) => id === 1), 60_000, "the answer to initialize");
  socket.send(message(undefined, "notifications/initialized"));
  socket.send(message(2, "tools/call", { name: "up__echo", arguments: { text } }));
  const answer = await waitFor(() => got.find(({ id }) => id === 2), 60_000, "the answer to the call");
  return answer.result?.content?.[0]?.text;
}
