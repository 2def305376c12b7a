/** Upstreams in trouble, through the whole gateway: left alone, seen by health checks, back by themselves; tools with a limit. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errors } from "../../contract/errors.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { freePort, type Gateway, openLegacySession, register, rest, startGateway, waitFor } from "../harness/index.ts";

const SETTINGS = {
  MCP_SESSION_POOL_CIRCUIT_BREAKER_THRESHOLD: "2",
  MCP_SESSION_POOL_CIRCUIT_BREAKER_RESET: "0.5",
  HEALTH_CHECK_INTERVAL: "0.5",
  UNHEALTHY_THRESHOLD: "2",
  RETRY_MAX_ATTEMPTS: "1",
  TOOL_CONCURRENT_LIMIT: "1",
  MCP_SESSION_POOL_ENABLED: "true",
};

describe("upstreams in trouble", () => {
  let gateway: Gateway;
  let fixture: Everything | undefined;
  beforeAll(async () => {
    gateway = await startGateway({ env: SETTINGS });
  }, 90_000);
  afterAll(async () => {
    await gateway?.stop();
    await fixture?.close();
  });

  it("are found away without a call, refused at once, and back by themselves", async () => {
    const port = await freePort();
    fixture = await startEverything({ port, mode: "legacy" });
    const { id } = await register(gateway, { name: "frail", url: fixture.url });
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const echo = async () =>
      (await session.call(1, "tools/call", { name: "frail__echo", arguments: { text: "x" } })).json();
    const shown = async () => (await rest(gateway, "GET", `/gateways/${id}`)).body;
    expect(await echo()).toMatchObject({ result: { content: [{ text: "x" }] } });
    expect(await shown()).toMatchObject({ reachable: true, circuit: "closed" });
    await fixture.close();
    await waitFor(async () => (await shown()).reachable === false, 60_000, "the health check");
    await waitFor(
      async () => ((await echo()).error as { code: number }).code === errors.MCPS_UPSTREAM_CIRCUIT.rpc,
      60_000,
    );
    fixture = await startEverything({ port, mode: "legacy" });
    await waitFor(async () => (await shown()).reachable === true, 60_000, "its return");
    await waitFor(async () => (await echo()).result !== undefined, 60_000, "a call");
    expect(await shown()).toMatchObject({ circuit: "closed" });
  }, 90_000);

  it("are shown to those who may see figures, and to nobody else", async () => {
    const { status, body } = await rest(gateway, "GET", "/admin/mcp-pool/metrics");
    expect([status, body.enabled, body.circuitBreakerStates]).toEqual([200, true, []]);
    expect((await fetch(`${gateway.url}/admin/mcp-pool/metrics`)).status).toBe(401);
  });

  it("have tools that run as often as they may, and no more", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const wait = (id: number) =>
      session.call(id, "tools/call", { name: "frail__wait", arguments: { ms: 60_000, key: "k" } });
    const first = wait(1);
    await waitFor(async () => fixture?.observed.waiting.includes("k"), 60_000);
    expect((await wait(2)).json()).toMatchObject({ id: 2, error: { code: errors.MCPS_TOOL_BUSY.rpc } });
    fixture?.release("k");
    expect((await first).json()).toMatchObject({ id: 1, result: { content: [{ text: "waited" }] } });
  }, 60_000);
});
