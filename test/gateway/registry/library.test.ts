/** Hosted resources and prompts: REST on the embedded database, and what the built-in upstream answers of them. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { Fault } from "../../../contract/errors.ts";
import type { Principal } from "../../../contract/principal.ts";
import type { RestRoom } from "../../../contract/rest.ts";
import { matchRoute } from "../../../contract/routes.ts";
import { type EmbeddedDatabase, startEmbeddedDatabase } from "../../../gateway/process/index.ts";
import {
  createLibrary,
  createRegistry,
  registryDescription,
  watchDeclarations,
} from "../../../gateway/registry/index.ts";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { openStore, type Store } from "../../../gateway/store/index.ts";
import { compiled, dataDirectory } from "../../harness/index.ts";
import { silentLog } from "../coordination/log.ts";

const admin: Principal = { id: "admin@example.com", kind: "jwt", admin: true, teams: [] };
const user: Principal = { id: "user@example.com", kind: "jwt", admin: false, teams: ["t1"] };
let directory: Awaited<ReturnType<typeof dataDirectory>>;
let database: EmbeddedDatabase;
let store: Store;
let registry: RestRoom;

const row = z.looseObject({ id: z.string() });

async function ask(method: string, target: string, body?: unknown, principal = admin) {
  const [path = "", query = ""] = target.split("?");
  const found = matchRoute(method, path);
  if (found.kind !== "route") throw new Error(`${method} ${path} is ${found.kind}`);
  const request = {
    method,
    path,
    query,
    headers: {},
    remoteAddress: "127.0.0.1",
    body: Buffer.from(JSON.stringify(body ?? {})),
  };
  const answer = await registry.handle(found.route, found.params, request, principal);
  const { answer: name = "", list } = registryDescription.routeOf(found.route) ?? {};
  const schema = registryDescription.schemas[name];
  if (!(schema instanceof z.ZodObject)) throw new Error(`${found.route.id} is not described`);
  for (const one of list ? z.array(z.unknown()).parse(answer.body) : [answer.body])
    z.strictObject(schema.shape).parse(one);
  return answer;
}
const one = async (...given: Parameters<typeof ask>) => row.parse((await ask(...given)).body);
const many = async (...given: Parameters<typeof ask>) => z.array(row).parse((await ask(...given)).body);

/** What the built-in upstream answers, or the fault's code and message. */
async function mcp(method: string, params: unknown, shows: (kind: string, name: string) => boolean = () => true) {
  const library = createLibrary({ store, identity: { name: "mcp-stack", version: "0" } });
  try {
    return JSON.parse((await library.answer({ method, params, shows })).toString());
  } catch (error) {
    if (error instanceof Fault) return { code: error.code, rpc: error.rpc, message: error.message };
    throw error;
  }
}

async function problemsOf(work: Promise<unknown>): Promise<{ path: string; allowed: string }[]> {
  const failure = await work.catch((error: unknown) => error);
  expect(failure).toMatchObject({ status: 422 });
  const problem = z.object({ path: z.string(), allowed: z.string() });
  return z.object({ data: z.object({ problems: z.array(problem) }) }).parse(failure).data.problems;
}

beforeAll(async () => {
  directory = await dataDirectory();
  database = await startEmbeddedDatabase({ dataDir: directory.path, env: compiled(), log: silentLog });
  const sealing = createSealer([{ id: "k", secret: randomBytes(32) }]);
  store = await openStore({ url: database.url, poolSize: 2, poolTimeoutMs: 10_000, log: silentLog, sealing });
  const inspect = () => Promise.reject(new Error("nothing is asked"));
  registry = createRegistry({ store, inspect, changed: async () => undefined, log: silentLog, separator: "__" });
});
afterAll(async () => {
  await store?.close();
  await database?.stop();
  await directory?.remove();
});

