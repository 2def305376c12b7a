/** Legacy upstream sessions: opened, shared, lost, listened to and released. */
import { describe, expect, it, vi } from "vitest";
import { fault } from "../../../contract/errors.ts";
import { memoryState } from "../../../gateway/coordination/index.ts";
import {
  Collector,
  counted,
  holder,
  json,
  legacyLife,
  message,
  methodsOf,
  notification,
  opening,
  resultOf,
  rpc,
  send,
  target,
} from "./harness.ts";

const { server, upstreams } = opening();

const SSE = { "content-type": "text/event-stream" };

describe("legacy sessions", () => {
  it("probes, opens one session per holder and sends with it", async () => {
    let sessions = 0;
    const upstream = await server((seen, response) => {
      if (!legacyLife(seen, response, `sid-${seen.json?.method === "initialize" ? ++sessions : 0}`))
        rpc(response, seen, seen.json?.params);
    });
    const made = upstreams();
    const to = target(upstream.url, { headers: { Authorization: "Bearer secret", Accept: "nothing" } });
    const both = await Promise.all([
      send(made, to, holder("s:1", { roots: {} }), message(7, "tools/call", { a: 1 })),
      send(made, to, holder("s:1", { roots: {} }), message(8, "tools/call", { a: 2 })),
    ]);
    expect(both.map(resultOf)).toEqual([{ a: 1 }, { a: 2 }]);
    expect(methodsOf(upstream).slice(0, 6)).toEqual([
      "server/discover",
      "initialize",
      "notifications/initialized",
      "DELETE",
      "initialize",
      "notifications/initialized",
    ]);
    expect(upstream.seen[4]?.json?.params).toEqual({
      protocolVersion: "2025-11-25",
      capabilities: { roots: {} },
      clientInfo: { name: "a client", version: "2" },
    });
    const { headers } = upstream.seen[6] ?? {};
    expect(headers).toMatchObject({
      authorization: "Bearer secret",
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": "2025-11-25",
      "mcp-session-id": "sid-2",
    });
    expect(upstream.seen[3]?.headers["mcp-session-id"]).toBe("sid-1");
    expect(await made.held("s:1")).toEqual({ upstreamIds: ["up-1"], subscriptions: [] });
    await made.release("s:1", [to]);
    expect(upstream.seen.at(-1)).toMatchObject({ method: "DELETE", headers: { "mcp-session-id": "sid-2" } });
    expect(await made.held("s:1")).toEqual({ upstreamIds: [], subscriptions: [] });
  });

  it("needs no handshake and no state with an upstream that mints no session id", async () => {
    const upstream = await server((seen, response) => {
      if (!legacyLife(seen, response)) rpc(response, seen, "ok");
    });
    const state = memoryState();
    const made = upstreams({ state });
    const to = target(upstream.url);
    expect((await made.profile(to)).sessionless).toBe(true);
    resultOf(await send(made, to, holder(), message(1, "tools/list")));
    expect(methodsOf(upstream)).toEqual(["server/discover", "initialize", "tools/list"]);
    expect((await state.mapGet("line:s:1")).size).toBe(0);
  });

  it("learns that an upstream has stopped to mint session ids", async () => {
    let minted = 0;
    const upstream = await server((seen, response) => {
      const mints = seen.json?.method === "initialize" && ++minted === 1;
      if (!legacyLife(seen, response, mints ? "only" : undefined)) rpc(response, seen, "ok");
    });
    const made = upstreams();
    const to = target(upstream.url);
    for (const id of [1, 2, 3]) resultOf(await send(made, to, holder(), message(id, "x")));
    expect(methodsOf(upstream).filter((method) => method === "initialize").length).toBe(2);
    expect(await made.held("s:1")).toEqual({ upstreamIds: [], subscriptions: [] });
  });

  it("uses the session another process has opened first and ends its own", async () => {
    const upstream = await server((seen, response) => {
      const id = `sid-${upstream.seen.filter((one) => one.json?.method === "initialize").length}`;
      if (seen.json?.method === "initialize" && id === "sid-2") {
        void state.mapSet(
          "line:s:1",
          "up:up-1",
          '{"sessionId":"theirs","version":"2025-06-18","revision":"r1"}',
          60_000,
        );
      }
      if (!legacyLife(seen, response, id)) rpc(response, seen, "ok");
    });
    const state = memoryState();
    await send(upstreams({ state }), target(upstream.url), holder(), message(1, "tools/list"));
    expect(upstream.seen.slice(-2).map((seen) => [seen.method, seen.headers["mcp-session-id"]])).toEqual([
      ["DELETE", "sid-2"],
      ["POST", "theirs"],
    ]);
    expect(upstream.seen.at(-1)?.headers["mcp-protocol-version"]).toBe("2025-06-18");
  });

  it.each([
    [404, { jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } }],
    [404, "gone"],
    [400, { jsonrpc: "2.0", id: null, error: { code: -32000, message: "Bad Request: No valid session ID provided" } }],
  ])("opens a lost session anew, once and with everything applied (%i %j)", async (status, body) => {
    let valid = "";
    let count = 0;
    const upstream = await server((seen, response) => {
      if (seen.json?.method === "initialize") valid = `sid-${++count}`;
      if (legacyLife(seen, response, valid)) return;
      if (seen.headers["mcp-session-id"] !== valid) json(response, status, body);
      else rpc(response, seen, seen.json?.params);
    });
    const metrics = counted();
    const made = upstreams({ metrics });
    const to = target(upstream.url);
    await send(made, to, holder(), message(1, "tools/list"));
    await made.setLogLevel(holder(), "debug", [to]);
    await made.setSubscription(to, holder(), "file:///a:b", true);
    valid = "restarted";
    const before = upstream.seen.length;
    expect(resultOf(await send(made, to, holder(), message(2, "tools/call", { again: true })))).toEqual({
      again: true,
    });
    const after = upstream.seen.slice(before).map((seen) => seen.json);
    expect(after.map((one) => one?.method)).toEqual([
      "tools/call",
      "initialize",
      "notifications/initialized",
      "logging/setLevel",
      "resources/subscribe",
      "tools/call",
    ]);
    expect(after[3]?.params).toEqual({ level: "debug" });
    expect(after[4]?.params).toEqual({ uri: "file:///a:b" });
    expect(await made.held("s:1")).toEqual({
      upstreamIds: ["up-1"],
      logLevel: "debug",
      subscriptions: [{ upstreamId: "up-1", uri: "file:///a:b" }],
    });
    expect(metrics.events).toEqual(["sample opened", "sample ok", "sample lost", "sample opened", "sample ok"]);
    await made.setSubscription(to, holder(), "file:///a:b", false);
    expect((await made.held("s:1")).subscriptions).toEqual([]);
  });

  it("gives up when the new session is lost at once", async () => {
    const upstream = await server((seen, response) => {
      if (!legacyLife(seen, response, "sid")) json(response, 404, "");
    });
    const { fault } = await send(upstreams(), target(upstream.url), holder(), message(1, "tools/list"));
    expect(fault?.message).toBe(
      "Upstream sample broke the protocol: it lost the session again right after it was opened anew",
    );
  });

  it("notifies within an open session only", async () => {
    const upstream = await server((seen, response) => {
      if (!legacyLife(seen, response, "sid"))
        seen.json?.id === undefined ? response.writeHead(202).end() : rpc(response, seen, 1);
    });
    const made = upstreams();
    const to = target(upstream.url);
    await made.notify(to, holder(), notification("notifications/cancelled", { requestId: 1 }));
    expect(methodsOf(upstream)).not.toContain("notifications/cancelled");
    await send(made, to, holder(), message(1, "ping"));
    await made.notify(to, holder(), notification("notifications/cancelled", { requestId: 1 }));
    expect(upstream.seen.at(-1)).toMatchObject({
      json: { method: "notifications/cancelled" },
      headers: { "mcp-session-id": "sid" },
    });
  });

  it("names the reason when a subscription is refused, and does not remember it", async () => {
    const upstream = await server((seen, response) => {
      if (legacyLife(seen, response, "sid")) return;
      json(response, 200, { jsonrpc: "2.0", id: seen.json?.id, error: { code: -32601, message: "Method not found" } });
    });
    const made = upstreams();
    await expect(made.setSubscription(target(upstream.url), holder(), "a:b", true)).rejects.toThrow(
      "Upstream sample refused resources/subscribe: Method not found (-32601)",
    );
    expect((await made.held("s:1")).subscriptions).toEqual([]);
  });
});

