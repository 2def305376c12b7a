/** How a gateway ends: drained by SIGTERM or by a terminal's Ctrl-C, cut by a second signal, killed without a trace. */
import { resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errors } from "../../contract/errors.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  descendants,
  type EventStream,
  type Gateway,
  isRunning,
  type LegacySession,
  message,
  modernRequest,
  openLegacySession,
  openStream,
  register,
  send,
  startGateway,
  waitFor,
} from "../harness/index.ts";

const TIME_SERVER = resolve(import.meta.dirname, "../../examples/time-server.ts");

describe("a gateway with calls in flight", () => {
  let gateway: Gateway;
  let fixture: Everything;
  let session: LegacySession;
  beforeEach(async () => {
    fixture = await startEverything({ mode: "legacy" });
  });
  afterEach(async () => {
    await gateway?.stop();
    await fixture?.close();
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    gateway = await startGateway({ ownGroup: true, env });
    await register(gateway, { name: "up", url: fixture.url });
    await register(gateway, { name: "time", transport: "STDIO", command: process.execPath, args: [TIME_SERVER] });
    session = await openLegacySession(gateway.mcpUrl, gateway.headers);
  }

  /** A call that waits upstream, with its stream open. */
  async function waitingCall(id: number, key: string): Promise<EventStream> {
    const params = { name: "up__wait", arguments: { key, ms: 60_000 }, _meta: { progressToken: "p" } };
    const stream = await openStream("POST", gateway.mcpUrl, session.headers, message(id, "tools/call", params));
    await waitFor(() => fixture.observed.waiting.includes(key), 60_000, "the call upstream");
    return stream;
  }

  const echo = (id: number) => session.call(id, "tools/call", { name: "up__echo", arguments: { text: "late" } });

  it("drains on SIGTERM: new work is refused, streams end, calls finish, exit code 0", async () => {
    await start();
    const call = await waitingCall(1, "drained");
    const get = await openStream("GET", gateway.mcpUrl, { ...session.headers, accept: "text/event-stream" });
    const sse = await openStream("GET", `${gateway.url}/sse`, gateway.headers);
    const wanted = modernRequest(7, "subscriptions/listen", { notifications: { toolsListChanged: true } });
    const headers = { ...wanted.headers, ...gateway.headers };
    const listen = await openStream("POST", gateway.mcpUrl, headers, wanted.body);
    await waitFor(() => listen.events.some(({ data }) => data.includes("acknowledged")), 60_000, "the acknowledgement");

    process.kill(gateway.pid, "SIGTERM");
    await Promise.all([get.ended, sse.ended, listen.ended]);
    expect([get.isComplete(), sse.isComplete(), listen.isComplete()]).toEqual([true, true, true]);
    expect(JSON.parse(listen.events.at(-1)?.data ?? "")).toMatchObject({ id: 7, result: { resultType: "complete" } });

    const refused = await echo(2);
    expect([refused.status, refused.headers.connection]).toEqual([503, "close"]);
    expect(refused.json()).toMatchObject({ error: { code: errors.MCPS_DRAINING.rpc } });
    const ready = await send("GET", `${gateway.url}/ready`, {});
    expect([ready.status, ready.json()]).toMatchObject([503, { checks: { drain: "shutting down", database: "ok" } }]);
    expect((await send("GET", `${gateway.url}/health`, {})).status).toBe(200);

    fixture.release("drained");
    await call.ended;
    expect(call.isComplete()).toBe(true);
    expect(JSON.parse(call.events.at(-1)?.data ?? "")).toMatchObject({
      id: 1,
      result: { content: [{ text: "waited" }] },
    });
    expect(await gateway.exited).toBe(0);
    expect(gateway.stderr()).not.toContain("requests were cut");
  });

  it("takes the answer that a call waits for while it drains", async () => {
    await start();
    session = await openLegacySession(gateway.mcpUrl, gateway.headers, { capabilities: { elicitation: {} } });
    const params = { name: "up__elicit_name", arguments: { tag: "drained" } };
    const call = await openStream("POST", gateway.mcpUrl, session.headers, message(3, "tools/call", params));
    const asked = await waitFor(
      () => call.events.find(({ data }) => data.includes("elicitation/create")),
      60_000,
      "the question",
    );
    process.kill(gateway.pid, "SIGTERM");
    await waitFor(async () => (await echo(4)).status === 503, 60_000, "the drain");
    const { id } = JSON.parse(asked.data);
    const reply = { jsonrpc: "2.0", id, result: { action: "accept", content: { name: "Ada" } } };
    expect((await send("POST", gateway.mcpUrl, session.headers, JSON.stringify(reply))).status).toBe(202);
    await call.ended;
    expect(call.events.at(-1)?.data).toContain("drained: Hello, Ada!");
    expect(await gateway.exited).toBe(0);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("drains when its whole process group gets %s", async (signal) => {
    await start();
    const call = await waitingCall(1, signal);
    const params = { name: "time__slow", arguments: { ms: 3000 }, _meta: { progressToken: "q" } };
    const slow = await openStream("POST", gateway.mcpUrl, session.headers, message(2, "tools/call", params));
    await waitFor(() => slow.events.some(({ data }) => data.includes("progress")), 60_000, "the call over stdio");
    const children = descendants(gateway.pid);
    expect(children.length).toBeGreaterThanOrEqual(3);

    process.kill(-gateway.pid, signal);
    await waitFor(() => gateway.stderr().includes("shutting down"), 60_000, "the drain");
    await slow.ended;
    expect(slow.events.at(-1)?.data).toContain('"result"');
    fixture.release(signal);
    await call.ended;
    expect(call.events.at(-1)?.data).toContain('"waited"');
    expect(await gateway.exited).toBe(0);
    expect(gateway.stderr()).not.toMatch(/process\.ended|process\.output|could not be closed|connection_lost/);
    expect(children.filter(isRunning)).toEqual([]);
  });

  it("is cut at once by a second signal", async () => {
    await start();
    const call = await waitingCall(1, "cut");
    process.kill(gateway.pid, "SIGTERM");
    await waitFor(
      () => {
        if (gateway.stderr().includes("told to stop again")) return true;
        process.kill(gateway.pid, "SIGINT");
        return false;
      },
      60_000,
      "the second signal",
    );
    await call.ended;
    expect(call.isComplete()).toBe(false);
    expect(await gateway.exited).toBe(0);
  });

  it("cuts what has not finished within SHUTDOWN_GRACE", async () => {
    await start({ SHUTDOWN_GRACE: "1" });
    const call = await waitingCall(1, "too long");
    process.kill(gateway.pid, "SIGTERM");
    await call.ended;
    expect(call.events.some(({ data }) => data.includes('"waited"'))).toBe(false);
    expect(await gateway.exited).toBe(0);
    expect(gateway.stderr()).toContain("requests were cut at the end of the grace");
  });

  it("leaves no process behind when it is killed -9", async () => {
    await start();
    const answer = await session.call(1, "tools/call", { name: "time__echo", arguments: { message: "hi" } });
    expect(answer.status).toBe(200);
    // The database, the stdio host, and the server below it.
    const children = descendants(gateway.pid);
    expect(children.length).toBeGreaterThanOrEqual(3);
    await gateway.kill("SIGKILL");
    await waitFor(() => !children.some(isRunning), 60_000, "the end of what it started");
  });
});
