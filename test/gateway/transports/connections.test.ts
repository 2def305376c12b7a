/** Sessions that live on a connection: one stream each, bounded, and gone with their client. */
import { afterEach, describe, expect, it } from "vitest";
import { fault } from "../../../contract/errors.ts";
import type { ResponseSink, WebSocketPeer } from "../../../contract/http.ts";
import { memoryState } from "../../../gateway/coordination/index.ts";
import type { Endpoint, TransportParts } from "../../../gateway/transports/index.ts";
import { createHttpSse, createWebSockets, serveRpc, serveStreamableHttp } from "../../../gateway/transports/index.ts";
import { waitFor } from "../../harness/index.ts";
import { gateway, type Rooms, rooms, snapshot } from "./harness.ts";

const PRINCIPAL = { id: "ann@example.com", kind: "jwt", admin: true, teams: [] } as const;
const HEAD = { method: "GET", path: "/", query: "", headers: {}, remoteAddress: "" };
let room: Rooms | undefined;
afterEach(async () => {
  await room?.close();
  room = undefined;
});

async function start(era: "legacy" | "modern" = "legacy"): Promise<{ room: Rooms; endpoint: Endpoint }> {
  const one = await rooms({
    catalogue: snapshot({ gateways: [gateway("one")] }),
    scripts: { one: { era, answer: () => undefined } },
  });
  room = one;
  const scope = { kind: "gateway", id: "one" } as const;
  const view = () => one.federation.view(scope, PRINCIPAL);
  return { room: one, endpoint: { scope, name: "g:one", principal: PRINCIPAL, view } };
}

class Peer implements WebSocketPeer {
  readonly backlog = 0;
  isClosed = false;
  readonly sent: { id?: unknown; error?: { data: { code: string } } }[] = [];
  #message: (data: Buffer, isText: boolean) => void = () => undefined;
  #close: () => void = () => undefined;
  send(text: Uint8Array): void {
    this.sent.push(JSON.parse(Buffer.from(text).toString()));
  }
  close(): void {
    this.isClosed = true;
    this.#close();
  }
  ping(): void {}
  onPong(): void {}
  onMessage(listener: (data: Buffer, isText: boolean) => void): void {
    this.#message = listener;
  }
  onClose(listener: () => void): void {
    this.#close = listener;
  }
  says(message: object): void {
    this.#message(Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message })), true);
  }
}

