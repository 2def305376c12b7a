/** The hook before all REST rooms: what it writes of whom, and that answers stay as they are. */
import { describe, expect, it } from "vitest";
import { fault } from "../../contract/errors.ts";
import type { GatewayRequest, RestResponse } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { RestRoom } from "../../contract/rest.ts";
import { matchRoute } from "../../contract/routes.ts";
import { LooseEnds } from "../../gateway/loose-ends.ts";
import { type GrowingRow, recordCalls } from "../../gateway/record-calls.ts";
import { recordedRoom } from "../../gateway/record-changes.ts";
import type { AuditEntry, AuditWriter, SecurityEvent } from "../../gateway/telemetry/index.ts";

const ann: Principal = { id: "ann@example.com", kind: "jwt", admin: false, teams: [], tokenId: "t1" };
const NOW = 1_780_000_000_000;

/** A registry of one upstream that is kept as a plain object. */
function setUp(withReads = false) {
  let gateway: Record<string, unknown> | undefined = { id: "g1", name: "up", authHeaders: { "x-key": "old-secret" } };
  const written: AuditEntry[] = [];
  const events: SecurityEvent[] = [];
  const running = new LooseEnds();
  const audit: AuditWriter = {
    add: (entry) => void written.push(entry),
    addNow: async (entry) => void written.push(entry),
    flush: async () => true,
    figures: () => ({ waiting: 0, written: 0, dropped: 0, failures: 0 }),
    close: async () => undefined,
  };
  const inner: RestRoom = {
    description: { schemas: {}, routeOf: () => undefined },
    async handle(route, params, request): Promise<RestResponse> {
      if (params.id === "theirs") throw fault("MCPS_FORBIDDEN", { principal: "ann", action: "secret-in-a-message" });
      if (request.method === "POST" && params.id === undefined) return { status: 201, body: { id: "g2", name: "new" } };
      if (gateway === undefined) throw fault("MCPS_ITEM_UNKNOWN", { kind: "gateway", id: "g1" });
      if (request.method === "DELETE") gateway = undefined;
      else if (route.id === "gateways.state") gateway = { ...gateway, enabled: false };
      else if (request.method !== "GET")
        gateway = { ...gateway, ...(JSON.parse(request.body.toString()) as object), accessToken: "s3cret" };
      return { status: 200, body: gateway ?? { status: "success" } };
    },
    handleOpen: async () => ({ status: 200, body: { access_token: "s3cret" }, subject: "bea@example.com" }),
  };
  const room = recordedRoom(inner, {
    audit,
    withReads,
    security: { record: (event) => void events.push(event) },
    running,
    now: () => NOW,
  });
  const ask = (method: string, path: string, body = "", headers: GatewayRequest["headers"] = {}) => {
    const match = matchRoute(method, path);
    if (match.kind !== "route") throw new Error(`no route ${method} ${path}`);
    const request = { method, path, query: "", headers, remoteAddress: "10.1.2.3", body: Buffer.from(body) };
    return match.route.auth === "public"
      ? room.handleOpen?.(match.route, match.params, request)
      : room.handle(match.route, match.params, request, ann);
  };
  return { ask, written, events, running };
}
const changeOf = (entry: AuditEntry | undefined) => JSON.parse(entry?.change ?? "null") as Record<string, unknown>;
const digest = expect.stringMatching(/^[0-9a-f]{64}$/);

