/** Limits: how rules are written, that many processes hold one limit, what happens while nobody answers, and whose address counts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limitRule, quotaRule } from "../../../contract/limit-rules.ts";
import type { Principal } from "../../../contract/principal.ts";
import { IDENTITY_PATH, matchRoute, type Route } from "../../../contract/routes.ts";
import { createLimits, customerOf, type Limits, type LimitsOptions } from "../../../gateway/admission/index.ts";
import { memoryState, type SharedState } from "../../../gateway/coordination/index.ts";
import { silentLog } from "../coordination/log.ts";

const ADA: Principal = { id: "ada", kind: "jwt", admin: false, teams: ["blue", "red"], tokenId: "t1" };
const BOB: Principal = { id: "bob", kind: "jwt", admin: false, teams: [], tokenId: "t2" };
const HEAD = { method: "POST", path: "/mcp", query: "", headers: {}, remoteAddress: "192.0.2.1" };

function routeOf(method: string, path: string): Route {
  const found = matchRoute(method, path);
  if (found.kind !== "route") throw new Error(`${method} ${path} is no route`);
  return found.route;
}
const MCP = routeOf("POST", "/mcp");

type World = { now: number; readonly state: SharedState; readonly refused: string[] };

function newWorld(): World {
  const world: World = { now: 1_000_000, state: memoryState({ now: () => world.now }), refused: [] };
  return world;
}

function limitsIn(world: World, options: Partial<LimitsOptions>): Limits {
  return createLimits({
    state: world.state,
    quotas: { takeQuota: async () => ({ granted: 0, used: 0 }) },
    rules: [],
    quotaRules: [],
    tiers: undefined,
    perTool: 0,
    perToolAtOnce: 0,
    shared: true,
    sharers: 1,
    log: silentLog,
    now: () => world.now,
    wallClock: () => world.now,
    refused: (rule) => world.refused.push(rule),
    ...options,
  });
}

const outcome = async (answer: ReturnType<Limits["request"]>) => (await answer)?.code ?? "in";

describe("rules", () => {
  it("are a subject, a count and a period, with a burst of a period's worth unless said otherwise", () => {
    expect(limitRule("principal=600/min")).toEqual({
      name: "principal",
      subjects: ["principal"],
      only: undefined,
      count: 600,
      periodMs: 60_000,
      burst: 600,
    });
    expect(limitRule("principal&tool:github/create_*=10/h+3")).toEqual({
      name: "principal&tool:github/create_*",
      subjects: ["principal", "tool"],
      only: "github/create_*",
      count: 10,
      periodMs: 3_600_000,
      burst: 3,
    });
    expect(quotaRule("team=1000/month")).toEqual({
      name: "team",
      subjects: ["team"],
      only: undefined,
      count: 1000,
      period: "month",
    });
  });

  it.each([
    "principal",
    "principal=0/min",
    "principal=5/week",
    "nobody=5/min",
    "tool&tool=5/min",
    "address&tool=5/min",
    "principal=5/min+0",
    "principal=-5/min",
    "principal=5/day",
  ])("are not %s", (text) => {
    expect(limitRule(text)).toBeUndefined();
  });
});

describe("a limit", () => {
  it("refuses with 429, when to come again, and what the limit is", async () => {
    const world = newWorld();
    const limits = limitsIn(world, { rules: ["principal=2/min"] });
    expect(await limits.request(MCP, HEAD, ADA)).toBeUndefined();
    expect(await limits.request(MCP, HEAD, ADA)).toBeUndefined();
    const refused = await limits.request(MCP, HEAD, ADA);
    expect(refused).toMatchObject({
      code: "MCPS_RATE_LIMITED",
      status: 429,
      rpc: -32003,
      data: { rule: "principal", limit: 2, windowSeconds: 60, retryAfterSeconds: 30 },
      headers: {
        "retry-after": "30",
        "ratelimit-policy": '"principal";q=2;w=60',
        ratelimit: '"principal";r=0;t=30',
      },
    });
    expect(await outcome(limits.request(MCP, HEAD, BOB))).toBe("in");
    world.now += 30_000;
    expect(await outcome(limits.request(MCP, HEAD, ADA))).toBe("in");
    expect(world.refused).toEqual(["principal"]);
    limits.close();
  });

  it("is answered on the head for a token that was refused, until it may come again, and not for other tokens", async () => {
    const world = newWorld();
    const limits = limitsIn(world, { rules: ["token=1/min"] });
    const head = { ...HEAD, headers: { authorization: "Bearer a" } };
    expect(limits.peek(head)).toBeUndefined();
    await limits.request(MCP, head, ADA);
    expect(limits.peek(head)).toBeUndefined();
    await limits.request(MCP, head, ADA);
    expect(limits.peek(head)?.code).toBe("MCPS_RATE_LIMITED");
    expect(limits.peek({ ...HEAD, headers: { authorization: "Bearer b" } })).toBeUndefined();
    world.now += 60_000;
    expect(limits.peek(head)).toBeUndefined();
    limits.close();
  });

  it("of addresses is known on the head, and counts before anybody looks at the token", async () => {
    const world = newWorld();
    const limits = limitsIn(world, { rules: ["address=1/min"] });
    expect(await limits.arrive(MCP, HEAD)).toBeUndefined();
    expect((await limits.arrive(MCP, HEAD))?.code).toBe("MCPS_RATE_LIMITED");
    expect(limits.peek(HEAD)?.code).toBe("MCPS_RATE_LIMITED");
    expect(limits.peek({ ...HEAD, remoteAddress: "192.0.2.2" })).toBeUndefined();
    // Health is asked for by what would end a process that does not answer.
    expect(await limits.arrive(routeOf("GET", "/health"), HEAD)).toBeUndefined();
    limits.close();
  });

  it("spends nothing of the others when one of several refuses", async () => {
    const world = newWorld();
    const limits = limitsIn(world, { rules: ["principal=3/min", "team:red=1/min"] });
    expect(await outcome(limits.request(MCP, HEAD, ADA))).toBe("in");
    expect(await outcome(limits.request(MCP, HEAD, ADA))).toBe("MCPS_RATE_LIMITED");
    expect(await outcome(limits.request(MCP, HEAD, ADA))).toBe("MCPS_RATE_LIMITED");
    world.now += 1500;
    limits.sweep();
    const blue = { ...ADA, teams: ["blue"] };
    expect(await outcome(limits.request(MCP, HEAD, blue))).toBe("in");
    expect(await outcome(limits.request(MCP, HEAD, blue))).toBe("in");
    expect(await outcome(limits.request(MCP, HEAD, blue))).toBe("MCPS_RATE_LIMITED");
    limits.close();
  });

  it("for a second and one for a minute of the same subject are counted apart", async () => {
    const world = newWorld();
    const limits = limitsIn(world, { rules: ["principal=2/s", "principal=5/min"] });
    const refusedBy: unknown[] = [];
    for (const pause of [0, 0, 0, 1000, 0, 0, 1000, 0]) {
      world.now += pause;
      refusedBy.push(Object((await limits.request(MCP, HEAD, ADA))?.data).limit);
    }
    const none = undefined;
    expect(refusedBy).toEqual([none, none, 2, none, none, 2, none, 5]);
    expect(world.refused).toEqual(["principal", "principal", "principal"]);
    limits.close();
  });

  it("of tools counts calls by the upstream's own name", async () => {
    const world = newWorld();
    const limits = limitsIn(world, { rules: ["principal&tool:git/push*=1/min"], perToolAtOnce: 1 });
    const [push, pull] = [
      { upstream: "git", tool: "push_all" },
      { upstream: "git", tool: "pull" },
    ];
    const [one, two, three] = [{}, {}, {}];
    expect(await outcome(limits.call(one, push, ADA))).toBe("in");
    expect(await outcome(limits.call(two, push, BOB))).toBe("MCPS_TOOL_BUSY");
    limits.ended(two);
    limits.ended(one);
    expect(await outcome(limits.call(two, push, BOB))).toBe("in");
    limits.ended(two);
    expect(await outcome(limits.call(three, push, ADA))).toBe("MCPS_RATE_LIMITED");
    limits.ended(three);
    expect(await outcome(limits.call(one, pull, ADA))).toBe("in");
    limits.close();
  });
});

describe("many processes", () => {
  it("hold one limit: never more than it over any window and what they held, and nearly all of it is used", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          count: fc.integer({ min: 1, max: 400 }),
          burst: fc.integer({ min: 1, max: 200 }),
          processes: fc.integer({ min: 1, max: 4 }),
          steps: fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 0, max: 700 })), { minLength: 20, maxLength: 200 }),
        }),
        async ({ count, burst, processes, steps }) => {
          const world = newWorld();
          const each = Array.from({ length: processes }, () =>
            limitsIn(world, { rules: [`principal=${count}/s+${burst}`], sharers: processes }),
          );
          const batch = Math.max(1, Math.min(Math.floor(burst / 16), Math.ceil((count / 1000) * 500)));
          const admitted: number[] = [];
          let wanted = 0;
          for (const [which, pause] of steps) {
            const limits = each[which % processes];
            for (let tries = 0; tries < 8; tries++) {
              wanted++;
              if ((await limits?.request(MCP, HEAD, ADA)) === undefined) admitted.push(world.now);
            }
            world.now += pause;
            for (const one of each) one.sweep();
          }
          const slack = processes * (batch + 1);
          for (const [first, from] of admitted.entries())
            for (let last = first; last < admitted.length; last += 7) {
              const windowMs = (admitted[last] ?? 0) - from;
              expect(last - first + 1).toBeLessThanOrEqual(burst + (windowMs * count) / 1000 + slack);
            }
          expect(admitted.length).toBeGreaterThanOrEqual(Math.min(wanted, Math.max(1, burst - slack)));
          for (const one of each) one.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("ask nobody for what they hold already", async () => {
    const world = newWorld();
    let takes = 0;
    const counting: SharedState = {
      ...world.state,
      kind: "redis",
      take(key, want, bucket) {
        takes++;
        return world.state.take(key, want, bucket);
      },
    };
    const limits = limitsIn(world, { state: counting, rules: ["principal=10000/s+16000"] });
    await limits.request(MCP, HEAD, ADA);
    const before = takes;
    for (let call = 0; call < 400; call++) expect(limits.request(MCP, HEAD, ADA)).toBeUndefined();
    expect([before, takes]).toEqual([1, 1]);
    limits.close();
  });
});

describe("while nobody answers", () => {
  it("each process has its part of the limit, and the whole is shared again afterwards", async () => {
    const world = newWorld();
    let isDown = true;
    const flaky: SharedState = {
      ...world.state,
      kind: "redis",
      take: (key, want, bucket) => (isDown ? Promise.reject(new Error("down")) : world.state.take(key, want, bucket)),
    };
    const limits = limitsIn(world, { state: flaky, rules: ["principal=40/min"], sharers: 4 });
    const outcomes: string[] = [];
    for (let call = 0; call < 12; call++) outcomes.push(await outcome(limits.request(MCP, HEAD, ADA)));
    expect(outcomes.filter((one) => one === "in")).toHaveLength(10);
    expect(limits.figures()).toMatchObject([{ rule: "principal", shared: false }]);
    isDown = false;
    world.now += 1001;
    await limits.request(MCP, HEAD, ADA);
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(limits.figures()).toMatchObject([{ rule: "principal", shared: true }]);
    const again: string[] = [];
    for (let call = 0; call < 45; call++) again.push(await outcome(limits.request(MCP, HEAD, ADA)));
    expect(again.filter((one) => one === "in")).toHaveLength(40);
    limits.close();
  });
});

describe("quotas", () => {
  /** As the database counts: never above the limit, and what comes back may be handed out again. */
  function bank() {
    const used = new Map<string, number>();
    let takes = 0;
    return {
      used,
      takes: () => takes,
      async takeQuota(key: string, periodStart: Date, want: number, limit: number) {
        takes++;
        const at = `${key} ${periodStart.toISOString()}`;
        const before = used.get(at) ?? 0;
        const granted = want > 0 ? Math.max(0, Math.min(want, limit - before)) : Math.max(want, -before);
        used.set(at, before + granted);
        return { granted, used: before + granted };
      },
    };
  }

  it("hold for a calendar day of UTC, begin anew with the next one, and say when that is", async () => {
    const world = newWorld();
    world.now = Date.UTC(2026, 11, 31, 23, 59, 50);
    const quotas = bank();
    const limits = limitsIn(world, { quotas, quotaRules: ["principal=2/day"] });
    expect(await outcome(limits.request(MCP, HEAD, ADA))).toBe("in");
    expect(await outcome(limits.request(MCP, HEAD, ADA))).toBe("in");
    expect(await limits.request(MCP, HEAD, ADA)).toMatchObject({
      code: "MCPS_QUOTA",
      status: 429,
      data: { rule: "principal", limit: 2, windowSeconds: 86_400, retryAfterSeconds: 10 },
      headers: { "retry-after": "10", "ratelimit-policy": '"principal";q=2;w=86400' },
    });
    world.now += 10_000;
    expect(await outcome(limits.request(MCP, HEAD, ADA))).toBe("in");
    expect([...quotas.used.keys()]).toEqual([
      "principal/day:ada 2026-12-31T00:00:00.000Z",
      "principal/day:ada 2027-01-01T00:00:00.000Z",
    ]);
    limits.close();
  });

  it("of a day and of a month are counted apart", async () => {
    const world = newWorld();
    const quotas = bank();
    const limits = limitsIn(world, { quotas, quotaRules: ["principal=2/day", "principal=3/month"] });
    const refusedBy: unknown[] = [];
    for (const pause of [0, 0, 0, 86_400_000, 0]) {
      world.now += pause;
      refusedBy.push(Object((await limits.request(MCP, HEAD, ADA))?.data).windowSeconds);
    }
    expect(refusedBy).toEqual([undefined, undefined, 86_400, undefined, 30 * 86_400]);
    limits.close();
  });

  it("are written in batches, are never exceeded, and get back what a process that ends has left", async () => {
    const world = newWorld();
    const quotas = bank();
    const each = [0, 1].map(() => limitsIn(world, { quotas, quotaRules: ["team:red=2000/month"] }));
    let served = 0;
    for (let call = 0; call < 2500; call++)
      if ((await outcome(each[call % 2]?.request(MCP, HEAD, ADA))) === "in") served++;
    expect(served).toBe(2000);
    expect(quotas.takes()).toBeLessThan(2000 / 5);
    expect([...quotas.used.values()]).toEqual([2000]);
    const [one] = [limitsIn(newWorld(), { quotas, quotaRules: ["principal=1000/month"] })];
    await one?.request(MCP, HEAD, BOB);
    one?.close();
    await Promise.resolve();
    expect(quotas.used.get("principal/month:bob 1970-01-01T00:00:00.000Z")).toBe(1);
  });
});