describe("the built-in upstream", () => {
  it("is there as long as something is hosted, and nobody can change it", async () => {
    expect(await many("GET", "/gateways")).toEqual([]);
    const { id } = await one("POST", "/resources", { uri: "a:b", name: "A", content: "x" });
    expect(await many("GET", "/gateways")).toMatchObject([
      { id: "library", slug: "library", transport: "BUILTIN", source: "builtin", url: null, reachable: true },
    ]);
    for (const [method, path] of [
      ["PATCH", "/gateways/library"],
      ["DELETE", "/gateways/library"],
      ["POST", "/gateways/library/state?activate=false"],
      ["POST", "/gateways/library/tools/refresh"],
    ] as const)
      expect([path, await problemsOf(ask(method, path, {}))]).toEqual([
        path,
        [expect.objectContaining({ path: "source" })],
      ]);
    expect(await ask("DELETE", `/resources/${id}`)).toMatchObject({ status: 200 });
    expect(await many("GET", "/gateways")).toEqual([]);
    await expect(ask("GET", `/resources/${id}`)).rejects.toMatchObject({ code: "MCPS_ITEM_UNKNOWN" });
  });

  it("does not take a slug that somebody has", async () => {
    const other = await store.createGateway({
      ...{ slug: "library", name: "Books", description: "", transport: "STREAMABLEHTTP", url: "http://127.0.0.1:1/" },
      ...{ stdio: null, era: "auto", authHeaders: {}, authType: "none", passthroughHeaders: [], tags: [] },
      ...{ requestTimeoutMs: null, visibility: "public", teamId: null, ownerEmail: null, enabled: true, source: "api" },
    });
    await expect(ask("POST", "/prompts", { name: "p", template: "" })).rejects.toMatchObject({
      status: 409,
      message: expect.stringContaining("taken by the gateway Books"),
    });
    await store.deleteGateway(other.id);
  });

  it("is not overwritten by a declared upstream of its name", async () => {
    const { id } = await one("POST", "/prompts", { name: "p", template: "" });
    const options = {
      store,
      inspect: () => Promise.reject(new Error("away")),
      changed: async () => undefined,
      log: silentLog,
    };
    const declared = watchDeclarations({ ...options, env: {}, builtIn: { library: { command: "x" } } });
    expect((await declared.applied).problems).toEqual([
      "mcpServers.library: the short name library is taken by what the gateway hosts itself",
    ]);
    await declared.close();
    expect(await store.getGateway("library")).toMatchObject({ transport: "BUILTIN", stdio: null });
    await ask("DELETE", `/prompts/${id}`);
  });

  it("has no tools, and says so of what it does not know", async () => {
    expect(await mcp("tools/list", {})).toEqual({ tools: [] });
    expect(await mcp("completion/complete", {})).toMatchObject({ rpc: -32601 });
    expect(await mcp("resources/list", { cursor: "x" })).toMatchObject({ code: "MCPS_CURSOR" });
    expect(await mcp("resources/read", { uri: 1 })).toMatchObject({ code: "MCPS_PARAMS" });
  });
});

