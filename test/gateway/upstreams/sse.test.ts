/** HTTP+SSE towards made-to-order servers: routing, recovery and what breaks. */
import type { ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import {
  Collector,
  GREETING,
  type Handler,
  holder,
  message,
  methodsOf,
  opening,
  resultOf,
  type Seen,
  send,
  serve,
  target,
} from "./harness.ts";

const { closers, upstreams } = opening();

type Answers = (seen: Seen, emit: (value: unknown) => void, stream: ServerResponse) => void;

/** A server of the 2024-11-05 transport; what is posted to it after the handshake is the test's. */
async function sseServer(answers: Answers, endpoint = "message?session=1", refuse?: Handler) {
  let stream: ServerResponse | undefined;
  const made = await serve((seen, response, request) => {
    if (seen.method === "GET") {
      stream = response.writeHead(200, { "content-type": "text/event-stream" });
      stream.write(`event: endpoint\ndata: ${endpoint}\n\n`);
      return;
    }
    if (refuse !== undefined && seen.json?.method === "tools/call") {
      refuse(seen, response, request);
      return;
    }
    response.writeHead(202).end();
    const emit = (value: unknown) => stream?.write(`data: ${JSON.stringify(value)}\n\n`);
    if (seen.json?.method === "initialize") emit({ jsonrpc: "2.0", id: seen.json.id, result: GREETING });
    else if (stream !== undefined && seen.json?.method !== "notifications/initialized") answers(seen, emit, stream);
  });
  closers.push(made.close);
  return { made, to: target(made.url, { transport: "sse" }) };
}

const echo: Answers = (seen, emit) => emit({ jsonrpc: "2.0", id: seen.json?.id, result: seen.json?.params });

describe("HTTP+SSE", () => {
  it("posts to the named endpoint on one connection per holder", async () => {
    const { made, to } = await sseServer(echo);
    const room = upstreams();
    const outcomes = await Promise.all([1, 2].map((id) => send(room, to, holder(), message(id, "tools/call", { id }))));
    expect(outcomes.map(resultOf)).toEqual([{ id: 1 }, { id: 2 }]);
    await send(room, to, holder("s:2"), message(1, "tools/call"));
    expect(methodsOf(made).filter((method) => method === "GET").length).toBe(2);
    expect(new Set(made.seen.filter((seen) => seen.method === "POST").map((seen) => seen.path))).toEqual(
      new Set(["/message?session=1"]),
    );
  });

  it("gives progress to its request, other messages to the oldest one, and the rest to the listener", async () => {
    const { to } = await sseServer((seen, emit) => {
      if (seen.json?.id === 2) {
        emit({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 2, progress: 1 } });
        emit({ jsonrpc: "2.0", method: "notifications/message", params: {} });
        emit({ jsonrpc: "2.0", id: 2, result: 0 });
        emit({ jsonrpc: "2.0", id: 1, result: 0 });
        emit({ jsonrpc: "2.0", method: "notifications/tools/list_changed" });
      }
    });
    const room = upstreams();
    const [listener, one, two] = [new Collector(), new Collector(), new Collector()];
    const listening = room.listen(to, holder(), listener);
    room.request(to, holder(), message(1, "tools/call"), one);
    room.request(to, holder(), message(2, "tools/call"), two);
    await Promise.all([one.done, two.done, listener.until(1)]);
    const methods = (sink: Collector) => sink.messages.map((text) => JSON.parse(text).method);
    expect(methods(one)).toEqual(["notifications/message", undefined]);
    expect(methods(two)).toEqual(["notifications/progress", undefined]);
    expect(methods(listener)).toEqual(["notifications/tools/list_changed"]);
    listening.cancel();
  });

  it("fails what is under way when the stream breaks, and sets a new connection up with everything", async () => {
    const { made, to } = await sseServer((seen, emit, stream) => {
      if (seen.json?.method === "break") stream.destroy();
      else echo(seen, emit, stream);
    });
    const room = upstreams();
    await room.setLogLevel(holder(), "error", [to]);
    await room.setSubscription(to, holder(), "file:///x", true);
    const { fault } = await send(room, to, holder(), message(1, "break"));
    expect(fault?.message).toBe("Upstream sample cannot be reached: its event stream broke");
    const before = made.seen.length;
    expect(resultOf(await send(room, to, holder(), message(2, "tools/call", { x: 1 })))).toEqual({ x: 1 });
    expect(methodsOf(made).slice(before)).toEqual([
      "GET",
      "initialize",
      "notifications/initialized",
      "logging/setLevel",
      "resources/subscribe",
      "tools/call",
    ]);
  });

  it.each<[string, string, string]>([
    ["an endpoint of another origin", "http://127.0.0.1:1/x", "its endpoint for messages is of another origin"],
    ["no URL as endpoint", "http://", "its endpoint for messages is of another origin"],
  ])("refuses %s", async (_, endpoint, reason) => {
    const { to } = await sseServer(echo, endpoint);
    const { fault } = await send(upstreams(), to, holder(), message(1, "x"));
    expect(fault?.message).toBe(`Upstream sample broke the protocol: ${reason}`);
  });

  it("names what a post is answered with", async () => {
    const { to } = await sseServer(echo, "/m", (_, response) => response.writeHead(400).end());
    const { fault } = await send(upstreams(), to, holder(), message(1, "tools/call"));
    expect(fault?.message).toBe("Upstream sample answered tools/call with HTTP 400");
  });

  it("answers for itself when an upstream asks and nobody listens", async () => {
    const answered = Promise.withResolvers<unknown>();
    const { to } = await sseServer((seen, emit) => {
      if (seen.json?.method === "start") {
        emit({ jsonrpc: "2.0", id: seen.json.id, result: 0 });
        emit({ jsonrpc: "2.0", id: "q", method: "ping" });
      } else answered.resolve(seen.json);
    });
    resultOf(await send(upstreams(), to, holder(), message(1, "start")));
    expect(await answered.promise).toEqual({ jsonrpc: "2.0", id: "q", result: {} });
  });

  it("times out and cancels single requests without closing the connection", async () => {
    const { made, to } = await sseServer((seen, emit, stream) => {
      if (seen.json?.method !== "never") echo(seen, emit, stream);
    });
    const room = upstreams();
    const sink = new Collector();
    const exchange = room.request(to, holder(), message(1, "never"), sink);
    const { fault } = await send(room, to, holder(), { ...message(2, "never"), timeoutMs: 100 });
    expect(fault?.message).toBe("Upstream sample did not answer never within 100 ms");
    exchange.cancel();
    resultOf(await send(room, to, holder(), message(3, "x")));
    expect(sink.endings).toBe(0);
    expect(methodsOf(made).filter((method) => method === "GET").length).toBe(1);
  });

  it("says that an upstream is not there or no HTTP+SSE server", async () => {
    const plain = await serve((_, response) => response.writeHead(405).end());
    const to = target(plain.url, { transport: "sse" });
    expect((await send(upstreams(), to, holder(), message(1, "x"))).fault?.message).toBe(
      "Upstream sample answered GET with HTTP 405",
    );
    await plain.close();
    expect((await send(upstreams(), to, holder(), message(1, "x"))).fault?.message).toBe(
      "Upstream sample cannot be reached: connection refused (ECONNREFUSED)",
    );
  });
});