describe("addresses", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["", ""],
    ["2001:db8:1:2:3::4", "2001:db8:1:2::"],
    ["2001:db8:1:2::", "2001:db8:1:2::"],
    ["::1", "::"],
  ])("of %j count as %j", (address, customer) => {
    expect([customerOf(address), customerOf(address)]).toEqual([customer, customer]);
  });

  it("are not counted twice where nginx asks first who is calling", async () => {
    const limits = limitsIn(newWorld(), { rules: ["address=1/min"] });
    const found = matchRoute("GET", IDENTITY_PATH);
    if (found.kind !== "route") throw new Error(`${IDENTITY_PATH} is no route`);
    for (let times = 0; times < 3; times++) expect(await limits.arrive(found.route, HEAD)).toBeUndefined();
    expect(await limits.arrive(MCP, HEAD)).toBeUndefined();
    expect(await limits.arrive(MCP, HEAD)).toMatchObject({ code: "MCPS_RATE_LIMITED" });
  });

  it.each([
    // A shared bucket is asked ahead: that nothing is left is known with the last one that was there.
    [true, "MCPS_RATE_LIMITED"],
    [false, undefined],
  ])("count tokens that were refused there, and no right one, shared = %s", async (shared, second) => {
    const world = newWorld();
    const limits = limitsIn(world, { rules: ["address=2/min"], shared });
    const identity = routeOf("GET", IDENTITY_PATH);
    const guess = async (route: Route) => {
      limits.guessed(route, HEAD);
      await new Promise((resolve) => setImmediate(resolve));
      return limits.peek(HEAD)?.code;
    };
    // Elsewhere they were counted when they arrived.
    for (let times = 0; times < 5; times++) expect(await guess(MCP)).toBeUndefined();
    expect([await guess(identity), await guess(identity), await guess(identity)]).toEqual([
      undefined,
      second,
      "MCPS_RATE_LIMITED",
    ]);
    expect(limits.peek({ ...HEAD, remoteAddress: "192.0.2.2" })).toBeUndefined();
    world.now += 30_000;
    expect(limits.peek(HEAD)).toBeUndefined();
    limits.close();
  });

  it("of one IPv6 customer share a bucket, those of two do not", async () => {
    const limits = limitsIn(newWorld(), { rules: ["address=1/min"] });
    const from = (remoteAddress: string) => limits.arrive(MCP, { ...HEAD, remoteAddress });
    expect(await from("2001:db8::1")).toBeUndefined();
    expect(await from("2001:db8::2")).toMatchObject({ code: "MCPS_RATE_LIMITED" });
    expect(await from("2001:db8:0:1::1")).toBeUndefined();
  });
});
