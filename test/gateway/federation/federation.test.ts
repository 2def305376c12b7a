/** Views, routing and merged lists over made-up upstreams. */
import { afterEach, describe, expect, it } from "vitest";
import { fault } from "../../../contract/errors.ts";
import type { Principal } from "../../../contract/principal.ts";
import type { Caller, Scope } from "../../../gateway/federation/index.ts";
import { encodeCursor, type ListMethod, prefixName, scanMessage } from "../../../gateway/mcp/index.ts";
import type { CatalogueSnapshot } from "../../../gateway/store/index.ts";
import {
  type Exchanged,
  gateway,
  item,
  type Rooms,
  rooms,
  snapshot,
  type UpstreamScript,
  virtualServer,
} from "../transports/harness.ts";

const ADMIN: Principal = { id: "root@example.com", kind: "jwt", admin: true, teams: [] };
const ANN: Principal = { id: "ann@example.com", kind: "jwt", admin: false, teams: ["blue"] };
const ALL: Scope = { kind: "all" };
const SERVER: Scope = { kind: "server", id: "server" };

let current: Rooms | undefined;
afterEach(async () => {
  await current?.close();
  current = undefined;
});

async function start(
  catalogue: Partial<CatalogueSnapshot>,
  scripts: Record<string, UpstreamScript> = {},
): Promise<Rooms> {
  current = await rooms({ catalogue: snapshot(catalogue), scripts });
  return current;
}

function caller(era: "legacy" | "modern" = "legacy", principal: Principal = ADMIN): Caller {
  const empty = Buffer.from("{}");
  return {
    era,
    protocolVersion: era === "legacy" ? "2025-11-25" : "2026-07-28",
    principal,
    sessionId: "s",
    holder: { key: "s:s", clientCapabilities: empty, clientInfo: empty, protocolVersion: "2025-11-25", ttlMs: 1000 },
    identity: { protocolVersion: "2026-07-28", clientCapabilities: empty, clientInfo: empty },
    paramHeaders: undefined,
    headers: {},
    remote: "192.0.2.7",
    correlationId: "",
  };
}

const codeOf = (code: string) => expect.objectContaining({ code });

function route(
  room: Rooms,
  scope: Scope,
  method: string,
  params: object,
  who = caller(),
): [string, string | undefined] {
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  const found = room.federation.route(room.federation.view(scope, who.principal), who, body, scanMessage(body));
  return [found.upstream.record.slug, found.ref ?? found.target?.value];
}

describe("views", () => {
  const gateways = [
    gateway("zeta"),
    gateway("mine", { visibility: "private", ownerEmail: ANN.id }),
    gateway("team", { visibility: "team", teamId: "blue" }),
    gateway("other", { visibility: "team", teamId: "red" }),
    gateway("secret", { visibility: "private", ownerEmail: "bob@example.com" }),
    gateway("off", { enabled: false }),
  ];

  it("show a principal what is public, theirs, or their team's, by slug", async () => {
    const room = await start({ gateways });
    const slugs = (principal: Principal) =>
      room.federation.view(ALL, principal).upstreams.map(({ record }) => record.slug);
    expect(slugs(ANN)).toEqual(["mine", "team", "zeta"]);
    expect(slugs(ADMIN)).toEqual(["mine", "other", "secret", "team", "zeta"]);
  });

  it("refuse a scope that is hidden, off or unknown in the same words", async () => {
    const servers = [virtualServer(["zeta"], { visibility: "private" })];
    const room = await start({ gateways, servers });
    for (const id of ["id-secret", "secret", "id-off", "nothing"])
      expect(() => room.federation.view({ kind: "gateway", id }, ANN), id).toThrow(codeOf("MCPS_UPSTREAM_UNKNOWN"));
    expect(() => room.federation.view(SERVER, ANN)).toThrow(codeOf("MCPS_ITEM_UNKNOWN"));
    expect(room.federation.view({ kind: "gateway", id: "zeta" }, ANN).transparent?.record.slug).toBe("zeta");
  });

  it.each([
    ["conditional", 1, false],
    ["conditional", 2, true],
    ["always", 1, true],
    ["never", 2, false],
  ] as const)("prefix %s over %i upstreams: %s", async (prefixMode, count, prefixed) => {
    const slugs = ["one", "two"].slice(0, count);
    const room = await start({
      gateways: slugs.map((slug) => gateway(slug)),
      servers: [virtualServer(slugs, { prefixMode })],
    });
    expect(room.federation.view(SERVER, ADMIN).prefixed).toBe(prefixed);
    expect(room.federation.view(ALL, ADMIN).prefixed).toBe(true);
  });

  it("name the upstreams that changed or went when the catalogue does", async () => {
    const room = await start({ gateways: [gateway("one"), gateway("two"), gateway("three")] });
    const next = snapshot({ version: 2, gateways: [gateway("one"), gateway("two", { revision: "r2" })] });
    expect(room.federation.replace(next)).toEqual(["id-two", "id-three"]);
  });
});

