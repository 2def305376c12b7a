/** Streamable HTTP towards made-to-order servers: what is sent, how answers are read, what each misbehaviour is called. */
import { describe, expect, it } from "vitest";
import {
  counted,
  type Handler,
  holder,
  json,
  legacyLife,
  message,
  methodsOf,
  open,
  opening,
  resultOf,
  rpc,
  send,
  target,
} from "./harness.ts";

const { server, upstreams } = opening();

const SSE = { "content-type": "text/event-stream" };

/** A sessionless legacy upstream whose answer to tools/call is the test's. */
async function answering(handler: Handler) {
  return server((seen, response, request) => {
    if (!legacyLife(seen, response)) handler(seen, response, request);
  });
}

async function faultOf(handler: Handler, changes: Parameters<typeof target>[1] = {}) {
  const upstream = await answering(handler);
  const made = upstreams({ maxMessageBytes: 100_000 });
  const { fault, messages } = await send(made, target(upstream.url, changes), holder(), message(5, "tools/call"));
  return { code: fault?.code, message: fault?.message, data: fault?.data, messages, upstream };
}

describe("answers", () => {
  it("streams messages in order, ends with the response and drops what follows", async () => {
    const upstream = await answering((seen, response) => {
      response.writeHead(200, SSE);
      response.write(
        'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"n":1.0}}\n\n',
      );
      response.write(`data: {"jsonrpc":"2.0","id":5,"result":{"big":9007199254740993}}\n\n`);
      response.end(`data: {"jsonrpc":"2.0","method":"notifications/late"}\n\n`);
      expect(seen.headers["mcp-protocol-version"]).toBe("2025-11-25");
    });
    const outcome = await send(upstreams(), target(upstream.url), holder(), message(5, "tools/call"));
    expect(outcome).toEqual({
      messages: [
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"n":1.0}}',
        '{"jsonrpc":"2.0","id":5,"result":{"big":9007199254740993}}',
      ],
      statuses: [200, 200],
      fault: undefined,
    });
  });

  it("drops a notification that is slightly wrong and goes on", async () => {
    const upstream = await answering((_, response) =>
      response
        .writeHead(200, SSE)
        .end('data: {"jsonrpc":"2.0","method":"n","params":null}\n\ndata: {"jsonrpc":"2.0","id":5,"result":1}\n\n'),
    );
    const { messages } = await send(upstreams(), target(upstream.url), holder(), message(5, "x"));
    expect(messages).toEqual(['{"jsonrpc":"2.0","id":5,"result":1}']);
  });

  it("delivers the elements of a batch", async () => {
    const upstream = await answering((_, response) =>
      json(response, 200, '[{"jsonrpc":"2.0","method":"n"}, {"jsonrpc":"2.0","id":5,"result":1}]'),
    );
    const { messages } = await send(upstreams(), target(upstream.url), holder(), message(5, "x"));
    expect(messages).toEqual(['{"jsonrpc":"2.0","method":"n"}', '{"jsonrpc":"2.0","id":5,"result":1}']);
  });

  it("ends a subscription that ends without a response, but fails a call without a limit that does", async () => {
    const upstream = await answering((_, response) => response.writeHead(200, SSE).end());
    const made = upstreams();
    const to = target(upstream.url);
    const outcomes = await Promise.all(
      ["subscriptions/listen", "tools/call"].map((method) =>
        send(made, to, holder(), { ...message(5, method), timeoutMs: 0 }),
      ),
    );
    expect(outcomes.map((outcome) => outcome.fault?.message)).toEqual([
      undefined,
      "Upstream sample broke the protocol: its stream ended before the response to tools/call",
    ]);
  });

  it("delivers an error status that carries the response", async () => {
    const body = { jsonrpc: "2.0", id: 5, error: { code: -32601, message: "no" } };
    const upstream = await answering((_, response) => json(response, 404, body));
    const outcome = await send(upstreams(), target(upstream.url), holder(), message(5, "x"));
    expect(outcome).toEqual({ messages: [JSON.stringify(body)], statuses: [404], fault: undefined });
  });

  it("takes a result of 5 MB in one piece", async () => {
    const text = "x".repeat(5_000_000);
    const upstream = await answering((seen, response) => rpc(response, seen, text));
    const made = upstreams({ maxMessageBytes: 8_000_000 });
    expect(resultOf(await send(made, target(upstream.url), holder(), message(5, "x")))).toBe(text);
  });

  it.each<[string, Handler, string]>([
    [
      "garbage as JSON",
      (_, response) => json(response, 200, '{"jsonrpc": nonsense'),
      "broke the protocol: in its answer to tools/call: The body is not valid JSON: null expected at byte 12",
    ],
    [
      "no JSON-RPC",
      (_, response) => json(response, 200, '{"hello":1}'),
      'broke the protocol: in its answer to tools/call: Not a JSON-RPC 2.0 message: jsonrpc has to be "2.0"',
    ],
    [
      "garbage in an event",
      (_, response) => response.writeHead(200, SSE).end("data: {{{\n\n"),
      "broke the protocol: in its answer to tools/call: The body is not valid JSON: key expected at byte 1",
    ],
    [
      "a web page",
      (_, response) => response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<html>"),
      "broke the protocol: Content-Type of its answer is text/html",
    ],
    [
      "the wrong id",
      (_, response) => json(response, 200, '{"jsonrpc":"2.0","id":"5","result":1}'),
      'broke the protocol: wrong id: "5" instead of 5',
    ],
    [
      "an error without an id",
      (_, response) => json(response, 200, '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}'),
      "broke the protocol: wrong id: null instead of 5",
    ],
    [
      "half a JSON body",
      (_, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
        response.write('{"jsonrpc"', () => response.destroy());
      },
      "broke the protocol: the connection closed in the middle of the response",
    ],
    [
      "half a stream",
      (_, response) => {
        response.writeHead(200, SSE);
        response.write('data: {"jsonrpc":"2.0","id":5,', () => response.destroy());
      },
      "broke the protocol: the connection closed in the middle of the response",
    ],
    [
      "a stream that ends without the response",
      (_, response) => response.writeHead(200, SSE).end('data: {"jsonrpc":"2.0","method":"n"}\n\n'),
      "broke the protocol: its stream ended before the response to tools/call",
    ],
    [
      "202 for a request",
      (_, response) => response.writeHead(202).end(),
      "broke the protocol: it took the request tools/call with HTTP 202 and no response",
    ],
    [
      "a redirect",
      (_, response) => response.writeHead(307, { location: "http://user:pass@other.example/path?token=1" }).end(),
      "broke the protocol: it redirects (HTTP 307) to http://other.example/path; redirects are not followed",
    ],
    ["401", (_, response) => response.writeHead(401).end("no"), "answered tools/call with HTTP 401"],
    ["500", (_, response) => response.writeHead(500).end("no"), "answered tools/call with HTTP 500"],
    [
      "a body over the limit",
      (seen, response) => rpc(response, seen, "x".repeat(200_000)),
      "sent a message of more than 100000 bytes (UPSTREAM_MAX_MESSAGE_BYTES)",
    ],
    [
      "an event over the limit",
      (_, response) => response.writeHead(200, SSE).end(`data: "${"x".repeat(200_000)}"\n\n`),
      "sent a message of more than 100000 bytes (UPSTREAM_MAX_MESSAGE_BYTES)",
    ],
    [
      "no HTTP",
      (_, __, request) => request.socket.end("hello there\r\n\r\n"),
      "broke the protocol: its answer is no valid HTTP (HTTPParserError)",
    ],
    [
      "a closed connection on a fresh request",
      (_, __, request) => request.socket.destroy(),
      "cannot be reached: the connection was closed (UND_ERR_SOCKET)",
    ],
  ])("names %s", async (_, handler, expected) => {
    expect((await faultOf(handler)).message).toBe(`Upstream sample ${expected}`);
  });

  it("shows the reason an upstream gives with an error status, but not after wrong credentials", async () => {
    const body = { jsonrpc: "2.0", id: null, error: { code: -32000, message: "because" } };
    expect((await faultOf((_, response) => json(response, 400, body))).data).toEqual({
      upstreamError: { code: -32000, message: "because" },
    });
    expect((await faultOf((_, response) => json(response, 403, body))).data).toBeUndefined();
  });

  it("ends a request whose head does not come", async () => {
    const { message: text } = await faultOf(() => undefined, { requestTimeoutMs: 200 });
    expect(text).toBe("Upstream sample did not answer tools/call within 200 ms");
  });

  it("ends an endless stream, which progress does not extend, and closes it", async () => {
    const closed = Promise.withResolvers<void>();
    const { message: text, messages } = await faultOf(
      (_, response) => {
        response.writeHead(200, SSE);
        const timer = setInterval(
          () => response.write('data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n'),
          20,
        );
        response.on("close", () => {
          clearInterval(timer);
          closed.resolve();
        });
      },
      { requestTimeoutMs: 300 },
    );
    expect(text).toBe("Upstream sample did not answer tools/call within 300 ms");
    expect(messages.length).toBeGreaterThan(0);
    await closed.promise;
  });

  it("names a header that cannot be sent, without its value", async () => {
    const upstream = await answering(() => undefined);
    const to = target(upstream.url, { headers: { "x-key": "secret\n" } });
    const { fault } = await send(upstreams(), to, holder(), message(5, "x"));
    expect(fault?.message).toBe(
      "Upstream sample cannot be reached: a header or the path cannot be sent over HTTP (UND_ERR_INVALID_ARG)",
    );
  });

  it("takes no session id that could not be sent back", async () => {
    const upstream = await server((seen, response) => void legacyLife(seen, response, "x".repeat(1025)));
    const { fault } = await send(upstreams(), target(upstream.url), holder(), message(5, "x"));
    expect(fault?.message).toBe(
      "Upstream sample broke the protocol: its session id is not 1 to 1024 characters of visible ASCII",
    );
  });

  it("limits the wait for a stream that stays open to its beginning", async () => {
    const upstream = await answering(() => undefined);
    const to = target(upstream.url, { requestTimeoutMs: 200 });
    const { fault } = await send(upstreams(), to, holder(), { ...message(5, "subscriptions/listen"), timeoutMs: 0 });
    expect(fault?.message).toBe("Upstream sample did not answer subscriptions/listen within 200 ms");
  });

  it("refuses everything after close()", async () => {
    const upstream = await answering((seen, response) => {
      if (seen.json?.id !== 6) rpc(response, seen, "ok");
    });
    const made = upstreams();
    const to = target(upstream.url);
    await send(made, to, holder(), message(5, "x"));
    const waiting = open(made, to, holder(), message(6, "x"));
    await new Promise((resolve) => upstream.server.once("request", resolve));
    await made.close();
    expect((await waiting.sink.done).fault?.code).toBe("MCPS_UPSTREAM_UNREACHABLE");
    expect((await send(made, to, holder(), message(7, "x"))).fault?.code).toBe("MCPS_DRAINING");
  });

  it("names an upstream that is not there", async () => {
    const upstream = await answering(() => undefined);
    await upstream.close();
    const { fault } = await send(upstreams(), target(upstream.url), holder(), message(5, "x"));
    expect(fault?.message).toBe("Upstream sample cannot be reached: connection refused (ECONNREFUSED)");
  });

  it("sends credentials of the URL as a header and shows them nowhere", async () => {
    const upstream = await answering((_, response) => response.writeHead(403).end());
    const url = upstream.url.replace("http://", "http://me:pa%20ss@");
    const { fault } = await send(upstreams(), target(url), holder(), message(5, "x"));
    expect(upstream.seen.at(-1)?.headers.authorization).toBe(`Basic ${Buffer.from("me:pa ss").toString("base64")}`);
    expect(fault?.message).toBe("Upstream sample answered x with HTTP 403");
  });

  it("cancels by closing the connection and says nothing more", async () => {
    const closed = Promise.withResolvers<void>();
    const upstream = await answering((_, response) => {
      response.on("close", () => closed.resolve());
      response.writeHead(200, SSE);
      response.write('data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n');
    });
    const { sink, exchange } = open(upstreams(), target(upstream.url), holder(), message(5, "x"));
    await sink.until(1);
    exchange.cancel();
    exchange.cancel();
    await closed.promise;
    expect(sink.endings).toBe(0);
  });
});

