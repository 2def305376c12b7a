/** HTTP/2 on both engines: what requests become, what is refused, and how a connection that does harm ends. */
import { constants } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import type { ResponseSink } from "../../../contract/http.ts";
import { waitFor } from "../../harness/index.ts";
import { engineNames, engineStarter, halfOpenConnection, isLetGo, rawConnection } from "./harness.ts";
import {
  ask,
  END_HEADERS,
  END_STREAM,
  frame,
  frames,
  goawayCode,
  headerBlock,
  http2Session,
  PREFACE,
  parseFrames,
} from "./http2-client.ts";

const engines = engineStarter();
afterEach(() => engines.closeAll());

const GET = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/x?y=1"],
  [":authority", "a.example"],
] as const;

function headers(streamId: number, fields: readonly (readonly [string, string])[], flags = END_STREAM | END_HEADERS) {
  return frame(frames.headers, flags, streamId, headerBlock(fields));
}

function cancel(streamId: number): Buffer {
  return frame(frames.rstStream, 0, streamId, Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL]));
}

/** RFC 9113 §6.5.2: the client takes nothing of any answer until it says how much. */
const closedWindow = Buffer.concat([PREFACE, frame(frames.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))]);
const opening = Buffer.concat([PREFACE, frame(frames.settings, 0, 0)]);

