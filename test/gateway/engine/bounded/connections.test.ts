/** The bounded connections over real sockets: framing, admission, answers, streams, pipelining, ends. */
import { STATUS_CODES } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { ResponseSink } from "../../../../contract/http.ts";
import type { EngineOptions } from "../../../../gateway/engine/engine.ts";
import { openWires, Recorder, type Serve, undated, type Wires } from "./wires.ts";

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

describe("a request", () => {
  it("is admitted by its head, served with its body, and answered once", async () => {
    const recorder = new Recorder();
    const { exchange } = await open(recorder, { pathPrefix: "/gate" });
    expect(undated(await exchange(request("/gate/mcp?a=1", "hello", `X-A: b\r\n${CLOSE}`)))).toBe(
      answer("/mcp", "hello", CLOSE),
    );
    expect(recorder.calls).toEqual(["admit /mcp", "serve /mcp", "leave"]);
    expect(recorder.requests).toEqual([
      {
        method: "POST",
        path: "/mcp",
        query: "a=1",
        headers: { host: "h", "content-length": "5", "x-a": "b", connection: "close" },
        remoteAddress: "127.0.0.1",
        body: Buffer.from("hello"),
      },
    ]);
  });

  it("may come in pieces of one byte", async () => {
    const recorder = new Recorder();
    const { exchange } = await open(recorder);
    const text = request("/one", "abc") + request("/two") + request("/three", "d", CLOSE);
    expect(undated(await exchange(...text))).toBe(
      answer("/one", "abc") + answer("/two", "") + answer("/three", "d", CLOSE),
    );
  });

  it("may be cut at every byte, and so may those behind it", async () => {
    const recorder = new Recorder();
    const { exchange } = await open(recorder);
    const text =
      request("/one", "abc") + request("/one", "abcdefghij") + request("/two") + request("/three", "d", CLOSE);
    const whole =
      answer("/one", "abc") + answer("/one", "abcdefghij") + answer("/two", "") + answer("/three", "d", CLOSE);
    const cuts = Array.from(text, (_, cut) => exchange(text.slice(0, cut), text.slice(cut)));
    expect((await Promise.all(cuts)).map(undated)).toEqual(cuts.map(() => whole));
  });

  it("has a body of many pieces put together", async () => {
    const recorder = new Recorder();
    const body = "0123456789".repeat(30_000);
    const { exchange } = await open(recorder);
    const text = request("/long", body, CLOSE);
    const pieces = Array.from({ length: 7 }, (_, at) => text.slice(at * 50_000, (at + 1) * 50_000));
    expect(undated(await exchange(...pieces))).toBe(answer("/long", body, CLOSE));
  });

  it("gets an answer with a Date", async () => {
    const { exchange } = await open(new Recorder());
    expect(await exchange(request("/", undefined, CLOSE))).toMatch(
      /^HTTP\/1\.1 200 OK\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/,
    );
  });
});

