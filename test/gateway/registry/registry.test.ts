/** REST of the registry and declared upstreams, on the embedded database; every answer is checked against the OpenAPI schemas. */
import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { fault } from "../../../contract/errors.ts";
import type { Principal } from "../../../contract/principal.ts";
import type { RestRoom } from "../../../contract/rest.ts";
import { matchRoute } from "../../../contract/routes.ts";
import { type EmbeddedDatabase, startEmbeddedDatabase } from "../../../gateway/process/index.ts";
import {
  createRegistry,
  openApiDocument,
  registryDescription,
  watchDeclarations,
} from "../../../gateway/registry/index.ts";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { type GatewayRecord, openStore, type Store } from "../../../gateway/store/index.ts";
import type { Inspection } from "../../../gateway/upstreams/index.ts";
import { compiled, dataDirectory } from "../../harness/index.ts";
import { silentLog } from "../coordination/log.ts";

const admin: Principal = { id: "admin@example.com", kind: "jwt", admin: true, teams: [] };
const user: Principal = { id: "user@example.com", kind: "jwt", admin: false, teams: ["t1"] };
let directory: Awaited<ReturnType<typeof dataDirectory>>;
let database: EmbeddedDatabase;
let store: Store;
let registry: RestRoom;
const inspected: GatewayRecord[] = [];

const item = (name: string, more = {}) => ({ name, raw: Buffer.from(JSON.stringify({ name, ...more })) });

async function inspect(record: GatewayRecord): Promise<Inspection> {
  inspected.push(record);
  if (record.url?.includes("/away")) {
    throw fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: record.slug, reason: "connection refused" });
  }
  return {
    profile: {
      era: "legacy",
      protocolVersion: "2025-11-25",
      sessionless: true,
      capabilities: Buffer.from('{"tools":{}}'),
      serverInfo: Buffer.from("{}"),
    },
    tools: [item("echo", { description: "says it again", inputSchema: { type: "object" } }), item("add")],
    prompts: [item("greet")],
    resources: [{ name: "file:///a", raw: Buffer.from('{"uri":"file:///a","name":"a"}') }],
    resourceTemplates: [],
    incomplete: [],
  };
}

type Answer = { status: number; headers: Readonly<Record<string, string>>; body: unknown };

async function ask(method: string, target: string, body?: unknown, principal = admin): Promise<Answer> {
  const [path = "", query = ""] = target.split("?");
  const found = matchRoute(method, path);
  if (found.kind !== "route") throw new Error(`${method} ${path} is ${found.kind}`);
  const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body ?? {}));
  const request = { method, path, query, headers: {}, remoteAddress: "127.0.0.1", body: bytes };
  const { status, headers = {}, body: answer } = await registry.handle(found.route, found.params, request, principal);
  const { answer: name = "", list } = registryDescription.routeOf(found.route) ?? {};
  const schema = registryDescription.schemas[name];
  if (!(schema instanceof z.ZodObject)) throw new Error(`${found.route.id} is not described`);
  const rows = Array.isArray(answer)
    ? answer
    : list
      ? (Object.values(Object(answer)).find(Array.isArray) ?? [])
      : [answer];
  for (const row of rows) z.strictObject(schema.shape).parse(row);
  return { status, headers, body: answer };
}

const one = (answer: Answer) => z.looseObject({ id: z.string() }).parse(answer.body);
const many = (answer: Answer) => z.array(z.looseObject({ id: z.string() })).parse(answer.body);

beforeAll(async () => {
  directory = await dataDirectory();
  database = await startEmbeddedDatabase({ dataDir: directory.path, env: compiled(), log: silentLog });
  const sealing = createSealer([{ id: "k", secret: randomBytes(32) }]);
  store = await openStore({ url: database.url, poolSize: 2, poolTimeoutMs: 10_000, log: silentLog, sealing });
  registry = createRegistry({ store, inspect, changed: async () => undefined, log: silentLog, separator: "__" });
});
afterAll(async () => {
  await store.close();
  await database.stop();
  await directory?.remove();
});

