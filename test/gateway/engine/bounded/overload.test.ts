/** The bounded connections when they refuse, are sent more than one request at once, hand over, and come to their end. */
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { Refused, ResponseSink } from "../../../../contract/http.ts";
import type { EngineOptions } from "../../../../gateway/engine/engine.ts";
import { openWires, Recorder, undated, type Wires } from "./wires.ts";

let wires: Wires | undefined;
afterEach(async () => {
  await wires?.close();
  wires = undefined;
});

async function open(recorder: Recorder, changed?: Partial<EngineOptions>): Promise<Wires> {
  wires = await openWires(recorder, changed);
  return wires;
}

function request(path: string, body?: string, more = ""): string {
  const start = body === undefined ? `GET ${path}` : `POST ${path}`;
  const length = body === undefined ? "" : `Content-Length: ${body.length}\r\n`;
  return `${start} HTTP/1.1\r\nHost: h\r\n${length}${more}\r\n${body ?? ""}`;
}

const CLOSE = "Connection: close\r\n";
const answer = (path: string, body: string, more = "") =>
  `HTTP/1.1 200 OK\r\nx-path: ${path}\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
const FULL: Refused = { ok: false, status: 503, headers: { "retry-after": "1" }, body: '{"full":true}' };
const full = (more = "") =>
  `HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n${more}Content-Length: 13\r\n\r\n{"full":true}`;

/** Refuses what is under /full. */
function busy(): Recorder {
  const recorder = new Recorder();
  recorder.refused = ({ path }) => (path.startsWith("/full") ? FULL : undefined);
  return recorder;
}

describe("a refused request", () => {
  it("is answered before its body has come, and the connection goes on behind that body", async () => {
    const recorder = busy();
    const { connect } = await open(recorder);
    const client = await connect();
    const body = "x".repeat(60_000);
    await client.send(request("/full", body).slice(0, -body.length));
    expect(undated(await client.until("true}"))).toBe(full());
    await client.send(body.slice(0, 30_000));
    await client.send(body.slice(30_000) + request("/next", undefined, CLOSE));
    expect(undated(await client.ended())).toBe(answer("/next", "", CLOSE));
    expect(recorder.calls).toEqual(["admit /full", "admit /next", "serve /next", "leave"]);
  });

  it("with a body that came with it costs the next one nothing", async () => {
    const { exchange } = await open(busy());
    const text = request("/full", "GET / HTTP/1.1\r\n\r\n") + request("/full") + request("/next", "abc", CLOSE);
    expect(undated(await exchange(text))).toBe(full() + full() + answer("/next", "abc", CLOSE));
  });

  it("with a long body ends the connection, and the peer gets to see why", async () => {
    const { connect } = await open(busy());
    const client = await connect();
    const body = "x".repeat(200_000);
    await client.send(request("/full", body).slice(0, -190_000));
    expect(undated(await client.until("true}"))).toBe(full(CLOSE));
    await client.send(body.slice(0, 100_000));
    expect(await client.ended()).toBe("");
  });

  it("to HEAD has no body", async () => {
    const { exchange } = await open(busy());
    expect(undated(await exchange(`HEAD /full HTTP/1.1\r\nHost: h\r\n${CLOSE}\r\n`))).toBe(full(CLOSE).slice(0, -13));
  });

  it("is not served when its body is too long", async () => {
    const recorder = new Recorder();
    const { exchange } = await open(recorder, { maxBufferBytes: 1000 });
    const text = request("/long", "x".repeat(1000));
    expect(undated(await exchange(text))).toBe(
      `HTTP/1.1 413 Payload Too Large\r\n${CLOSE}Content-Length: 9\r\n\r\ntoo-large`,
    );
    expect(recorder.calls).toEqual(["admit /long", "refuse too-large", "leave"]);
  });
});

describe("requests sent without waiting", () => {
  it.each([true, false])("are served and answered in their order (answers together: %s)", async (pipelineFlush) => {
    const sinks = new Map<string, ResponseSink>();
    const recorder = new Recorder(({ path, body }, sink) => {
      if (path.startsWith("/slow")) sinks.set(path, sink);
      else sink.respond(200, { "x-path": path }, body);
    });
    const { connect } = await open(recorder, { pipelineFlush });
    const client = await connect();
    const paths = ["/a", "/slow1", "/b", "/slow2", "/c"];
    await client.send(paths.map((path) => request(path, path)).join("") + request("/end", undefined, CLOSE));
    expect(undated(await client.until("\r\n\r\n/a"))).toBe(answer("/a", "/a"));
    expect([...sinks.keys()]).toEqual(["/slow1"]);
    sinks.get("/slow1")?.respond(200, { "x-path": "/slow1" }, "1");
    expect(undated(await client.until("\r\n\r\n/b"))).toBe(answer("/slow1", "1") + answer("/b", "/b"));
    expect([...sinks.keys()]).toEqual(["/slow1", "/slow2"]);
    sinks.get("/slow2")?.respond(200, { "x-path": "/slow2" }, "2");
    expect(undated(await client.ended())).toBe(answer("/slow2", "2") + answer("/c", "/c") + answer("/end", "", CLOSE));
  });

  it.each([
    [true, [1, 4]],
    [false, [1, 1, 1, 1, 1]],
  ])("and answered at once leave together where that is wanted (%s: %j)", async (pipelineFlush, expected) => {
    const { connect, writes } = await open(new Recorder(), { pipelineFlush });
    const client = await connect();
    await client.send(request("/alone"));
    await client.until("\r\n\r\n");
    await client.send(request("/a") + request("/b", "body") + request("/c") + request("/end", undefined, CLOSE));
    await client.ended();
    expect(writes).toEqual(expected);
  });

  it("are not held beyond a bound while one of them is being answered", async () => {
    let sink: ResponseSink | undefined;
    const recorder = new Recorder(({ path }, given) => {
      if (path === "/slow") sink = given;
      else given.respond(200, { "x-path": path }, "");
    });
    const { connect } = await open(recorder);
    const client = await connect();
    const count = 20_000;
    await client.send(request("/slow"));
    while (sink === undefined) await turn();
    const sent = client.send(request("/n").repeat(count) + request("/end", undefined, CLOSE));
    for (let turns = 0; turns < 100; turns++) await turn();
    expect(recorder.calls).toEqual(["admit /slow", "serve /slow"]);
    sink.respond(200, { "x-path": "/slow" }, "");
    const got = undated(await client.ended());
    await sent;
    expect(got).toBe(answer("/slow", "") + answer("/n", "").repeat(count) + answer("/end", "", CLOSE));
  });

  it("wait until the answers before them have been taken", async () => {
    const body = "x".repeat(2 * 1024 * 1024);
    const recorder = new Recorder((_, sink) => sink.respond(200, {}, body));
    const { connect } = await open(recorder);
    const client = await connect();
    client.socket.pause();
    await client.send(request("/").repeat(50));
    for (let turns = 0; turns < 200; turns++) await turn();
    expect(recorder.requests.length).toBeLessThan(20);
    client.socket.destroy();
  });
});

describe("what the reader does not know", () => {
  it.each([
    [
      "a chunked body",
      `POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n${CLOSE}\r\n3\r\nabc\r\n0\r\n\r\n`,
      "abc",
    ],
    ["an absolute target", `GET http://h/c HTTP/1.1\r\nHost: h\r\n${CLOSE}\r\n`, ""],
    ["HTTP/1.0", "GET /c HTTP/1.0\r\nHost: h\r\n\r\n", ""],
    ["a value beyond ASCII", `GET /c HTTP/1.1\r\nHost: h\r\nX-A: \xe4\r\n${CLOSE}\r\n`, ""],
    [
      "an announced body",
      `POST /c HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n${CLOSE}\r\nabc`,
      "abc",
    ],
  ])("(%s) is served on the same connection, cut anywhere", async (_, unusual, body) => {
    const recorder = new Recorder();
    const { exchange, handedOver } = await open(recorder);
    const before = request("/a", "one") + request("/b");
    const text = before + unusual;
    for (let cut = before.length; cut < text.length; cut++) {
      recorder.calls.length = 0;
      recorder.requests.length = 0;
      const got = undated(await exchange(text.slice(0, cut), text.slice(cut)));
      expect(got.startsWith(answer("/a", "one") + answer("/b", ""))).toBe(true);
      expect(recorder.requests.map((one) => `${one.method} ${one.path} ${one.body}`).slice(2)).toEqual([
        `${unusual.split(" ", 1)[0]} ${recorder.requests[2]?.path} ${body}`,
      ]);
      expect(recorder.calls.filter((call) => call === "leave")).toHaveLength(3);
    }
    expect(handedOver).toHaveLength(text.length - before.length);
  });

  it("is never served twice, and never comes back", async () => {
    const recorder = new Recorder();
    const { exchange, handedOver } = await open(recorder);
    const chunked = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    const got = await exchange(request("/a") + chunked + request("/b") + chunked + request("/d", "e", CLOSE));
    expect(got.match(/^x-path: .*(?=\r)/gm)).toEqual(["/a", "/c", "/b", "/c", "/d"].map((path) => `x-path: ${path}`));
    // Whoever took over may ask for several at once; each is asked for once.
    expect(recorder.requests.map(({ path, body }) => `${path} ${body}`).toSorted()).toEqual([
      "/a ",
      "/b ",
      "/c abc",
      "/c abc",
      "/d e",
    ]);
    expect(handedOver).toHaveLength(1);
  });

  it("may become a WebSocket", async () => {
    const recorder = new Recorder();
    const { exchange } = await open(recorder);
    const upgrade =
      "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const got = await exchange(request("/a") + upgrade);
    expect(got.match(/^HTTP.*(?=\r)/gm)).toEqual(["HTTP/1.1 200 OK", "HTTP/1.1 403 Refused"]);
    expect(recorder.calls).toEqual(["admit /a", "serve /a", "leave", "upgrade"]);
  });
});