describe("routing", () => {
  const long = "x".repeat(140);
  const catalogue = {
    gateways: [gateway("one"), gateway("two")],
    items: [
      item("one", "tool", "search"),
      item("one", "tool", "old", { customName: "fresh" }),
      item("one", "tool", "gone", { enabled: false }),
      item("one", "tool", long),
      item("two", "tool", "search"),
      item("one", "resourceTemplate", "file:///{path}", { enabled: false }),
      item("one", "resource", "file:///open"),
      item("two", "resourceTemplate", "db://{table}/rows"),
    ],
  };

  it("takes the prefix off, follows chosen and digested names, and hides what is off", async () => {
    const room = await start(catalogue);
    const tool = (name: string) => route(room, ALL, "tools/call", { name });
    expect(tool("one__search")).toEqual(["one", "search"]);
    expect(tool("two__search")).toEqual(["two", "search"]);
    expect(tool("one__fresh")).toEqual(["one", "old"]);
    expect(tool(prefixName("one", "__", long))).toEqual(["one", long]);
    for (const name of ["one__old", "one__gone", "three__search", "search"])
      expect(() => tool(name), name).toThrow(codeOf("MCPS_TOOL_UNKNOWN"));
  });

  it("reads a resource through a shown template only", async () => {
    const room = await start(catalogue);
    const read = (uri: string) => route(room, ALL, "resources/read", { uri });
    expect(read("one+file:///open")).toEqual(["one", "file:///open"]);
    expect(read("two+db://users/rows")).toEqual(["two", "db://users/rows"]);
    expect(() => read("one+file:///secret")).toThrow(codeOf("MCPS_LEGACY_RESOURCE_UNKNOWN"));
    expect(() => route(room, ALL, "resources/read", { uri: "x" }, caller("modern"))).toThrow(
      codeOf("MCPS_RESOURCE_UNKNOWN"),
    );
  });

  it("rewrites the ref of a completion", async () => {
    const room = await start(catalogue);
    const ref = { type: "ref/resource", uri: "two+db://{table}/rows", extra: 1 };
    const [slug, text] = route(room, ALL, "completion/complete", { ref });
    expect([slug, JSON.parse(text ?? "")]).toEqual(["two", { ...ref, uri: "db://{table}/rows" }]);
    expect(() => route(room, ALL, "completion/complete", { ref: { type: "ref/other" } })).toThrow(
      codeOf("MCPS_PARAMS"),
    );
  });

  it("without prefixes reaches the upstream that shows the name, and resources behind a template", async () => {
    const hidden = item("one", "tool", "search", { enabled: false });
    const items = [hidden, ...catalogue.items.filter(({ id }) => id !== hidden.id)];
    const room = await start({
      ...catalogue,
      items,
      servers: [virtualServer(["one", "two"], { prefixMode: "never" })],
    });
    expect(route(room, SERVER, "tools/call", { name: "search" })).toEqual(["two", "search"]);
    expect(route(room, SERVER, "tools/call", { name: "fresh" })).toEqual(["one", "old"]);
    expect(route(room, SERVER, "resources/read", { uri: "db://users/rows" })).toEqual(["two", "db://users/rows"]);
  });
});

type Pages = Readonly<Record<string, { readonly names: readonly string[]; readonly next?: string }>>;

function lister(era: "legacy" | "modern", pages: Pages, more: object = {}): UpstreamScript {
  return {
    era,
    answer(exchange: Exchanged) {
      const page = pages[String(exchange.json.params?.cursor ?? "first")];
      if (page === undefined) exchange.error(-32602, "no such cursor");
      else
        exchange.result({
          tools: page.names.map((name) => ({ name })),
          ...(page.next === undefined ? {} : { nextCursor: page.next }),
          ...more,
        });
    },
  };
}

type ListResult = {
  tools: { name: string }[];
  nextCursor?: string;
  ttlMs?: number;
  cacheScope?: string;
  resultType?: string;
  _meta?: Record<string, unknown>;
};

async function list(room: Rooms, scope: Scope, cursor?: string, who = caller(), method: ListMethod = "tools/list") {
  const raw = await room.federation.list(room.federation.view(scope, who.principal), who, method, cursor);
  const result = JSON.parse(raw.toString()) as ListResult;
  return { ...result, names: result.tools.map(({ name }) => name) };
}