describe("gateways", () => {
  it("are created after asking them, in either spelling, and never show a credential", async () => {
    const body = { name: "My Server", url: "http://127.0.0.1:1/mcp", auth_type: "bearer", authToken: "hush-hush" };
    const created = await ask("POST", "/v1/gateways", body);
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      slug: "my-server",
      reachable: true,
      authType: "bearer",
      authConfigured: true,
      ownerEmail: admin.id,
    });
    expect(inspected.at(-1)?.authHeaders).toEqual({ authorization: "Bearer hush-hush" });
    const { id } = one(created);
    for (const answer of [created, await ask("GET", `/gateways/${id}`), await ask("GET", "/gateways")]) {
      expect(JSON.stringify(answer)).not.toContain("hush");
    }
    await expect(ask("POST", "/gateways", body)).rejects.toMatchObject({ code: "MCPS_ITEM_CONFLICT" });
    await ask("PATCH", `/gateways/${id}`, { description: "changed" });
    expect((await store.getGateway(id))?.authHeaders).toEqual({ authorization: "Bearer hush-hush" });
    expect((await ask("POST", `/gateways/${id}/state?activate=false`)).body).toMatchObject({ enabled: false });
    expect(many(await ask("GET", "/gateways"))).toEqual([]);
    expect((await ask("POST", `/gateways/${id}/toggle?activate=true`)).body).toMatchObject({ enabled: true });
    expect((await ask("POST", `/v1/gateways/${id}/tools/refresh`)).body).toMatchObject({ reachable: true });
  });

  it("are not stored when they cannot be reached, unless that is deferred", async () => {
    const body = { name: "away", url: "http://127.0.0.1:1/away" };
    await expect(ask("POST", "/gateways", body)).rejects.toMatchObject({ status: 502 });
    expect((await store.allGateways()).some((record) => record.slug === "away")).toBe(false);
    const { id, reachable } = one(await ask("POST", "/gateways?deferred=true", body));
    expect(reachable).toBe(false);
    await ask("DELETE", `/gateways/${id}`);
    await expect(ask("GET", `/gateways/${id}`)).rejects.toMatchObject({ code: "MCPS_ITEM_UNKNOWN" });
  });

  it("name every problem of an input at once, with the nearest name of an unknown field", async () => {
    const body = { nam: "x", url: "ftp://x", visibility: "all", request_timeout_ms: 0, auth_password: 5 };
    const failure = await ask("POST", "/gateways", body).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      status: 422,
      data: {
        problems: expect.arrayContaining([
          { path: "nam", allowed: "did you mean name?" },
          { path: "url", value: "ftp://x", allowed: "has to be an absolute http or https URL" },
          expect.objectContaining({ path: "visibility", value: "all" }),
          expect.objectContaining({ path: "requestTimeoutMs", value: 0 }),
          { path: "authPassword", allowed: expect.any(String) },
        ]),
      },
    });
    await expect(ask("POST", "/gateways", "{")).rejects.toMatchObject({ code: "MCPS_PARSE" });
    await expect(ask("GET", "/gateways?limt=1")).rejects.toMatchObject({ status: 422 });
  });

  it.each([
    [{ description: "a\0b" }, "description"],
    [{ tags: ["ok", "a\0b"] }, "tags.1"],
    [{ auth_type: "bearer", auth_token: "snow\u2603" }, "authToken"],
    [{ auth_type: "bearer", auth_token: "a\r\nb: c" }, "authToken"],
    [{ auth_headers: [{ key: "Content-Length", value: "5" }] }, "authHeaders.0.key"],
  ])("refuse %j, which no database or no header can carry", async (fields, path) => {
    const before = inspected.length;
    const refused = ask("POST", "/gateways", { name: "odd", url: "http://127.0.0.1:1/", ...fields });
    await expect(refused).rejects.toMatchObject({
      code: "MCPS_ITEM_INVALID",
      data: { problems: [expect.objectContaining({ path })] },
    });
    expect(inspected).toHaveLength(before);
  });

  it("are not looked for by a query with a NUL character", async () => {
    await expect(ask("GET", "/tools?gateway_id=a%00")).rejects.toMatchObject({ code: "MCPS_ITEM_INVALID" });
    await expect(ask("GET", "/tools?tags=a%00")).rejects.toMatchObject({ code: "MCPS_ITEM_INVALID" });
  });

  it("with a program of this machine are for administrators; what is not mine I may not change or see", async () => {
    const stdio = { name: "local", transport: "STDIO", command: "node", env: { KEY: "hush" } };
    await expect(ask("POST", "/gateways", stdio, user)).rejects.toMatchObject({ status: 403 });
    const local = one(await ask("POST", "/gateways", { ...stdio, visibility: "private" }));
    expect(local).toMatchObject({ command: "node", envNames: ["KEY"], url: null });
    await expect(ask("GET", `/gateways/${local.id}`, undefined, user)).rejects.toMatchObject({ status: 404 });
    await ask("PUT", `/gateways/${local.id}`, { visibility: "public" });
    await ask("GET", `/gateways/${local.id}`, undefined, user);
    await expect(ask("DELETE", `/gateways/${local.id}`, undefined, user)).rejects.toMatchObject({ status: 403 });
    await ask("DELETE", `/gateways/${local.id}`);
  });
});

