/** What an OpenAPI document becomes: tools in four dialects, what is left out and why, bounds, and anything at all as input. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diffOf } from "../../../gateway/registry/openapi-import/diff.ts";
import { DocumentError } from "../../../gateway/registry/openapi-import/document.ts";
import { type Plan, type PlanOptions, planOf } from "../../../gateway/registry/openapi-import/plan.ts";
import { planWithin } from "../../../gateway/registry/openapi-import/run.ts";
import { compileRestTool, restOperation } from "../../../gateway/upstreams/index.ts";
import { largeDocument, SHOP_2, SHOP_YAML, shop3 } from "../../fixtures/openapi/shop.ts";

const plan = (document: unknown, options: Partial<PlanOptions> = {}) =>
  planOf(typeof document === "string" ? document : JSON.stringify(document), { maxTools: 1000, ...options });

function toolOf(made: Plan, key: string) {
  const tool = made.tools.find((one) => one.key === key);
  if (tool === undefined) throw new Error(`no ${key} among ${made.tools.map((one) => one.key).join(", ")}`);
  return { ...tool, definition: JSON.parse(tool.definition), operation: JSON.parse(tool.operation) };
}

describe("OpenAPI 3.0 in YAML", () => {
  const made = plan(SHOP_YAML);
  it("becomes tools with names that are legal and unique", () => {
    expect(made.tools.map(({ key, name }) => [key, name])).toEqual([
      ["GET /pets/{id}", "getPet"],
      ["PUT /pets/{id}", "put_pets_by_id"],
      ["DELETE /pets/{id}", "getPet_2"],
      ["GET /pets", "get_pets"],
      ["POST /pets", "add_pet"],
    ]);
    expect(made).toMatchObject({
      title: "Pet shop",
      version: "1.2",
      dialect: "3.0",
      baseUrl: "https://eu.example.com/v1",
    });
  });
  it("says what it leaves out, by name", () => {
    expect(made.skipped).toEqual([
      { at: "GET /elsewhere", message: expect.stringContaining("servers of its own") },
      {
        at: "GET /outside",
        message: "$ref other.yaml#/x leads outside of the document, and nothing is fetched for it",
      },
      { at: "TRACE /outside", message: "this method is not supported" },
    ]);
    expect(made.warnings).toEqual([{ at: "GET /pets", message: "header Host is set by the gateway itself" }]);
  });
  it("merges parameters of path and operation, and asks for JSON", () => {
    const { definition, operation } = toolOf(made, "GET /pets/{id}");
    expect(definition).toEqual({
      name: "getPet",
      title: "One pet",
      description: "One pet",
      inputSchema: {
        type: "object",
        properties: {
          id: { type: "integer", format: "int64" },
          lang: { type: "string", maxLength: 2, description: "A language" },
        },
        required: ["id", "lang"],
        additionalProperties: false,
      },
      outputSchema: {
        type: "object",
        required: ["id", "name"],
        properties: {
          id: { type: "integer", readOnly: true, exclusiveMinimum: 0 },
          name: { type: ["string", "null"] },
          parent: { $ref: "#/$defs/Pet" },
          kind: { type: ["string", "null"], enum: ["cat", "dog", null] },
        },
        $defs: {
          Pet: expect.objectContaining({ properties: expect.objectContaining({ parent: { $ref: "#/$defs/Pet" } }) }),
        },
      },
      annotations: { readOnlyHint: true, idempotentHint: true },
    });
    expect(operation).toEqual({
      method: "GET",
      path: "/pets/{id}",
      accept: "application/json, */*;q=0.1",
      parameters: [
        { argument: "id", in: "path", name: "id", style: "simple", explode: false },
        { argument: "lang", in: "query", name: "lang", style: "form", explode: true },
      ],
    });
  });
  it("leaves out of a request what only answers have", () => {
    const { definition } = toolOf(made, "PUT /pets/{id}");
    expect(definition.inputSchema.properties.body).toMatchObject({ required: ["name"] });
    expect(Object.keys(definition.inputSchema.properties.body.properties)).toEqual([
      "name",
      "secret",
      "parent",
      "kind",
    ]);
    expect(definition.inputSchema.required).toEqual(["id", "body"]);
  });
  it("puts lists into an object, and awkward names into arguments that clients take", () => {
    const { definition, operation } = toolOf(made, "GET /pets");
    expect(definition.outputSchema).toMatchObject({
      type: "object",
      required: ["result"],
      properties: { result: { type: "array" } },
    });
    expect(operation).toMatchObject({
      wrapsResult: true,
      parameters: [{ argument: "filter_kind", name: "filter[kind]", style: "deepObject", explode: true }],
    });
    expect(definition.inputSchema.properties.filter_kind.description).toBe("Sent as filter[kind].");
  });
  it("takes files as base64", () => {
    const { definition, operation } = toolOf(made, "POST /pets");
    expect(definition.inputSchema.properties.body.properties.photo).toEqual({
      type: "string",
      contentEncoding: "base64",
    });
    expect(operation.body).toEqual({
      kind: "multipart",
      mediaType: "multipart/form-data",
      argument: "body",
      fields: { photo: { file: "image/png" } },
    });
  });
  it("maps what it is secured with", () => {
    expect([made.secured, made.open]).toEqual([4, 1]);
    expect(made.schemes.map(({ name, authType, header }) => [name, authType, header])).toEqual([
      ["key", "authheaders", "x-key"],
      ["asked", "query_param", "?key"],
    ]);
  });
  it("is filtered by tag, path and method", () => {
    const keys = (filters: PlanOptions["filters"]) => plan(SHOP_YAML, { filters }).tools.map(({ key }) => key);
    expect(keys({ tags: ["admin"] })).toEqual(["PUT /pets/{id}"]);
    expect(keys({ paths: ["/pets/*"], methods: ["get", "delete"] })).toEqual(["GET /pets/{id}", "DELETE /pets/{id}"]);
    expect(keys({ paths: ["/**"], methods: ["post"] })).toEqual(["POST /pets"]);
    expect(plan(SHOP_YAML, { filters: { tags: ["none"] } }).filteredOut).toBe(7);
  });
  it("is served where it is said", () => {
    const url = (options: Partial<PlanOptions>) => plan(SHOP_YAML, options).baseUrl;
    expect(url({ variables: { region: "us" } })).toBe("https://us.example.com/v1");
    expect(url({ variables: { region: "evil.example/#" } })).toBe("https://eu.example.com/v1");
    expect(url({ baseUrl: "http://127.0.0.1:9/x/" })).toBe("http://127.0.0.1:9/x");
    expect(plan(SHOP_YAML, { server: 1 }).problem).toBe("server: there are 1 servers, the first is 0");
  });
});