describe("requests that wait", () => {
  it("are sent in order with as many connections as allowed, and a cancelled one is not sent", async () => {
    const held: (() => void)[] = [];
    const upstream = await answering((seen, response) => {
      held.push(() => rpc(response, seen, "ok"));
      if (seen.json?.id === 1) first.resolve();
      else held.at(-1)?.();
    });
    const first = Promise.withResolvers<void>();
    const made = upstreams({ connectionsPerOrigin: 1 });
    const to = target(upstream.url);
    await made.profile(to);
    const [one, two, three] = [1, 2, 3].map((id) => open(made, to, holder(), message(id, "x")));
    await first.promise;
    two?.exchange.cancel();
    held[0]?.();
    await Promise.all([one?.sink.done, three?.sink.done]);
    expect(upstream.seen.map((seen) => seen.json?.id).filter((id) => typeof id === "number")).toEqual([1, 3]);
    expect(two?.sink.endings).toBe(0);
  });

  it("time out while they wait, too", async () => {
    const upstream = await answering(() => undefined);
    const made = upstreams({ connectionsPerOrigin: 1 });
    const to = target(upstream.url);
    await made.profile(to);
    open(made, to, holder(), message(1, "x"));
    const { fault } = await send(made, to, holder(), { ...message(2, "x"), timeoutMs: 100 });
    expect(fault?.message).toBe("Upstream sample did not answer x within 100 ms");
  });

  it("are not sent when they were cancelled before the upstream was known", async () => {
    const upstream = await answering((seen, response) => rpc(response, seen, "ok"));
    const made = upstreams();
    const to = target(upstream.url);
    const { sink, exchange } = open(made, to, holder(), message(1, "x"));
    exchange.cancel();
    await made.profile(to);
    await send(made, to, holder(), message(2, "x"));
    expect(methodsOf(upstream)).toEqual(["server/discover", "initialize", "x"]);
    expect(sink.endings).toBe(0);
  });

  it("do not take the connections of calls when they stay open", async () => {
    const upstream = await answering((seen, response) => {
      if (seen.json?.method !== "subscriptions/listen") rpc(response, seen, "ok");
      else response.writeHead(200, SSE).write(": open\n\n");
    });
    const made = upstreams({ connectionsPerOrigin: 1 });
    const to = target(upstream.url);
    for (const id of [1, 2, 3]) open(made, to, holder(), { ...message(id, "subscriptions/listen"), timeoutMs: 0 });
    expect(resultOf(await send(made, to, holder(), message(4, "x")))).toBe("ok");
  });
});

