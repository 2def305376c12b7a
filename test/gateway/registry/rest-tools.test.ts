/** REST tools and imports of OpenAPI documents in the registry: made, changed, deleted, made again; previewed, imported, brought up to date. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Principal } from "../../../contract/principal.ts";
import { SHOP_2, SHOP_YAML } from "../../fixtures/openapi/shop.ts";
import { admin, openRoom, problemsOf, type Room } from "./rest-room.ts";

let room: Room;
let documents: Record<string, string> = {};
beforeAll(async () => {
  const fetchDocument = async (url: string) => Buffer.from(documents[url] ?? "");
  room = await openRoom({ imports: { maxBytes: 100_000, maxTools: 100, fetchDocument } });
}, 60_000);
afterAll(() => room?.close());
beforeEach(async () => {
  documents = {};
  for (const { id } of await room.store.allGateways()) await room.store.deleteGateway(id);
});

const TOOL = { name: "get_pet", url: "https://api.example.com/v1/pets/{id}?lang=en", integration_type: "REST" };
const restTools = async () => {
  const gateways = await room.store.allGateways();
  return (await Promise.all(gateways.map(({ id }) => room.store.restTools(id)))).flat();
};

describe("a REST tool", () => {
  it("is made with its upstream, which further ones of the origin share", async () => {
    const made = await room.ask("POST", "/tools", {
      tool: { ...TOOL, request_type: "get", description: "A pet" },
      team_id: null,
    });
    expect(made).toMatchObject({
      status: 201,
      body: {
        ...{ name: "get_pet", gatewaySlug: "api-example-com", description: "A pet", visibility: "public" },
        annotations: { readOnlyHint: true },
        inputSchema: { type: "object", required: ["id"] },
      },
    });
    const second = await room.ask("POST", "/tools", {
      ...{ name: "add_pet", base_url: "https://api.example.com", path_template: "/v1/pets", request_type: "POST" },
      ...{
        headers: { "Content-Type": "application/x-www-form-urlencoded", "X-Kind": "a" },
        header_mapping: { tag: "X-Tag" },
      },
      output_schema: { type: "array", items: { type: "integer" } },
    });
    expect(second.body.gatewayId).toBe(made.body.gatewayId);
    expect(second.body.outputSchema).toEqual({
      type: "object",
      properties: { result: { type: "array", items: { type: "integer" } } },
      required: ["result"],
    });
    expect((await restTools()).map(({ operation }) => JSON.parse(operation))).toEqual([
      {
        ...{ method: "GET", path: "/v1/pets/{id}", query: "lang=en", restInQuery: true },
        parameters: [{ argument: "id", in: "path", name: "id", style: "simple", explode: false }],
      },
      {
        ...{ method: "POST", path: "/v1/pets", wrapsResult: true, headers: { "x-kind": "a" } },
        body: { kind: "form", mediaType: "application/x-www-form-urlencoded" },
        parameters: [{ argument: "tag", in: "header", name: "X-Tag", style: "simple", explode: false }],
      },
    ]);
    const [gateway] = await room.store.allGateways();
    expect(gateway).toMatchObject({ transport: "REST", url: "https://api.example.com/", reachable: true });
    expect(gateway?.revision).toMatch(/\.2$/);
  });

  it("has an upstream of its own where it brings credentials, which no answer shows", async () => {
    await room.ask("POST", "/tools", TOOL);
    const made = await room.ask("POST", "/tools", { ...TOOL, auth_type: "bearer", auth_token: "very-secret" });
    expect(made.body.gatewaySlug).toBe("api-example-com-2");
    expect(JSON.stringify([made.body, (await room.ask("GET", "/gateways")).body])).not.toContain("very-secret");
    expect((await room.store.allGateways()).map(({ authHeaders }) => authHeaders)).toEqual([
      {},
      { authorization: "Bearer very-secret" },
    ]);
  });

  it("is changed, deleted, and the same again when it is made again", async () => {
    const { body } = await room.ask("POST", "/tools", TOOL);
    const target = `/tools/${body.id}`;
    const changed = await room.ask("PATCH", target, {
      request_type: "DELETE",
      title: "Remove",
      custom_name: "rm",
      tags: ["x"],
    });
    expect(changed.body).toMatchObject({
      title: "Remove",
      customName: "rm",
      tags: ["x"],
      annotations: { destructiveHint: true },
    });
    const moved = await room.ask("PUT", target, { url: "https://api.example.com/v2/{kind}/{id}" });
    expect(moved.body).toMatchObject({ id: body.id, inputSchema: { required: ["id"] } });
    expect((await restTools()).map(({ operation }) => JSON.parse(operation))).toMatchObject([
      { method: "DELETE", path: "/v2/{kind}/{id}" },
    ]);
    await room.ask("DELETE", target);
    await expect(room.ask("GET", target)).rejects.toMatchObject({ code: "MCPS_ITEM_UNKNOWN" });
    const again = await room.ask("POST", "/tools", { ...TOOL, gateway_id: body.gatewayId });
    expect([again.body.id, again.body.customName]).toEqual([body.id, null]);
    await expect(room.ask("POST", "/tools", { ...TOOL, gateway_id: body.gatewayId })).rejects.toMatchObject({
      code: "MCPS_ITEM_CONFLICT",
    });
  });

  it.each([
    [{ name: "a b" }, "name: has to be 1 to 128 characters of A-Za-z0-9_.-"],
    [{ url: "ftp://x" }, "url: has to be an absolute http or https URL without a user"],
    [{ url: "http://me:pw@x/" }, "url: has to be an absolute http or https URL without a user"],
    [{ url: "http://x/a/../b" }, "url: /a/../b has a . or .. segment"],
    [{ url: "http://x/{a}/{a}" }, "url: {a} stands twice in /{a}/{a}"],
    [{ integration_type: "MCP" }, expect.stringContaining("only REST tools can be made")],
    [
      { headers: { Authorization: "x" } },
      "headers.Authorization: credentials belong to the upstream: give it an authType",
    ],
    [{ headers: { Host: "x" } }, "url: header host cannot be set, or not to this value"],
    [{ input_schema: { type: "string" } }, "inputSchema.type: object"],
    [
      { input_schema: { type: "object", properties: { a: { $ref: "#/no" } } } },
      expect.stringContaining("valid JSON Schemas"),
    ],
    [{ jsonpath_filter: ".a" }, expect.stringContaining("jsonpathFilter")],
  ])("is refused with %j", async (wrong, expected) => {
    expect(await problemsOf(room.ask("POST", "/tools", { ...TOOL, ...wrong }))).toContainEqual(expected);
    expect(await room.store.allGateways()).toEqual([]);
  });

  it("is not put into somebody else's upstream", async () => {
    const { body } = await room.ask("POST", "/tools", TOOL);
    const user: Principal = { id: "user@example.com", kind: "jwt", admin: false, teams: [] };
    const foreign = room.ask("POST", "/tools", { ...TOOL, name: "x", gateway_id: body.gatewayId }, { principal: user });
    await expect(foreign).rejects.toMatchObject({ code: "MCPS_FORBIDDEN" });
    const own = await room.ask("POST", "/tools", { ...TOOL, name: "x" }, { principal: user });
    expect([own.body.gatewaySlug, own.body.ownerEmail]).toEqual(["api-example-com-2", user.id]);
    expect(body.ownerEmail).toBe(admin.id);
  });
});

describe("an OpenAPI document", () => {
  const rows = (body: Record<string, unknown>, key: string) => JSON.parse(JSON.stringify(body[key]));
  it("is previewed and nothing is stored", async () => {
    const { status, body } = await room.ask("POST", "/gateways/openapi/preview", { document: SHOP_YAML });
    expect([status, await room.store.allGateways()]).toEqual([200, []]);
    expect(body).toMatchObject({
      ...{ title: "Pet shop", slug: "pet-shop", baseUrl: "https://eu.example.com/v1", gatewayId: null, filteredOut: 0 },
      security: {
        secured: 4,
        open: 1,
        schemes: [{ name: "key", missing: ["authHeaderKey", "authHeaderValue"] }, { name: "asked" }],
      },
    });
    expect(rows(body, "added")).toHaveLength(5);
    const given = { document: SHOP_YAML, authHeaderKey: "X-Key", authHeaderValue: "secret-key" };
    const filled = await room.ask("POST", "/gateways/openapi/preview", given);
    expect(filled.body).toMatchObject({ security: { schemes: [{ missing: [] }, {}] } });
    expect(JSON.stringify(filled.body)).not.toContain("secret-key");
  });

  it("becomes an upstream with tools", async () => {
    const { status, body } = await room.ask("POST", "/gateways/openapi", {
      document: SHOP_2,
      name: "Shop",
      tags: ["t"],
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      slug: "shop",
      gateway: { transport: "REST", url: "https://example.com/v1", tags: ["t"] },
    });
    const tools = await room.ask("GET", `/tools?gateway_id=${body.gatewayId}`);
    expect(rows(tools.body, "rows").map((one: { name: string }) => one.name)).toEqual([
      "listPets",
      "addPet",
      "addPhoto",
    ]);
  });

  it("is fetched from its URL, and again when it changed: ids stay", async () => {
    const url = "https://docs.example.com/shop.yaml";
    documents[url] = SHOP_YAML;
    const { body } = await room.ask("POST", "/gateways/openapi", { url, filters: { paths: ["/pets/**"] } });
    const path = `/gateways/${body.gatewayId}/openapi`;
    const before = await room.store.restTools(String(body.gatewayId));
    expect(before.map(({ name }) => name)).toEqual(["getPet", "put_pets_by_id", "getPet_2"]);
    await room.ask("DELETE", `/tools/${before[1]?.id}`);
    documents[url] = SHOP_YAML.replace("summary: One pet", "summary: A pet").replace(
      "    delete:\n      operationId: getPet",
      "    patch:",
    );
    const preview = await room.ask("POST", `${path}/preview`);
    const expected = {
      added: [{ name: "patch_pets_by_id", operation: "PATCH /pets/{id}" }],
      changed: [{ name: "getPet", operation: "GET /pets/{id}", id: before[0]?.id, fields: ["title", "description"] }],
      removed: [{ name: "getPet_2", operation: "DELETE /pets/{id}", id: before[2]?.id }],
      unchanged: 0,
      keptOut: [{ name: "put_pets_by_id", operation: "PUT /pets/{id}", id: before[1]?.id }],
    };
    expect(preview.body).toMatchObject(expected);
    expect(await room.store.restTools(String(body.gatewayId))).toHaveLength(3);
    expect((await room.ask("POST", path)).body).toMatchObject(expected);
    expect((await room.ask("POST", path)).body).toMatchObject({ added: [], changed: [], removed: [], unchanged: 2 });
    const after = await room.store.restTools(String(body.gatewayId));
    expect(after.map(({ id, removed }) => [id, removed])).toEqual([
      [before[0]?.id, false],
      [before[1]?.id, true],
      [expect.any(String), false],
    ]);
  });

  it.each([
    [{ document: "{" }, expect.stringContaining("document: the document is no valid")],
    [{}, "document: exactly one of document and url"],
    [{ document: "x".repeat(100_001) }, "document: at most 100000 bytes (OPENAPI_MAX_BYTES)"],
    [{ document: { openapi: "3.0.0", paths: {} } }, expect.stringContaining("baseUrl: the document names no server")],
    [{ document: SHOP_2, filters: { tags: ["none"] } }, "filters: some operation has to be left; 3 are filtered out"],
    [{ document: SHOP_2, transport: "SSE" }, expect.stringContaining("transport")],
  ])("that cannot be imported is refused: %#", async (body, expected) => {
    expect(await problemsOf(room.ask("POST", "/gateways/openapi", body))).toContainEqual(expected);
  });

  it("of an upstream that is away is stored only when that is wanted", async () => {
    const body = { document: SHOP_2, baseUrl: "http://away.example.com" };
    await expect(room.ask("POST", "/gateways/openapi", body)).rejects.toMatchObject({
      code: "MCPS_UPSTREAM_UNREACHABLE",
    });
    const { body: made } = await room.ask("POST", "/gateways/openapi?deferred=true", body);
    expect(made).toMatchObject({ gateway: { reachable: false } });
  });
});