describe("recordedRoom", () => {
  it("keeps the end waiting for a change, with its row, and not for a read", async () => {
    const { ask, written, running } = setUp();
    void ask("PUT", "/v1/gateways/g1", '{"name":"down"}');
    expect(await running.tie(60_000)).toBe(0);
    expect(written.map(({ action }) => action)).toEqual(["gateways.update"]);
  });

  it("writes who changed what, from what to what, without secrets", async () => {
    const { ask, written } = setUp();
    const answer = await ask("PUT", "/v1/gateways/g1", '{"name":"down"}', { "x-correlation-id": "c-1" });
    expect(answer?.body).toMatchObject({ name: "down", accessToken: "s3cret" });
    expect(written).toEqual([
      {
        at: NOW,
        correlationId: "c-1",
        principal: "ann@example.com",
        principalKind: "jwt",
        tokenId: "t1",
        remote: "10.1.2.3",
        method: "PUT",
        action: "gateways.update",
        resourceType: "gateways",
        resourceId: "g1",
        status: 200,
        outcome: "ok",
        change: expect.any(String),
      },
    ]);
    expect(changeOf(written[0])).toEqual({
      before: digest,
      after: digest,
      changed: { name: ["up", "down"], accessToken: [null, "***"] },
    });
    expect(JSON.stringify(written)).not.toMatch(/secret|s3cret/);
  });

  it.each([
    ["POST", "/gateways", { before: null, after: digest, changed: { id: [null, "g2"], name: [null, "new"] } }, "g2"],
    ["POST", "/gateways/g1/state", { before: digest, after: digest, changed: { enabled: [null, false] } }, "g1"],
    [
      "DELETE",
      "/gateways/g1",
      {
        before: digest,
        after: null,
        changed: { id: ["g1", null], name: ["up", null], authHeaders: [{ "x-key": "***" }, null] },
      },
      "g1",
    ],
  ])("sees with %s %s what there was and what there is", async (method, path, change, resourceId) => {
    const { ask, written } = setUp();
    await ask(method, path);
    expect([changeOf(written[0]), written[0]?.resourceId]).toEqual([change, resourceId]);
  });

  it("writes who proved to be whom where anybody may ask", async () => {
    const { ask, written } = setUp();
    await ask("POST", "/auth/email/reset-password", '{"token":"s3cret","newPassword":"s3cret"}');
    expect(written).toMatchObject([
      {
        principal: "bea@example.com",
        principalKind: "public",
        tokenId: null,
        action: "auth.reset-password",
        resourceType: "auth",
        resourceId: "bea@example.com",
        status: 200,
      },
    ]);
    expect(JSON.stringify(written)).not.toContain("s3cret");
  });

  it("writes a refused try with its code and nothing of its message, and tells the security log", async () => {
    const { ask, written, events } = setUp();
    await expect(ask("DELETE", "/gateways/theirs")).rejects.toMatchObject({ code: "MCPS_FORBIDDEN" });
    expect(written.map(({ outcome, status, resourceId }) => [outcome, status, resourceId])).toEqual([
      ["MCPS_FORBIDDEN", 403, "theirs"],
    ]);
    expect(events).toEqual([
      {
        kind: "auth.forbidden",
        remote: "10.1.2.3",
        principal: "ann@example.com",
        detail: "gateways.delete",
        correlationId: written[0]?.correlationId,
      },
    ]);
    expect(JSON.stringify([written, events])).not.toContain("secret-in-a-message");
  });

  it("writes reads where that is wanted, with the permission, and a correlation id of its own for one that is no word", async () => {
    const silent = setUp();
    await silent.ask("GET", "/gateways/g1");
    expect(silent.written).toEqual([]);
    const { ask, written } = setUp(true);
    await ask("GET", "/gateways/g1", "", { "x-correlation-id": "line\nbreak" });
    expect(written).toMatchObject([
      { method: "GET", action: "gateways.get", change: '{"permission":"gateways.read"}' },
    ]);
    expect(written[0]?.correlationId).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("recordCalls", () => {
  it("makes a row of what is a tool, a resource or a prompt, and of nothing else", () => {
    const rows: unknown[] = [];
    const add = (row: GrowingRow) => {
      rows.push(row);
      return row;
    };
    const watch = recordCalls({ add, batches: 0 }, () => NOW);
    const call = (method: string, value: string) =>
      ({
        envelope: { method },
        route: { upstream: { record: { id: "g1", slug: "up" } }, target: { value } },
        view: { server: { id: "s1" } },
        caller: {},
      }) as unknown as Parameters<typeof watch.ended>[0];
    for (const method of ["tools/call", "completion/complete", "constructor", "resources/subscribe", "prompts/get"])
      watch.ended(call(method, "n".repeat(300)), "tool_error", 2);
    const row = {
      at: NOW,
      gatewayId: "g1",
      gatewaySlug: "up",
      serverId: "s1",
      outcome: "tool_error",
      ms: 2,
      bucket: 56,
    };
    const name = "n".repeat(256);
    expect(rows).toEqual([
      { ...row, name, kind: "tool" },
      { ...row, name, kind: "prompt" },
    ]);
  });
});