describe("a broken stream with event ids", () => {
  it("is resumed with GET and Last-Event-ID after the time the upstream asked for", async () => {
    const upstream = await answering((seen, response) => {
      response.writeHead(200, SSE);
      if (seen.method === "POST") response.end("id: e1\nretry: 10\ndata:\n\n");
      else if (seen.headers["last-event-id"] === "e1") {
        response.write('id: e2\ndata: {"jsonrpc":"2.0","method":"n"}\n\n', () => response.destroy());
      } else
        response.end(
          'data: {"jsonrpc":"2.0","id":99,"result":0}\n\ndata: {"jsonrpc":"2.0","id":5,"result":"done"}\n\n',
        );
    });
    const outcome = await send(upstreams(), target(upstream.url), holder(), message(5, "tools/call"));
    expect(resultOf(outcome)).toBe("done");
    expect(outcome.messages.length).toBe(2);
    expect(
      upstream.seen.slice(-2).map((seen) => [seen.method, seen.headers["last-event-id"], seen.headers.accept]),
    ).toEqual([
      ["GET", "e1", "text/event-stream"],
      ["GET", "e2", "text/event-stream"],
    ]);
  });

  it("fails precisely when it cannot be resumed", async () => {
    const upstream = await answering((seen, response) => {
      if (seen.method === "POST") response.writeHead(200, SSE).end("id: e1\nretry: 1\ndata:\n\n");
      else response.writeHead(405).end();
    });
    const { fault } = await send(upstreams(), target(upstream.url), holder(), message(5, "tools/call"));
    expect(fault?.message).toBe("Upstream sample answered tools/call with HTTP 405");
  });

  it("does not send a call again that was received, when the session is lost while it is resumed", async () => {
    const upstream = await server((seen, response) => {
      if (legacyLife(seen, response, "sid")) return;
      if (seen.method === "GET") response.writeHead(404).end();
      else response.writeHead(200, SSE).end("id: e1\nretry: 1\ndata:\n\n");
    });
    const { fault } = await send(upstreams(), target(upstream.url), holder(), message(5, "tools/call"));
    expect(fault?.message).toBe("Upstream sample answered tools/call with HTTP 404");
    expect(methodsOf(upstream).filter((method) => method === "tools/call").length).toBe(1);
  });

  it("is resumed no longer than the request may take", async () => {
    const upstream = await answering((_, response) => response.writeHead(200, SSE).end("id: e1\nretry: 5\ndata:\n\n"));
    const to = target(upstream.url, { requestTimeoutMs: 200 });
    const { fault } = await send(upstreams(), to, holder(), message(5, "tools/call"));
    expect(fault?.code).toBe("MCPS_UPSTREAM_TIMEOUT");
  });
});

describe("the keep-alive race", () => {
  it.each(["destroy", "resetAndDestroy"] as const)(
    "sends again once when a kept-alive socket closes (%s)",
    async (how) => {
      const used = new WeakSet<object>();
      let broken = 0;
      const upstream = await answering((seen, response, request) => {
        if (used.has(request.socket) && seen.json?.id === 6) {
          broken++;
          request.socket[how]();
          return;
        }
        used.add(request.socket);
        rpc(response, seen, "ok");
      });
      const metrics = counted();
      const made = upstreams({ metrics, connectionsPerOrigin: 1 });
      const to = target(upstream.url);
      await send(made, to, holder(), message(5, "x"));
      expect(resultOf(await send(made, to, holder(), { ...message(6, "x"), repeatable: true }))).toBe("ok");
      expect(broken).toBe(1);
      expect(metrics.events).toEqual(["sample ok", "sample retried", "sample ok"]);
      const { fault } = await send(made, to, holder(), { ...message(6, "tools/call"), repeatable: false });
      expect(fault?.code).toBe("MCPS_UPSTREAM_UNREACHABLE");
      expect(broken).toBe(2);
    },
  );
});