describe.each(engineNames)("HTTP/2 (%s)", (name) => {
  it("hands a request over as HTTP/1.1 does", async () => {
    const { port, application } = await engines.start(name);
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const answer = await ask(
      session,
      {
        ":method": "POST",
        ":path": "/a%20b/c?d=e&f",
        "content-type": "text/plain",
        cookie: ["a=1", "b=2"],
        "x-y": "z",
      },
      "body",
    );
    expect([answer.status, answer.headers["content-type"], answer.rstCode]).toEqual([200, "application/json", 0]);
    expect(Number(answer.headers["content-length"])).toBe(answer.text.length);
    expect(JSON.parse(answer.text)).toEqual({
      method: "POST",
      path: "/a%20b/c",
      query: "d=e&f",
      headers: { host: `127.0.0.1:${port}`, "content-type": "text/plain", cookie: "a=1; b=2", "x-y": "z" },
      body: "body",
    });
    session.close();
    await waitFor(() => application.inside === 0);
  });

  it("serves many streams of one connection at once", async () => {
    const { port, application } = await engines.start(name);
    const waiting: (() => void)[] = [];
    application.handlers.set("/slow", (request, sink) => waiting.push(() => sink.respond(200, {}, request.query)));
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const answers = Array.from({ length: 50 }, (_, n) => ask(session, { ":path": `/slow?${n}` }));
    await waitFor(() => waiting.length === 50);
    for (const answer of waiting.reverse()) answer();
    expect((await Promise.all(answers)).map(({ text }) => text)).toEqual(Array.from({ length: 50 }, (_, n) => `${n}`));
    session.close();
  });

  it("streams an answer, tells of a reader that waits and of one that goes", async () => {
    const { port, application } = await engines.start(name);
    let isGone = false;
    let isReady = true;
    let drained = 0;
    application.handlers.set("/stream", (_, sink) => {
      sink.open(200, { "content-type": "text/event-stream" });
      sink.onClose(() => {
        isGone = true;
      });
      sink.onDrain(() => void drained++);
      isReady = sink.write("data: 1\n\n");
      while (isReady) isReady = sink.write("x".repeat(10_000));
    });
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":path": "/stream" });
    let text = "";
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    await waitFor(() => drained > 0);
    expect(text).toMatch(/^data: 1\n\nxxx/);
    expect(isGone).toBe(false);
    stream.on("error", () => undefined);
    stream.close(constants.NGHTTP2_CANCEL);
    await waitFor(() => isGone);
    await waitFor(() => application.inside === 0);
    session.close();
  });

  it.each([
    ["HEAD", 200, {}],
    ["GET", 204, { ":path": "/none" }],
  ])("answers %s with %s and no body", async (method, status, more) => {
    const { port, application } = await engines.start(name);
    application.handlers.set("/none", (_, sink) => sink.respond(204, {}));
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const answer = await ask(session, { ":method": method, ...more });
    expect([answer.status, answer.text, answer.rstCode]).toEqual([status, "", 0]);
    session.close();
    await waitFor(() => application.inside === 0);
  });

  it("refuses before the body and keeps the connection", async () => {
    const { port, application } = await engines.start(name);
    const session = await http2Session(`http://127.0.0.1:${port}`);
    application.refused = true;
    const answer = await ask(session, { ":method": "POST" }, Buffer.alloc(500_000));
    expect([answer.status, answer.headers["retry-after"], answer.text]).toEqual([503, "1", '{"refused":true}']);
    application.refused = false;
    expect((await ask(session, { ":path": "/after" })).status).toBe(200);
    session.close();
  });

  it.each([
    ["announced", { "content-length": 2_000_000 }],
    ["not announced", {}],
  ])("refuses a body that is too large, %s", async (_, more) => {
    const { port, application } = await engines.start(name);
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const answer = await ask(session, { ":method": "POST", ...more }, Buffer.alloc(2_000_000));
    expect([answer.status, answer.text]).toEqual([413, "too-large"]);
    expect(application.bodyRefusals).toEqual(["too-large"]);
    expect(answer.headers.connection).toBeUndefined();
    expect((await ask(session, {})).status).toBe(200);
    session.close();
  });

  it("gives the place of an upload that is cut off back", async () => {
    const { port, application, engine } = await engines.start(name);
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":method": "POST" });
    stream.on("error", () => undefined);
    stream.write("x");
    await waitFor(() => application.inside === 1);
    session.destroy();
    await waitFor(() => application.inside === 0);
    expect(application.bodyRefusals).toEqual(["aborted"]);
    expect(await engine.drain(5000)).toEqual({ cut: 0 });
  });

  it("answers Expect: 100-continue", async () => {
    const { port } = await engines.start(name);
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":method": "POST", expect: "100-continue" });
    const interim = await new Promise((resolve) => stream.once("headers", (got) => resolve(got[":status"])));
    expect(interim).toBe(100);
    stream.end("x");
    const status = await new Promise((resolve) => stream.once("response", (got) => resolve(got[":status"])));
    expect(status).toBe(200);
    session.destroy();
  });

  it.each([
    ["a header of HTTP/1.1 connections", [...GET, ["connection", "close"]]],
    ["a transfer coding", [...GET, ["transfer-encoding", "chunked"]]],
    ["no path", GET.filter(([field]) => field !== ":path")],
    ["an empty path", GET.map(([field, value]) => [field, field === ":path" ? "" : value])],
    ["two methods", [[":method", "GET"], ...GET]],
    ["a pseudo-header after others", [["a", "b"], ...GET]],
    ["an upper-case name", [...GET, ["X-Y", "z"]]],
    ["a line break in a value", [...GET, ["x", "a\r\nb: c"]]],
    ["a bare line feed in a value", [...GET, ["x", "a\nb"]]],
    ["NUL in a value", [...GET, ["x", "a\0b"]]],
    ["a control character in a value", [...GET, ["x", "\x7f"]]],
    ["a blank before a value", [...GET, ["x", " a"]]],
    ["a connection's coding in TE", [...GET, ["te", "gzip"]]],
    ["two lengths", [...GET, ["content-length", "1"], ["content-length", "1"]]],
    ["two hosts that differ", [...GET, ["host", "b.example"]]],
    ["an unknown pseudo-header", [[":what", "x"], ...GET]],
    [
      "a WebSocket (RFC 8441), which was not offered",
      [[":protocol", "websocket"], [":method", "CONNECT"], ...GET.slice(1)],
    ],
  ] as [string, (readonly [string, string])[]][])("resets a stream with %s", async (_, fields) => {
    const { port, application } = await engines.start(name);
    const raw = await rawConnection(port, Buffer.concat([opening, headers(1, fields)]));
    const reset = await waitFor(() => parseFrames(raw.bytes()).find(({ type }) => type === frames.rstStream));
    expect([reset.streamId, reset.payload.readUInt32BE(0)]).toEqual([1, constants.NGHTTP2_PROTOCOL_ERROR]);
    expect(application.heads).toEqual([]);
    raw.socket.write(headers(3, GET));
    await waitFor(() => application.heads.length === 1);
    raw.socket.destroy();
  });

  it.each([
    ["HEADERS", headers(1, GET)],
    ["DATA", frame(frames.data, END_STREAM, 1)],
  ])("says that a stream is closed for %s behind the end of its request", async (_, behind) => {
    const { port, application } = await engines.start(name);
    application.handlers.set("/x", () => undefined);
    const { bytes } = await rawConnection(port, Buffer.concat([opening, headers(1, GET), behind]));
    const reset = await waitFor(() => parseFrames(bytes()).find(({ type }) => type === frames.rstStream));
    expect([reset.streamId, reset.payload.readUInt32BE(0)]).toEqual([1, constants.NGHTTP2_STREAM_CLOSED]);
    await waitFor(() => application.inside === 0);
  });

  it.each([
    ["reset without an error", frame(frames.rstStream, 0, 1, Buffer.alloc(4))],
    ["cancelled", cancel(1)],
    ["left behind by GOAWAY", frame(frames.goaway, 0, 0, Buffer.alloc(8))],
  ])("does not take the body of a stream that is %s for a whole one", async (_, ending) => {
    const { port, application } = await engines.start(name);
    const post = headers(1, [[":method", "POST"], ...GET.slice(1)], END_HEADERS);
    const raw = await rawConnection(
      port,
      Buffer.concat([opening, post, frame(frames.data, 0, 1, Buffer.from("half"))]),
    );
    await waitFor(() => application.inside === 1);
    raw.socket.end(ending);
    await waitFor(() => application.inside === 0);
    expect(application.bodyRefusals).toEqual(["aborted"]);
    await raw.closed;
    expect(parseFrames(raw.bytes()).filter(({ type }) => type === frames.headers)).toEqual([]);
  });

  it("ends a connection that opens and resets streams without end (CVE-2023-44487)", async () => {
    const { port, application } = await engines.start(name);
    const pair = (n: number) => Buffer.concat([headers(2 * n + 1, GET), cancel(2 * n + 1)]);
    const raw = await rawConnection(port, opening);
    for (let n = 0; n < 1000; n++) raw.socket.write(pair(n));
    await raw.closed;
    expect(goawayCode(raw.bytes())).not.toBe(undefined);
    expect(application.heads.length).toBeLessThan(1000);
    await waitFor(() => application.inside === 0);
  });

  it("ends a connection that cancels running calls without end", async () => {
    const { port, application } = await engines.start(name);
    application.handlers.set("/x", () => undefined);
    const raw = await rawConnection(port, opening);
    const batch = async (from: number, count: number) => {
      const ids = Array.from({ length: count }, (_, n) => 2 * (from + n) + 1);
      for (const id of ids) raw.socket.write(headers(id, GET));
      await waitFor(() => application.inside === count);
      for (const id of ids) raw.socket.write(cancel(id));
      await waitFor(() => application.inside === 0);
    };
    await batch(0, 100);
    await batch(100, 100);
    await batch(200, 100);
    await raw.closed;
    expect(goawayCode(raw.bytes())).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  it.each([
    ["PING", () => frame(frames.ping, 0, 0, Buffer.alloc(8))],
    ["SETTINGS", () => frame(frames.settings, 0, 0)],
  ])("ends a connection that floods it with %s", async (_, one) => {
    const { port } = await engines.start(name);
    const raw = await rawConnection(port, Buffer.concat([opening, ...Array.from({ length: 2000 }, one)]));
    await raw.closed;
    expect(goawayCode(raw.bytes())).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  it("ends a connection whose head never ends", async () => {
    const { port, application } = await engines.start(name, { maxHeadBytes: 16_384 });
    const block = headerBlock(Array.from({ length: 100 }, (_, n) => [`x-${n}`, "y".repeat(100)] as const));
    const raw = await rawConnection(port, Buffer.concat([opening, headers(1, GET, 0)]));
    for (let n = 0; n < 200; n++) raw.socket.write(frame(frames.continuation, 0, 1, block));
    await raw.closed;
    expect(application.heads).toEqual([]);
  });

  it("closes a connection that is idle, with GOAWAY", async () => {
    const { port } = await engines.start(name, { keepAliveMs: 100, headTimeoutMs: 200 });
    const raw = await rawConnection(port, opening);
    await raw.closed;
    expect(goawayCode(raw.bytes())).toBe(constants.NGHTTP2_NO_ERROR);
    const session = await http2Session(`http://127.0.0.1:${port}`);
    expect((await ask(session, {})).status).toBe(200);
    await waitFor(() => session.destroyed);
  });

  it("gives up on a body that does not come", async () => {
    const { port, application } = await engines.start(name, { bodyTimeoutMs: 200 });
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":method": "POST" });
    stream.on("error", () => undefined);
    stream.write("x");
    const status = await new Promise((resolve) => stream.once("response", (got) => resolve(got[":status"])));
    expect([status, application.bodyRefusals]).toEqual([400, ["aborted"]]);
    await waitFor(() => application.inside === 0);
    session.destroy();
  });

  it.each([
    ["a short answer", 100],
    ["a long one", 4 * 1024 * 1024],
  ])("closes streams of which nothing is taken, and gives their places back (%s)", async (_, size) => {
    const { port, application } = await engines.start(name, { bodyTimeoutMs: 200 });
    application.handlers.set("/x", (_request, sink) => sink.respond(200, {}, Buffer.alloc(size)));
    const raw = await rawConnection(port, Buffer.concat([closedWindow, headers(1, GET), headers(3, GET)]));
    await waitFor(() => application.heads.length === 2 && application.inside === 0);
    const resets = () => parseFrames(raw.bytes()).filter(({ type }) => type === frames.rstStream);
    await waitFor(() => resets().length === 2);
    expect(resets().map(({ streamId, payload }) => [streamId, payload.readUInt32BE()])).toEqual([
      [1, constants.NGHTTP2_CANCEL],
      [3, constants.NGHTTP2_CANCEL],
    ]);
    raw.socket.destroy();
  });

  it("closes a stream whose client never ends its request, once that is answered", async () => {
    const { port, application } = await engines.start(name, { bodyTimeoutMs: 200 });
    const post = [[":method", "POST"], ...GET.slice(1), ["content-length", "1"]] as const;
    const body = frame(frames.data, 0, 1, Buffer.from("x"));
    const raw = await rawConnection(port, Buffer.concat([opening, headers(1, post, END_HEADERS), body]));
    await waitFor(() => application.heads.length === 1 && application.inside === 0);
    expect(raw.socket.closed).toBe(false);
    raw.socket.destroy();
  });

  it("leaves a stream alone of which nothing waits", async () => {
    const { port, application } = await engines.start(name, { bodyTimeoutMs: 20 });
    let sink: ResponseSink | undefined;
    application.handlers.set("/quiet", (_, given) => {
      sink = given;
      given.open(200, {});
      given.write("one");
    });
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const quiet = ask(session, { ":path": "/quiet" });
    await waitFor(() => sink !== undefined);
    // Another stream's deadline comes and goes meanwhile.
    const stream = session.request({ ":method": "POST" });
    stream.on("error", () => undefined);
    stream.write("x");
    await waitFor(() => application.bodyRefusals.length === 1);
    sink?.write(" two");
    sink?.end();
    expect((await quiet).text).toBe("one two");
    session.destroy();
  });

  it("cuts a connection that takes nothing of anything", async () => {
    const { port, application } = await engines.start(name, { bodyTimeoutMs: 200 });
    application.handlers.set("/x", (_, sink) => sink.respond(200, {}, Buffer.alloc(12 * 1024 * 1024)));
    const much = frame(frames.settings, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]));
    const wide = frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0, 0]));
    const raw = await rawConnection(port);
    raw.socket.pause();
    raw.socket.write(Buffer.concat([PREFACE, much, wide, headers(1, GET)]));
    await waitFor(() => application.heads.length === 1 && application.inside === 0);
    raw.socket.resume();
    await raw.closed;
  });

  it("ends a connection whose refusals nobody takes, and one whose peer never ends it", async () => {
    const { port, application } = await engines.start(name, { bodyTimeoutMs: 200, keepAliveMs: 200 });
    application.refused = true;
    const refused = await rawConnection(port, Buffer.concat([closedWindow, headers(1, GET)]));
    await refused.closed;
    const silent = await halfOpenConnection(port, Buffer.concat([opening, headers(1, GET)]));
    await silent.ended;
    await waitFor(() => isLetGo(silent.socket));
  });

  it("cuts a stream whose reader stopped, and no other", async () => {
    const { port, application } = await engines.start(name);
    let isCut = false;
    application.handlers.set("/stream", (_, sink) => {
      sink.open(200, {});
      sink.onClose(() => {
        isCut = true;
      });
      for (let n = 0; n < 40 && !isCut; n++) sink.write(Buffer.alloc(1024 * 1024));
    });
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":path": "/stream" });
    stream.on("error", () => undefined);
    stream.pause();
    await waitFor(() => isCut);
    expect((await ask(session, { ":path": "/x" })).status).toBe(200);
    session.destroy();
  });

  it("holds bodies of one connection up to a bound, and refuses what is beyond as not begun", async () => {
    const { port, application } = await engines.start(name);
    application.maxBodyBytes = 1000;
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const uploads = Array.from({ length: 5 }, () => {
      const stream = session.request({ ":method": "POST" });
      stream.on("error", () => undefined);
      stream.write(Buffer.alloc(900));
      return stream;
    });
    await waitFor(() => uploads.some(({ closed }) => closed));
    expect(uploads.map(({ rstCode }) => rstCode)).toEqual([0, 0, 0, 0, constants.NGHTTP2_REFUSED_STREAM]);
    const [first] = uploads;
    const status = new Promise((resolve) => first?.once("response", (got) => resolve(got[":status"])));
    first?.end();
    expect(await status).toBe(200);
    session.destroy();
    await waitFor(() => application.inside === 0);
  });

  it("ends a connection that leaves more unread than all of its streams may", async () => {
    const { port, application } = await engines.start(name);
    application.handlers.set("/much", (_, sink) => {
      sink.open(200, {});
      for (let n = 0; n < 10; n++) sink.write(Buffer.alloc(1024 * 1024));
    });
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const goaway = new Promise((resolve) => session.once("goaway", resolve));
    for (let n = 0; n < 7; n++) {
      const stream = session.request({ ":path": "/much" });
      stream.on("error", () => undefined);
      stream.pause();
    }
    expect(await goaway).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await waitFor(() => application.inside === 0);
  });

  it("lets streams end while it drains, and takes new ones until they have", async () => {
    const { port, application, engine } = await engines.start(name);
    let answer: (() => void) | undefined;
    application.handlers.set("/slow", (_, sink) => {
      answer = () => sink.respond(200, {}, "done");
    });
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const slow = ask(session, { ":path": "/slow" });
    await waitFor(() => answer !== undefined);
    const goaway = new Promise((resolve) => session.once("goaway", (code, last) => resolve([code, last])));
    const drained = engine.drain(5000);
    expect(await goaway).toEqual([constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1]);
    const late = await http2Session(`http://127.0.0.1:${port}`);
    expect((await ask(late, { ":path": "/late" })).status).toBe(200);
    answer?.();
    expect((await slow).text).toBe("done");
    expect(await drained).toEqual({ cut: 0 });
    await waitFor(() => session.destroyed && late.destroyed);
  });

  it("says how many streams it cuts when the time is over", async () => {
    const { port, application, engine } = await engines.start(name);
    application.handlers.set("/slow", () => undefined);
    const session = await http2Session(`http://127.0.0.1:${port}`);
    const slow = ask(session, { ":path": "/slow" });
    await waitFor(() => application.inside === 1);
    expect(await engine.drain(20)).toEqual({ cut: 1 });
    await engine.close();
    expect((await slow).status).toBe(0);
    expect(application.inside).toBe(0);
  });
});
