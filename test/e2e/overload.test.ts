/** A gateway with more to do than it has slots for, behind each engine: who is refused, how, and who never is. */
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
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

function errorOf({ json }: Answer): Record<string, unknown> {
  const { error } = json();
  return { ...(error as object) };
}

describe.each(names)("%s with all slots taken", (HTTP_SERVER) => {
  let gateway: Gateway;
  let slow: Everything;
  let quick: Everything;
  let held: Promise<Answer>[] = [];
  let keys: string[] = [];
  let named = 0;

  async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    // The machine that runs this test is no judge of its event loop.
    const settings = { HTTP_SERVER, MAX_IN_FLIGHT: String(SLOTS), MAX_LOOP_DELAY: "0", ...env };
    gateway = await startGateway({ env: settings });
    await register(gateway, { name: "slow", url: slow.url });
    await register(gateway, { name: "quick", url: quick.url });
  }

  const port = () => Number(new URL(gateway.url).port);
  const callOf = (tool: string, args: object) =>
    callModern(gateway, gateway.mcpUrl, 1, "tools/call", { name: tool, arguments: args });
  const echo = (upstream: string) => callOf(`${upstream}__echo`, { text: "hello" });

  /** Calls that wait upstream until they are released. */
  async function hold(count: number): Promise<void> {
    const more = Array.from({ length: count }, () => `held-${++named}`);
    keys.push(...more);
    held.push(...more.map((key) => callOf("slow__wait", { key, ms: 60_000 })));
    const { waiting } = slow.observed;
    await waitFor(() => more.every((key) => waiting.includes(key)), 20_000, "the calls upstream");
  }

  async function release(): Promise<Answer[]> {
    for (const key of keys) slow.release(key);
    const answers = await Promise.all(held);
    held = [];
    keys = [];
    return answers;
  }

  async function metric(name: string, labels: string): Promise<number> {
    const { text } = await send("GET", `${gateway.url}/metrics`, gateway.headers);
    return Number(new RegExp(`^${name}\\{${labels}\\} (\\d+)$`, "m").exec(text)?.[1]);
  }

  beforeAll(async () => {
    [slow, quick] = await Promise.all([startEverything(), startEverything()]);
  });
  afterEach(async () => {
    await release();
    await gateway?.stop();
  });
  afterAll(async () => {
    await Promise.all([slow?.close(), quick?.close()]);
  });

  it("refuses the next call on its head, serves probes and streams as ever, and goes on when a slot is free", async () => {
    await start({ MAX_UPSTREAM_SHARE: "1" });
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    await hold(SLOTS);

    const modern = { ...modernRequest(1, "tools/call", { name: "quick__echo" }).headers, ...gateway.headers };
    const refused = await spoken(port(), bareHead(modern, 100), /"code":"MCPS_OVERLOADED"\}\}\}$/);
    const [head = "", body = ""] = refused.split("\r\n\r\n");
    expect(head.split("\r\n")[0]).toBe("HTTP/1.1 503 Service Unavailable");
    expect(head.toLowerCase()).toMatch(/\r\nretry-after: [12](\r\n|$)/);
    expect(JSON.parse(body)).toEqual({
      jsonrpc: "2.0",
      id: null,
      error: {
        code: -32000,
        message: `Too many calls at once, the limit is ${SLOTS}`,
        data: { code: "MCPS_OVERLOADED" },
      },
    });

    for (const path of ["/health", "/ready", "/metrics"])
      expect([path, (await send("GET", gateway.url + path, gateway.headers)).status]).toEqual([path, 200]);
    const streams = await Promise.all([1, 2, 3].map(() => openStream("GET", `${gateway.url}/sse`, gateway.headers)));
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    const lists = await callModern(gateway, gateway.mcpUrl, 2, "tools/list");
    expect(lists.status).toBe(200);
    expect((await session.call(3, "tools/call", { name: "quick__echo", arguments: { text: "x" } })).status).toBe(503);
    expect(await metric("mcp_requests_in_flight", 'class="call"')).toBe(SLOTS);
    expect(await metric("mcp_admission_limit", 'class="call"')).toBe(SLOTS);
    expect(await metric("mcp_requests_refused_total", 'class="call",reason="full"')).toBe(2);

    for (const stream of streams) stream.close();
    expect((await release()).map(({ status }) => status)).toEqual(Array.from({ length: SLOTS }, () => 200));
    expect((await echo("quick")).status).toBe(200);
  }, 60_000);

  it("takes a cancellation that makes room, and no more bodies than it lends places to", async () => {
    await start({ MAX_UPSTREAM_SHARE: "1" });
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    await hold(SLOTS - 1);
    const params = { name: "slow__wait", arguments: { key: "cancelled", ms: 60_000 } };
    const call = send("POST", gateway.mcpUrl, session.headers, message("c", "tools/call", params));
    await waitFor(() => slow.observed.waiting.includes("cancelled"), 10_000, "the last call");

    const heads = Array.from({ length: LENT }, () => spoken(port(), bareHead(session.headers, 100), /\}$/));
    await waitFor(async () => (await metric("mcp_requests_in_flight", 'class="control"')) === LENT);
    const next = await spoken(port(), bareHead(session.headers, 100), /\}$/);
    expect(next).toContain("MCPS_OVERLOADED");
    for (const late of await Promise.all(heads)) expect(late).toMatch(/^HTTP\/1\.1 503 [\s\S]+MCPS_BODY_LATE/);

    expect((await session.notify("notifications/cancelled", { requestId: "c" })).status).toBe(202);
    await call;
    const { cancellations } = slow.observed;
    await waitFor(() => cancellations.some(({ key }) => key === "cancelled"), 10_000, "the end of the call upstream");
    expect((await echo("quick")).status).toBe(200);
  }, 60_000);

  it("leaves room beside a slow upstream", async () => {
    await start();
    expect((await echo("quick")).status).toBe(200);
    await hold(SLOTS / 2);
    const busy = await echo("slow");
    expect([busy.status, busy.headers["retry-after"]]).toEqual([503, "1"]);
    expect(errorOf(busy)).toEqual({
      code: -32008,
      message: "Upstream slow is busy: it has 32 calls running, its share of this gateway",
      data: { code: "MCPS_UPSTREAM_BUSY", retryAfterSeconds: 1 },
    });
    expect((await echo("quick")).status).toBe(200);
    expect(await metric("mcp_upstream_refused_total", 'upstream="slow"')).toBe(1);
  }, 60_000);

  it("lets a call wait where it may, and drops it in time", async () => {
    await start({ MAX_IN_FLIGHT: "1", QUEUE_TIMEOUT: "60s" });
    await hold(1);
    const waits = echo("quick");
    await waitFor(async () => (await metrics()).includes("\nmcp_requests_waiting 1\n"), 10_000, "the queue");
    await release();
    expect((await waits).status).toBe(200);
    await gateway.stop();

    await start({ MAX_IN_FLIGHT: "1", QUEUE_TIMEOUT: "200ms" });
    await hold(1);
    const dropped = await echo("quick");
    expect([dropped.status, errorOf(dropped).data]).toEqual([503, { code: "MCPS_QUEUE_TIMEOUT" }]);
  }, 60_000);

  it("counts calls that come over a WebSocket like all others", async () => {
    await start({ MAX_IN_FLIGHT: "2", MAX_UPSTREAM_SHARE: "1" });
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/ws`, "mcp", { headers: gateway.headers });
    const got: Record<string, unknown>[] = [];
    socket.on("message", (data) => got.push(JSON.parse(String(data)) as Record<string, unknown>));
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const ask = async (id: number, method: string, params: object) => {
      socket.send(message(id, method, params));
      return waitFor(() => got.find((one) => one.id === id), 10_000, `the answer to ${method}`);
    };
    const clientInfo = { name: "by hand", version: "1" };
    await ask(1, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
    await hold(2);
    const refused = await ask(2, "tools/call", { name: "quick__echo", arguments: { text: "x" } });
    expect(refused.error).toEqual({
      code: -32000,
      message: "Too many calls at once, the limit is 2",
      data: { code: "MCPS_OVERLOADED" },
    });
    expect((await ask(3, "ping", {})).result).toEqual({});
    await release();
    expect((await ask(4, "tools/call", { name: "quick__echo", arguments: { text: "x" } })).error).toBeUndefined();
    socket.close();
  }, 60_000);

  async function metrics(): Promise<string> {
    return (await send("GET", `${gateway.url}/metrics`, gateway.headers)).text;
  }
});
