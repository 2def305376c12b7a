/** Health checks: who is asked, when somebody counts as away, and how he comes back. */
import { describe, expect, it, vi } from "vitest";
import { memoryState } from "../../gateway/coordination/index.ts";
import { Checks, type HealthOptions, startHealthChecks } from "../../gateway/health.ts";
import type { GatewayRecord } from "../../gateway/store/index.ts";
import { closing } from "../harness/closing.ts";
import { waitFor } from "../harness/index.ts";
import { gateway } from "./transports/harness.ts";
import {
  counted,
  holder,
  json,
  legacyLife,
  message,
  methodsOf,
  quietLog,
  room,
  rpc,
  send,
  serve,
  target,
} from "./upstreams/harness.ts";

const closers = closing();

/** Upstreams that live or do not, by slug, and what was done about them. */
function world(slugs: readonly string[], changes: Partial<HealthOptions> = {}, records: Partial<GatewayRecord> = {}) {
  const known = new Map(slugs.map((slug) => [slug, gateway(slug, { reachable: true, ...records })]));
  const down = new Set<string>();
  const done: string[] = [];
  const set = (record: GatewayRecord, reachable: boolean) => known.set(record.slug, { ...record, reachable });
  const options: HealthOptions = {
    election: { workerId: "w1", ttlMs: 10_000, heartbeatMs: 5 },
    intervalMs: 5,
    threshold: 3,
    concurrency: 10,
    refreshMs: undefined,
    gateways: () => [...known.values()],
    async probe({ slug }) {
      done.push(`probe ${slug}`);
      if (down.has(slug)) throw new Error("connection refused");
    },
    async refresh(record) {
      done.push(`refresh ${record.slug}`);
      if (down.has(record.slug)) throw new Error("connection refused");
      set(record, true);
    },
    async away(record, reason) {
      done.push(`away ${record.slug}: ${reason}`);
      set(record, false);
    },
    log: quietLog,
    ...changes,
  };
  return { checks: new Checks(options), options, known, down, done };
}

