/** A gateway with more to do than it has slots for, behind each engine: who is refused, how, and who never is. */
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type EngineName, engines } from "../../gateway/engine/index.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  type Answer,
  callModern,
  type Gateway,
  message,
  modernRequest,
  openLegacySession,
  openStream,
  register,
  send,
  startGateway,
  waitFor,
} from "../harness/index.ts";

const SLOTS = 64;
const LENT = SLOTS / 8;
const names = Object.keys(engines) as EngineName[];

/** Writes bytes and answers with what comes back until it matches. */
function spoken(port: number, text: string, enough: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let all = "";
    socket.on("data", (chunk: Buffer) => {
      all += chunk.toString();
      if (enough.test(all)) socket.destroy();
    });
    socket.on("close", () => resolve(all));
    socket.on("error", reject);
  });
}

/** A request head that announces a body, and nothing of the body. */
function bareHead(headers: Readonly<Record<string, string>>, length: number): string {
  const lines = Object.entries({ host: "127.0.0.1", ...headers, "content-length": String(length) });
  return `POST /mcp HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

const FULL = (limit: number) => ({
  code: -32000,
  message: `Too many calls at once, the limit is ${limit}`,
  data: { code: "MCPS_OVERLOADED" },
});

function errorOf({ json }: Answer): Record<string, unknown> {
  const { error } = json();
  return { ...(error as object) };
}

/** A gateway with two upstreams, and calls that wait there until they are released. */
class Scene {
  readonly gateway: Gateway;
  readonly upstreams: readonly Everything[];
  #held: Promise<Answer>[] = [];
  #keys: string[] = [];
  #named = 0;

  private constructor(gateway: Gateway, upstreams: readonly Everything[]) {
    this.gateway = gateway;
    this.upstreams = upstreams;
  }

  static async start(env: Readonly<Record<string, string>>): Promise<Scene> {
    // The machine that runs this test is no judge of its event loop.
    const starting = startGateway({ env: { MAX_LOOP_DELAY: "0", ...env } });
    const [gateway, one, two] = await Promise.all([starting, startEverything(), startEverything()]);
    await register(gateway, { name: "one", url: one.url });
    await register(gateway, { name: "two", url: two.url });
    return new Scene(gateway, [one, two]);
  }

  get port(): number {
    return Number(new URL(this.gateway.url).port);
  }

  call(tool: string, args: object): Promise<Answer> {
    return callModern(this.gateway, this.gateway.mcpUrl, 1, "tools/call", { name: tool, arguments: args });
  }

  echo(upstream: "one" | "two"): Promise<Answer> {
    return this.call(`${upstream}__echo`, { text: "hello" });
  }

  isWaiting(key: string): boolean {
    return this.upstreams.some(({ observed }) => observed.waiting.includes(key));
  }

  /** Calls that wait upstream. */
  async hold(upstream: "one" | "two", count: number): Promise<void> {
    const more = Array.from({ length: count }, () => `held-${++this.#named}`);
    this.#keys.push(...more);
    this.#held.push(...more.map((key) => this.call(`${upstream}__wait`, { key, ms: 60_000 })));
    await waitFor(() => more.every((key) => this.isWaiting(key)), 60_000, "the calls upstream");
  }

  /** One more call, unless `count` wait already; whether so many do. */
  async tryHold(upstream: "one" | "two", count: number): Promise<boolean> {
    if (this.#keys.length === count) return true;
    const key = `held-${++this.#named}`;
    const call = this.call(`${upstream}__wait`, { key, ms: 60_000 });
    let isRefused = false;
    void call.then(() => {
      isRefused = true;
    });
    await waitFor(() => isRefused || this.isWaiting(key), 60_000, "the call upstream, or its refusal");
    if (!isRefused) {
      this.#keys.push(key);
      this.#held.push(call);
    }
    return this.#keys.length === count;
  }

  /** Their answers' statuses. */
  async release(): Promise<number[]> {
    for (const key of this.#keys.splice(0)) for (const upstream of this.upstreams) upstream.release(key);
    return (await Promise.all(this.#held.splice(0))).map(({ status }) => status);
  }

  async metric(name: string, labels = ""): Promise<number> {
    const { text } = await send("GET", `${this.gateway.url}/metrics`, this.gateway.headers);
    return Number(new RegExp(`^${name}${labels} (\\d+)$`, "m").exec(text)?.[1]);
  }

  async close(): Promise<void> {
    await this.release();
    await this.gateway.stop();
    for (const upstream of this.upstreams) await upstream.close();
  }
}

describe.each(names)("%s with all slots taken", (HTTP_SERVER) => {
  let scene: Scene;
  let gateway: Gateway;
  beforeAll(async () => {
    scene = await Scene.start({ HTTP_SERVER, MAX_IN_FLIGHT: String(SLOTS) });
    gateway = scene.gateway;
  });
  // With two upstreams in use each has half of the slots.
  beforeEach(async () => {
    for (const upstream of ["one", "two"] as const) expect((await scene.echo(upstream)).status).toBe(200);
  });
  afterEach(() => scene.release());
  afterAll(() => scene?.close());

  it("refuses the next call on its head, serves probes and streams as ever, and goes on when a slot is free", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    await scene.hold("one", SLOTS / 2);
    await scene.hold("two", SLOTS / 2);

    const modern = { ...modernRequest(1, "tools/call", { name: "two__echo" }).headers, ...gateway.headers };
    const refused = await spoken(scene.port, bareHead(modern, 100), /"code":"MCPS_OVERLOADED"\}\}\}$/);
    const [head = "", body = ""] = refused.split("\r\n\r\n");
    expect(head.split("\r\n")[0]).toBe("HTTP/1.1 503 Service Unavailable");
    expect(head.toLowerCase()).toMatch(/\r\nretry-after: [12](\r\n|$)/);
    expect(JSON.parse(body)).toEqual({ jsonrpc: "2.0", id: null, error: FULL(SLOTS) });

    for (const path of ["/health", "/ready", "/metrics"])
      expect([path, (await send("GET", gateway.url + path, gateway.headers)).status]).toEqual([path, 200]);
    const streams = await Promise.all([1, 2, 3].map(() => openStream("GET", `${gateway.url}/sse`, gateway.headers)));
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    for (const stream of streams) stream.close();
    expect((await callModern(gateway, gateway.mcpUrl, 2, "tools/list")).status).toBe(200);
    expect((await session.call(3, "tools/call", { name: "two__echo", arguments: { text: "x" } })).status).toBe(503);
    expect(await scene.metric("mcp_requests_in_flight", '{class="call"}')).toBe(SLOTS);
    expect(await scene.metric("mcp_admission_limit", '{class="call"}')).toBe(SLOTS);
    expect(await scene.metric("mcp_requests_refused_total", '{class="call",reason="full"}')).toBe(2);

    expect(await scene.release()).toEqual(Array.from({ length: SLOTS }, () => 200));
    expect((await scene.echo("two")).status).toBe(200);
  });

  it("takes a cancellation that makes room, and no more bodies than it lends places to", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    await scene.hold("one", SLOTS / 2 - 1);
    await scene.hold("two", SLOTS / 2);
    const params = { name: "one__wait", arguments: { key: "cancelled", ms: 60_000 } };
    const call = send("POST", gateway.mcpUrl, session.headers, message("c", "tools/call", params));
    await waitFor(() => scene.isWaiting("cancelled"), 60_000, "the last call");

    const heads = Array.from({ length: LENT + 1 }, () => spoken(scene.port, bareHead(session.headers, 100), /\}$/));
    const answers = await Promise.all(heads);
    expect(answers.map((text) => /^HTTP\/1\.1 (\d+)/.exec(text)?.[1])).toEqual(heads.map(() => "503"));
    expect(answers.filter((text) => text.includes("MCPS_BODY_LATE")).length).toBeGreaterThanOrEqual(LENT);

    expect((await session.notify("notifications/cancelled", { requestId: "c" })).status).toBe(202);
    await call;
    const ended = () =>
      scene.upstreams.some(({ observed }) => observed.cancellations.some(({ key }) => key === "cancelled"));
    await waitFor(ended, 60_000, "the end of the call upstream");
    expect((await scene.echo("one")).status).toBe(200);
  });

  it("leaves room beside a slow upstream", async () => {
    await scene.hold("one", SLOTS / 2);
    const busy = await scene.echo("one");
    expect([busy.status, busy.headers["retry-after"]]).toEqual([503, "1"]);
    expect(errorOf(busy)).toEqual({
      code: -32008,
      message: "Upstream one is busy: it has 32 calls running, its share of this gateway",
      data: { code: "MCPS_UPSTREAM_BUSY", retryAfterSeconds: 1 },
    });
    expect((await scene.echo("two")).status).toBe(200);
    expect(await scene.metric("mcp_upstream_refused_total", '{upstream="one"}')).toBe(1);
  });
});

