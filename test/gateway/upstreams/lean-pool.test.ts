/** The lean client over real sockets, through Flight: which connections are used again, what is written, what is left behind. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { HttpRequest } from "../../../gateway/upstreams/flight.ts";
import { Origins } from "../../../gateway/upstreams/origins.ts";
import { waitFor } from "../../harness/index.ts";
import { Caller, call, closers, fine, ok, pairOf, upstream, type Visit } from "./lean-upstream.ts";

describe("connections", () => {
  it("are used again, the one that became free last first", async () => {
    const held: Visit[] = [];
    const { origin, visits } = await upstream((visit) => {
      if (visit.turn === 1 && visit.connection <= 2) held.push(visit);
      else visit.socket.write(ok(`${visit.connection}`));
    });
    const pair = pairOf(origin);
    const both = [call(pair), call(pair)];
    await waitFor(async () => held.length === 2);
    for (const [at, { socket }] of held.entries()) {
      socket.write(ok("first"));
      await both[held[at]?.connection === 1 ? 0 : 1];
    }
    const last = held[1]?.connection;
    expect([await call(pair), await call(pair)]).toEqual([fine(`${last}`), fine(`${last}`)]);
    expect(visits.map(({ connection }) => connection).toSorted()).toEqual([1, 2, last, last].toSorted());
    expect(pair.calls).toBe(0);
  });

  it.each<[string, string]>([
    ["says close", ok("x", "Connection: close")],
    ["is of HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"],
    ["keeps them for too short a time", ok("x", "Keep-Alive: timeout=2")],
    ["sends more than the response", `${ok("x")}HTTP/1.1 200 OK\r\n`],
    ["sends a whole further response", `${ok("x")}${ok("y")}`],
  ])("are not used again when the server %s", async (_, answer) => {
    const { origin, sockets } = await upstream(({ socket }) => void socket.write(answer, "latin1"));
    const pair = pairOf(origin);
    expect([await call(pair), await call(pair)]).toEqual([fine("x"), fine("x")]);
    expect(sockets.length).toBe(2);
    await waitFor(async () => sockets.every((socket) => socket.readableEnded || socket.destroyed));
  });

  it("are kept idle in no greater number than is allowed, to all origins together", async () => {
    const places = [
      await upstream(({ socket }) => void socket.write(ok("x"))),
      await upstream(({ socket }) => void socket.write(ok("x"))),
    ];
    const origins = new Origins({ connectTimeoutMs: 2000, connectionsPerOrigin: 8, maxIdle: 3, keepAliveMs: 600_000 });
    closers.push(() => origins.close());
    const pairs = places.map(({ origin }) => origins.pair({ origin, key: origin }, "upstream"));
    await Promise.all(pairs.flatMap((pair) => [call(pair), call(pair), call(pair)]));
    const open = () =>
      places.flatMap(({ sockets }) => sockets).filter((socket) => !socket.readableEnded && !socket.destroyed);
    await waitFor(async () => open().length === 3);
    // The three are used again, and nothing is counted twice or forgotten.
    for (let round = 0; round < 5; round++) await Promise.all(pairs.flatMap((pair) => [call(pair), call(pair)]));
    await waitFor(async () => open().length === 3);
  });

  it("are not used again after bytes that nobody asked for", async () => {
    const { origin, sockets } = await upstream(({ socket }) => void socket.write(ok("x")));
    const pair = pairOf(origin);
    expect(await call(pair)).toEqual(fine("x"));
    sockets[0]?.write(ok("poison"));
    await waitFor(async () => sockets[0]?.readableEnded === true || sockets[0]?.destroyed === true);
    expect(await call(pair)).toEqual(fine("x"));
    expect(sockets.length).toBe(2);
  });

  it("are never more than allowed; what waits goes in order", async () => {
    const { origin, visits, sockets } = await upstream(({ socket, body }) => void socket.write(ok(body.toString())));
    const pair = pairOf(origin, { connectionsPerOrigin: 2 });
    const bodies = Array.from({ length: 50 }, (_, at) => `${at}`);
    const answers = await Promise.all(bodies.map((body) => call(pair, { body: Buffer.from(body) })));
    expect(answers).toEqual(bodies.map(fine));
    expect(sockets.length).toBe(2);
    const order = [1, 2].map((one) =>
      visits.filter(({ connection }) => connection === one).map(({ body }) => Number(body)),
    );
    expect(order).toEqual(order.map((list) => list.toSorted((a, b) => a - b)));
  });

  it("of streams are others than those of calls", async () => {
    const { origin, sockets } = await upstream(({ socket, turn, connection }) => {
      if (connection > 1 || turn > 1) socket.write(ok("call"));
      else socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n:\r\n");
    });
    const pair = pairOf(origin, { connectionsPerOrigin: 1 });
    const stream = new Caller(pair, { stream: true });
    await waitFor(async () => stream.bytes === 1);
    expect(await call(pair)).toEqual(fine("call"));
    expect([pair.streams, sockets.length]).toEqual([1, 2]);
    stream.flight.abort();
    expect(pair.streams).toBe(0);
  });

  it("are closed when they have been idle for the keep-alive time, and not before", async () => {
    const { origin, sockets } = await upstream(({ socket }) => void socket.write(ok("x")));
    for (const keepAliveMs of [3_600_000, 20]) await call(pairOf(origin, { keepAliveMs }));
    await waitFor(async () => sockets[1]?.readableEnded === true);
    expect(sockets[0]?.readableEnded).toBe(false);
  });

  it("are kept for as long as the server says", async () => {
    const { origin, sockets } = await upstream(({ socket, connection }) => {
      socket.write(ok("x", ...(connection === 1 ? ["Keep-Alive: timeout=60, max=100"] : [])));
    });
    const [one, other] = [pairOf(origin, { keepAliveMs: 20 }), pairOf(origin, { keepAliveMs: 20 })];
    await call(one);
    await call(other);
    await waitFor(async () => sockets[1]?.readableEnded === true);
    expect(await call(one)).toEqual(fine("x"));
    expect(sockets.length).toBe(2);
  });

  it("over a Unix socket and by a name that has several addresses", async () => {
    const path = join(tmpdir(), `lean-${process.pid}-${Date.now()}.sock`);
    await upstream(({ socket, head }) => void socket.write(ok(/host: .*/.exec(head)?.[0] ?? "")), { path });
    expect(await call(pairOf("http://stdio-host", {}, path))).toEqual(fine("host: stdio-host"));
    // localhost is ::1 first on many machines; nobody listens there.
    const { origin } = await upstream(({ socket, head }) => void socket.write(ok(/host: .*/.exec(head)?.[0] ?? "")));
    const named = origin.replace("127.0.0.1", "localhost");
    expect(await call(pairOf(named))).toEqual(fine(`host: ${named.slice("http://".length)}`));
  });
});