describe("holders and processes", () => {
  it("never share a session between holders", async () => {
    let count = 0;
    const upstream = await server((seen, response) => {
      if (!legacyLife(seen, response, `sid-${seen.json?.method === "initialize" ? ++count : 0}`))
        rpc(response, seen, "ok");
    });
    const made = upstreams();
    const to = target(upstream.url);
    await Promise.all(["s:1", "s:2", "p:3"].map((key) => send(made, to, holder(key), message(1, "x"))));
    const used = upstream.seen
      .filter((seen) => seen.json?.method === "x")
      .map((seen) => seen.headers["mcp-session-id"]);
    expect(used.sort()).toEqual(["sid-2", "sid-3", "sid-4"]);
  });

  it("open a lost session once when two processes notice the loss one after the other", async () => {
    let valid = "";
    let count = 0;
    const upstream = await server((seen, response) => {
      if (seen.json?.method === "initialize") valid = `sid-${++count}`;
      if (legacyLife(seen, response, valid)) return;
      if (seen.headers["mcp-session-id"] !== valid) json(response, 404, "");
      else rpc(response, seen, "ok");
    });
    const state = memoryState();
    const [one, two] = [upstreams({ state }), upstreams({ state })];
    const to = target(upstream.url);
    await one.profile(to);
    await two.profile(to);
    for (const made of [one, two]) resultOf(await send(made, to, holder(), message(1, "x")));
    const before = count;
    valid = "restarted";
    for (const made of [one, two, one]) resultOf(await send(made, to, holder(), message(2, "x")));
    expect(count).toBe(before + 1);
  });

  it("renew what they use, and take over what another process has put in its place", async () => {
    let count = 0;
    const upstream = await server((seen, response) => {
      if (!legacyLife(seen, response, `sid-${seen.json?.method === "initialize" ? ++count : 0}`))
        rpc(response, seen, "ok");
    });
    let now = 0;
    const kept = memoryState({ now: () => now });
    const writes = vi.spyOn(kept, "mapSet");
    const made = upstreams({ state: kept, now: () => now });
    const to = target(upstream.url);
    const call = async () => {
      resultOf(await send(made, to, holder(), message(1, "x")));
      return upstream.seen.at(-1)?.headers["mcp-session-id"];
    };
    expect(await call()).toBe("sid-2");
    now = 14_000;
    await call();
    // Of what the holder has, and of what is open at all.
    expect(writes).toHaveBeenCalledTimes(2);
    now = 16_000;
    await call();
    await vi.waitFor(() => expect(writes).toHaveBeenCalledTimes(4), 60_000);
    now = 70_000;
    expect(JSON.parse((await kept.mapGet("line:s:1")).get("up:up-1") ?? "").sessionId).toBe("sid-2");
    const theirs = '{"sessionId":"theirs","version":"2025-11-25","revision":"r1"}';
    await kept.mapSet("line:s:1", "up:up-1", theirs, 60_000);
    await call();
    await vi.waitFor(async () => expect(await call()).toBe("theirs"), 60_000);
    expect((await kept.mapGet("line:s:1")).get("up:up-1")).toBe(theirs);
  });

  it("do not use a session of an older revision of the upstream", async () => {
    let count = 0;
    const upstream = await server((seen, response) => {
      if (!legacyLife(seen, response, `sid-${seen.json?.method === "initialize" ? ++count : 0}`))
        rpc(response, seen, "ok");
    });
    const made = upstreams();
    await send(made, target(upstream.url, { era: "legacy" }), holder(), message(1, "x"));
    await send(made, target(upstream.url, { era: "legacy", revision: "r2" }), holder(), message(2, "x"));
    await send(made, target(upstream.url, { era: "legacy", revision: "r2" }), holder(), message(3, "x"));
    const used = upstream.seen
      .filter((seen) => seen.json?.method === "x")
      .map((seen) => seen.headers["mcp-session-id"]);
    expect(used).toEqual(["sid-2", "sid-4", "sid-4"]);
  });

  it("report the shared state's failure instead of calling without a session", async () => {
    const upstream = await server((seen, response) => void legacyLife(seen, response, "sid"));
    const state = { ...memoryState(), mapGet: () => Promise.reject(fault("MCPS_STATE", { reason: "away" })) };
    const outcome = await send(upstreams({ state }), target(upstream.url), holder(), message(1, "x"));
    expect(outcome.fault?.message).toBe("The shared state store does not answer: away");
    expect(methodsOf(upstream)).not.toContain("x");
  });
});

