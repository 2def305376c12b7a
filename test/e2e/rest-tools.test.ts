/** An OpenAPI document becomes tools of a running gateway, which clients of both eras call on a real HTTP server. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Client as ModernClient } from "@modelcontextprotocol/client";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { engines } from "../../gateway/engine/index.ts";
import { callModern, connectV1, connectV2, type Gateway, rest, startGateway } from "../harness/index.ts";

const KEY = "key-of-the-upstream";

type Seen = { readonly method: string; readonly url: string; readonly key: string; readonly body: string };

/** A pet shop and its document. */
class Shop {
  readonly seen: Seen[] = [];
  readonly server: Server;
  summary = "One pet";

  constructor() {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { status = 200, body } = this.#answer(request, Buffer.concat(chunks).toString());
        response.writeHead(status, { "content-type": "application/json" }).end(body);
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  #answer(request: IncomingMessage, body: string): { status?: number; body: string } {
    const { method = "", url = "", headers } = request;
    if (url === "/openapi.json") return { body: JSON.stringify(this.#document()) };
    if (method !== "HEAD") this.seen.push({ method, url, key: String(headers["x-key"]), body });
    if (url.startsWith("/v1/pets/404"))
      return { status: 404, body: `{"error":"no such pet","sent":"${headers["x-key"]}"}` };
    return { body: '{"id":12345678901234567890,"price":1.0}' };
  }

  #document() {
    const pet = {
      type: "object",
      properties: { id: { type: "integer" }, price: { type: "number" } },
      required: ["id"],
    };
    const answer = {
      200: { description: "ok", content: { "application/json": { schema: { $ref: "#/components/schemas/Pet" } } } },
    };
    const id = { name: "id", in: "path", required: true, schema: { type: "string" } };
    return {
      ...{ openapi: "3.1.0", info: { title: "Shop", version: "1" }, servers: [{ url: "/v1" }] },
      security: [{ key: [] }],
      paths: {
        "/pets/{id}": {
          parameters: [id],
          get: { operationId: "getPet", summary: this.summary, responses: answer },
          put: {
            operationId: "putPet",
            requestBody: { required: true, content: { "application/json": { schema: pet } } },
            responses: answer,
          },
        },
      },
      components: { schemas: { Pet: pet }, securitySchemes: { key: { type: "apiKey", in: "header", name: "X-Key" } } },
    };
  }
}

describe.each(Object.keys(engines))("REST tools (%s)", (HTTP_SERVER) => {
  let gateway: Gateway;
  let shop: Shop;
  let id: string;
  beforeAll(async () => {
    shop = new Shop();
    await new Promise<void>((resolve) => shop.server.listen(0, "127.0.0.1", resolve));
    gateway = await startGateway({ env: { HTTP_SERVER } });
    const body = { url: `${shop.url}/openapi.json`, authHeaderKey: "X-Key", authHeaderValue: KEY };
    const made = await rest(gateway, "POST", "/v1/gateways/openapi", body);
    if (made.status !== 201) throw new Error(JSON.stringify(made.body));
    id = String(made.body.gatewayId);
  }, 180_000);
  afterAll(async () => {
    await gateway?.stop();
    shop?.server.closeAllConnections();
    shop?.server.close();
  });

  const eras: [string, (url: string) => Promise<Client | ModernClient>][] = [
    ["legacy", (url) => connectV1(url, gateway)],
    ["modern", (url) => connectV2(url, gateway, "modern")],
  ];

  it.each(eras)(
    "are listed and called by a client of the SDK, which checks the output schema: %s",
    async (_, connect) => {
      const client = await connect(gateway.mcpUrl);
      const { tools } = await client.listTools();
      expect(tools.map(({ name, annotations }) => [name, annotations])).toEqual([
        ["shop__getPet", { readOnlyHint: true, idempotentHint: true }],
        ["shop__putPet", { readOnlyHint: false, idempotentHint: true }],
      ]);
      shop.seen.length = 0;
      const got = await client.callTool({ name: "shop__getPet", arguments: { id: "a/b c" } });
      expect(got.structuredContent).toMatchObject({ price: 1 });
      const lost = await client.callTool({ name: "shop__getPet", arguments: { id: "404" } });
      expect([lost.isError, JSON.stringify(lost.content)]).toEqual([
        true,
        expect.stringContaining("HTTP 404 from GET /pets/{id}"),
      ]);
      expect(JSON.stringify(lost.content)).not.toContain(KEY);
      const wrong = await client.callTool({ name: "shop__putPet", arguments: { id: "1", body: { id: "x" } } });
      const text = 'Nothing was sent: the arguments of putPet are not valid. /body/id: "x" has to be integer';
      expect(wrong).toMatchObject({ isError: true, content: [{ type: "text", text }] });
      expect(shop.seen).toEqual([
        { method: "GET", url: "/v1/pets/a%2Fb%20c", key: KEY, body: "" },
        { method: "GET", url: "/v1/pets/404", key: KEY, body: "" },
      ]);
      await client.close();
    },
  );

  it("pass numbers byte for byte, both ways", async () => {
    shop.seen.length = 0;
    const call = '{"name":"putPet","arguments":{"id":"1","body":{"id":98765432109876543210,"price":2.50}}}';
    const response = await fetch(`${gateway.url}/gateways/${id}/mcp`, {
      method: "POST",
      headers: {
        ...gateway.headers,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...MODERN,
      },
      body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${call.slice(0, -1)},${META}}}`,
    });
    const text = await response.text();
    expect(text).toContain('"structuredContent":{"id":12345678901234567890,"price":1.0}');
    expect(shop.seen.map(({ body }) => body)).toEqual(['{"id":98765432109876543210,"price":2.50}']);
  });

  it("follow a document that changed, in virtual servers too", async () => {
    const server = await rest(gateway, "POST", "/servers", { name: "one", associated_tools: ["shop__getPet"] });
    const url = `${gateway.url}/servers/${server.body.id}/mcp`;
    const title = async () => {
      const answer = await callModern(gateway, url, 1, "tools/list");
      const list = z.object({
        result: z.object({ tools: z.array(z.object({ name: z.string(), title: z.string() })) }),
      });
      return list.parse(answer.json()).result.tools.map((tool) => `${tool.name}: ${tool.title}`);
    };
    expect(await title()).toEqual(["getPet: One pet"]);
    shop.summary = "A pet";
    const update = await rest(gateway, "POST", `/gateways/${id}/openapi`, {});
    expect(update.body).toMatchObject({
      added: [],
      removed: [],
      changed: [{ name: "getPet", fields: ["title", "description"] }],
      unchanged: 1,
    });
    expect(await title()).toEqual(["getPet: A pet"]);
  });

  it("move to another gateway with the registry", async () => {
    const passphrase = "a phrase of some length";
    const headers = { ...gateway.headers, "x-export-passphrase": passphrase };
    const importData: unknown = await (await fetch(`${gateway.url}/v1/export`, { headers })).json();
    expect(JSON.stringify(importData)).not.toContain(KEY);
    await rest(gateway, "DELETE", `/gateways/${id}`);
    const done = await rest(gateway, "POST", "/v1/import", { importData, passphrase, conflictStrategy: "update" });
    expect(done.body).toMatchObject({ counts: { create: 1, update: 1 } });
    shop.seen.length = 0;
    const client = await connectV1(`${gateway.url}/gateways/${id}/mcp`, gateway);
    expect((await client.callTool({ name: "getPet", arguments: { id: "7" } })).isError).toBeUndefined();
    expect(shop.seen).toMatchObject([{ url: "/v1/pets/7", key: KEY }]);
    await client.close();
  });
});

const MODERN = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "putPet" };
const META =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"by hand","version":"1"}}';