/** A client that hangs up when it is told to. */
class Client implements ResponseSink {
  closed = false;
  status = 0;
  /** What is written waits until drain(). */
  isFull = false;
  readonly chunks: string[] = [];
  readonly #gone: (() => void)[] = [];
  readonly #drained: (() => void)[] = [];
  respond(status: number, _headers: object, body?: Uint8Array | string): void {
    if (this.closed || this.status !== 0) return;
    this.status = status;
    this.chunks.push(Buffer.from(body ?? "").toString());
    this.closed = true;
  }
  open(status: number): void {
    this.status = status;
  }
  write(chunk: Uint8Array | string): boolean {
    this.chunks.push(Buffer.from(chunk).toString());
    return !this.isFull;
  }
  end(): void {
    this.closed = true;
  }
  onDrain(listener: () => void): void {
    this.#drained.push(listener);
  }
  drain(): void {
    this.isFull = false;
    for (const listener of this.#drained) listener();
  }
  detach(): void {}
  onClose(listener: () => void): void {
    this.#gone.push(listener);
  }
  hangUp(): void {
    this.closed = true;
    for (const listener of this.#gone.splice(0)) listener();
  }
}

const INITIALIZE = { id: 0, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {} } };
const MODERN = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

function connected(parts: Awaited<ReturnType<typeof start>>): Peer {
  const sockets = createWebSockets(parts.room.transports, 60_000);
  const peer = new Peer();
  sockets.accept(parts.endpoint, HEAD).open(peer);
  sockets.close();
  return peer;
}

describe("a WebSocket", () => {
  it("opens one stream, however often its client says that it is ready", async () => {
    const parts = await start();
    parts.room.upstreams.open.set("s:x", new Set());
    const peer = connected(parts);
    peer.says(INITIALIZE);
    await waitFor(() => peer.sent.length === 1);
    peer.says({ id: 1, method: "tools/call", params: { name: "t" } });
    await waitFor(() => parts.room.upstreams.requests.length === 1);
    for (let n = 0; n < 5; n++) peer.says({ method: "notifications/initialized" });
    await waitFor(() => parts.room.upstreams.listens.length === 1);
    peer.close();
    await waitFor(() => parts.room.upstreams.listens.every(({ cancelled }) => cancelled));
    expect(parts.room.upstreams.listens).toHaveLength(1);
    expect([parts.room.streams(), parts.room.conversations.inFlight]).toEqual([0, 0]);
  });

  it("hears nothing more of a peer whose proof has ended, however long that one takes to close", async () => {
    const parts = await start("modern");
    let end: () => void = () => undefined;
    const hold = (_: unknown, ends: () => void) => {
      end = ends;
      return () => undefined;
    };
    const sockets = createWebSockets({ ...parts.room.transports, hold }, 60_000);
    const peer = new Peer();
    peer.close = () => {
      peer.isClosed = true;
    };
    sockets.accept(parts.endpoint, HEAD).open(peer);
    sockets.close();
    end();
    peer.says({ id: 1, method: "tools/call", params: { name: "t", _meta: MODERN } });
    expect([peer.isClosed, parts.room.conversations.inFlight, peer.sent]).toEqual([true, 0, []]);
  });

  it("has a bound of requests that wait", async () => {
    const parts = await start("modern");
    const peer = connected(parts);
    for (let id = 1; id <= 300; id++) peer.says({ id, method: "tools/call", params: { name: "t", _meta: MODERN } });
    expect(parts.room.conversations.inFlight).toBe(256);
    expect(peer.sent.map(({ error }) => error?.data.code)).toEqual(Array.from({ length: 44 }, () => "MCPS_OVERLOADED"));
    peer.says({ method: "notifications/cancelled", params: { requestId: 1 } });
    expect(parts.room.conversations.inFlight).toBe(255);
    peer.close();
    expect(parts.room.conversations.inFlight).toBe(0);
  });

  it("takes the slots of its calls in the name of whoever opened it", async () => {
    const { room: one, endpoint } = await start("modern");
    const names: string[] = [];
    const transports: TransportParts = {
      ...one.transports,
      enterCall(head, principal) {
        names.push(principal.id);
        return one.transports.enterCall(head, principal);
      },
    };
    const sockets = createWebSockets(transports, 60_000);
    const peer = new Peer();
    sockets.accept(endpoint, HEAD).open(peer);
    peer.says({ id: 1, method: "tools/call", params: { name: "t", _meta: MODERN } });
    expect(names).toEqual([PRINCIPAL.id]);
    sockets.close();
    peer.close();
  });

  it("is closed by a drain once its calls are answered, and takes no new ones until then", async () => {
    const { room: one, endpoint } = await start("modern");
    const sockets = createWebSockets(one.transports, 60_000);
    const [busy, idle] = [new Peer(), new Peer()];
    for (const peer of [busy, idle]) sockets.accept(endpoint, HEAD).open(peer);
    busy.says({ id: 1, method: "tools/call", params: { name: "t", _meta: MODERN } });
    let isDrained = false;
    const drained = sockets.drain().then(() => {
      isDrained = true;
    });
    expect([idle.isClosed, busy.isClosed]).toEqual([true, false]);
    busy.says({ id: 2, method: "tools/call", params: { name: "t", _meta: MODERN } });
    expect(busy.sent.map(({ id, error }) => [id, error?.data.code])).toEqual([[2, "MCPS_DRAINING"]]);
    await Promise.resolve();
    expect(isDrained).toBe(false);
    busy.says({ method: "notifications/cancelled", params: { requestId: 1 } });
    await drained;
    expect([busy.isClosed, one.streams()]).toEqual([true, 0]);
    sockets.close();
  });

  it("gives the place of an abandoned upgrade back", async () => {
    const { room: one, endpoint } = await start();
    const sockets = createWebSockets(one.transports, 60_000);
    sockets.accept(endpoint, HEAD).abandon();
    sockets.close();
    expect(one.streams()).toBe(0);
  });
});

describe("an HTTP+SSE stream", () => {
  it("leaves nothing behind when its client goes while it opens", async () => {
    const { room: one, endpoint } = await start();
    const subscribed = Promise.withResolvers<void>();
    let unsubscribed = 0;
    const state = Object.assign(memoryState(), {
      kind: "redis" as const,
      subscribe: async () => {
        await subscribed.promise;
        return async () => void unsubscribed++;
      },
    });
    const sse = createHttpSse(one.transports, state);
    const client = new Client();
    const opening = sse.openStream(endpoint, { ...HEAD, body: Buffer.alloc(0) }, "/message", client);
    client.hangUp();
    subscribed.resolve();
    await opening;
    expect([unsubscribed, one.streams(), client.status]).toEqual([1, 0, 0]);
    await state.close();
  });

  it("gives its place back when the gateway drains, and takes no more messages", async () => {
    const { room: one, endpoint } = await start();
    const sse = createHttpSse(one.transports, one.state);
    const client = new Client();
    await sse.openStream(endpoint, { ...HEAD, body: Buffer.alloc(0) }, "/message", client);
    const query = /\?(session_id=\S+)/.exec(client.chunks.join(""))?.[1] ?? "";
    sse.drain();
    expect([client.closed, one.streams()]).toEqual([true, 0]);
    const post = { ...HEAD, method: "POST", query, headers: { "content-type": "application/json" } };
    const late = sse.receive(endpoint, { ...post, body: Buffer.from("{}") }, new Client());
    await expect(late).rejects.toThrow(expect.objectContaining({ code: "MCPS_SESSION_UNKNOWN" }));
  });
});

describe("a GET stream", () => {
  it("says so when its store is away, and keeps no place", async () => {
    const { room: one, endpoint } = await start();
    const away = async (): Promise<never> => {
      throw fault("MCPS_STATE", { reason: "away" });
    };
    const parts = { ...one.transports, replay: { ...one.transports.replay, resume: away } };
    const empty = Buffer.from("{}");
    const { token } = parts.sessions.mint("g:one", PRINCIPAL.id, "2025-11-25", empty, empty);
    const client = new Client();
    const headers = { accept: "text/event-stream", "mcp-session-id": token, "last-event-id": "1-1" };
    serveStreamableHttp(parts, endpoint, { ...HEAD, headers, body: Buffer.alloc(0) }, client);
    await waitFor(() => client.status !== 0);
    expect([client.status, one.streams()]).toEqual([503, 0]);
  });
});

describe("a GET stream that is being opened", () => {
  it("ends with all others when the gateway drains", async () => {
    const published = Promise.withResolvers<void>();
    const state = Object.assign(memoryState(), {
      kind: "redis" as const,
      publish: () => published.promise,
    });
    const one = await rooms({
      state,
      catalogue: snapshot({ gateways: [gateway("one")] }),
      scripts: { one: { era: "legacy", answer: () => undefined } },
    });
    room = one;
    const scope = { kind: "gateway", id: "one" } as const;
    const view = () => one.federation.view(scope, PRINCIPAL);
    const endpoint = { scope, name: "g:one", principal: PRINCIPAL, view };
    const empty = Buffer.from("{}");
    const { token } = one.transports.sessions.mint("g:one", PRINCIPAL.id, "2025-11-25", empty, empty);
    const client = new Client();
    const headers = { accept: "text/event-stream", "mcp-session-id": token };
    serveStreamableHttp(one.transports, endpoint, { ...HEAD, headers, body: Buffer.alloc(0) }, client);
    await waitFor(() => client.status === 200);
    one.transports.takeover.letGoAll();
    published.resolve();
    await waitFor(() => client.closed);
    expect(one.streams()).toBe(0);
    await room.close();
    room = undefined;
    await state.close();
  });
});

describe("a client that reads slowly", () => {
  const progress = { method: "notifications/message", params: { level: "info", data: "x" } };

  async function streaming() {
    const { room: one, endpoint } = await start();
    const empty = Buffer.from("{}");
    const { token } = one.transports.sessions.mint("g:one", PRINCIPAL.id, "2025-11-25", empty, empty);
    const client = new Client();
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-session-id": token,
    };
    const body = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}');
    serveStreamableHttp(one.transports, endpoint, { ...HEAD, method: "POST", headers, body }, client);
    await waitFor(() => one.upstreams.requests.length === 1);
    const upstream = one.upstreams.last("tools/call");
    upstream.say(progress);
    return { client, upstream };
  }

