/** What an operator changes about a REST tool is approved by that, where anything else that changes is held back. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { callModern, type Gateway, rest, startGateway } from "../harness/index.ts";

let shop: Server;
let gateway: Gateway;
let base: string;
beforeAll(async () => {
  shop = createServer((_, response) => response.writeHead(200, { "content-type": "application/json" }).end("{}"));
  await new Promise<void>((done) => shop.listen(0, "127.0.0.1", done));
  base = `http://127.0.0.1:${(shop.address() as AddressInfo).port}`;
  gateway = await startGateway({
    env: {
      AUDIT_TRAIL_ENABLED: "true",
      TOOL_PIN_POLICY: "quarantine",
      TOOL_PIN_NEW: "quarantine",
      SSRF_ALLOW_LOCALHOST: "true",
    },
  });
});
afterAll(async () => {
  await gateway?.stop();
  shop?.close();
});

const listing = z.object({
  result: z.object({ tools: z.array(z.object({ name: z.string(), description: z.string().optional() })) }),
});

async function descriptions(): Promise<Record<string, string | undefined>> {
  const { text } = await callModern(gateway, gateway.mcpUrl, 1, "tools/list", {});
  const { result } = listing.parse(JSON.parse(text));
  return Object.fromEntries(result.tools.map(({ name, description }) => [name, description]));
}

async function pins(): Promise<readonly unknown[]> {
  const { body } = await rest(gateway, "GET", "/pins");
  const rows: unknown = body.value;
  return (Array.isArray(rows) ? rows : []).map(({ name, state, approvedBy }) => [name, state, approvedBy]);
}

const operation = (summary: string) => ({
  openapi: "3.1.0",
  info: { title: "Shop", version: "1" },
  servers: [{ url: base }],
  paths: {
    "/pets": { get: { operationId: "pets", summary, responses: {} } },
    ...(summary === "All pets" ? {} : { "/cats": { get: { operationId: "cats", summary: "Cats", responses: {} } } }),
  },
});

describe("tools of a REST upstream", () => {
  it("are shown as their operator writes them, with a row of who approved that", async () => {
    const { body: upstream } = await rest(gateway, "POST", "/gateways/openapi", {
      document: operation("All pets"),
      slug: "shop",
    });
    const id = String(upstream.gatewayId);
    expect(Object.keys(await descriptions())).toEqual(["shop__pets"]);
    const { body: tools } = await rest(gateway, "GET", "/tools");
    const [tool] = Array.isArray(tools.value) ? tools.value : [];
    const changed = await rest(gateway, "PUT", `/tools/${tool.id}`, { description: "Pets that are left" });
    expect(changed.status).toBe(200);
    expect(await descriptions()).toEqual({ shop__pets: "Pets that are left" });
    expect(await pins()).toEqual([["pets", "approved", "admin@example.com"]]);
    // A new one waits where new ones wait, unless it is the operator's own.
    const added = { name: "dogs", url: `${base}/dogs`, integrationType: "REST", requestType: "GET", gatewayId: id };
    expect((await rest(gateway, "POST", "/tools", { ...added, description: "Dogs" })).status).toBe(201);
    expect(await descriptions()).toEqual({ shop__pets: "Pets that are left", shop__dogs: "Dogs" });
    const again = await rest(gateway, "POST", `/gateways/${id}/openapi`, { document: operation("Pets of the shop") });
    expect(again.status).toBe(200);
    expect(await pins()).toEqual([
      ["cats", "approved", "admin@example.com"],
      ["dogs", "approved", "admin@example.com"],
      ["pets", "approved", "admin@example.com"],
    ]);
    const { body: audit } = await rest(gateway, "GET", "/admin/audit?action=pins.approve");
    const rows: readonly Record<string, unknown>[] = Array.isArray(audit.rows) ? audit.rows : [];
    expect(rows.map(({ resourceId, principal, change }) => ({ resourceId, principal, change })).reverse()).toEqual(
      [["pets"], ["dogs"], ["cats", "pets"]].map((approved) => ({
        resourceId: id,
        principal: "admin@example.com",
        change: { approved, tools: approved.length },
      })),
    );
  });
});