describe("other dialects", () => {
  it("Swagger 2.0 is read as what it would be today", () => {
    const made = plan(SHOP_2);
    expect([made.baseUrl, made.servers]).toEqual([
      "https://example.com/v1",
      ["https://example.com/v1", "http://example.com/v1"],
    ]);
    expect(toolOf(made, "GET /pets").operation.parameters).toEqual([
      { argument: "tags", in: "query", name: "tags", style: "form", explode: true },
      { argument: "ids", in: "query", name: "ids", style: "pipeDelimited", explode: false },
    ]);
    const { definition } = toolOf(made, "POST /pets");
    expect(definition.inputSchema.properties.body).toEqual({
      type: "object",
      properties: { name: { type: ["string", "null"] } },
    });
    expect(toolOf(made, "POST /pets/{id}/photo").operation.body).toMatchObject({
      kind: "multipart",
      fields: { photo: { file: "application/octet-stream" } },
    });
  });
  it.each(["3.1.0", "3.2.0"])("%s keeps its schemas as they are", (version) => {
    const made = plan(shop3(version), { documentUrl: "https://example.com/docs/openapi.json" });
    expect(made.baseUrl).toBe("https://example.com/api");
    const { definition } = toolOf(made, "POST /pets");
    expect(definition.inputSchema.properties.body).toEqual({ title: "A pet", $ref: "#/$defs/Pet" });
    expect(definition.inputSchema.$defs.Pet.properties).toEqual({
      name: { const: "Rex" },
      parts: { type: "array", prefixItems: [{ type: "string" }] },
    });
    expect(made.skipped).toEqual(
      version === "3.2.0" ? [{ at: "QUERY /pets", message: "this method is not supported" }] : [],
    );
    expect(plan(shop3(version)).problem).toContain("give baseUrl");
  });
});

describe("bounds", () => {
  it.each([
    ["{", "the document is no valid"],
    ["[]", "the document has to be an object"],
    ["openapi: 4.0.0", "openapi: 4.0.0: has to be OpenAPI 3.0, 3.1 or 3.2, or Swagger 2.0"],
    ["a: &a [*a]", "nested deeper than 200"],
    [`{"openapi":"3.0.0","x":${"[".repeat(300)}${"]".repeat(300)}}`, "nested deeper than 200"],
  ])("%s is refused", (text, message) => {
    expect(() => plan(text)).toThrow(DocumentError);
    expect(() => plan(text)).toThrow(message);
  });
  it("an alias bomb is refused", () => {
    const lines = Array.from(
      { length: 12 },
      (_, at) => `a${at + 1}: &a${at + 1} [${Array(10).fill(`*a${at}`).join(",")}]`,
    );
    expect(() => plan(`a0: &a0 x\n${lines.join("\n")}`)).toThrow(/alias/i);
  });
  it("more operations than allowed need a filter", () => {
    expect(() => plan(largeDocument(11), { maxTools: 10 })).toThrow(
      "more than 10 operations (OPENAPI_MAX_TOOLS): use filters",
    );
    expect(plan(largeDocument(11), { maxTools: 10, filters: { paths: ["/Thing1/**"] } }).tools).toHaveLength(1);
  });
  it("a large document is read in a thread, and one that takes too long is given up", async () => {
    const text = JSON.stringify(largeDocument(1000));
    expect((await planWithin(text, { maxTools: 1000 })).tools).toHaveLength(1000);
    await expect(planWithin(text, { maxTools: 1000 }, 1)).rejects.toThrow("takes longer than 1 ms");
  });
  it("schemas that hold each other stay small", () => {
    const [first] = plan(largeDocument(50)).tools;
    expect(first?.definition.length).toBeLessThan(6000);
  });
});