describe("items and virtual servers", () => {
  it("of a team may be changed by its members, and are given away by administrators only", async () => {
    const body = { name: "shared", url: "http://127.0.0.1:1/s", visibility: "team", team_id: "t1" };
    const { id } = one(await ask("POST", "/gateways", body));
    expect(one(await ask("PUT", `/gateways/${id}`, { description: "d" }, user)).description).toBe("d");
    for (const gift of [{ team_id: "t2" }, { owner_email: "third@example.com" }])
      await expect(ask("PUT", `/gateways/${id}`, gift, user)).rejects.toMatchObject({ status: 422 });
    await ask("DELETE", `/gateways/${id}`);
  });

  it("are listed page by page with cursors that cannot be altered", async () => {
    const first = await ask("GET", "/tools?limit=1&include_pagination=true");
    const { tools, nextCursor } = z
      .object({ tools: z.array(z.looseObject({ name: z.string() })), nextCursor: z.string() })
      .parse(first.body);
    expect(tools[0]).toMatchObject({ name: "echo", description: "says it again", inputSchema: { type: "object" } });
    const second = await ask("GET", `/v1/tools?limit=1&cursor=${encodeURIComponent(nextCursor)}`);
    expect(second.body).toMatchObject([{ name: "add" }]);
    expect(second.headers).toEqual({});
    await expect(ask("GET", `/prompts?cursor=${nextCursor}`)).rejects.toMatchObject({ code: "MCPS_CURSOR" });
    await fc.assert(
      fc.asyncProperty(fc.nat(nextCursor.length - 1), fc.constantFrom(..."AZaz09-_."), async (at, letter) => {
        const changed = nextCursor.slice(0, at) + letter + nextCursor.slice(at + 1);
        if (changed === nextCursor) return;
        await expect(ask("GET", `/tools?cursor=${changed}`)).rejects.toMatchObject({ code: "MCPS_CURSOR" });
      }),
      { numRuns: 60 },
    );
  });

  it("can be renamed, disabled and deleted, but not created", async () => {
    const [echo, add] = many(await ask("GET", "/tools"));
    await expect(ask("POST", "/tools", { tool: { name: "x" } })).rejects.toMatchObject({ status: 422 });
    expect((await ask("PUT", `/tools/${echo?.id}`, { custom_name: "repeat" })).body).toMatchObject({ name: "repeat" });
    const taken = { code: "MCPS_ITEM_CONFLICT" };
    await expect(ask("PUT", `/tools/${add?.id}`, { customName: "repeat" })).rejects.toMatchObject(taken);
    await ask("DELETE", `/tools/${add?.id}`);
    expect(many(await ask("GET", "/tools?limit=0")).map((row) => row.id)).toEqual([echo?.id]);
    expect((await ask("GET", "/resources")).body).toMatchObject([{ uri: "file:///a" }]);
  });

  it("are put behind an endpoint by id or by name", async () => {
    const body = { server: { name: "chosen", associated_tools: ["repeat"], associated_prompts: ["my-server__greet"] } };
    const server = one(await ask("POST", "/servers", body));
    expect(server).toMatchObject({ prefixMode: "conditional", failureMode: "open", associatedGateways: [] });
    expect((await ask("GET", `/servers/${server.id}/tools`)).body).toMatchObject([{ name: "repeat" }]);
    await ask("PATCH", `/servers/${server.id}`, { associatedGateways: ["my-server"], failure_mode: "closed" });
    expect(many(await ask("GET", `/servers/${server.id}/resources`))).toHaveLength(1);
    await expect(ask("PATCH", `/servers/${server.id}`, { associatedTools: ["nope", "no"] })).rejects.toMatchObject({
      data: { problems: [{ path: "associatedTools.0" }, { path: "associatedTools.1" }] },
    });
    await ask("DELETE", `/servers/${server.id}`);
  });
});

