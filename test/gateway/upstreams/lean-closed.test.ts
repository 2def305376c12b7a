/** Connections to upstreams that close or cannot be had: what is sent once more, and what each failure is called. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { ConnectionError } from "../../../gateway/upstreams/lean/errors.ts";
import { waitFor } from "../../harness/index.ts";
import { Caller, call, closers, fine, type Outcome, ok, pairOf, upstream } from "./lean-upstream.ts";

describe("a connection that closes", () => {
  const closed = { error: "UND_ERR_SOCKET", begun: false };

  it("under a request on a used one has it sent once more, on a fresh one", async () => {
    const { origin, visits } = await upstream(({ socket, turn }) => {
      if (turn === 1) socket.write(ok("x"));
      else socket.destroy();
    });
    const pair = pairOf(origin);
    await Promise.all([call(pair), call(pair)]);
    expect(await call(pair)).toEqual({ ...fine("x"), retries: 1 });
    expect(visits.map(({ connection }) => connection).at(-1)).toBe(3);
  });

  it("under a request that may not be carried out twice fails it: the server may have begun", async () => {
    const { origin, visits } = await upstream(({ socket, turn }) => {
      if (turn === 1) socket.write(ok("x"));
      else socket.destroy();
    });
    const pair = pairOf(origin);
    await call(pair);
    expect(await call(pair, { repeatable: false })).toEqual({ status: 0, body: "", retries: 0, ...closed });
    expect(visits.length).toBe(2);
  });

  it("before any byte of such a request has left has it sent once more", async () => {
    const { origin, visits } = await upstream(({ socket }) => void socket.write(ok("x")));
    const pair = pairOf(origin);
    await call(pair);
    const caller = new Caller(pair, { repeatable: false });
    // What is written leaves at the end of this turn.
    caller.flight.connection?.destroy(new ConnectionError("the other side closed the connection", "UND_ERR_SOCKET"));
    expect(await caller.over.promise).toEqual({ ...fine("x"), retries: 1 });
    expect(visits.map(({ connection, turn }) => [connection, turn])).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it("with words that nobody asked for has what has not left yet sent once more, and not answered by them", async () => {
    const { origin, sockets, visits } = await upstream(({ socket }) => void socket.write(ok("x")));
    const pair = pairOf(origin);
    await call(pair);
    const again = Promise.withResolvers<Outcome>();
    // Between a timer and the end of its turn sockets are read, and what the other one says is there by then.
    setTimeout(() => {
      sockets[0]?.end("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      again.resolve(call(pair, { repeatable: false }));
    });
    expect(await again.promise).toEqual({ ...fine("x"), retries: 1 });
    expect(visits.map(({ connection, turn }) => [connection, turn])).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it("is not given a third chance", async () => {
    const { origin, visits } = await upstream(({ socket, connection, turn }) => {
      if (connection === 1 && turn === 1) socket.write(ok("x"));
      else socket.destroy();
    });
    const pair = pairOf(origin);
    await call(pair);
    expect(await call(pair)).toEqual({ status: 0, body: "", retries: 1, ...closed });
    expect(visits.length).toBe(3);
  });

  it.each<[string, (socket: Socket) => void, string]>([
    ["ends", (socket) => void socket.end(), "UND_ERR_SOCKET"],
    ["is reset", (socket) => void socket.resetAndDestroy(), "ECONNRESET"],
  ])("and is fresh has nothing sent again (%s)", async (_, close, error) => {
    const { origin, visits } = await upstream(({ socket }) => close(socket));
    expect(await call(pairOf(origin))).toEqual({ status: 0, body: "", retries: 0, error, begun: false });
    expect(visits.length).toBe(1);
  });

  it.each<[string, string, Partial<Outcome>]>([
    ["within the head", "HTTP/1.1 2", { status: 0, body: "" }],
    ["within a body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", { status: 200, body: "ab" }],
    ["within a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", { status: 200, body: "ab" }],
    [
      "before the last chunk",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
      { status: 200, body: "a" },
    ],
  ])("%s fails the call, and nothing is sent again", async (_, part, expected) => {
    const { origin, visits } = await upstream(({ socket, turn }) => {
      if (turn === 1) socket.write(ok("x"));
      else socket.end(part);
    });
    const pair = pairOf(origin);
    await call(pair);
    expect(await call(pair)).toEqual({ ...expected, retries: 0, error: "UND_ERR_SOCKET", begun: true });
    expect([visits.length, pair.calls]).toEqual([2, 0]);
  });

  it("at the end of a body without a length ends it", async () => {
    const { origin } = await upstream(({ socket }) => void socket.end("HTTP/1.1 200 OK\r\n\r\nall of it"));
    expect(await call(pairOf(origin))).toEqual(fine("all of it"));
  });

  it("with what is no HTTP names it", async () => {
    const { origin, sockets } = await upstream(
      ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n"),
    );
    const outcome = await call(pairOf(origin));
    expect(outcome).toEqual({ status: 0, body: "", retries: 0, error: "HPE_INVALID_CONTENT_LENGTH", begun: true });
    await waitFor(async () => sockets[0]?.readableEnded === true || sockets[0]?.destroyed === true);
  });

  it.runIf(process.platform === "linux")("names a place that does not take the connection in time", async () => {
    // A stopped process accepts nothing; with its queue full, Linux lets further attempts wait.
    const script =
      "const s = require('node:net').createServer(); s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port))";
    const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    closers.push(() => child.kill("SIGKILL"));
    const [line] = await once(child.stdout, "data");
    child.kill("SIGSTOP");
    const port = Number(String(line));
    const fillers = Array.from({ length: 8 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    closers.push(() => fillers.forEach((filler) => void filler.destroy()));
    await waitFor(async () => fillers.some(({ connecting }) => !connecting));
    const outcome = await call(pairOf(`http://127.0.0.1:${port}`, { connectTimeoutMs: 100 }));
    expect(outcome).toEqual({ status: 0, body: "", retries: 0, error: "UND_ERR_CONNECT_TIMEOUT", begun: false });
  });

  it("names a place where nobody listens", async () => {
    const { origin, server } = await upstream(() => undefined);
    server.close();
    await once(server, "close");
    const expected = { status: 0, body: "", retries: 0, error: "ECONNREFUSED", begun: false };
    expect(await call(pairOf(origin))).toEqual(expected);
    expect(await call(pairOf(origin.replace("127.0.0.1", "localhost")))).toEqual(expected);
    expect(await call(pairOf("http://nobody.invalid"))).toMatchObject({
      error: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
    });
  });
});
