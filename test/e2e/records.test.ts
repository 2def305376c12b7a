/** What a gateway writes down: calls, changes, refusals, log lines; read back through REST, and nothing of it lost at the end. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { callModern, type Gateway, register, rest, send, startGateway } from "../harness/index.ts";

const SECRET = "s3cret-of-an-upstream-0123456789";
const on = {
  AUDIT_TRAIL_ENABLED: "true",
  AUDIT_TRAIL_CALLS: "true",
  SECURITY_LOGGING_ENABLED: "true",
  STRUCTURED_LOGGING_DATABASE_ENABLED: "true",
  METRICS_CACHE_ENABLED: "false",
  METRICS_BUFFER_ENABLED: "false",
};

let fixture: Everything;
let gateway: Gateway;
beforeAll(async () => {
  fixture = await startEverything();
  gateway = await startGateway({ env: on });
});
afterAll(async () => {
  await gateway?.stop();
  await fixture?.close();
});

type Rows = readonly Record<string, unknown>[];
async function rowsOf(path: string): Promise<Rows> {
  const { status, body } = await rest(gateway, "GET", path);
  expect([status, body]).toEqual([200, expect.objectContaining({ rows: expect.any(Array) })]);
  return body.rows as Rows;
}
const echo = (text: string) => ({ name: "up__echo", arguments: { text } });

describe("records", () => {
  it("holds each change with who made it and what it changed, in a chain that verifies", async () => {
    const registered = await register(gateway, { name: "up", url: fixture.url });
    const headers = { ...gateway.headers, "content-type": "application/json", "x-correlation-id": "my-change-1" };
    const body = Buffer.from(JSON.stringify({ description: "changed" }));
    expect((await send("PATCH", `${gateway.url}/gateways/${registered.id}`, headers, body)).status).toBe(200);
    const [row, ...others] = await rowsOf("/admin/audit?correlation_id=my-change-1");
    expect(others).toEqual([]);
    expect(row).toMatchObject({
      principal: "admin@example.com",
      action: "gateways.patch",
      resourceType: "gateways",
      resourceId: registered.id,
      status: 200,
      outcome: "ok",
      remote: "127.0.0.1",
      change: { changed: { description: ["", "changed"] } },
    });
    const verdict = await rest(gateway, "GET", "/v1/admin/audit/verify");
    expect(verdict).toMatchObject({ status: 200, body: { ok: true, writers: 1, broken: [] } });
  });

  it("counts calls by tool, with failures, and shows them to who may see them", async () => {
    for (const text of ["one", "two", "three"])
      expect((await callModern(gateway, gateway.mcpUrl, 1, "tools/call", echo(text))).status).toBe(200);
    await expect
      .poll(() => rowsOf("/admin/metrics/top?kind=tool"), { timeout: 20_000, interval: 200 })
      .toEqual([expect.objectContaining({ gateway: "up", name: "echo", calls: 3, failures: 0, errorRate: 0 })]);
    const overview = await rest(gateway, "GET", "/admin/metrics");
    expect(overview.body).toMatchObject({ kinds: { tool: { calls: 3 } }, top: { tool: [{ name: "echo" }] } });
    const audited = async () =>
      (await rowsOf("/admin/audit?action=tools/call")).map(({ resourceId, outcome }) => [resourceId, outcome]);
    await expect
      .poll(audited, { timeout: 20_000, interval: 200 })
      .toEqual(Array.from({ length: 3 }, () => ["up/echo", "ok"]));
  });

  it("tells refused tokens apart from the rest, and keeps no token", async () => {
    const bearer = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.forged-signature";
    for (let times = 0; times < 5; times++)
      expect((await send("GET", `${gateway.url}/gateways`, { authorization: bearer })).status).toBe(401);
    await expect
      .poll(async () => (await rowsOf("/admin/security?severity=high")).length, { timeout: 20_000, interval: 200 })
      .toBe(1);
    const events = await rowsOf("/admin/security?kind=auth.refused");
    expect(events.map(({ severity, times, detail }) => [severity, times, detail])).toEqual([
      ["high", 1, "gateways.list: proof refused"],
      ["low", 4, "gateways.list: proof refused"],
    ]);
    expect(JSON.stringify(events)).not.toContain("forged");
  });

  it("keeps no secret of a change in any row or log line", async () => {
    const body = { name: "secretive", url: `${fixture.url}?token=${SECRET}`, authType: "bearer", authToken: SECRET };
    await rest(gateway, "POST", "/gateways?deferred=true", body);
    await rest(gateway, "POST", "/gateways", { ...body, authType: SECRET });
    const seen = await Promise.all(["/admin/audit", "/admin/security", "/admin/logs"].map(rowsOf));
    expect(seen[0]?.some(({ outcome }) => outcome !== "ok")).toBe(true);
    expect(JSON.stringify(seen)).not.toContain(SECRET);
    expect(gateway.stderr()).not.toContain(SECRET);
  });
});
