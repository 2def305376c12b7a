/** Export and import of the registry: a round trip changes nothing, secrets stay secrets, conflicts end as they were told to. */
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { GatewayInput, ItemKind, Store } from "../../../gateway/store/index.ts";
import { REST_CAPABILITIES } from "../../../gateway/upstreams/index.ts";
import { type Body, openRoom, problemsOf, type Room } from "./rest-room.ts";

const imports = { maxBytes: 1000, maxTools: 10, fetchDocument: () => Promise.reject(new Error("nothing is fetched")) };
const PASSPHRASE = "correct horse battery";
let from: Room;
let to: Room;
/** Tools of `to` that were approved by being changed: their upstream, and their names. */
let approved: (readonly [gatewayId: string, tools: readonly string[]])[] = [];
beforeAll(async () => {
  [from, to] = await Promise.all([
    openRoom({ imports }),
    openRoom({ imports, approved: (_, gatewayId, tools) => void approved.push([gatewayId, tools]) }),
  ]);
}, 90_000);
afterAll(async () => {
  await from?.close();
  await to?.close();
});
const all = { limit: 0, after: 0, includeInactive: true };
const viewer = { id: "admin@example.com", admin: true, teams: [] };
const KINDS: readonly ItemKind[] = ["tool", "resource", "resourceTemplate", "prompt"];

async function empty(store: Store): Promise<void> {
  for (const { id } of (await store.listServers(all, viewer)).rows) await store.deleteServer(id);
  for (const { id, gatewayId } of (await store.listItems(KINDS, all, viewer)).rows) {
    if (gatewayId === "library") await store.deleteItem(id);
  }
  for (const { id } of await store.allGateways()) await store.deleteGateway(id);
}
beforeEach(async () => {
  await empty(from.store);
  await empty(to.store);
  approved = [];
});

const exported = async (room: Room, passphrase?: string): Promise<Body> =>
  (
    await room.ask(
      "GET",
      "/export",
      {},
      passphrase === undefined ? {} : { headers: { "x-export-passphrase": passphrase } },
    )
  ).body;
/** What of a document says something of the registry. */
function essence({ exportedAt: _, secrets, ...rest }: Body) {
  return { ...rest, names: Object(secrets).names };
}

const gateway = (slug: string, more: Partial<GatewayInput> = {}): GatewayInput => ({
  ...{
    slug,
    name: slug.toUpperCase(),
    description: "",
    transport: "STREAMABLEHTTP",
    url: `https://${slug}.example.com/mcp`,
  },
  ...{ stdio: null, era: "auto", authHeaders: {}, authType: "none", passthroughHeaders: [], requestTimeoutMs: null },
  ...{ tags: [], visibility: "public", teamId: null, ownerEmail: null, enabled: true, source: "api" },
  ...more,
});
const listed = (kind: ItemKind, originalName: string) => ({
  kind,
  originalName,
  definition: `{"name":"${originalName}","n":1.0}`,
});