describe("hosted resources", () => {
  it("are made, shown, listed, read, changed, switched and deleted", async () => {
    const version = await store.catalogueVersion();
    const body = { uri: "docs://readme", name: "Readme", content: "Grüße", mime_type: "text/markdown", tags: ["doc"] };
    const created = await ask("POST", "/v1/resources", {
      resource: { ...body, title: "Read me", description: "first" },
    });
    const { id } = row.parse(created.body);
    expect(created).toMatchObject({ status: 201, headers: { location: `/v1/resources/${id}` } });
    const shown = {
      gatewayId: "library",
      uri: "docs://readme",
      name: "Readme",
      title: "Read me",
      description: "first",
      mimeType: "text/markdown",
      size: 7,
      ownerEmail: admin.id,
      visibility: "public",
    };
    expect(await one("GET", `/resources/${id}`)).toMatchObject({ ...shown, content: "Grüße", contentEncoding: "text" });
    const [listed] = await many("GET", "/resources");
    expect(listed).toMatchObject(shown);
    expect(listed).not.toHaveProperty("content");
    const definition = {
      uri: "docs://readme",
      name: "Readme",
      title: "Read me",
      description: "first",
      mimeType: "text/markdown",
      size: 7,
    };
    expect(await mcp("resources/list", undefined)).toEqual({ resources: [definition] });
    expect(await mcp("resources/read", { uri: "docs://readme" })).toEqual({
      contents: [{ uri: "docs://readme", mimeType: "text/markdown", text: "Grüße" }],
    });
    await expect(ask("POST", "/resources", body)).rejects.toMatchObject({ code: "MCPS_ITEM_CONFLICT" });

    const changed = { uri: "docs://other", content: "AAD/", contentEncoding: "base64", title: null, mimeType: "a/b" };
    expect(await one("PATCH", `/resources/${id}`, changed)).toMatchObject({ uri: "docs://other", size: 3 });
    expect(await mcp("resources/read", { uri: "docs://other" })).toEqual({
      contents: [{ uri: "docs://other", mimeType: "a/b", blob: "AAD/" }],
    });
    expect(await mcp("resources/read", { uri: "docs://readme" })).toMatchObject({ rpc: -32002 });
    expect((await mcp("resources/list", {})).resources[0].title).toBeUndefined();

    expect(await one("POST", `/resources/${id}/state?activate=false`)).toMatchObject({ enabled: false });
    expect(await many("GET", "/resources")).toEqual([]);
    await ask("DELETE", `/resources/${id}`);
    expect(await mcp("resources/list", {})).toEqual({ resources: [] });
    expect(await store.catalogueVersion()).toBe(version + 4);
    await ask("DELETE", `/resources/${(await one("POST", "/resources", body)).id}`);
  });

  it("of a template are filled, and only what the caller may see is chosen from", async () => {
    const secret = await one("POST", "/resources", { uri_template: "t://{id}/x", name: "s", content: "secret {id}" });
    const open = await one("POST", "/resources", {
      ...{ uri: "t://{id}/{tail}", uri_template: "t://{id}/{tail}", name: "o" },
      content: "open {id} {tail} {other}",
    });
    expect(open).toMatchObject({ uriTemplate: "t://{id}/{tail}", mimeType: "text/plain" });
    const read = (shows?: Parameters<typeof mcp>[2]) => mcp("resources/read", { uri: "t://a%2Fb/x" }, shows);
    expect(await read()).toMatchObject({ contents: [{ uri: "t://a%2Fb/x", text: "secret a/b" }] });
    expect(await read((_, name) => name !== "t://{id}/x")).toMatchObject({
      contents: [{ text: "open a/b x {other}" }],
    });
    expect(await read(() => false)).toMatchObject({ code: "MCPS_LEGACY_RESOURCE_UNKNOWN" });
    expect(await mcp("resources/read", { uri: "t://a\0/x" })).toMatchObject({ code: "MCPS_LEGACY_RESOURCE_UNKNOWN" });
    expect(await many("GET", "/resources/templates/list")).toHaveLength(2);
    for (const { id } of [secret, open]) await ask("DELETE", `/resources/${id}`);
  });

  it.each([
    [{ uri: "no uri", name: "", mime_type: "x" }, ["name", "mimeType", "content"]],
    [{ name: "a", content: "" }, ["uri"]],
    [{ uri: "a:{b}", name: "a", content: "" }, ["uri"]],
    [
      { uri: "a:b", uri_template: "a:b", name: "a", content: "", content_encoding: "base64" },
      ["uriTemplate", "contentEncoding"],
    ],
    [{ uri: "a:b", uri_template: "a:{b}", name: "a", content: "" }, ["uri"]],
    [{ uri: "a:b", name: "a", content: "YQ", content_encoding: "base64" }, ["content"]],
    [{ uri: "a:b", name: "a", content: "é".repeat(524_289) }, ["content"]],
    [{ uri: "a:b", name: "a\0", content: "\0" }, ["name", "content"]],
    [{ uri: "a:b", name: "a", content: "", visibility: "team" }, ["teamId"]],
  ])("refuse %o", async (body, paths) => {
    const problems = await problemsOf(ask("POST", "/resources", body));
    expect(problems.map(({ path }) => path)).toEqual(expect.arrayContaining(paths));
    expect(problems).toHaveLength(paths.length);
  });
});