describe("merged lists", () => {
  const gateways = [gateway("b"), gateway("a")];
  const open = [virtualServer(["a", "b"])];
  const down: UpstreamScript = {
    era: "legacy",
    answer: (exchange) =>
      exchange.fail(fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: exchange.slug, reason: "down" })),
  };

  it("follow the slugs, and page through each upstream to its own end, an empty cursor included", async () => {
    const room = await start(
      { gateways },
      {
        a: lister("legacy", {
          first: { names: ["1"], next: "" },
          "": { names: ["2"], next: "z" },
          z: { names: ["3"] },
        }),
        b: lister("legacy", { first: { names: ["1"] } }),
      },
    );
    const first = await list(room, ALL);
    expect(first.names).toEqual(["a__1", "b__1"]);
    const second = await list(room, ALL, first.nextCursor);
    expect(second.names).toEqual(["a__2"]);
    const third = await list(room, ALL, second.nextCursor);
    expect([third.names, third.nextCursor]).toEqual([["a__3"], undefined]);
    expect(room.upstreams.requests.map(({ slug }) => slug).join("")).toBe("abaa");
    await expect(list(room, ALL, "nonsense")).rejects.toThrow(codeOf("MCPS_CURSOR"));
    await expect(list(room, ALL, first.nextCursor, caller(), "prompts/list")).rejects.toThrow(codeOf("MCPS_CURSOR"));
  });

  it("say what is missing, and fail only where that was asked for or nobody answers", async () => {
    const a = lister("legacy", { first: { names: ["1"] } });
    const room = await start(
      { gateways, servers: [...open, virtualServer(["a", "b"], { id: "strict", failureMode: "closed" })] },
      { a, b: down },
    );
    const partial = await list(room, SERVER);
    expect(partial.names).toEqual(["a__1"]);
    expect(partial._meta).toEqual({
      "mcp-stack/missing": [
        { gateway: "b", code: "MCPS_UPSTREAM_UNREACHABLE", message: "Upstream b cannot be reached: down" },
      ],
    });
    await expect(list(room, { kind: "server", id: "strict" })).rejects.toThrow(codeOf("MCPS_PARTIAL"));
    room.upstreams.scripts.a = down;
    await expect(list(room, SERVER)).rejects.toThrow(codeOf("MCPS_PARTIAL"));
  });

  it("are as fresh as the least fresh part, and keep the scope of the first page", async () => {
    const caching = (ttlMs: number, cacheScope: string) => ({ resultType: "complete", ttlMs, cacheScope });
    const pages = { first: { names: ["1"], next: "n" }, n: { names: ["2"] } };
    const room = await start(
      { gateways, servers: open },
      {
        a: lister("modern", pages, caching(5000, "public")),
        b: lister("modern", { first: { names: ["1"] } }, caching(300, "private")),
      },
    );
    const first = await list(room, SERVER, undefined, caller("modern"));
    expect([first.ttlMs, first.cacheScope, first.resultType]).toEqual([300, "private", "complete"]);
    const second = await list(room, SERVER, first.nextCursor, caller("modern"));
    expect([second.ttlMs, second.cacheScope]).toEqual([5000, "private"]);
    room.upstreams.scripts.b = lister("modern", { first: { names: [] } }, caching(300, "public"));
    const shared = await list(room, SERVER, undefined, caller("modern"));
    expect(shared.cacheScope).toBe("public");
    expect((await list(room, SERVER, shared.nextCursor, caller("modern"))).cacheScope).toBe("public");
    expect((await list(room, ALL, undefined, caller("modern"))).cacheScope).toBe("private");
  });

  it("list a name once where prefixes do not tell two apart: the one that a call reaches", async () => {
    const room = await start(
      {
        gateways,
        servers: [virtualServer(["a", "b"], { prefixMode: "never" })],
        items: [
          item("a", "tool", "x", { enabled: false }),
          item("b", "tool", "x"),
          item("a", "tool", "y"),
          item("b", "tool", "y"),
        ],
      },
      { a: lister("legacy", { first: { names: ["x", "y"] } }), b: lister("legacy", { first: { names: ["x", "y"] } }) },
    );
    expect((await list(room, SERVER)).names).toEqual(["y", "x"]);
    expect(route(room, SERVER, "tools/call", { name: "y" })).toEqual(["a", "y"]);
    expect(route(room, SERVER, "tools/call", { name: "x" })).toEqual(["b", "x"]);
  });

  it("ask each upstream once, whatever the cursor says", async () => {
    const room = await start({ gateways }, { a: lister("legacy", { n: { names: ["2"] } }), b: down });
    const twice = encodeCursor(
      "tools/list",
      Array.from({ length: 50 }, () => ({ upstreamId: "id-a", cursor: "n" })),
    );
    expect((await list(room, ALL, twice)).names).toEqual(["a__2"]);
    expect(room.upstreams.requests).toHaveLength(1);
  });
});
