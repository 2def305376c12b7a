/** Whose state is whose: clients of a stateful upstream, whatever happens to their sessions, and the pool for upstreams without state. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memoryState } from "../../../gateway/coordination/index.ts";
import type { Upstreams, UpstreamsOptions, UpstreamTarget } from "../../../gateway/upstreams/index.ts";
import { LEDGER_PARTS, Ledger } from "../../../gateway/upstreams/ledger.ts";
import type { PoolOptions } from "../../../gateway/upstreams/pool.ts";
import { closing } from "../../harness/closing.ts";
import { waitFor } from "../../harness/index.ts";
import { holder, legacyLife, message, methodsOf, open, resultOf, room, rpc, send, serve, target } from "./harness.ts";
import { type StatefulServer, statefulServer } from "./stateful-server.ts";

const closers = closing();

const POOL: PoolOptions = {
  maxPerKey: 2,
  ttlMs: 300_000,
  acquireTimeoutMs: 5000,
  createTimeoutMs: 5000,
  healthIntervalMs: 60_000,
  healthMethods: ["ping", "skip"],
  healthTimeoutMs: 1000,
  idleEvictionMs: 600_000,
  identityHeaders: ["authorization"],
};

function made(options: Partial<UpstreamsOptions> = {}): Upstreams {
  const upstreams = room(options);
  closers.push(() => upstreams.close());
  return upstreams;
}

async function stateful(): Promise<StatefulServer> {
  const server = await statefulServer();
  closers.push(() => server.close());
  return server;
}

let ids = 0;
async function keep(upstreams: Upstreams, to: UpstreamTarget, client: string, put?: string): Promise<string[]> {
  const params = { name: "keep", arguments: put === undefined ? {} : { put } };
  const result: unknown = resultOf(
    await send(upstreams, to, holder(`s:${client}`), message(++ids, "tools/call", params)),
  );
  return (result as { structuredContent: { kept: string[] } }).structuredContent.kept;
}

type Step =
  | { readonly kind: "call"; readonly client: number; readonly worker: number }
  | { readonly kind: "together" }
  | { readonly kind: "restart" }
  | { readonly kind: "forget"; readonly client: number }
  | { readonly kind: "end"; readonly client: number };

const client = fc.integer({ min: 0, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("call" as const), client, worker: fc.integer({ min: 0, max: 1 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("together" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("end" as const), client }) },
);

describe("clients of a stateful upstream", () => {
  it.each([
    ["with the pool off", {}],
    ["with the pool on", { pool: POOL }],
    ["with room for two sessions, the pool on", { pool: POOL, sessionCaps: { maxTotal: 2, maxPerUpstream: 2 } }],
  ])("never see what another one has put there, %s", async (_, options) => {
    const server = await stateful();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        server.sessions.clear();
        // Two workers over one state: a client may come to either.
        const state = memoryState();
        const workers = [room({ ...options, state }), room({ ...options, state })];
        const to = target(server.url, { id: `up-${ids++}` });
        const call = async (who: number, worker: number) => {
          const name = `c${who}`;
          const upstreams = workers[worker];
          if (upstreams === undefined) return;
          const kept = await keep(upstreams, to, name, `${name}-${++ids}`);
          expect(kept.filter((value) => !value.startsWith(`${name}-`))).toEqual([]);
          expect(kept.length).toBeGreaterThan(0);
        };
        try {
          for (const one of steps) {
            if (one.kind === "call") await call(one.client, one.worker);
            // No more at a time than there is room for: each of two workers has room for two.
            else if (one.kind === "together") await Promise.all([call(0, 0), call(1, 0), call(2, 1), call(3, 1)]);
            else if (one.kind === "restart") server.restart();
            else if (one.kind === "end") await workers[0]?.release(`s:c${one.client}`, [to]);
            else {
              const values = [...server.sessions].find(([, kept]) => kept[0]?.startsWith(`c${one.client}-`));
              if (values !== undefined) server.sessions.delete(values[0]);
            }
          }
        } finally {
          for (const upstreams of workers) await upstreams.close();
        }
      }),
      { numRuns: 40 },
    );
  });

  it("keep their state from call to call, as long as there is room", async () => {
    const server = await stateful();
    const upstreams = made({ pool: POOL });
    const to = target(server.url);
    for (let round = 0; round < 3; round++)
      for (const name of ["a", "b"]) await keep(upstreams, to, name, `${name}${round}`);
    expect(await keep(upstreams, to, "a")).toEqual(["a0", "a1", "a2"]);
    expect(await keep(upstreams, to, "b")).toEqual(["b0", "b1", "b2"]);
    // One of them is the probe's.
    expect(server.opened).toBe(3);
  });
});

describe("sessions at upstreams", () => {
  it("are never more than there is room for; the one that was not used for longest is ended", async () => {
    const server = await stateful();
    let now = 0;
    const upstreams = made({ now: () => now, sessionCaps: { maxTotal: 100, maxPerUpstream: 3 } });
    const to = target(server.url);
    const use = async (name: string) => {
      now += 1000;
      await keep(upstreams, to, name, name);
    };
    for (const name of ["a", "b", "c"]) await use(name);
    await use("a");
    await use("d");
    const values = () => [...server.sessions.values()].flat().sort();
    expect(values()).toEqual(["a", "a", "c", "d"]);
    expect([server.peak, server.sessions.size]).toEqual([3, 3]);
    expect(upstreams.sessionFigures()).toEqual({ open: 3, evicted: 1, pool: undefined });
    // Its client notices nothing but what the upstream has forgotten.
    await upstreams.setLogLevel(holder("s:b"), "warning", [to]);
    await upstreams.setSubscription(to, holder("s:b"), "file:///x", true);
    for (const name of ["e", "f", "g", "b"]) await use(name);
    expect(values()).toEqual(["b", "f", "g"]);
    const last = `sid-${server.opened}`;
    expect(server.told.filter((line) => line.startsWith(`${last} `)).sort()).toEqual([
      `${last} logging/setLevel warning`,
      `${last} resources/subscribe file:///x`,
    ]);
    expect(server.peak).toBe(3);
  });

  it("that are in use make no room: one more is refused and told when to come again", async () => {
    const held = Promise.withResolvers<void>();
    let sessions = 0;
    const server = await serve((seen, response) => {
      if (legacyLife(seen, response, `sid-${++sessions}`)) return;
      held.promise.then(() => rpc(response, seen, "done"));
    });
    closers.push(() => server.close());
    const upstreams = made({ sessionCaps: { maxTotal: 1, maxPerUpstream: 100 } });
    const to = target(server.url);
    const { sink } = open(upstreams, to, holder("s:a"), message(1, "tools/call"));
    await waitFor(async () => methodsOf(server).includes("tools/call"));
    const { fault } = await send(upstreams, to, holder("s:b"), message(2, "tools/call"));
    expect(fault).toMatchObject({
      code: "MCPS_UPSTREAM_BUSY",
      message:
        "Upstream sample is busy: 1 sessions are open in all, and all are in use (MCP_SESSION_POOL_MAX_TOTAL_SESSIONS)",
      headers: { "retry-after": "1" },
    });
    held.resolve();
    await sink.done;
    expect(resultOf(await send(upstreams, to, holder("s:b"), message(3, "tools/call")))).toBe("done");
  });

  it("are in use while any request is within them, also one from before their credentials changed", async () => {
    const held = Promise.withResolvers<void>();
    let sessions = 0;
    const server = await serve((seen, response) => {
      if (legacyLife(seen, response, `sid-${++sessions}`)) return;
      if (seen.json?.method === "tools/call") held.promise.then(() => rpc(response, seen, "done"));
      else rpc(response, seen, "listed");
    });
    closers.push(() => server.close());
    const upstreams = made({ sessionCaps: { maxTotal: 1, maxPerUpstream: 100 } });
    // Each request of such a target has headers of its own.
    const at = (token: string) => target(server.url, { identity: { enabled: true }, headers: { "x-token": token } });
    const { sink } = open(upstreams, at("1"), holder("s:a"), message(1, "tools/call"));
    await waitFor(async () => methodsOf(server).includes("tools/call"));
    for (const token of ["2", "3"])
      expect(resultOf(await send(upstreams, at(token), holder("s:a"), message(token, "prompts/get")))).toBe("listed");
    const within = server.seen.filter(({ json }) => /tools|prompts/.test(json?.method ?? ""));
    expect(within.map(({ headers }) => headers["x-token"])).toEqual(["1", "2", "3"]);
    expect(new Set(within.map(({ headers }) => headers["mcp-session-id"])).size).toBe(1);
    const other = () => send(upstreams, at("4"), holder("s:b"), message(2, "tools/call"));
    expect((await other()).fault?.code).toBe("MCPS_UPSTREAM_BUSY");
    held.resolve();
    await sink.done;
    expect(resultOf(await other())).toBe("done");
  });

  it("of 10 000 clients that are gone are ended, twenty at a time", async () => {
    const clock = { now: 0 };
    const state = memoryState({ now: () => clock.now });
    let atOnce = 0;
    let peak = 0;
    const ended: string[] = [];
    const server = await serve((seen, response) => {
      if (seen.method !== "DELETE") {
        if (!legacyLife(seen, response, "sid-77")) rpc(response, seen, "ok");
        return;
      }
      ended.push(String(seen.headers["mcp-session-id"]));
      peak = Math.max(peak, ++atOnce);
      setImmediate(() => {
        atOnce--;
        response.writeHead(200).end();
      });
    });
    closers.push(() => server.close());
    const upstreams = made({ state, now: () => clock.now, clock: () => clock.now, connectionsPerOrigin: 64 });
    const to = target(server.url);
    // One client is still there, and uses its session.
    resultOf(await send(upstreams, to, holder("s:77"), message(1, "x")));
    const probes = ended.splice(0);
    const ledger = new Ledger(state, () => clock.now);
    const gone = Array.from({ length: 10_000 }, (_, n) => `gone-${n}`);
    for (const sessionId of gone)
      await ledger.enter(to.id, holder(`s:${sessionId}`), { sessionId, version: "2025-11-25", revision: "r1" });
    const known = { concurrency: 20, target: () => to };
    clock.now = 59_000;
    expect(await upstreams.endExpired(known)).toBe(0);
    resultOf(await send(upstreams, to, holder("s:77"), message(2, "x")));
    clock.now = 61_000;
    peak = 0;
    expect(await upstreams.endExpired(known)).toBe(10_000);
    expect([probes, peak]).toEqual([["sid-77"], 20]);
    expect(new Set(ended)).toEqual(new Set(gone));
    expect(await upstreams.endExpired(known)).toBe(0);
  });

  it("at an upstream that was changed or removed are only forgotten", async () => {
    const state = memoryState();
    const ledger = new Ledger(state, () => 0);
    const session = { sessionId: "x", version: "2025-11-25", revision: "old" };
    await ledger.enter("up-1", holder(), session);
    await ledger.enter("up-2", holder(), session);
    const upstreams = made({ state });
    const known = (id: string) => (id === "up-1" ? target("http://127.0.0.1:1/mcp") : undefined);
    expect(await upstreams.endExpired({ concurrency: 20, target: known })).toBe(0);
    const left = await Promise.all(Array.from({ length: LEDGER_PARTS }, (_, part) => ledger.expired(part)));
    expect(left.flat()).toEqual([]);
  });
});

describe("the pool", () => {
  const shared = (url: string, changes: Partial<UpstreamTarget> = {}) =>
    target(url, { isolation: "shared", ...changes });

  it("lets clients use one session after the other, where the upstream is declared to keep nothing", async () => {
    const server = await stateful();
    const upstreams = made({ pool: POOL });
    for (const name of ["a", "b", "c"]) await keep(upstreams, shared(server.url), name, name);
    expect([...server.sessions.values()]).toEqual([["a", "b", "c"]]);
    expect(upstreams.sessionFigures()).toEqual({
      open: 1,
      evicted: 0,
      pool: {
        ...{ created: 1, reused: 2, waited: 0, timeouts: 0, unhealthy: 0, evicted: 0, failed: 0 },
        keys: [{ upstream: "sample", identity: "anonymous", active: 0, idle: 1, waiting: 0 }],
      },
    });
    await upstreams.close();
    expect(server.sessions.size).toBe(0);
  });

  it("keeps identities apart, and shows no credential", async () => {
    const server = await stateful();
    const upstreams = made({ pool: POOL });
    const as = async (token: string, put: string) => {
      const params = { name: "keep", arguments: { put } };
      const passed = { "x-upstream-authorization": `Bearer ${token}`, "x-trace": put };
      const passes = new Map([
        ["x-upstream-authorization", "authorization"],
        ["x-trace", "x-trace"],
      ]);
      const one = { ...message(++ids, "tools/call", params), passed };
      resultOf(await send(upstreams, shared(server.url, { passes }), holder(), one));
    };
    await as("one", "a");
    await as("two", "b");
    await as("one", "c");
    expect([...server.sessions.values()]).toEqual([["a", "c"], ["b"]]);
    const opening = server.seen.filter((seen) => seen.json?.method === "initialize").slice(1);
    expect(opening.map(({ headers }) => headers.authorization)).toEqual(["Bearer one", "Bearer two"]);
    const shown = JSON.stringify(upstreams.sessionFigures());
    expect(shown).not.toMatch(/Bearer|one|two/);
  });

  it("has no more sessions than it may, lets requests wait for one, and not for ever", async () => {
    const release = Promise.withResolvers<void>();
    let sessions = 0;
    const server = await serve((seen, response) => {
      if (legacyLife(seen, response, `sid-${++sessions}`)) return;
      if (seen.json?.params?.wait === true) release.promise.then(() => rpc(response, seen, "late"));
      else rpc(response, seen, "done");
    });
    closers.push(() => server.close());
    const upstreams = made({ pool: { ...POOL, acquireTimeoutMs: 100 } });
    const to = shared(server.url);
    const slow = [1, 2].map((id) => open(upstreams, to, holder(`s:${id}`), message(id, "tools/call", { wait: true })));
    await waitFor(async () => methodsOf(server).filter((method) => method === "tools/call").length === 2);
    const { fault } = await send(upstreams, to, holder("s:3"), message(3, "tools/call"));
    expect(fault?.message).toBe(
      "Upstream sample is busy: none of its 2 sessions was free within 100 ms (MCP_SESSION_POOL_ACQUIRE_TIMEOUT)",
    );
    const waiting = send(upstreams, to, holder("s:4"), message(4, "tools/call"));
    release.resolve();
    expect(resultOf(await waiting)).toBe("done");
    for (const { sink } of slow) expect(resultOf(await sink.done)).toBe("late");
    expect(upstreams.sessionFigures().pool).toMatchObject({ created: 2, waited: 2, timeouts: 1 });
  });

  it("asks a session that rested whether it lives, and ends what is too old or unused", async () => {
    const server = await stateful();
    let now = 0;
    const upstreams = made({ now: () => now, pool: { ...POOL, healthMethods: ["ping"] } });
    const to = shared(server.url);
    await keep(upstreams, to, "a", "1");
    now = 61_000;
    await keep(upstreams, to, "b", "2");
    expect(methodsOf(server).filter((method) => method === "ping").length).toBe(1);
    server.restart();
    now = 130_000;
    // The upstream has forgotten it: another one takes its place before the call is made.
    expect(await keep(upstreams, to, "a", "3")).toEqual(["3"]);
    expect(upstreams.sessionFigures().pool).toMatchObject({ created: 2, unhealthy: 1 });
    now = 431_000;
    await keep(upstreams, to, "a", "4");
    await waitFor(async () => server.sessions.size === 1);
    expect([...server.sessions.values()]).toEqual([["4"]]);
  });

  it("opens another session when the upstream has forgotten the one that a call is made in", async () => {
    const server = await stateful();
    const upstreams = made({ pool: POOL });
    const to = shared(server.url);
    await keep(upstreams, to, "a", "1");
    server.restart();
    expect(await keep(upstreams, to, "b", "2")).toEqual(["2"]);
  });

  it("tells an upstream of a cancelled call in the session of that call", async () => {
    let sessions = 0;
    const server = await serve((seen, response) => {
      if (legacyLife(seen, response, `sid-${++sessions}`)) return;
      if (seen.json?.method === "notifications/cancelled") response.writeHead(202).end();
    });
    closers.push(() => server.close());
    const upstreams = made({ pool: POOL });
    const to = shared(server.url);
    const { exchange } = open(upstreams, to, holder(), message(9, "tools/call"));
    await waitFor(async () => methodsOf(server).includes("tools/call"));
    const body = Buffer.from('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}');
    await upstreams.notify(to, holder(), { body, method: "notifications/cancelled" });
    exchange.cancel();
    const [call, cancelled] = server.seen.filter(({ json }) => /call|cancel/.test(json?.method ?? ""));
    expect(cancelled?.headers["mcp-session-id"]).toBe(call?.headers["mcp-session-id"]);
  });
});