describe("an answer", () => {
  const served = async (serve: Serve, text = request("/", undefined, CLOSE)) => {
    const { exchange } = await open(new Recorder(serve));
    return undated(await exchange(text));
  };

  it("counts bytes, not characters", async () => {
    expect(await served((_, sink) => sink.respond(200, {}, "ä€"))).toBe(
      `HTTP/1.1 200 OK\r\n${CLOSE}Content-Length: 5\r\n\r\n${Buffer.from("ä€").toString("latin1")}`,
    );
  });

  it("may be larger than what is copied", async () => {
    const body = "x".repeat(300_000);
    expect(await served((_, sink) => sink.respond(200, {}, body))).toBe(
      `HTTP/1.1 200 OK\r\n${CLOSE}Content-Length: 300000\r\n\r\n${body}`,
    );
  });

  it.each([204, 304])("%d has neither body nor length", async (status) => {
    const text = await served((_, sink) => sink.respond(status, {}, "none of it"));
    expect(text).toBe(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${CLOSE}\r\n`);
  });

  it("to HEAD says what GET would have", async () => {
    expect(
      await served((_, sink) => sink.respond(200, {}, "hello"), `HEAD / HTTP/1.1\r\nHost: h\r\n${CLOSE}\r\n`),
    ).toBe(`HTTP/1.1 200 OK\r\n${CLOSE}Content-Length: 5\r\n\r\n`);
  });

  it("ends the connection where the application says so", async () => {
    expect(await served((_, sink) => sink.respond(400, { connection: "close" }, "no"), request("/"))).toBe(
      `HTTP/1.1 400 Bad Request\r\n${CLOSE}Content-Length: 2\r\n\r\nno`,
    );
  });

  it.each([
    ["a line break in a value", { "x-a": "b\r\nx-c: d" }],
    ["NUL in a value", { "x-a": "b\0" }],
    ["a character beyond latin1 in a value", { "x-a": "€" }],
    ["a space in a name", { "x a": "b" }],
  ])("%s ends the connection without an answer", async (_, headers) => {
    const recorder = new Recorder((_request, sink) => sink.respond(200, headers, "x"));
    const { exchange } = await open(recorder);
    expect(await exchange(request("/"))).toBe("");
    expect(recorder.calls).toEqual(["admit /", "serve /", "leave"]);
  });

  it("is given once, whatever the application does", async () => {
    const text = await served((_, sink) => {
      sink.respond(200, {}, "one");
      sink.respond(500, {}, "two");
      sink.open(200, {});
      sink.write("three");
      sink.end();
    });
    expect(text).toBe(`HTTP/1.1 200 OK\r\n${CLOSE}Content-Length: 3\r\n\r\none`);
  });

  it("that throws ends its connection alone", async () => {
    const recorder = new Recorder((request_, sink) => {
      if (request_.path === "/bad") throw new Error("bad");
      sink.respond(200, { "x-path": request_.path }, "");
    });
    const { exchange } = await open(recorder);
    expect(await exchange(request("/bad"))).toBe("");
    expect(undated(await exchange(request("/good", undefined, CLOSE)))).toBe(answer("/good", "", CLOSE));
  });
});

describe("a stream", () => {
  it("goes out in chunks as they come", async () => {
    let sink: ResponseSink | undefined;
    const recorder = new Recorder((_, given) => {
      sink ??= given;
      given.open(200, { "content-type": "text/event-stream" });
      given.write("one");
    });
    const { connect } = await open(recorder);
    const client = await connect();
    await client.send(request("/") + request("/next", undefined, CLOSE));
    expect(undated(await client.until("one\r\n"))).toBe(
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
    );
    sink?.write("");
    sink?.write(Buffer.from("zwölf bytes"));
    sink?.end();
    sink?.write("never");
    expect(await client.until("0\r\n\r\n")).toBe("c\r\nzwÃ¶lf bytes\r\n0\r\n\r\n");
    expect(sink?.closed).toBe(true);
    expect(recorder.calls).toEqual(["admit /", "serve /", "leave", "admit /next", "serve /next"]);
    client.socket.destroy();
  });

  it("leaves in one write as far as it comes in one turn", async () => {
    const { exchange, writes } = await open(
      new Recorder((_, sink) => {
        sink.open(200, {});
        sink.write("one");
        sink.write("two");
        setImmediate(() => {
          sink.write("three");
          sink.end();
        });
      }),
    );
    expect(undated(await exchange(request("/", undefined, CLOSE)))).toBe(
      `HTTP/1.1 200 OK\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n`,
    );
    expect(writes).toEqual([3, 2]);
  });

  it("to HEAD is a head", async () => {
    const { exchange } = await open(
      new Recorder((_, sink) => {
        sink.open(200, {});
        sink.write("one");
        sink.end();
      }),
    );
    expect(undated(await exchange(`HEAD / HTTP/1.1\r\nHost: h\r\n${CLOSE}\r\n`))).toBe(
      `HTTP/1.1 200 OK\r\n${CLOSE}\r\n`,
    );
  });

  it("gives its slot back when it has a place among the streams", async () => {
    const recorder = new Recorder((_, sink) => {
      sink.open(200, {});
      sink.detach();
    });
    const { connect } = await open(recorder);
    const client = await connect();
    await client.send(request("/"));
    await client.until("\r\n\r\n");
    expect(recorder.calls).toEqual(["admit /", "serve /", "leave"]);
    client.socket.destroy();
  });

  it("tells the application to wait for a slow reader, and when to go on", async () => {
    let drained: (() => void) | undefined;
    const whole = new Promise<void>((resolve) => {
      drained = resolve;
    });
    const written: boolean[] = [];
    const { connect } = await open(
      new Recorder((_, sink) => {
        sink.open(200, {});
        sink.onDrain(() => {
          sink.end();
          drained?.();
        });
        written.push(sink.write("small"), sink.write(Buffer.alloc(8 * 1024 * 1024)));
      }),
    );
    const client = await connect();
    client.socket.pause();
    await client.send(request("/", undefined, CLOSE));
    client.socket.resume();
    await whole;
    expect(written).toEqual([true, false]);
    expect((await client.ended()).endsWith("\0\r\n0\r\n\r\n")).toBe(true);
  });

  it("is cut when more waits for its reader than anybody reads", async () => {
    let closed: (() => void) | undefined;
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    let sink: ResponseSink | undefined;
    const recorder = new Recorder((_, given) => {
      sink = given;
      given.onClose(() => closed?.());
      given.open(200, {});
      for (let count = 0; count < 40; count++) given.write(Buffer.alloc(1024 * 1024));
    });
    const { connect } = await open(recorder);
    const client = await connect();
    client.socket.pause();
    await client.send(request("/"));
    await gone;
    expect(sink?.closed).toBe(true);
    expect(recorder.calls).toEqual(["admit /", "serve /", "leave"]);
    client.socket.destroy();
  });
});

describe("a peer that goes away", () => {
  it.each(["reset", "end"] as const)("(%s) is told to whoever answers", async (how) => {
    let closed: (() => void) | undefined;
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    let sink: ResponseSink | undefined;
    const recorder = new Recorder((_, given) => {
      sink = given;
      given.onClose(() => closed?.());
    });
    const { connect } = await open(recorder);
    const client = await connect();
    await client.send(request("/"));
    while (sink === undefined) await turn();
    if (how === "reset") client.socket.resetAndDestroy();
    else client.socket.end();
    await gone;
    sink.respond(200, {}, "late");
    expect(sink.closed).toBe(true);
    expect(recorder.calls).toEqual(["admit /", "serve /", "leave"]);
    await new Promise<void>((resolve) => sink?.onClose(resolve));
    client.socket.destroy();
  });

  it("within a body has that body refused", async () => {
    const recorder = new Recorder();
    const { connect } = await open(recorder);
    const client = await connect();
    await client.send(request("/", "hello").slice(0, -2));
    while (recorder.calls.length === 0) await turn();
    client.socket.resetAndDestroy();
    while (recorder.calls.length < 3) await turn();
    expect(recorder.calls).toEqual(["admit /", "leave", "refuse aborted closed"]);
  });

  it("after its last request still gets what was answered at once", async () => {
    const { connect } = await open(new Recorder());
    const client = await connect();
    await client.send(request("/a") + request("/b"));
    client.socket.end();
    expect(undated(await client.ended())).toBe(answer("/a", "") + answer("/b", ""));
  });
});