describe("declared upstreams", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the file's own form of a variable
  const entry = (url: string) => ({ url, headers: { Authorization: "Bearer ${KEY}" } });
  const configured = async () => (await store.allGateways()).filter((record) => record.source === "config");

  it("follow the file, keep the old state while it is broken, and leave others alone", async () => {
    const path = join(directory.path, "mcp.json");
    const write = async (text: string) => {
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    };
    const good = {
      one: { ...entry("http://127.0.0.1:1/a"), autoApprove: ["*"] },
      "my-server": { command: "x" },
      bad: { comand: "x", url: 1 },
      nul: { command: "a\0" },
    };
    await write(JSON.stringify({ mcpServers: good }));
    const warned: string[] = [];
    const log = { ...silentLog, warn: (_: string, fields?: object) => void warned.push(JSON.stringify(fields)) };
    const parts = { store, inspect, changed: async () => undefined, log };
    const watched = watchDeclarations({ ...parts, path, env: { KEY: "hush" }, builtIn: { time: { command: "node" } } });
    const { problems } = await watched.applied;
    expect(problems).toEqual([
      "mcpServers.one: autoApprove: not known here, the rest of the entry is used",
      expect.stringMatching(/^mcpServers\.bad: url: /),
      "mcpServers.bad: comand: did you mean command?",
      "mcpServers.nul: command: no NUL character",
      expect.stringMatching(/^mcpServers\.my-server: .*taken/),
    ]);
    expect((await configured()).map(({ slug, authHeaders }) => [slug, authHeaders])).toEqual([
      ["time", {}],
      ["one", { authorization: "Bearer hush" }],
    ]);
    const [time] = await configured();
    await expect(ask("DELETE", `/gateways/${time?.id}`)).rejects.toMatchObject({ status: 422 });
    await write("{");
    await until(async () => warned.some((text) => text.includes("not valid JSON")));
    expect(await configured()).toHaveLength(2);
    await write(JSON.stringify({ mcpServers: { two: { url: "http://127.0.0.1:1/b", type: "sse" } } }));
    await until(async () => (await configured()).some((record) => record.slug === "two" && record.reachable));
    expect((await configured()).map(({ id, slug }) => [id === time?.id, slug])).toEqual([
      [true, "time"],
      [false, "two"],
    ]);
    await watched.close();
  });
});

async function until(done: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await done()); ) {
    if (Date.now() > end) throw new Error("it did not happen");
    await new Promise((next) => setTimeout(next, 20));
  }
}

describe("OpenAPI", () => {
  const silent = { schemas: {}, routeOf: () => ({}) };

  it("describes every route, and refers to nothing that is not there", () => {
    const document = openApiDocument("1.2.3", { registry: registryDescription, accounts: silent, admin: silent });
    const refs = [...JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name);
    expect(refs.every((name) => name !== undefined && name in document.components.schemas)).toBe(true);
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(["/mcp", "/v1/gateways/{id}", "/tools"]));
    const ids = Object.values(document.paths).flatMap((path) =>
      Object.values(path).map((operation) => Object(operation).operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });
});
