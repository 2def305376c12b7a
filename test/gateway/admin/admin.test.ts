/** The admin room over records that are made up: every answer is what the description says, and what is asked wrongly is refused by name. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GatewayRequest } from "../../../contract/http.ts";
import type { Principal } from "../../../contract/principal.ts";
import { routes } from "../../../contract/routes.ts";
import { createAdmin, type RecordParts } from "../../../gateway/admin/index.ts";
import type { CallFigures, FigureQuery, RecordQuery } from "../../../gateway/store/index.ts";
import { bucketOf } from "../../../gateway/telemetry/index.ts";

const NOW = Date.UTC(2026, 5, 15, 12, 30, 20);
const DAY = 86_400_000;
const root: Principal = { id: "root", kind: "jwt", admin: true, teams: [] };

const figures: CallFigures = {
  kind: "tool",
  gatewayId: "g1",
  gatewaySlug: "up",
  name: "echo",
  serverId: "s1",
  hour: NOW - (NOW % 3_600_000),
  calls: 4,
  failures: 1,
  totalMs: 100,
  minMs: 10,
  maxMs: 40,
  lastAt: NOW,
  buckets: { [bucketOf(10)]: 1, [bucketOf(20)]: 1, [bucketOf(30)]: 1, [bucketOf(40)]: 1 },
};
const audit = {
  id: "7",
  writer: "w",
  sequence: 1,
  at: NOW,
  correlationId: "c",
  principal: "p",
  principalKind: "jwt",
  tokenId: null,
  remote: "r",
  method: "POST",
  action: "gateways.create",
  resourceType: "gateways",
  resourceId: "g1",
  status: 201,
  outcome: "ok",
  change: '{"changed":{}}',
  dropped: 0,
  keyId: "k",
  previous: "0",
  hash: "h",
};
const event = {
  id: "8",
  at: NOW,
  kind: "auth.refused",
  severity: "low",
  principal: null,
  remote: "r",
  detail: "d",
  correlationId: "c",
  times: 2,
} as const;
const line = { id: "9", at: NOW, level: "info", event: "e", worker: null, correlationId: null, fields: '{"a":1}' };

function setUp(cacheTtlMs = 0) {
  const asked: (FigureQuery | RecordQuery<string> | string)[] = [];
  const noted = <Query extends FigureQuery | RecordQuery<string>, Answer>(query: Query, answer: Answer) => {
    asked.push(query);
    return Promise.resolve(answer);
  };
  const records = {
    figures: (query: FigureQuery) => noted(query, [figures]),
    listAudit: (query: RecordQuery<string>) => noted(query, { rows: [audit], next: "7" }),
    listSecurity: (query: RecordQuery<string>) => noted(query, { rows: [event] }),
    listLog: (query: RecordQuery<string>) => noted(query, { rows: [line] }),
    sizes: async () => ({ rows: { audit_row: 5 }, addedUpUntil: null }),
    auditWriters: async () => [],
    resetCalls: async (item?: unknown) => void asked.push(`reset ${JSON.stringify(item)}`),
  } as unknown as RecordParts["records"];
  const room = createAdmin({
    records,
    itemOf: async (kind, id) => (id === "known" ? { kind, gatewayId: "g1", name: "echo" } : undefined),
    chainKeys: [{ id: "k", secret: Buffer.alloc(32) }],
    cacheTtlMs,
    maxResults: 500,
    flush: async () => void asked.push("flush"),
    buffers: () => ({ calls: { waiting: 1, written: 2, dropped: 0, failures: 0 } }),
    rollUp: async () => null,
    cleanUp: async () => ({ days: 1 }),
    now: () => NOW,
  });
  const ask = (id: string, query = "", body = "", params: Readonly<Record<string, string>> = {}) => {
    const route = routes.find((one) => one.id === id);
    if (route === undefined) throw new Error(`no route ${id}`);
    const request: GatewayRequest = {
      method: route.methods[0] ?? "",
      path: route.path,
      query,
      headers: {},
      remoteAddress: "",
      body: Buffer.from(body),
    };
    return room.handle(route, params, request, root);
  };
  return { room, ask, asked };
}
const PARAMS = { id: "known", correlationId: "c" };
const known = () => {
  const { room } = setUp();
  return [...new Set(routes.filter((route) => room.description.routeOf(route) !== undefined).map(({ id }) => id))];
};

describe("admin room", () => {
  it.each(known())("answers %s as it is described", async (id) => {
    const { room, ask } = setUp();
    const route = routes.find((one) => one.id === id);
    const name = route === undefined ? undefined : room.description.routeOf(route)?.answer;
    const schema = name === undefined ? undefined : room.description.schemas[name];
    const { status, body } = await ask(id, "", "{}", PARAMS);
    expect([status, schema?.safeParse(body).error]).toEqual([200, undefined]);
  });

  it("works out rates and percentiles", async () => {
    const { body } = await setUp().ask("metrics.tool", "", "", PARAMS);
    expect(body).toMatchObject({ calls: 4, failures: 1, errorRate: 0.25, meanMs: 25, minMs: 10, maxMs: 40 });
    expect(body).toMatchObject({ p99Ms: expect.closeTo(40, -1), p50Ms: expect.closeTo(20, 0) });
  });

  it("asks for the last seven days when it is told nothing, and for what it is told", async () => {
    const { ask, asked } = setUp();
    await ask("metrics.top");
    await ask("metrics.top", "kind=server&by=error_rate&limit=3&from=2026-06-01&until=2026-06-02T00:00:00Z");
    await ask("metrics.timeseries", "gateway_id=g7&days=1");
    const until = Date.UTC(2026, 5, 15, 12, 31);
    expect(asked).toEqual([
      { group: "item", order: "calls", limit: 20, from: until - 7 * DAY, until },
      { group: "server", order: "errorRate", limit: 3, from: Date.UTC(2026, 5, 1), until: Date.UTC(2026, 5, 2) },
      { group: "hour", order: "hour", limit: 8784, gatewayId: "g7", from: until - DAY, until },
    ]);
  });

  it("keeps aggregates for their time, until they are reset", async () => {
    const { ask, asked } = setUp(60_000);
    for (let times = 0; times < 3; times++) await ask("metrics.top");
    expect(asked.length).toBe(1);
    await ask("metrics.reset", "kind=tool&id=known");
    await ask("metrics.top");
    expect(asked.slice(1)).toEqual(["flush", 'reset {"kind":"tool","gatewayId":"g1","name":"echo"}', asked[0]]);
  });

  it("hands on filters and pages of lists and searches", async () => {
    const { ask, asked } = setUp();
    const { body } = await ask("audit.list", "principal=p&resource_type=tools&limit=5&cursor=12&from=2026-06-01");
    expect(body).toMatchObject({ nextCursor: "7", rows: [{ change: { changed: {} } }] });
    await ask("logs.search", "", '{"level":"warn","limit":3}');
    expect(asked).toEqual([
      { where: { principal: "p", resourceType: "tools" }, limit: 5, before: "12", from: Date.UTC(2026, 5, 1) },
      { where: { level: "warn" }, limit: 3 },
    ]);
  });

  it.each([
    ["metrics.top", "by=name", "?by=name has to be one of calls, errors, error_rate, time"],
    ["metrics.top", "limit=0", "?limit=0 has to be a whole number from 1 to 200"],
    ["metrics.overview", "days=7&days=8", "?days is given twice"],
    ["audit.list", "from=yesterday", "?from=yesterday has to be a time"],
    ["audit.list", "limit=501", "?limit=501 has to be a whole number from 1 to 500"],
    ["audit.list", "cursor=x'--", "?cursor=x'-- is no nextCursor"],
    ["audit.list", "hash=x", "?hash is not one of principal, action"],
    ["security.list", `kind=${"x".repeat(301)}`, "?kind is no text of at most 300 characters"],
    ["metrics.reset", "kind=tool", "?kind and ?id go together"],
  ])("refuses %s?%s", async (id, query, problem) => {
    const refusal = setUp().ask(id, query);
    await expect(refusal).rejects.toMatchObject({
      code: "MCPS_ITEM_INVALID",
      message: expect.stringContaining(problem),
    });
  });

  it("answers any query with rows or a refusal, never with a failure", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...known()), fc.webQueryParameters(), fc.string(), async (id, query, body) => {
        const outcome = await setUp()
          .ask(id, query, body, PARAMS)
          .catch((error: unknown) => error);
        expect(outcome).toMatchObject({
          status: expect.toSatisfy((status: number) => status === 200 || status === 400 || status === 422),
        });
      }),
    );
  });

  it("knows no item that is not there", async () => {
    await expect(setUp().ask("metrics.tool", "", "", { id: "unknown" })).rejects.toMatchObject({
      code: "MCPS_ITEM_UNKNOWN",
    });
  });
});