describe("health checks", () => {
  it("count an upstream as away after so many failures in a row, and see it come back", async () => {
    const { checks, down, done } = world(["a", "b"]);
    down.add("b");
    await checks.run();
    await checks.run();
    down.delete("b");
    await checks.run();
    down.add("b");
    for (let round = 0; round < 3; round++) await checks.run();
    expect(done.splice(0).filter((line) => !line.startsWith("probe"))).toEqual(["away b: connection refused"]);
    // From now on with a growing pause: in the next round, and then in every second and every fourth.
    for (let round = 0; round < 6; round++) await checks.run();
    expect(done.splice(0).filter((line) => line.endsWith("b"))).toEqual(["refresh b", "refresh b", "refresh b"]);
    down.delete("b");
    for (let round = 0; round < 10; round++) await checks.run();
    expect(done.filter((line) => line === "refresh b").length).toBe(1);
    expect(done.at(-1)).toBe("probe b");
  });

  it("ask so many at one time, and nobody twice", async () => {
    let atOnce = 0;
    let peak = 0;
    const slugs = Array.from({ length: 20 }, (_, n) => `u${n}`);
    const probe = async () => {
      peak = Math.max(peak, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce--;
    };
    const { checks } = world(slugs, { probe, concurrency: 4 });
    await checks.run();
    expect(peak).toBe(4);
    const slow = Promise.withResolvers<void>();
    const stuck = vi.fn(() => slow.promise);
    const other = world(["a"], { probe: stuck });
    const first = other.checks.run();
    await other.checks.run();
    expect(stuck).toHaveBeenCalledTimes(1);
    slow.resolve();
    await first;
  });

  it("leave alone what is switched off, what runs here, and what is built in", async () => {
    const off = world(["a"], {}, { enabled: false });
    const own = world(["a"], {}, { transport: "STDIO" });
    const builtin = world(["a"], { refreshMs: 0 }, { transport: "BUILTIN" });
    for (const { checks, done } of [off, own, builtin]) {
      await checks.run();
      expect(done).toEqual([]);
    }
  });

  it("read lists again that are old, when they shall", async () => {
    const old = { lastRefreshAt: new Date(Date.now() - 301_000).toISOString() };
    const fresh = { lastRefreshAt: new Date(Date.now() - 1000).toISOString() };
    const outcomes = [];
    for (const [refreshMs, record] of [
      [300_000, old],
      [300_000, fresh],
      [undefined, old],
    ] as const) {
      const { checks, done } = world(["a"], { refreshMs }, record);
      await checks.run();
      outcomes.push(done);
    }
    expect(outcomes).toEqual([["probe a", "refresh a"], ["probe a"], ["probe a"]]);
  });

  it("ask at once about an upstream that somebody could not reach, and believe the first failure", async () => {
    const { checks, down, done } = world(["a", "b"]);
    down.add("b");
    await checks.suspect("id-b");
    await checks.suspect("id-a");
    await checks.suspect("nobody");
    expect(done).toEqual(["probe b", "away b: connection refused", "probe a"]);
  });

  it("are made by one process, and by the next when that one is gone", async () => {
    const state = memoryState();
    const election = { ttlMs: 10_000, heartbeatMs: 5 };
    const one = world(["a"], { election: { ...election, workerId: "w1" } });
    const two = world(["a"], { election: { ...election, workerId: "w2" } });
    const first = startHealthChecks(state, one.options);
    await waitFor(async () => one.done.length > 2);
    const second = startHealthChecks(state, two.options);
    closers.push(() => second.close());
    second.suspect("id-a");
    const before = one.done.length;
    await waitFor(async () => one.done.length > before + 2);
    expect(two.done).toEqual([]);
    await first.close();
    await waitFor(async () => two.done.length > 2);
    const after = one.done.length;
    const reached = two.done.length;
    await waitFor(async () => two.done.length > reached + 2);
    expect(one.done.length).toBe(after);
  });
});

describe("a probe", () => {
  it("leaves no session behind, and asks for a ping where that is wanted", async () => {
    let opened = 0;
    const alive = new Set<string>();
    const server = await serve((seen, response) => {
      const id = String(seen.headers["mcp-session-id"] ?? "");
      if (seen.json?.method === "initialize") alive.add(`sid-${++opened}`);
      if (seen.method === "DELETE") alive.delete(id);
      if (!legacyLife(seen, response, `sid-${opened}`)) rpc(response, seen, {});
    });
    closers.push(() => server.close());
    const upstreams = room();
    closers.push(() => upstreams.close());
    await upstreams.probe(target(server.url), 5000);
    expect([opened, alive.size, methodsOf(server).includes("ping")]).toEqual([1, 0, false]);
    await upstreams.probe(target(server.url), 5000, 5000);
    expect([opened, alive.size]).toEqual([3, 0]);
    expect(methodsOf(server).filter((method) => method === "ping").length).toBe(1);
  });

  it("fails with what is silent, dead or broken, and not with what wants other credentials", async () => {
    const silent = await serve(() => undefined);
    const locked = await serve((_, response) => json(response, 401, {}));
    const broken = await serve((_, response) => response.writeHead(503).end());
    for (const server of [silent, locked, broken]) closers.push(() => server.close());
    const metrics = counted();
    const upstreams = room({ metrics, circuits: { threshold: 1, resetMs: 60_000 } });
    closers.push(() => upstreams.close());
    const at = (url: string) => target(url, { id: url });
    await expect(upstreams.probe(at(silent.url), 50)).rejects.toMatchObject({ code: "MCPS_UPSTREAM_TIMEOUT" });
    await expect(upstreams.probe(at("http://127.0.0.1:1/mcp"), 50)).rejects.toMatchObject({
      code: "MCPS_UPSTREAM_UNREACHABLE",
    });
    await expect(upstreams.probe(at(broken.url), 50)).rejects.toMatchObject({ code: "MCPS_UPSTREAM_STATUS" });
    await upstreams.probe(at(locked.url), 50);
    expect(upstreams.circuits().map(({ id }) => id)).toEqual([silent.url, "http://127.0.0.1:1/mcp", broken.url]);
    const { fault } = await send(upstreams, at(silent.url), holder(), message(1, "tools/call"));
    expect(fault?.code).toBe("MCPS_UPSTREAM_CIRCUIT");
  });
});
