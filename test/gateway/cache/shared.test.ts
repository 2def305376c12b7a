import { describe, expect, it } from "vitest";
import { type Cache, createCache, invalidationsOf } from "../../../gateway/cache/index.ts";
import type { SharedState } from "../../../gateway/coordination/index.ts";
import { waitFor } from "../../harness/wait.ts";
import { sharedStore } from "./states.ts";

/** The same cache in two processes over one store; each loads `<value>` and says where. */
async function pair(kept: "shared" | "here") {
  const clock = { now: 1_000_000 };
  const store = sharedStore(() => clock.now);
  const truth = { value: "v1" as string | undefined };
  const loads: string[] = [];
  const open = (place: string, state: SharedState): Cache<string> =>
    createCache<string>({
      name: "pair",
      ttlMs: 10_000,
      negativeTtlMs: 1000,
      maxEntries: 10,
      load: async (key) => {
        loads.push(`${place}:${key}`);
        return truth.value;
      },
      groupOf: (key) => key.slice(0, 1),
      shared: kept === "shared" ? { state, encode: (value) => value, decode: (text) => text } : { state },
      now: () => clock.now,
      random: () => 0,
    });
  const [one, two] = store.states;
  const a = open("a", one);
  const b = open("b", two);
  const settle = async () => {
    await Promise.all([invalidationsOf(one).check(), invalidationsOf(two).check()]);
    await new Promise(setImmediate);
  };
  await settle();
  return { a, b, clock, store, truth, loads, settle };
}

