/** Upstreams that die, come back or forget: the client goes on, and only the tools of the lost upstream fail meanwhile. */
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errors } from "../../contract/errors.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  createServer,
  everythingServer,
  freePort,
  type Gateway,
  openLegacySession,
  openStream,
  type Registered,
  type Running,
  register,
  run,
  startGateway,
  unregister,
  waitFor,
} from "../harness/index.ts";

const FIXTURE = resolve(import.meta.dirname, "../fixtures/everything/main.ts");

async function spawnFixture(port: number, mode: string): Promise<Running> {
  const running = run(process.execPath, [FIXTURE, "--port", String(port), "--mode", mode]);
  await running.firstLine(20_000);
  return running;
}

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
}, 90_000);
afterAll(() => gateway?.stop());

describe.each(["legacy", "modern"] as const)("a %s upstream killed in the middle of a session", (mode) => {
  let healthy: Everything;
  let victim: Running;
  let port: number;
  const upstreams: Registered[] = [];

  beforeAll(async () => {
    port = await freePort();
    [healthy, victim] = await Promise.all([startEverything(), spawnFixture(port, mode)]);
    upstreams.push(await register(gateway, { name: "healthy", url: healthy.url }));
    upstreams.push(await register(gateway, { name: "victim", url: `http://127.0.0.1:${port}/mcp` }));
  });
  afterAll(async () => {
    for (const upstream of upstreams) await unregister(gateway, upstream);
    await victim?.stop();
    await healthy?.close();
  });

  it("fails alone, is named in the lists, and serves the same client again", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const echo = async (slug: string, id: number) => {
      const answer = await session.call(id, "tools/call", { name: `${slug}__echo`, arguments: { text: `to ${slug}` } });
      return answer.json();
    };
    const ok = (slug: string, id: number) => ({ id, result: { content: [{ type: "text", text: `to ${slug}` }] } });
    expect(await echo("victim", 1)).toMatchObject(ok("victim", 1));

    victim.kill("SIGKILL");
    await victim.exited;
    expect(await echo("victim", 2)).toMatchObject({ id: 2, error: { code: errors.MCPS_UPSTREAM_UNREACHABLE.rpc } });
    expect(await echo("healthy", 3)).toMatchObject(ok("healthy", 3));
    const list = JSON.parse(JSON.stringify((await session.call(4, "tools/list")).json().result));
    const slugs = new Set(list.tools.map(({ name }: { name: string }) => name.split("__")[0]));
    expect([...slugs]).toEqual(["healthy"]);
    expect(list._meta["mcp-stack/missing"]).toMatchObject([{ gateway: "victim", code: "MCPS_UPSTREAM_UNREACHABLE" }]);

    victim = await spawnFixture(port, mode);
    const again = await waitFor(
      async () => {
        const answer = await echo("victim", 5);
        return answer.result === undefined ? undefined : answer;
      },
      60_000,
      "the upstream's return",
    );
    expect(again).toMatchObject(ok("victim", 5));
    const whole = JSON.parse(JSON.stringify((await session.call(6, "tools/list")).json().result));
    expect(whole._meta?.["mcp-stack/missing"]).toBeUndefined();
  });

  it("a fail-closed virtual server refuses a list that is not whole; a fail-open one answers with the rest", async () => {
    const closed = await createServer(gateway, `closed ${mode}`, upstreams, { failure_mode: "closed" });
    const open = await createServer(gateway, `open ${mode}`, upstreams, { failure_mode: "open" });
    victim.kill("SIGKILL");
    await victim.exited;
    const [strict, lenient] = await Promise.all(
      [closed, open].map(({ mcpUrl }) => openLegacySession(mcpUrl, gateway.headers)),
    );
    expect((await strict?.call(1, "tools/list"))?.json()).toMatchObject({
      id: 1,
      error: { code: errors.MCPS_PARTIAL.rpc, data: { missing: [{ gateway: "victim" }] } },
    });
    expect((await lenient?.call(1, "tools/list"))?.json()).toMatchObject({
      result: { _meta: { "mcp-stack/missing": [{ gateway: "victim" }] } },
    });
    victim = await spawnFixture(port, mode);
  });
});