describe("hosted prompts", () => {
  it("are made, filled, changed and deleted", async () => {
    const body = {
      name: "greet",
      description: "greets",
      template: "Hello {{ who }}, {{ how }}.",
      arguments: [{ name: "who", required: true, description: "whom" }, { name: "how" }],
    };
    const { id, ...shown } = await one("POST", "/prompts", body);
    expect(shown).toMatchObject(body);
    expect(await mcp("prompts/list", {})).toEqual({
      prompts: [{ name: "greet", description: "greets", arguments: body.arguments }],
    });
    expect(await mcp("prompts/get", { name: "greet", arguments: { who: "{{ how }}", more: "x" } })).toEqual({
      description: "greets",
      messages: [{ role: "user", content: { type: "text", text: "Hello {{ how }}, ." } }],
    });
    expect(await mcp("prompts/get", { name: "greet" })).toEqual({
      code: "MCPS_PARAMS",
      rpc: -32602,
      message: "Invalid params of prompts/get: missing required argument who",
    });
    expect(await mcp("prompts/get", { name: "greet", arguments: { who: 1 } })).toMatchObject({ rpc: -32602 });
    expect(await mcp("prompts/get", { name: "greet" }, () => false)).toMatchObject({ code: "MCPS_PROMPT_UNKNOWN" });
    expect(await problemsOf(ask("PUT", `/prompts/${id}`, { arguments: [] }))).toHaveLength(2);
    await ask("PUT", `/prompts/${id}`, { name: "bye", template: "Bye.", arguments: [], description: null });
    expect(await mcp("prompts/get", { name: "bye" })).toEqual({
      messages: [{ role: "user", content: { type: "text", text: "Bye." } }],
    });
    await ask("DELETE", `/prompts/${id}`);
    expect(await mcp("prompts/list", {})).toEqual({ prompts: [] });
  });

  it("name every placeholder that is no argument, and every argument given twice", async () => {
    const body = {
      name: "p",
      template: "{{ a }} {{ b.c }} {{ a | upper }}",
      arguments: [{ name: "a" }, { name: "a" }],
    };
    expect(await problemsOf(ask("POST", "/prompts", body))).toEqual([
      { path: "arguments.1.name", allowed: "given twice" },
      { path: "template", allowed: "no placeholder {{ b.c }}; one of the arguments: a, a" },
      { path: "template", allowed: "no placeholder {{ a | upper }}; one of the arguments: a, a" },
    ]);
    const large = {
      name: "p",
      template: "é".repeat(32_769),
      arguments: Array.from({ length: 51 }, (_, i) => ({ name: `a${i}` })),
    };
    expect((await problemsOf(ask("POST", "/prompts", large))).map(({ path }) => path)).toEqual(["arguments"]);
    expect((await problemsOf(ask("POST", "/prompts", { ...large, arguments: [] }))).map(({ path }) => path)).toEqual([
      "template",
    ]);
  });

  it("are somebody's: others neither change nor see what is private, and nobody gives them away", async () => {
    const body = { name: "mine", template: "x", visibility: "private" };
    const { id, ownerEmail } = await one("POST", "/prompts", body, user);
    expect(ownerEmail).toBe(user.id);
    const third: Principal = { ...user, id: "third@example.com", teams: [] };
    for (const method of ["GET", "PATCH", "DELETE"])
      await expect(ask(method, `/prompts/${id}`, {}, third)).rejects.toMatchObject({ status: 404 });
    await expect(ask("PATCH", `/prompts/${id}`, { ownerEmail: third.id }, user)).rejects.toMatchObject({ status: 422 });
    await ask("PATCH", `/prompts/${id}`, { visibility: "public" }, user);
    await expect(ask("PATCH", `/prompts/${id}`, { template: "y" }, third)).rejects.toMatchObject({ status: 403 });
    await ask("DELETE", `/prompts/${id}`, undefined, user);
  });
});