describe.each(names)("%s with a queue", (HTTP_SERVER) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await Scene.start({ HTTP_SERVER, MAX_IN_FLIGHT: "2", QUEUE_TIMEOUT: "60s", MAX_UPSTREAM_SHARE: "1" });
  });
  afterEach(() => scene.release());
  afterAll(() => scene?.close());

  it("lets a call wait until a slot is free", async () => {
    await scene.hold("one", 2);
    const waits = scene.echo("two");
    await waitFor(async () => (await scene.metric("mcp_requests_waiting")) === 1, 60_000, "the queue");
    expect(await scene.release()).toEqual([200, 200]);
    expect((await waits).status).toBe(200);
    expect(await scene.metric("mcp_requests_refused_total", '{class="call",reason="full"}')).toBe(0);
  });

  it("counts calls that come over a WebSocket like all others, and lets them wait for nothing", async () => {
    const { gateway } = scene;
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/ws`, "mcp", { headers: gateway.headers });
    const got: Record<string, unknown>[] = [];
    socket.on("message", (data) => got.push(JSON.parse(String(data)) as Record<string, unknown>));
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const ask = async (id: number, method: string, params: object) => {
      socket.send(message(id, method, params));
      return waitFor(() => got.find((one) => one.id === id), 60_000, `the answer to ${method}`);
    };
    const clientInfo = { name: "by hand", version: "1" };
    const echo = { name: "two__echo", arguments: { text: "x" } };
    await ask(1, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
    await scene.hold("one", 2);
    expect((await ask(2, "tools/call", echo)).error).toEqual(FULL(2));
    expect((await ask(3, "ping", {})).result).toEqual({});
    await scene.release();
    expect((await ask(4, "tools/call", echo)).error).toBeUndefined();
    socket.close();
  });
});

describe.each(names)("%s with two workers", (HTTP_SERVER) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await Scene.start({ HTTP_SERVER, WORKERS: "2", MAX_IN_FLIGHT: "4", MAX_UPSTREAM_SHARE: "1" });
  });
  afterAll(() => scene?.close());

  it("has as many slots as its workers together, and answers probes when all are taken", async () => {
    // Which worker gets a connection is not ours to say: what finds a full one tries again.
    await waitFor(async () => scene.tryHold("one", 8), 60_000, "eight calls at once");
    const more = await Promise.all(Array.from({ length: 6 }, () => scene.echo("two")));
    expect(more.map((answer) => [answer.status, errorOf(answer).message])).toEqual(
      more.map(() => [503, "Too many calls at once, the limit is 4"]),
    );
    const { gateway } = scene;
    for (const path of ["/health", "/ready"])
      for (let index = 0; index < 4; index++) expect((await send("GET", gateway.url + path, {})).status).toBe(200);
    expect(await scene.metric("mcp_requests_in_flight", '{class="call"}')).toBe(8);
    expect(await scene.metric("mcp_admission_limit", '{class="call"}')).toBe(8);
    expect(await scene.release()).toEqual(Array.from({ length: 8 }, () => 200));
  });
});