describe("requests", () => {
  it("have one head, written in one piece", async () => {
    const { origin, visits } = await upstream(({ socket }) => void socket.write(ok("x")));
    const pair = pairOf(origin);
    const headers = ["content-type", "application/json", "X-Own", "caf\xe9"];
    await call(pair, { path: "/a?b=c", headers, body: Buffer.from("é") });
    await call(pair, { method: "GET", headers: [], body: null });
    await call(pair, { method: "PUT", headers: [], body: null });
    const host = origin.slice("http://".length);
    const common = `HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
    expect(visits.map(({ head, body }) => `${head}${body}`)).toEqual([
      `POST /a?b=c ${common}content-type: application/json\r\nX-Own: caf\xe9\r\ncontent-length: 2\r\n\r\né`,
      `GET /mcp ${common}\r\n`,
      `PUT /mcp ${common}content-length: 0\r\n\r\n`,
    ]);
  });

  it.each<[string, Partial<HttpRequest>]>([
    ["a line break in a value", { headers: ["x-key", "a\r\nb: c"] }],
    ["a NUL in a value", { headers: ["x-key", "a\0"] }],
    ["a character beyond latin1", { headers: ["x-key", "\u{1f600}"] }],
    ["a space in a name", { headers: ["x key", "a"] }],
    ["an empty name", { headers: ["", "a"] }],
    ["a space in the path", { path: "/a b" }],
    ["a line break in the path", { path: "/a\r\nx: y" }],
  ])("with %s are not sent", async (_, changes) => {
    const { origin, sockets } = await upstream(({ socket }) => void socket.write(ok("x")));
    const pair = pairOf(origin);
    expect(await call(pair, changes)).toEqual({
      status: 0,
      body: "",
      retries: 0,
      error: "UND_ERR_INVALID_ARG",
      begun: false,
    });
    expect([sockets.length, pair.calls]).toEqual([0, 0]);
  });

  it.each([16_384, 16_385, 65_536, 64 * 1024 * 1024])(
    "of %d bytes arrive whole, and so do such answers",
    async (size) => {
      const { origin, visits } = await upstream(({ socket, body }) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body);
      });
      const pair = pairOf(origin);
      const body = Buffer.alloc(size, "0123456789");
      const caller = new Caller(pair, { body });
      expect((await caller.over.promise).error).toBeUndefined();
      expect([caller.bytes, visits[0]?.body.equals(body)]).toEqual([size, true]);
      expect((await new Caller(pair, { body: Buffer.from("{}") }).over.promise).body).toBe("{}");
      expect(visits.map(({ connection }) => connection)).toEqual([1, 1]);
    },
  );

  it("that are answered before they have been read cost their connection", async () => {
    const { origin, sockets } = await upstream(
      ({ socket, connection }) => {
        if (connection === 1) socket.pause();
        socket.write(ok("early"));
      },
      { early: true },
    );
    const pair = pairOf(origin);
    expect(await call(pair, { body: Buffer.alloc(64 * 1024 * 1024) })).toEqual(fine("early"));
    sockets[0]?.resume();
    expect(await call(pair)).toEqual(fine("early"));
    expect(sockets.length).toBe(2);
  });
});

describe("giving up", () => {
  it("leaves no connection and nothing waiting behind", async () => {
    const { origin, sockets, visits } = await upstream(({ socket, body }) => {
      if (body.toString() === "now") socket.write(ok("now"));
      else if (body.toString() === "half") socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1");
    });
    const pair = pairOf(origin, { connectionsPerOrigin: 16 });
    for (let round = 0; round < 20; round++) {
      const callers = Array.from(
        { length: 60 },
        (_, at) => new Caller(pair, { body: Buffer.from(at % 2 === 0 ? "never" : "half") }),
      );
      // Some while they are connecting, some on their way, some while their answers come, many while they wait.
      const before = visits.length;
      if (round % 2 === 1) await waitFor(async () => visits.length >= before + 16);
      for (const { flight } of round % 3 === 0 ? callers.toReversed() : callers) flight.abort();
      expect(pair.calls).toBe(0);
    }
    expect(await call(pair, { body: Buffer.from("now") })).toEqual(fine("now"));
    await waitFor(async () => sockets.filter((socket) => !socket.readableEnded && !socket.destroyed).length === 1);
  });

  it("hands a connection that is being opened to what waits", async () => {
    const { origin, visits } = await upstream(({ socket, body }) => void socket.write(ok(body.toString())));
    const pair = pairOf(origin, { connectionsPerOrigin: 1 });
    const [first, second] = ["1", "2"].map((body) => new Caller(pair, { body: Buffer.from(body) }));
    first?.flight.abort();
    expect(await second?.over.promise).toEqual(fine("2"));
    expect(visits.map(({ connection, body }) => `${connection} ${body}`)).toEqual(["1 2"]);
  });

  it("is final: nothing comes afterwards, also from within head and data", async () => {
    const { origin } = await upstream(({ socket }) => void socket.write(ok("data")));
    const pair = pairOf(origin);
    const caller = new Caller(pair);
    caller.onData = () => caller.flight.abort();
    await waitFor(async () => caller.bytes > 0);
    expect(await call(pair)).toEqual(fine("data"));
    caller.flight.abort();
    expect(pair.calls).toBe(0);
    expect(await Promise.race([caller.over.promise, "nothing"])).toBe("nothing");
  });
});

describe("a receiver that breaks", () => {
  it.each(["head", "data", "end"] as const)("in %s fails its own call only", async (where) => {
    const { origin } = await upstream(({ socket }) => void socket.write(ok("x")));
    const pair = pairOf(origin);
    const caller = new Caller(pair);
    caller[where] = () => {
      throw new TypeError("broken");
    };
    expect(await caller.over.promise).toMatchObject({ error: "TypeError", begun: true });
    expect(await call(pair)).toEqual(fine("x"));
    expect(pair.calls).toBe(0);
  });
});

describe("closing", () => {
  it("lets calls under way and waiting finish when the pools are retired", async () => {
    const held: Visit[] = [];
    const { origin, sockets } = await upstream((visit) => void held.push(visit));
    const pair = pairOf(origin, { connectionsPerOrigin: 1 });
    const both = [call(pair), call(pair)];
    await waitFor(async () => held.length === 1);
    pair.retire();
    held[0]?.socket.write(ok("one"));
    await waitFor(async () => held.length === 2);
    held[1]?.socket.write(ok("two"));
    expect(await Promise.all(both)).toEqual([fine("one"), fine("two")]);
    await waitFor(async () => sockets[0]?.readableEnded === true);
    expect(sockets.length).toBe(1);
  });

  it("fails everything when the pools are destroyed, and takes nothing more", async () => {
    const { origin, sockets } = await upstream(() => undefined);
    const pair = pairOf(origin, { connectionsPerOrigin: 1 });
    const both = [call(pair), call(pair)];
    await waitFor(async () => sockets.length === 1);
    await pair.destroy();
    const expected = { status: 0, body: "", retries: 0, error: "UND_ERR_DESTROYED", begun: false };
    expect(await Promise.all(both)).toEqual([expected, expected]);
    expect(() => new Caller(pair)).toThrow(expect.objectContaining({ code: "MCPS_DRAINING" }));
    expect(pair.calls).toBe(0);
    await waitFor(async () => sockets[0]?.readableEnded === true || sockets[0]?.destroyed === true);
  });
});

describe("a receiver that cannot keep up", () => {
  it("stops the server until it goes on", async () => {
    const size = 64 * 1024 * 1024;
    const { origin, sockets } = await upstream(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      socket.write(Buffer.alloc(size));
    });
    const pair = pairOf(origin);
    const caller = new Caller(pair);
    caller.onData = () => {
      caller.flight.pause();
      caller.onData = undefined;
    };
    await waitFor(async () => caller.bytes > 0);
    // The other connection works meanwhile, and when it has answered, nothing more has come on the paused one.
    const seen = caller.bytes;
    const other = new Caller(pair);
    expect((await other.over.promise).error).toBeUndefined();
    expect([other.bytes, caller.bytes]).toEqual([size, seen]);
    expect(sockets[0]?.writableNeedDrain).toBe(true);
    caller.flight.resume();
    expect((await caller.over.promise).error).toBeUndefined();
    expect(caller.bytes).toBe(size);
  });
});