describe("listen", () => {
  it("delivers what the session's stream brings and resumes it", async () => {
    let gets = 0;
    const upstream = await server((seen, response) => {
      if (legacyLife(seen, response, "sid")) return;
      response.writeHead(200, SSE);
      if (++gets === 1) response.end('retry: 5\nid: a\ndata: {"jsonrpc":"2.0","method":"one"}\n\n');
      else
        response.write(
          'data: {"jsonrpc":"2.0","method":"two"}\n\n: garbage\ndata: {{\n\ndata: {"jsonrpc":"2.0","method":"three"}\n\n',
        );
    });
    const made = upstreams();
    const sink = new Collector();
    const exchange = made.listen(target(upstream.url), holder(), sink);
    await sink.until(3);
    exchange.cancel();
    expect(sink.messages.map((text) => JSON.parse(text).method)).toEqual(["one", "two", "three"]);
    expect(upstream.seen.filter((seen) => seen.method === "GET").map((seen) => seen.headers["last-event-id"])).toEqual([
      undefined,
      "a",
    ]);
    expect(sink.endings).toBe(0);
  });

  it("ends when there is no such stream", async () => {
    const upstream = await server((seen, response) => {
      if (!legacyLife(seen, response, "sid")) response.writeHead(405).end();
    });
    const sink = new Collector();
    upstreams().listen(target(upstream.url), holder(), sink);
    expect(await sink.done).toEqual({ messages: [], statuses: [], fault: undefined });
  });

  it("moves to the new session when the old one was lost", async () => {
    let valid = "";
    let count = 0;
    const upstream = await server((seen, response) => {
      if (seen.json?.method === "initialize") valid = `sid-${++count}`;
      if (legacyLife(seen, response, valid)) return;
      if (seen.headers["mcp-session-id"] !== valid) json(response, 404, "");
      else if (seen.method === "GET")
        response.writeHead(200, SSE).write(`data: {"jsonrpc":"2.0","method":"${valid}"}\n\n`);
      else rpc(response, seen, "ok");
    });
    const made = upstreams();
    const to = target(upstream.url);
    const sink = new Collector();
    made.listen(to, holder(), sink);
    await sink.until(1);
    valid = "restarted";
    await send(made, to, holder(), message(1, "ping"));
    await sink.until(2);
    expect(sink.messages.map((text) => JSON.parse(text).method)).toEqual(["sid-2", "sid-3"]);
  });
});
