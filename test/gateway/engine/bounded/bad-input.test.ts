/** What clients must not be able to do to the bounded connections, over real sockets; others are served all the while. */
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { ResponseSink } from "../../../../contract/http.ts";
import type { EngineOptions } from "../../../../gateway/engine/engine.ts";
import { type Client, openWires, Recorder, undated, type Wires } from "./wires.ts";

let wires: Wires | undefined;
afterEach(async () => {
  await wires?.close();
  wires = undefined;
});

async function open(recorder: Recorder, changed?: Partial<EngineOptions>): Promise<Wires> {
  wires = await openWires(recorder, changed);
  return wires;
}

const CLOSE = "Connection: close\r\n";
const HEALTHY = `GET /healthy HTTP/1.1\r\nHost: h\r\n\r\n`;
const HEALTHY_ANSWER = "HTTP/1.1 200 OK\r\nx-path: /healthy\r\nContent-Length: 0\r\n\r\n";
const TIMEOUT = `HTTP/1.1 408 Request Timeout\r\n${CLOSE}Content-Length: 0\r\n\r\n`;

/** Whoever came before goes on being served on the connection that it has. */
async function expectServed(healthy: Client): Promise<void> {
  await healthy.send(HEALTHY);
  expect(undated(await healthy.until("\r\n\r\n"))).toBe(HEALTHY_ANSWER);
}

const fields = (lines: string) => `POST /bad HTTP/1.1\r\nHost: h\r\n${lines}\r\n\r\n`;
const inner = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