describe("draining", () => {
  it("lets a running request end, makes its answer the last, and closes what is idle", async () => {
    let sink: ResponseSink | undefined;
    const recorder = new Recorder(({ path }, given) => {
      if (path === "/slow") sink = given;
      else given.respond(200, { "x-path": path }, "");
    });
    const { connect, bounded } = await open(recorder);
    const [idle, running, late] = [await connect(), await connect(), await connect()];
    await idle.send(request("/idle"));
    await idle.until("\r\n\r\n");
    await running.send(request("/slow"));
    while (sink === undefined) await turn();
    const drained = bounded.drain(60_000);
    await late.send(request("/late"));
    expect(undated(await late.ended())).toBe(answer("/late", "", CLOSE));
    sink.respond(200, { "x-path": "/slow" }, "");
    expect(undated(await running.ended())).toBe(answer("/slow", "", CLOSE));
    expect(await drained).toEqual({ cut: 0 });
    expect(await idle.ended()).toBe("");
  });

  it("counts what did not end in time, and closing cuts it", async () => {
    const recorder = new Recorder(() => undefined);
    const { connect, bounded } = await open(recorder);
    const client = await connect();
    await client.send(request("/never"));
    while (recorder.requests.length === 0) await turn();
    expect(await bounded.drain(1)).toEqual({ cut: 1 });
    await bounded.close();
    expect(await client.ended()).toBe("");
    while (recorder.calls.length < 3) await turn();
    expect(recorder.calls).toEqual(["admit /never", "serve /never", "leave"]);
  });
});