describe("an upstream that forgets its sessions", () => {
  let fixture: Everything;
  let upstream: Registered;
  beforeAll(async () => {
    fixture = await startEverything({ mode: "legacy" });
    upstream = await register(gateway, { name: "forgetful", url: fixture.url });
  });
  afterAll(async () => {
    await unregister(gateway, upstream);
    await fixture?.close();
  });

  it("is initialized again behind the client's back, with its subscriptions and log level", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const uri = "forgetful+test://watched-resource";
    await session.call(1, "resources/subscribe", { uri });
    await session.call(2, "logging/setLevel", { level: "warning" });
    await session.call(3, "tools/call", { name: "forgetful__count", arguments: {} });
    const opened = new Set(fixture.observed.sessionsOpened);
    await fixture.forgetSessions();
    const answer = await session.call(4, "tools/call", { name: "forgetful__count", arguments: {} });
    expect(answer.json()).toMatchObject({ id: 4, result: { content: [{ text: "1" }] } });
    const reopened = fixture.observed.sessionsOpened.filter((id) => !opened.has(id));
    const forSession = (list: readonly { session: string }[]) => list.some((one) => reopened.includes(one.session));
    await waitFor(() => forSession(fixture.observed.subscriptions), 60_000, "the subscription");
    const levels = fixture.observed.requests.filter(
      ({ method, session: id }) => method === "logging/setLevel" && reopened.includes(id ?? ""),
    );
    expect(levels.length).toBe(1);
    const stream = await openStream("GET", gateway.mcpUrl, { ...session.headers, accept: "text/event-stream" });
    await waitFor(
      async () => {
        const touch = { name: "forgetful__touch_resource", arguments: { uri: "test://watched-resource" } };
        await session.call(5, "tools/call", touch);
        return stream.events.some(({ data }) => data.includes("notifications/resources/updated"));
      },
      60_000,
      "the update",
    );
    stream.close();
  });

  it("DELETE ends the client's session and its upstream sessions", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    await session.call(1, "tools/call", { name: "forgetful__count", arguments: {} });
    const before = fixture.observed.sessionsClosed.length;
    const ended = await fetch(gateway.mcpUrl, { method: "DELETE", headers: { ...session.headers } });
    await ended.body?.cancel();
    expect(ended.ok).toBe(true);
    await waitFor(() => fixture.observed.sessionsClosed.length === before + 1, 60_000, "the upstream's DELETE");
    const late = await session.call(2, "ping");
    expect([late.status, late.json()]).toMatchObject([404, { error: { code: errors.MCPS_SESSION_UNKNOWN.rpc } }]);
  });
});

describe("a stdio child that is killed", () => {
  it("is started again for the same client", async () => {
    const child = await register(gateway, everythingServer("child"));
    try {
      const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
      const pids = async (): Promise<number[]> => {
        const ps = run("ps", ["-eo", "pid=,args="]);
        await ps.exited;
        return ps
          .stdout()
          .split("\n")
          .filter((line) => line.includes("server-everything/dist/index.js stdio"))
          .map((line) => Number.parseInt(line, 10));
      };
      const others = new Set(await pids());
      const call = (id: number) =>
        session.call(id, "tools/call", { name: "child__echo", arguments: { message: "hi" } });
      expect((await call(1)).json()).toMatchObject({ result: { content: [{ text: "Echo: hi" }] } });
      const mine = (await pids()).filter((pid) => !others.has(pid));
      for (const pid of mine) process.kill(pid, "SIGKILL");
      await waitFor(async () => (await call(2)).json().result !== undefined, 60_000, "the child's return");
    } finally {
      await unregister(gateway, child);
    }
  });
});