describe("anything", () => {
  const leaf = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom("#/components/schemas/A", "x.json"),
  );
  const words = fc.constantFrom(
    ...[
      "type",
      "$ref",
      "properties",
      "items",
      "allOf",
      "required",
      "enum",
      "minimum",
      "exclusiveMinimum",
      "schema",
      "in",
      "name",
    ],
    ...[
      "parameters",
      "requestBody",
      "content",
      "application/json",
      "responses",
      "200",
      "pattern",
      "nullable",
      "style",
      "__proto__",
    ],
  );
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      leaf,
      fc.array(tie("node"), { maxLength: 3 }),
      tie("object"),
    ),
    object: fc.dictionary(words, tie("node"), { maxKeys: 5 }),
  }));
  it("in the place of an operation or a schema makes tools that can be called, or says why not", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("2.0", "3.0.1", "3.1.0", "3.2.0"),
        node,
        node,
        node,
        (version, operation, schema, item) => {
          const document = {
            ...(version === "2.0" ? { swagger: version } : { openapi: version }),
            paths: {
              "/a/{id}": item,
              "/b": { post: operation },
              "/c": {
                get: {
                  parameters: [{ name: "q", in: "query", schema, type: "string" }],
                  responses: { 200: { schema, content: { "application/json": { schema } } } },
                },
              },
            },
            definitions: { A: schema },
            components: { schemas: { A: schema }, securitySchemes: item },
            servers: [operation],
          };
          const made = plan(document);
          for (const tool of made.tools) {
            compileRestTool(tool).checkOutput({});
            restOperation.parse(JSON.parse(tool.operation));
            expect(tool.name).toMatch(/^[A-Za-z0-9_.-]{1,128}$/);
            expect(JSON.parse(tool.definition).inputSchema.type).toBe("object");
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe("an import again", () => {
  const stored = (made: Plan) =>
    made.tools.map((tool, at) => ({ ...tool, id: `id${at}`, sourceKey: tool.key, removed: false }));
  it("of the same document changes nothing", () => {
    const made = plan(SHOP_YAML);
    const { diff, changes } = diffOf(stored(made), made.tools);
    expect(diff).toEqual({ added: [], changed: [], removed: [], unchanged: 5, keptOut: [] });
    expect(changes).toEqual({ added: [], changed: [], gone: [] });
  });
  it("keeps the ids of what changed or moved, and names what goes and comes", () => {
    const before = stored(plan(SHOP_YAML));
    const text = SHOP_YAML.replace("maxLength: 2", "maxLength: 3")
      .replace("operationId: add pet!", "operationId: newPet")
      .replace("/pets/{id}:", "/animals/{id}:")
      .replace("    delete:\n      operationId: getPet\n      deprecated: true", "    patch:");
    const { diff } = diffOf(before, plan(text).tools);
    expect(diff).toEqual({
      added: [
        { name: "put_animals_by_id", operation: "PUT /animals/{id}" },
        { name: "patch_animals_by_id", operation: "PATCH /animals/{id}" },
      ],
      changed: [
        { name: "getPet", operation: "GET /animals/{id}", id: "id0", fields: ["operation", "inputSchema"] },
        { name: "newPet", operation: "POST /pets", id: "id4", fields: ["name"], formerName: "add_pet" },
      ],
      removed: [
        { name: "put_pets_by_id", operation: "PUT /pets/{id}", id: "id1" },
        { name: "getPet_2", operation: "DELETE /pets/{id}", id: "id2" },
      ],
      unchanged: 1,
      keptOut: [],
    });
  });
  it("leaves alone what somebody wrote or deleted", () => {
    const made = plan(SHOP_YAML);
    const before = stored(made).map((tool) => (tool.name === "getPet" ? { ...tool, removed: true } : tool));
    const own = {
      ...{ id: "own", name: "add_pet", definition: "{}", operation: "{}" },
      sourceKey: null,
      removed: false,
    };
    const { diff, changes } = diffOf([...before.filter(({ name }) => name !== "add_pet"), own], made.tools);
    expect(diff.keptOut).toEqual([{ name: "getPet", operation: "GET /pets/{id}", id: "id0" }]);
    expect(changes.added.map(({ name, definition }) => [name, JSON.parse(definition).name])).toEqual([
      ["add_pet_2", "add_pet_2"],
    ]);
    expect(changes.gone).toEqual([]);
  });
});
