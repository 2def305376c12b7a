/** Answers that come in pieces, on every way on which they may be asked for: framing, slow readers, peers that go, places given back. */
import { afterEach, describe, expect, it } from "vitest";
import type { ResponseSink } from "../../../contract/http.ts";
import type { EngineOptions } from "../../../gateway/engine/index.ts";
import { waitFor } from "../../harness/index.ts";
import { engineStarter } from "./harness.ts";
import { enterLane, lanes } from "./lanes.ts";

const engines = engineStarter();
afterEach(() => engines.closeAll());

const GET = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n";
const EVENTS = { "content-type": "text/event-stream" };
const MIB = 1024 * 1024;

describe.each(lanes)("a stream ($title)", (lane) => {
  /** A connection on which /stream is answered by the test, through the sink. */
  async function enter(changes: Partial<EngineOptions> = {}) {
    const running = await engines.start(lane.engine, changes);
    const { client } = await enterLane(lane, running.port);
    const sinks: ResponseSink[] = [];
    running.application.handlers.set("/stream", (_, sink) => sinks.push(sink));
    const ask = async (text = GET): Promise<ResponseSink> => {
      const before = sinks.length;
      client.send(text);
      return waitFor(() => sinks[before], 60_000, "the request");
    };
    return { ...running, client, ask };
  }

  it("goes out as it is written, and the next request is answered behind it", async () => {
    const { client, ask } = await enter();
    const sink = await ask(GET + GET.replace("/stream", "/next"));
    sink.open(200, EVENTS);
    await waitFor(() => /\r\n\r\n$/.test(client.unread));
    expect([client.unread.match(/^content-type: .*$/im)?.[0], sink.closed]).toEqual([
      "content-type: text/event-stream",
      false,
    ]);
    sink.write("data: one\n\n");
    await waitFor(() => client.unread.endsWith("\r\nb\r\ndata: one\n\n\r\n"));
    sink.write("");
    sink.write(Buffer.from("zw\u00f6lf bytes"));
    sink.end();
    expect(sink.closed).toBe(true);
    expect(sink.write("never")).toBe(true);
    sink.end();
    expect(await client.next()).toEqual({
      status: 200,
      headers: { ...EVENTS, "transfer-encoding": "chunked" },
      body: `data: one\n\n${Buffer.from("zw\u00f6lf bytes").toString("latin1")}`,
    });
    expect(JSON.parse((await client.next()).body)).toMatchObject({ path: "/next" });
    expect(client.unread).toBe("");
  });

  it("to HEAD is a head", async () => {
    const { client, application, ask } = await enter();
    const sink = await ask(GET.replace("GET", "HEAD"));
    sink.open(200, EVENTS);
    sink.write("one");
    sink.end();
    const { status, headers, body } = await client.next("HEAD");
    expect([status, headers["content-type"], body]).toEqual([200, "text/event-stream", ""]);
    client.send(GET.replace("/stream", "/next"));
    expect(JSON.parse((await client.next()).body)).toMatchObject({ path: "/next" });
    expect(application.inside).toBe(0);
  });

  it("is the last answer where the request or the application says so", async () => {
    const { client, ask } = await enter();
    const sink = await ask();
    sink.open(200, { connection: "close" });
    sink.write("x");
    sink.end();
    expect(await client.next()).toEqual({
      status: 200,
      headers: { connection: "close", "transfer-encoding": "chunked" },
      body: "x",
    });
    expect(await client.rest()).toBe("");
  });

  it("is given once, whatever the application does", async () => {
    const { client, ask } = await enter();
    const sink = await ask();
    sink.open(200, EVENTS);
    sink.respond(500, {}, "no");
    sink.open(500, {});
    sink.end();
    sink.respond(500, {}, "no");
    expect((await client.next()).status).toBe(200);
    client.send(GET.replace("/stream", "/next"));
    expect((await client.next()).status).toBe(200);
    expect(client.unread).toBe("");
  });

  it("waits for a slow reader, is told when he goes on, and loses nothing", async () => {
    const { client, ask } = await enter();
    client.raw.socket.pause();
    const sink = await ask();
    let drained = 0;
    sink.onDrain(() => void drained++);
    sink.open(200, {});
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024, "x");
    do sent += chunk.length;
    while (sink.write(chunk) && sent < 64 * MIB);
    expect(sent).toBeLessThan(64 * MIB);
    client.raw.socket.resume();
    await waitFor(() => drained > 0);
    sink.end();
    expect((await client.next()).body.length).toBe(sent);
  });

  it("is cut when its reader has left more than 16 MiB unread", async () => {
    const { client, application, ask } = await enter();
    client.raw.socket.pause();
    const sink = await ask();
    let closed = 0;
    sink.onClose(() => void closed++);
    sink.open(200, {});
    let written = 0;
    for (const chunk = Buffer.alloc(MIB); !sink.closed && written < 64; written++) sink.write(chunk);
    // What the kernel takes over is not counted, and is no more than some MiB.
    expect([written >= 16, written < 48]).toEqual([true, true]);
    await waitFor(() => closed === 1 && application.inside === 0);
    client.raw.socket.destroy();
  });

  it.each(["silent", "sends on"])("is cut when nothing of it is taken for too long (%s)", async (how) => {
    const { client, application, ask } = await enter({ bodyTimeoutMs: 200 });
    client.raw.socket.pause();
    const sink = await ask();
    let closed = 0;
    sink.onClose(() => void closed++);
    sink.respond(200, {}, Buffer.alloc(12 * MIB));
    await waitFor(() => {
      // Line ends between requests mean nothing (RFC 9112 §2.2), to no deadline either.
      if (how === "sends on") client.send("\r\n");
      return closed === 1 && application.inside === 0;
    });
    client.raw.socket.destroy();
  });

  it.each(["reset", "end"] as const)(
    "tells once that its peer has gone (%s), and ignores what comes late",
    async (how) => {
      const { client, application, ask } = await enter();
      const sink = await ask();
      const told: string[] = [];
      sink.onClose(() => told.push("early"));
      sink.open(200, EVENTS);
      sink.write("data: one\n\n");
      await waitFor(() => client.unread.includes("one"));
      if (how === "reset") client.raw.socket.resetAndDestroy();
      else client.raw.socket.end();
      await waitFor(() => told.length > 0);
      expect(sink.closed).toBe(true);
      expect(sink.write("late")).toBe(true);
      sink.end();
      sink.onClose(() => told.push("late"));
      await waitFor(() => told.length > 1);
      expect([told, application.inside]).toEqual([["early", "late"], 0]);
      client.raw.socket.destroy();
    },
  );

  it("that was complete is not told of its peer", async () => {
    const { client, engine, ask } = await enter();
    const sink = await ask();
    let told = false;
    sink.onClose(() => {
      told = true;
    });
    sink.open(200, {});
    sink.end();
    await client.next();
    sink.onClose(() => {
      told = true;
    });
    client.raw.socket.resetAndDestroy();
    await engine.close();
    expect(told).toBe(false);
  });

  it.each([
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"],
    [
      "an upgrade",
      "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ],
  ])("takes those that wait behind it along when %s follows them and the peer goes", async (_, last) => {
    const { client, application, ask } = await enter();
    await ask(GET + GET.replace("/stream", "/good").repeat(3) + last);
    client.raw.socket.resetAndDestroy();
    await waitFor(() => application.inside === 0, 60_000, "places given back");
  });

  it("gives its place back when it is complete, or earlier where it has one among the streams", async () => {
    const { client, application, engine, ask } = await enter();
    const sink = await ask();
    sink.open(200, {});
    expect(application.inside).toBe(1);
    sink.detach();
    expect(application.inside).toBe(0);
    sink.write("x");
    expect(await engine.drain(0)).toEqual({ cut: 1 });
    sink.end();
    expect((await client.next()).body).toBe("x");
    expect(application.inside).toBe(0);
  });

  it("has nothing written into it because its peer sends what nobody can read", async () => {
    const { client, application, ask } = await enter();
    const sink = await ask();
    sink.open(200, {});
    sink.write("one");
    await waitFor(() => client.unread.endsWith("one\r\n"));
    client.send("\0 garbage\r\n\r\n");
    sink.end();
    const rest = await client.rest();
    expect(rest.slice(rest.indexOf("\r\n\r\n"))).toMatch(/^\r\n\r\n3\r\none\r\n(0\r\n\r\n(HTTP\/1\.1 400 [\s\S]*)?)?$/);
    await waitFor(() => application.inside === 0);
  });
});