describe("shapes of request smuggling", () => {
  it.each([
    ["two lengths", fields(`Content-Length: 0\r\nContent-Length: ${inner.length}`) + inner],
    [
      "a length and chunks",
      `${fields(`Content-Length: ${inner.length}\r\nTransfer-Encoding: chunked`)}0\r\n\r\n${inner}`,
    ],
    ["chunks that are spelled otherwise", fields("Transfer-Encoding: xchunked") + inner],
    ["a length with a sign", fields("Content-Length: +0") + inner],
    ["a hexadecimal length", fields("Content-Length: 0x0") + inner],
    ["a list of lengths", fields("Content-Length: 0, 0") + inner],
    ["a space before the colon", fields("Content-Length : 0") + inner],
    ["a folded length", fields("Content-Length:\r\n 0") + inner],
    ["a bare LF that ends the head", `POST /bad HTTP/1.1\r\nHost: h\r\nContent-Length: 0\n\n${inner}`],
    ["a bare CR in a field", fields("X: a\rContent-Length: 0") + inner],
    ["NUL in a field", fields("X: a\0b") + inner],
    ["NUL in a name", fields("X\0: a") + inner],
    ["invalid UTF-8 in the target", `GET /bad\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n${inner}`],
    ["a head longer than any", fields(`X: ${"y".repeat(5000)}`) + inner],
  ])("%s: answered as bad and closed, and nothing behind it is a request", async (_, bytes) => {
    const recorder = new Recorder();
    const { connect, exchange } = await open(recorder);
    const healthy = await connect();
    const got = undated(await exchange(HEALTHY + bytes));
    expect(got.startsWith(`${HEALTHY_ANSWER}HTTP/1.1 4`)).toBe(true);
    expect(recorder.requests.map(({ path }) => path)).toEqual(["/healthy"]);
    await expectServed(healthy);
  });

  it.each([
    ["letters", "hello\r\n\r\n"],
    ["a greeting of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["NULs", "\0".repeat(64)],
    ["every byte there is", Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString("latin1")],
  ])("%s behind a good request harm nobody else", async (_, garbage) => {
    const recorder = new Recorder();
    const { connect, exchange } = await open(recorder);
    const healthy = await connect();
    const got = undated(await exchange(HEALTHY + garbage));
    expect(got.startsWith(`${HEALTHY_ANSWER}HTTP/1.1 400 Bad Request\r\n`)).toBe(true);
    expect(recorder.calls).toEqual(["admit /healthy", "serve /healthy", "leave"]);
    await expectServed(healthy);
  });

  it("hundreds of fields: refused by whom they are handed to", async () => {
    const recorder = new Recorder();
    const { exchange } = await open(recorder, { maxHeadBytes: 64 * 1024 });
    const flood = Array.from({ length: 1000 }, (_, count) => `X-${count}: y\r\n`).join("");
    const got = await exchange(`${HEALTHY}GET /flood HTTP/1.1\r\nHost: h\r\n${flood}${CLOSE}\r\n`);
    expect(got.match(/^HTTP.*(?=\r)/gm)).toEqual(["HTTP/1.1 200 OK", "HTTP/1.1 431 Request Header Fields Too Large"]);
    expect(recorder.requests.map(({ path }) => path)).toEqual(["/healthy"]);
  });
});

describe("deadlines", () => {
  const SHORT = { headTimeoutMs: 40, bodyTimeoutMs: 40, keepAliveMs: 40 };

  it("close a connection on which nothing comes, without a word", async () => {
    const { connect } = await open(new Recorder(), { ...SHORT, bodyTimeoutMs: 60_000, keepAliveMs: 60_000 });
    expect(await (await connect()).ended()).toBe("");
  });

  it("close a connection that is idle after a request", async () => {
    const { exchange } = await open(new Recorder(), { ...SHORT, headTimeoutMs: 60_000, bodyTimeoutMs: 60_000 });
    expect(undated(await exchange(HEALTHY))).toBe(HEALTHY_ANSWER);
  });

  it("end a head that comes byte by byte, on a new connection and on one that was used", async () => {
    const { connect } = await open(new Recorder(), { ...SHORT, bodyTimeoutMs: 60_000, keepAliveMs: 60_000 });
    const drip = async (client: Client) => {
      // A byte with every turn: each is progress, and none counts.
      const feeding = setInterval(() => void client.send("x").catch(() => undefined), 5);
      await client.send("GET /slow");
      const got = undated(await client.ended());
      clearInterval(feeding);
      return got;
    };
    expect(await drip(await connect())).toBe(TIMEOUT);
    const used = await connect();
    await expectServed(used);
    expect(await drip(used)).toBe(TIMEOUT);
  });

  it("end a body that does not come, and its request was told", async () => {
    const recorder = new Recorder();
    const { exchange } = await open(recorder, { ...SHORT, headTimeoutMs: 60_000, keepAliveMs: 60_000 });
    expect(undated(await exchange("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n12345"))).toBe(TIMEOUT);
    expect(recorder.calls).toEqual(["admit /slow", "leave", "refuse aborted closed"]);
  });

  it("end the skipped body of a refused request", async () => {
    const recorder = new Recorder();
    recorder.refused = () => ({ ok: false, status: 503, headers: {}, body: "no" });
    const { exchange } = await open(recorder, { ...SHORT, headTimeoutMs: 60_000, keepAliveMs: 60_000 });
    expect(undated(await exchange("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n12345"))).toBe(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno",
    );
  });

  it("do not end a request that is being served", async () => {
    let sink: ResponseSink | undefined;
    const recorder = new Recorder((_, given) => {
      sink = given;
    });
    const { connect } = await open(recorder, SHORT);
    const client = await connect();
    await client.send(`GET / HTTP/1.1\r\nHost: h\r\n${CLOSE}\r\n`);
    while (sink === undefined) await turn();
    // One that came later has been ended.
    expect(await (await connect()).ended()).toBe("");
    sink.respond(200, {}, "late");
    expect(undated(await client.ended())).toBe(`HTTP/1.1 200 OK\r\n${CLOSE}Content-Length: 4\r\n\r\nlate`);
  });

  it.each([
    ["a whole answer", false],
    ["a stream", true],
  ])("cut a peer that does not read %s", async (_, isStream) => {
    const body = Buffer.alloc(12 * 1024 * 1024);
    const recorder = new Recorder((_request, sink) => {
      if (!isStream) sink.respond(200, {}, body);
      else {
        sink.open(200, {});
        sink.write(body);
      }
    });
    const { connect } = await open(recorder, { ...SHORT, headTimeoutMs: 60_000, keepAliveMs: 60_000 });
    const [slow, healthy] = [await connect(), await connect()];
    slow.socket.pause();
    await slow.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    while (recorder.calls.length < 3) await turn();
    expect(recorder.calls).toEqual(["admit /", "serve /", "leave"]);
    slow.socket.destroy();
    healthy.socket.destroy();
  });
});

describe("connections", () => {
  it("that are reset at any point leave nothing behind", async () => {
    const recorder = new Recorder((request, sink) => {
      if (request.path === "/open") sink.open(200, {});
      else if (request.path === "/done") sink.respond(200, {}, "");
    });
    const { connect, bounded } = await open(recorder);
    const starts = [
      "",
      "GET",
      "GET /done HTTP/1.1\r\nHost: h\r\n\r\n",
      "POST /done HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n1",
    ];
    const all = [...starts, "GET /open HTTP/1.1\r\nHost: h\r\n\r\n", "GET /never HTTP/1.1\r\nHost: h\r\n\r\n"];
    for (const bytes of [...all, ...all]) {
      const client = await connect();
      await client.send(bytes);
      for (let turns = 0; turns < 5; turns++) await turn();
      client.socket.resetAndDestroy();
    }
    // Every request that was admitted has given its slot back.
    expect(await bounded.drain(60_000)).toEqual({ cut: 0 });
    expect(recorder.calls.filter((call) => call === "leave")).toHaveLength(
      recorder.calls.filter((call) => call.startsWith("admit")).length,
    );
  });
});