describe("a round trip", () => {
  const text = fc.stringMatching(/^[a-zA-Z0-9 äß"\\{}]{0,12}$/);
  const owned = fc.record({
    visibility: fc.constantFrom("public" as const, "private" as const, "team" as const),
    teamId: fc.option(fc.constantFrom("t1", "t2"), { nil: null }),
    ownerEmail: fc.option(fc.constantFrom("a@b.c"), { nil: null }),
    tags: fc.uniqueArray(fc.constantFrom("x", "y", "z")),
    enabled: fc.boolean(),
  });
  const remote = fc.record({
    owned,
    description: text,
    secret: fc.stringMatching(/^[a-z0-9]{12,20}$/),
    transport: fc.constantFrom("STREAMABLEHTTP" as const, "SSE" as const, "STDIO" as const),
    tools: fc.uniqueArray(fc.constantFrom("one", "two", "three"), { maxLength: 3 }),
    setting: fc.record({
      owned,
      customName: fc.boolean(),
      displayName: fc.option(text, { nil: null }),
      description: fc.option(text, { nil: null }),
    }),
  });
  const rest = fc.record({ owned, path: fc.constantFrom("/a", "/b/{id}"), setting: owned });
  const state = fc.record({
    remotes: fc.array(remote, { maxLength: 2 }),
    rests: fc.array(rest, { maxLength: 2 }),
    prompts: fc.array(fc.record({ owned, body: text }), { maxLength: 2 }),
    server: fc.option(owned, { nil: undefined }),
  });

  async function fill(
    store: Store,
    { remotes, rests, prompts, server }: typeof state extends fc.Arbitrary<infer T> ? T : never,
  ) {
    const itemIds: string[] = [];
    for (const [at, one] of remotes.entries()) {
      const isStdio = one.transport === "STDIO";
      const stdio = {
        command: "node",
        args: ["x"],
        env: { TOKEN: one.secret },
        cwd: null,
        isolation: "session" as const,
      };
      const credentials = isStdio
        ? { url: null, stdio }
        : {
            authHeaders: { "x-key": one.secret },
            authType: "authheaders" as const,
            url: `https://r${at}.example.com/mcp?k=${one.secret}`,
          };
      const about = { ...one.owned, description: one.description, transport: one.transport, ...credentials };
      const items = one.tools.map((name) => listed("tool", name));
      const outcome = {
        ok: true,
        capabilities: '{"tools":{}}',
        instructions: null,
        items,
        incomplete: [],
        note: null,
      } as const;
      const { id } = await store.createGateway(gateway(`r${at}`, about), outcome);
      const [first] = (await store.listItems(KINDS, { ...all, gatewayId: id }, viewer)).rows;
      if (first === undefined) continue;
      const { customName, owned: settings, ...texts } = one.setting;
      await store.updateItem(KINDS, first.id, { ...settings, ...texts, customName: customName ? `c${at}` : null });
      itemIds.push(first.id);
    }
    for (const [at, { owned: own, path, setting }] of rests.entries()) {
      const parameters =
        path === "/a" ? [] : [{ argument: "id", in: "path", name: "id", style: "simple", explode: false }];
      const operation = JSON.stringify({ method: "GET", path, parameters });
      const definition = '{"name":"t","inputSchema":{"type":"object"}}';
      const tool = { name: "t", definition, operation, sourceKey: at === 0 ? `GET ${path}` : null };
      const made = { url: null, options: "{}", digest: "d", title: "T", version: "1" };
      const about = {
        id: `rest${at}`,
        capabilities: REST_CAPABILITIES,
        reachable: true,
        ...(at === 0 ? { from: made } : {}),
      };
      await store.createRestGateway(gateway(`w${at}`, { ...own, transport: "REST" }), [tool], about);
      const [item] = (await store.listItems(["tool"], { ...all, gatewayId: `rest${at}` }, viewer)).rows;
      if (item !== undefined) await store.updateItem(["tool"], item.id, setting);
    }
    for (const [at, { owned: own, body }] of prompts.entries()) {
      const input = {
        kind: "prompt" as const,
        originalName: `p${at}`,
        definition: `{"name":"p${at}"}`,
        body,
        encoding: "text" as const,
      };
      await store.createHosted(input, { ...own, description: null, customName: null, displayName: null });
    }
    if (server !== undefined) {
      const gatewayIds = rests.map((_, at) => `rest${at}`);
      const modes = { icon: null, prefixMode: "always", failureMode: "closed" } as const;
      await store.createServer({ ...server, ...modes, name: "S", description: "d", gatewayIds, itemIds }, "server-1");
    }
  }

  it("into an empty deployment gives the same registry, secrets and all", async () => {
    await fc.assert(
      fc.asyncProperty(state, async (given) => {
        await empty(from.store);
        await empty(to.store);
        await fill(from.store, given);
        const open = await exported(from);
        for (const { secret } of given.remotes) expect(JSON.stringify(open)).not.toContain(secret);
        const sealed = given.remotes.length === 0 ? open : await exported(from, PASSPHRASE);
        for (const { secret } of given.remotes) expect(JSON.stringify(sealed)).not.toContain(secret);
        const { body } = await to.ask("POST", "/import", { importData: sealed, passphrase: PASSPHRASE });
        expect(JSON.stringify(body.entities)).not.toContain('"fail"');
        expect(essence(await exported(to))).toEqual(essence(open));
        const credentials = async ({ store }: Room) =>
          (await store.allGateways()).map(({ url, authHeaders, stdio }) => ({ url, authHeaders, stdio }));
        expect(await credentials(to)).toEqual(await credentials(from));
      }),
      { numRuns: 8 },
    );
  }, 180_000);
});

describe("secrets", () => {
  it("are named where they are left out, and their upstream waits for them", async () => {
    const about = { authHeaders: { authorization: "Bearer very-secret" }, authType: "bearer" as const };
    await from.store.createGateway(gateway("a", { ...about, url: "https://a.example.com/?key=hidden" }));
    const document = await exported(from);
    expect(document.secrets).toEqual({ names: { a: ["header authorization", "query of the URL"] } });
    const { body } = await to.ask("POST", "/import", { importData: document });
    const notes = ["its secrets are missing (header authorization, query of the URL): set them, then enable it"];
    expect(body.entities).toEqual([{ type: "gateways", name: "a", as: "a", action: "create", notes }]);
    expect(await to.store.allGateways()).toMatchObject([
      { enabled: false, authHeaders: {}, url: "https://a.example.com/" },
    ]);
  });
  it("stay what they are where a document without them updates", async () => {
    await from.store.createGateway(
      gateway("a", { authHeaders: { "x-key": "theirs" }, authType: "authheaders", description: "new" }),
    );
    await to.store.createGateway(gateway("a", { authHeaders: { "x-key": "ours" }, authType: "authheaders" }));
    await to.ask("POST", "/import", { importData: await exported(from), conflictStrategy: "update" });
    expect(await to.store.allGateways()).toMatchObject([
      { description: "new", enabled: true, authHeaders: { "x-key": "ours" } },
    ]);
  });
  it("open with their passphrase only", async () => {
    await from.store.createGateway(gateway("a", { authHeaders: { "x-key": "v" }, authType: "authheaders" }));
    expect(await problemsOf(exported(from, "short"))).toEqual(["passphrase: at least 12 characters"]);
    const importData = await exported(from, PASSPHRASE);
    const wrong = to.ask("POST", "/import", { importData, passphrase: "another passphrase" });
    expect(await problemsOf(wrong)).toEqual(["passphrase: it has to be the one with which the document was exported"]);
    expect(await to.store.allGateways()).toEqual([]);
  });
});

describe("what is there already", () => {
  const both = async () => {
    for (const { store } of [from, to]) {
      const { id } = await store.createGateway(gateway("a", { description: store === from.store ? "theirs" : "ours" }));
      const modes = { icon: null, tags: [], prefixMode: "always", failureMode: "open", visibility: "public" } as const;
      const owner = { teamId: null, ownerEmail: null, enabled: true };
      await store.createServer({ ...modes, ...owner, name: "S", description: "", gatewayIds: [id], itemIds: [] });
    }
    return exported(from);
  };
  const state = async () => ({
    gateways: (await to.store.allGateways()).map(({ slug, description }) => `${slug} ${description}`),
    servers: (await to.store.listServers(all, viewer)).rows.map(({ name }) => name),
  });
  it.each([
    ["skip", { gateways: ["a ours"], servers: ["S"] }],
    ["update", { gateways: ["a theirs"], servers: ["S"] }],
    ["rename", { gateways: ["a ours", "a-2 theirs"], servers: ["S", "S (2)"] }],
  ])("with %s", async (conflictStrategy, expected) => {
    const importData = await both();
    const before = await state();
    const dry = await to.ask("POST", "/import", { importData, conflict_strategy: conflictStrategy, dry_run: true });
    expect(await state()).toEqual(before);
    const { body } = await to.ask("POST", "/import", { importData, conflictStrategy });
    expect([body.entities, await state()]).toEqual([dry.body.entities, expected]);
    if (conflictStrategy !== "rename") return;
    const { rows } = await to.store.listServers(all, viewer);
    const gateways = await to.store.allGateways();
    expect(rows.map(({ gatewayIds }) => gatewayIds)).toEqual(gateways.map(({ id }) => [id]));
  });
  it("with fail stops the whole import before it begins", async () => {
    const importData = await both();
    await from.store.createGateway(gateway("b"));
    const work = to.ask("POST", "/import", { importData: await exported(from), conflictStrategy: "fail" });
    await expect(work).rejects.toMatchObject({
      code: "MCPS_ITEM_CONFLICT",
      data: {
        conflicts: [
          { type: "gateways", name: "a" },
          { type: "servers", name: "S" },
        ],
      },
    });
    expect(await state()).toEqual({ gateways: ["a ours"], servers: ["S"] });
    expect(importData).toBeDefined();
  });
  it("is not touched by what was not selected", async () => {
    await from.store.createGateway(gateway("b"));
    const importData = await both();
    const { body } = await to.ask("POST", "/import", { importData, selectedEntities: { gateways: ["b"] } });
    expect(body).toMatchObject({ counts: { create: 1 }, entities: [{ name: "b" }] });
  });
});

describe("a chosen part", () => {
  const select = async (entitySelections: object, more: object = {}) => {
    const { body } = await from.ask("POST", "/export/selective", { entitySelections, ...more });
    const { gateways, servers } = Object(body.entities);
    const names = (list: readonly { slug?: string; name: string }[]) => list.map(({ slug, name }) => slug ?? name);
    return { gateways: names(gateways), servers: names(servers), document: body };
  };

  it("comes with what its servers show, unless that is not wanted, and can be imported", async () => {
    const ids = new Map<string, string>();
    for (const slug of ["a", "b", "c"]) ids.set(slug, (await from.store.createGateway(gateway(slug))).id);
    const modes = { icon: null, tags: [], prefixMode: "always", failureMode: "open", visibility: "public" } as const;
    const owner = { teamId: null, ownerEmail: null, enabled: true, description: "", itemIds: [] };
    await from.store.createServer({ ...modes, ...owner, name: "S", gatewayIds: [ids.get("b") ?? ""] });
    const whole = await select({ servers: ["S"], gateways: [ids.get("a")] });
    expect([whole.gateways, whole.servers]).toEqual([["a", "b"], ["S"]]);
    const bare = await select({ servers: ["S"] }, { include_dependencies: false });
    expect([bare.gateways, bare.servers]).toEqual([[], ["S"]]);
    const { body } = await to.ask("POST", "/import", { importData: whole.document });
    expect(body.counts).toEqual({ create: 3 });
    expect(await problemsOf(select({ gateways: ["nobody", "a"] }))).toEqual([
      "gateways.nobody: a name or id of something that is here, and is not declared in a configuration file",
    ]);
  });
});

describe("a document of which something cannot be stored", () => {
  const twice = async () => {
    for (const slug of ["a", "b"]) await from.store.createGateway(gateway(slug));
    const importData = await exported(from);
    const entities = Object(importData.entities);
    // The second of the name is refused by the database, when two are stored already.
    return {
      ...importData,
      entities: { ...entities, gateways: [...entities.gateways, { ...entities.gateways[0], id: "x" }] },
    };
  };
  const slugs = async () => (await to.store.allGateways()).map(({ slug }) => slug);

  it("leaves nothing behind, and the catalogue's version where it was", async () => {
    const version = await to.store.catalogueVersion();
    const work = to.ask("POST", "/import", { importData: await twice() });
    expect(await problemsOf(work)).toEqual([
      "gateways.a: has to be one that can be stored, and nothing was imported: gateway slug (as given) is taken by another gateway",
    ]);
    expect([await slugs(), await to.store.catalogueVersion()]).toEqual([[], version]);
  });

  it("is stored without it where each is for itself", async () => {
    const { body } = await to.ask("POST", "/import", { importData: await twice(), mode: "each" });
    expect(body).toMatchObject({ counts: { create: 2, fail: 1 } });
    expect(body.entities).toContainEqual({
      ...{ type: "gateways", name: "a", as: "a", action: "fail" },
      notes: ["gateway slug (as given) is taken by another gateway"],
    });
    expect(await slugs()).toEqual(["a", "b"]);
  });

  const restTool = (description: string) => ({
    name: "t",
    definition: JSON.stringify({ name: "t", description, inputSchema: { type: "object" } }),
    operation: '{"method":"GET","path":"/a","parameters":[]}',
    sourceKey: null,
  });
  /** An upstream of one tool, of which only the description and the custom name are chosen. */
  async function addRest({ store }: Room, slug: string, description: string, customName?: string): Promise<string> {
    const about = { id: `rest-${slug}`, capabilities: REST_CAPABILITIES, reachable: true };
    await store.createRestGateway(gateway(slug, { transport: "REST" }), [restTool(description)], about);
    const [item] = (await store.listItems(["tool"], { ...all, gatewayId: about.id }, viewer)).rows;
    if (item !== undefined && customName !== undefined) await store.updateItem(["tool"], item.id, { customName });
    return about.id;
  }

  it("tells of what was approved, and of nothing that was taken back", async () => {
    const stored = await addRest(to, "a", "Old");
    await addRest(to, "b", "Old");
    await addRest(to, "c", "Old", "taken");
    await addRest(from, "a", "New");
    await addRest(from, "b", "New", "taken");
    const given = { importData: await exported(from), conflictStrategy: "update", mode: "each" };
    const { body } = await to.ask("POST", "/import", given);
    expect(body.counts).toEqual({ update: 1, fail: 1 });
    expect(approved).toEqual([[stored, ["t"]]]);
  });

  it("is refused with the name of a tool that an upstream has twice, not by the database", async () => {
    await addRest(to, "a", "Old");
    await addRest(from, "a", "New");
    const importData = await exported(from);
    const entities = Object(importData.entities);
    const [one] = entities.gateways;
    const gateways = [{ ...one, items: [...one.items, ...one.items] }];
    const work = to.ask("POST", "/import", {
      importData: { ...importData, entities: { ...entities, gateways } },
      conflictStrategy: "update",
    });
    const [problem = ""] = await problemsOf(work);
    expect(problem.replaceAll(/\s+/g, " ")).toBe(
      "gateways.a: has to be one that can be stored, and nothing was imported: 1 problem(s) in this tool: t: has to be in its upstream once",
    );
  });

  it("costs no version of the catalogue for what is skipped", async () => {
    for (const room of [from, to]) for (const slug of ["a", "b"]) await room.store.createGateway(gateway(slug));
    const version = await to.store.catalogueVersion();
    const importData = await exported(from);
    const { body } = await to.ask("POST", "/import", { importData, conflictStrategy: "skip", mode: "each" });
    expect([body.counts, await to.store.catalogueVersion()]).toEqual([{ skip: 2 }, version]);
  });

  it("is refused before anything is stored, with all that can be told by then", async () => {
    for (const slug of ["c", "d", "e"])
      await from.store.createGateway(
        gateway(slug, { url: `https://${slug === "d" ? "fine" : "barred"}.example.com/` }),
      );
    const guarded = await openRoom({
      imports,
      checkAddress: async ({ hostname }) => (hostname.startsWith("barred") ? "it is barred" : undefined),
    });
    try {
      const importData = await exported(from);
      const reason = "1 problem(s) in this gateway:   url: may not be used: it is barred";
      const problems = await problemsOf(guarded.ask("POST", "/import", { importData }));
      expect(problems.map((one) => one.replaceAll(/\s+/g, " "))).toEqual(
        ["c", "e"].map(
          (slug) =>
            `gateways.${slug}: has to be one that can be stored, and nothing was imported: ${reason.replaceAll(/\s+/g, " ")}`,
        ),
      );
      const dry = await guarded.ask("POST", "/import", { importData, dryRun: true });
      expect(dry.body.counts).toEqual({ create: 1, fail: 2 });
      expect(await guarded.store.allGateways()).toEqual([]);
    } finally {
      await guarded.close();
    }
  });
});

it("a document that is none is refused with what is wrong", async () => {
  const problems = await problemsOf(to.ask("POST", "/import", { importData: { format: "other", version: 2 } }));
  expect(problems).toContain("importData.entities: Invalid input: expected object, received undefined");
  const good = await exported(from);
  const entities = { ...Object(good.entities), gateways: [{ slug: "x" }] };
  expect(await problemsOf(to.ask("POST", "/import", { importData: { ...good, entities } }))).toContain(
    'importData.entities.gateways.0.transport: Invalid option: expected one of "STREAMABLEHTTP"|"SSE"|"STDIO"|"REST"',
  );
});