describe("a cache whose loads are expensive", () => {
  it("loads in one process while the others wait, and in the next one when that fails", async () => {
    const store = sharedStore(() => 1_000_000);
    const loads: { readonly place: number; readonly end: (value: string | Error) => void }[] = [];
    const caches = store.states.map((state, place) =>
      createCache<string>({
        name: "expensive",
        ttlMs: 10_000,
        maxEntries: 10,
        load: () =>
          new Promise((resolve, reject) => {
            loads.push({ place, end: (value) => (value instanceof Error ? reject(value) : resolve(value)) });
          }),
        shared: { state, encode: (value) => value, decode: (text) => text, waitForOthersMs: 60_000 },
        now: () => 1_000_000,
      }),
    );
    const answers = caches.map(async (cache) => (await Promise.allSettled([cache.get("k")]))[0]);
    await waitFor(() => loads.length > 0, 60_000, "a load");
    const [first] = loads;
    first?.end(new Error("away"));
    await waitFor(() => loads.length > 1, 60_000, "another load");
    loads[1]?.end("found");
    const outcomes = await Promise.all(answers);
    expect(outcomes.map((outcome) => outcome?.status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(loads.map(({ place }) => place).toSorted()).toEqual([0, 1]);
    const again = await Promise.all(caches.map((cache) => cache.get("k")));
    expect(again).toEqual(["found", "found"]);
    expect(loads).toHaveLength(2);
  });
});

describe("a cache that processes share", () => {
  it("loads once for all processes and keeps no longer than the first", async () => {
    const { a, b, clock, loads } = await pair("shared");
    expect(await a.get("k")).toBe("v1");
    await new Promise(setImmediate);
    clock.now += 9000;
    expect(await b.get("k")).toBe("v1");
    expect(loads).toEqual(["a:k"]);
    expect(b.figures()).toMatchObject({ shared: 1, load: 0 });
    clock.now += 1000;
    expect(b.get("k")).toBeInstanceOf(Promise);
  });

  it("shares that there is none", async () => {
    const { a, b, truth, loads } = await pair("shared");
    truth.value = undefined;
    expect(await a.get("k")).toBeUndefined();
    await new Promise(setImmediate);
    expect(await b.get("k")).toBeUndefined();
    expect(b.get("k")).toBeUndefined();
    expect(loads).toEqual(["a:k"]);
  });

  it.each(["shared", "here"] as const)("tells others what it forgets (kept: %s)", async (kept) => {
    const { a, b, truth, settle } = await pair(kept);
    await a.get("k");
    await b.get("k");
    truth.value = "v2";
    await a.invalidate("k");
    await settle();
    expect([await a.get("k"), await b.get("k")]).toEqual(["v2", "v2"]);
    truth.value = "v3";
    await b.invalidateAll();
    await settle();
    expect([await a.get("k"), await b.get("k")]).toEqual(["v3", "v3"]);
  });

  it.each(["shared", "here"] as const)("tells others which group it forgets (kept: %s)", async (kept) => {
    const { a, b, truth, settle } = await pair(kept);
    for (const cache of [a, b]) for (const key of ["g1", "g2", "h1"]) await cache.get(key);
    truth.value = "v2";
    await a.invalidateGroup("g");
    await settle();
    for (const cache of [a, b])
      expect(await Promise.all(["g1", "g2", "h1"].map((key) => cache.get(key)))).toEqual(["v2", "v2", "v1"]);
  });

  it("does not share what was loaded before an invalidation", async () => {
    const { a, b, truth, settle } = await pair("shared");
    const before = a.get("k");
    truth.value = "v2";
    await b.invalidate("k");
    await before;
    await settle();
    expect([await a.get("k"), await b.get("k")]).toEqual(["v2", "v2"]);
  });

  it("finds in the log what it missed as a message", async () => {
    const { a, b, store, truth, settle } = await pair("here");
    await Promise.all([a.get("k"), b.get("k"), b.get("other")]);
    store.isDeaf = true;
    truth.value = "v2";
    await a.invalidate("k");
    expect(b.get("k")).toBe("v1");
    await settle();
    expect([await b.get("k"), b.get("other")]).toEqual(["v2", "v1"]);
  });

  it("tells others later when the store is away, and forgets all when it comes back empty", async () => {
    const { a, b, store, truth, settle } = await pair("shared");
    await Promise.all([a.get("k"), b.get("k")]);
    store.isAway = true;
    truth.value = "v2";
    await a.invalidate("k");
    expect(await a.get("k")).toBe("v2");
    expect(b.get("k")).toBe("v1");
    store.isAway = false;
    await settle();
    await settle();
    expect(await b.get("k")).toBe("v2");
    store.flush();
    truth.value = "v3";
    await settle();
    expect([await a.get("k"), await b.get("k")]).toEqual(["v3", "v3"]);
  });

  it("tells others by the clock of all how long it lives, and goes by its own for what it keeps", async () => {
    const wall = { now: 10_000_000 };
    const store = sharedStore(() => wall.now);
    const loads: number[] = [];
    // The first machine was asleep for an hour, and its own clock with it.
    const [a, b] = store.states.map((state, place) =>
      createCache<string>({
        name: "slept",
        ttlMs: 10_000,
        maxEntries: 10,
        load: async () => {
          loads.push(place);
          return "v1";
        },
        shared: { state, encode: (value) => value, decode: (text) => text, wallClock: () => wall.now },
        now: () => wall.now - (place === 0 ? 3_600_000 : 0),
        random: () => 0,
      }),
    );
    expect(await a?.get("k")).toBe("v1");
    await new Promise(setImmediate);
    expect(await b?.get("k")).toBe("v1");
    expect(loads).toEqual([0]);
    wall.now += 9999;
    expect([a?.get("k"), b?.get("k")]).toEqual(["v1", "v1"]);
    wall.now += 1;
    expect([a?.get("k"), b?.get("k")]).toEqual([expect.any(Promise), expect.any(Promise)]);
  });

  it("answers from loads while the store is away", async () => {
    const { a, b, store, loads } = await pair("shared");
    store.isAway = true;
    expect(await a.get("k")).toBe("v1");
    expect(await b.get("k")).toBe("v1");
    expect(a.get("k")).toBe("v1");
    expect(loads).toEqual(["a:k", "b:k"]);
  });
});
