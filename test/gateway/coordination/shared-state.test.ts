import { readFile } from "node:fs/promises";
import { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryState, openSharedState, postgresState, workerPresence } from "../../../gateway/coordination/index.ts";
import { raiseFence, type Sql, sharedStateRepository } from "../../../gateway/store/index.ts";
import { describeSharedState, until } from "./conformance.ts";
import { silentLog } from "./log.ts";

const MIGRATIONS = ["0001_registry", "0002_shared_state", "0009_protection", "0010_leases"].map(
  (name) => new URL(`../../../gateway/store/migrations/${name}.sql`, import.meta.url),
);
let database: PGlite;
let sql: Sql;

beforeAll(async () => {
  database = await PGlite.create();
  for (const migration of MIGRATIONS) await database.exec(await readFile(migration, "utf8"));
  sql = {
    query: async <Row extends Record<string, unknown>>(text: string, values: readonly unknown[] = []) =>
      (await database.query<Row>(text, [...values])).rows,
  };
});
afterAll(async () => {
  await database.close();
});

const onPGlite = (options: { sweepMs?: number; messageRetentionMs?: number } = {}) =>
  postgresState({ repository: sharedStateRepository(sql), log: silentLog, pollMinMs: 5, pollMaxMs: 20, ...options });

describeSharedState("memory", async () => {
  const state = memoryState();
  return { a: state, b: state, close: () => state.close() };
});

describeSharedState("PGlite", async () => {
  const a = onPGlite();
  const b = onPGlite();
  return {
    a,
    b,
    close: async () => {
      await a.close();
      await b.close();
    },
  };
});

describe("memory state", () => {
  it("expires by the injected clock to the millisecond", async () => {
    let now = 1000;
    const state = memoryState({ now: () => now });
    await state.set("v", "1", 50);
    await state.mapSet("m", "f", "1", 50);
    await state.append("l", "1", { cap: 3, ttlMs: 50 });
    now = 1049;
    expect(await state.get("v")).toBe("1");
    expect((await state.mapGet("m")).size).toBe(1);
    expect((await state.readAfter("l", 0)).oldest).toBe(1);
    now = 1050;
    expect(await state.get("v")).toBeUndefined();
    expect((await state.mapGet("m")).size).toBe(0);
    expect((await state.readAfter("l", 0)).oldest).toBe(0);
  });

  it("drops the least recently used keys above its bound", async () => {
    const state = memoryState({ maxEntries: 3 });
    for (const key of ["a", "b", "c"]) await state.set(key, key, 1000);
    await state.get("a");
    await state.set("d", "d", 1000);
    expect(await Promise.all(["a", "b", "c", "d"].map((key) => state.get(key)))).toEqual(["a", undefined, "c", "d"]);
  });

  it("refuses a bound below 1", () => {
    expect(() => memoryState({ maxEntries: 0 })).toThrow("maxEntries is 0, least is 1");
  });
});

describe("raiseFence", () => {
  it("lets the holder of the highest fence write rows, and nobody who held it before", async () => {
    const fences = [1_750_000_000_000_000, 1_750_000_000_000_000, 1_750_000_000_000_002, 1_750_000_000_000_001];
    const answers: boolean[] = [];
    for (const fence of fences) answers.push(await raiseFence(sql, "task", fence));
    expect(answers).toEqual([true, true, true, false]);
    expect(await raiseFence(sql, "other task", 1)).toBe(true);
  });
});