  it("makes its upstream wait until it takes more, and no upstream of others", async () => {
    const { client, upstream } = await streaming();
    expect(upstream.paused).toBe(false);
    client.isFull = true;
    upstream.say(progress);
    expect(upstream.paused).toBe(true);
    client.drain();
    expect(upstream.paused).toBe(false);
    client.isFull = true;
    upstream.say(progress);
    expect(upstream.paused).toBe(true);
    client.drain();
    upstream.result({ content: [] });
    expect([upstream.paused, client.closed, client.chunks.filter((chunk) => chunk.includes("data: {")).length]).toEqual(
      [false, true, 4],
    );
  });

  it("and then hangs up, is not waited for: the rest is kept for it", async () => {
    const { client, upstream } = await streaming();
    client.isFull = true;
    upstream.say(progress);
    expect(upstream.paused).toBe(true);
    client.hangUp();
    expect([upstream.paused, upstream.cancelled]).toEqual([false, false]);
  });
});

describe("a client that hangs up", () => {
  const POST = { ...HEAD, method: "POST" };
  const json = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const body = (message: object) => Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));

  it("cancels in the modern era", async () => {
    const { room: one, endpoint } = await start();
    const client = new Client();
    const headers = { ...json, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "t" };
    const message = body({ id: 1, method: "tools/call", params: { name: "t", _meta: MODERN } });
    serveStreamableHttp(one.transports, endpoint, { ...POST, headers, body: message }, client);
    await waitFor(() => one.upstreams.requests.length === 1);
    client.hangUp();
    await waitFor(() => one.upstreams.notified.length === 1);
    expect(one.upstreams.notified[0]?.json).toMatchObject({
      method: "notifications/cancelled",
      params: { requestId: one.upstreams.last("tools/call").json.id },
    });
    expect(one.conversations.inFlight).toBe(0);
  });

  it("cancels nothing in the legacy era: the answer waits to be fetched", async () => {
    const { room: one, endpoint } = await start();
    const empty = Buffer.from("{}");
    const { token } = one.transports.sessions.mint("g:one", PRINCIPAL.id, "2025-11-25", empty, empty);
    const client = new Client();
    const headers = { ...json, "mcp-session-id": token };
    const message = body({ id: 1, method: "tools/call", params: { name: "t", _meta: { progressToken: "p" } } });
    serveStreamableHttp(one.transports, endpoint, { ...POST, headers, body: message }, client);
    await waitFor(() => one.upstreams.requests.length === 1);
    const call = one.upstreams.last("tools/call");
    call.say({ method: "notifications/progress", params: { progressToken: call.json.id, progress: 1 } });
    const lastEventId = /^id: (.*)$/m.exec(client.chunks.join(""))?.[1] ?? "";
    client.hangUp();
    call.result({ content: [] });
    const again = new Client();
    const get = {
      ...HEAD,
      headers: { accept: "text/event-stream", "mcp-session-id": token, "last-event-id": lastEventId },
    };
    serveStreamableHttp(one.transports, endpoint, { ...get, body: Buffer.alloc(0) }, again);
    await waitFor(() => again.closed);
    const text = again.chunks.join("");
    expect([text.includes('"progressToken":"p"'), text.includes('"id":1,"result":{"content":[]}')]).toEqual([
      true,
      true,
    ]);
    expect(one.upstreams.notified).toEqual([]);
  });

  it("cancels every call of a batch on /rpc", async () => {
    const { room: one, endpoint } = await start();
    const client = new Client();
    const calls = [1, 2, 3].map((id) => ({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "t" } }));
    const request = { ...POST, headers: json, body: Buffer.from(JSON.stringify(calls)) };
    serveRpc(one.transports, endpoint, request, client);
    expect(one.conversations.inFlight).toBe(3);
    client.hangUp();
    expect(one.conversations.inFlight).toBe(0);
  });
});