describe("postgres state", () => {
  it("sweeps what has expired", async () => {
    const state = onPGlite({ sweepMs: 10, messageRetentionMs: 1 });
    await state.set("sweep:v", "1", 1);
    await state.mapSet("sweep:m", "f", "1", 1);
    await state.append("sweep:l", "1", { cap: 3, ttlMs: 1 });
    await state.publish("sweep:c", "1");
    const left = async () => {
      const counts = await sql.query<{ rows: number }>(`select (
        (select count(*) from shared_values where key = 'sweep:v') + (select count(*) from shared_maps where key = 'sweep:m')
        + (select count(*) from shared_logs where log = 'sweep:l') + (select count(*) from shared_messages where channel = 'sweep:c')
        + (select count(*) from shared_log_entries e where not exists (select 1 from shared_logs l where l.generation = e.generation))
      )::int as rows`);
      return counts[0]?.rows;
    };
    await until(async () => (await left()) === 0, "empty tables");
    await state.close();
  });

  it("turns every failure of the database into MCPS_STATE and delivers again when it is back", async () => {
    let broken = true;
    const flaky: Sql = {
      query: (text, values) => (broken ? Promise.reject(new Error("connection refused")) : sql.query(text, values)),
    };
    const state = postgresState({
      repository: sharedStateRepository(flaky),
      log: silentLog,
      pollMinMs: 5,
      pollMaxMs: 10,
    });
    const refusal = expect.objectContaining({
      code: "MCPS_STATE",
      message: "The shared state store does not answer: connection refused",
    });
    await expect(state.get("k")).rejects.toEqual(refusal);
    await expect(state.publish("c", "m")).rejects.toEqual(refusal);
    await expect(state.subscribe("c", () => undefined)).rejects.toEqual(refusal);
    await expect(state.ping()).rejects.toEqual(refusal);
    broken = false;
    const seen: string[] = [];
    await state.subscribe("flaky", (message) => seen.push(message));
    broken = true;
    await onPGlite().publish("flaky", "sent while we could not read");
    broken = false;
    await until(() => seen.length === 1, "the message");
    expect(seen).toEqual(["sent while we could not read"]);
    await state.close();
  });
});

describe("openSharedState", () => {
  const repository = () => sharedStateRepository(sql);
  it.each([
    ["redis", { redisUrl: "redis://127.0.0.1:1", singleProcess: true }],
    ["redis", { redisUrl: "redis://127.0.0.1:1", singleProcess: false, repository: true }],
    ["memory", { singleProcess: true, repository: true }],
    ["memory", { redisUrl: "", singleProcess: true }],
    ["postgres", { singleProcess: false, repository: true }],
  ] as const)("chooses %s for %j", async (kind, options) => {
    const wanted = { ...options, repository: "repository" in options ? repository() : undefined };
    const state = openSharedState({ ...wanted, log: silentLog });
    expect(state.kind).toBe(kind);
    await state.close();
  });

  it("refuses several processes with nothing to share", () => {
    expect(() => openSharedState({ singleProcess: false, log: silentLog })).toThrow(
      "several processes need Redis or PostgreSQL for their shared state",
    );
  });

  it.each([
    "redis://127.0.0.1:1",
    "rediss://127.0.0.1:1",
    "redis+sentinel://127.0.0.1:1,127.0.0.1:2/state",
    "rediss+cluster://127.0.0.1:1,127.0.0.1:2",
  ])("refuses operations quickly when nobody is at %s", async (redisUrl) => {
    const state = openSharedState({ redisUrl, singleProcess: false, log: silentLog });
    const refusal = expect.objectContaining({ code: "MCPS_STATE" });
    await expect(state.get("k")).rejects.toEqual(refusal);
    await expect(state.subscribe("c", () => undefined)).rejects.toEqual(refusal);
    await state.close();
  });
});

describe("worker presence", () => {
  it("is alive by lease, dead without, and gives the lease up at its end", async () => {
    let now = 0;
    const state = memoryState({ now: () => now });
    const one = workerPresence(state, "one", { ttlMs: 3000, renewMs: 3_600_000 });
    const two = workerPresence(state, "two", { ttlMs: 3000, renewMs: 3_600_000 });
    expect(await one.isAlive("two")).toBe(false);
    await one.start();
    await two.start();
    expect([await one.isAlive("two"), await one.isAlive("one"), await two.isAlive("one")]).toEqual([true, true, true]);
    await two.close();
    expect([await one.isAlive("two"), await two.isAlive("two")]).toEqual([false, false]);
    now = 3000;
    expect(await two.isAlive("one")).toBe(false);
    await one.close();
  });

  it("renews its lease", async () => {
    let now = 0;
    const state = memoryState({ now: () => now });
    const one = workerPresence(state, "one", { ttlMs: 3000, renewMs: 1 });
    await one.start();
    now = 2999;
    // A renewal at 2999 carries the lease beyond 3000.
    await until(async () => {
      now = 2999;
      await new Promise((resolve) => setImmediate(resolve));
      now = 5000;
      const alive = (await state.get("worker:one")) !== undefined;
      return alive;
    }, "a renewed lease");
    await one.close();
    expect(await state.get("worker:one")).toBeUndefined();
  });
});
