import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CacheOptions, createCache, privateKey } from "../../../gateway/cache/index.ts";

/** Loads `<key>@<load's number>`, by a clock that stands still until it is set. */
function setUp(options: Partial<CacheOptions<string>> = {}) {
  const clock = { now: 1_000_000 };
  const loads: string[] = [];
  const cache = createCache<string>({
    name: "test",
    ttlMs: 1000,
    maxEntries: 100,
    load: async (key) => {
      loads.push(key);
      return `${key}@${loads.length}`;
    },
    now: () => clock.now,
    random: () => 0,
    ...options,
  });
  return { cache, clock, loads };
}

describe("createCache", () => {
  it("answers at once what it has loaded, until the millisecond in which it ends", async () => {
    const { cache, clock, loads } = setUp();
    expect(await cache.get("a")).toBe("a@1");
    clock.now += 999;
    expect(cache.get("a")).toBe("a@1");
    clock.now += 1;
    expect(await cache.get("a")).toBe("a@2");
    expect(loads).toEqual(["a", "a"]);
    expect(cache.figures()).toEqual({
      hit: 1,
      stale: 0,
      miss: 2,
      shared: 0,
      load: 2,
      failure: 0,
      eviction: 0,
      entries: 1,
      weight: 0,
    });
  });

  it("loads once for all who ask at the same time", async () => {
    const { cache, loads } = setUp();
    const answers = await Promise.all(Array.from({ length: 50 }, () => cache.get("a")));
    expect(new Set(answers)).toEqual(new Set(["a@1"]));
    expect(loads).toEqual(["a"]);
  });

  it("keeps that there is none for its own time, and not at all by default", async () => {
    const counts = { default: 0, negative: 0 };
    const forgetful = setUp({ load: async () => void counts.default++ });
    await forgetful.cache.get("a");
    await forgetful.cache.get("a");
    expect(counts.default).toBe(2);
    const { cache, clock } = setUp({ negativeTtlMs: 10, staleMs: 1000, load: async () => void counts.negative++ });
    await cache.get("a");
    clock.now += 9;
    expect(cache.get("a")).toBeUndefined();
    clock.now += 1;
    await cache.get("a");
    expect(counts.negative).toBe(2);
  });

  it("keeps no failure: everybody who waits gets it, the next one asks again", async () => {
    let tries = 0;
    const { cache } = setUp({
      load: async () => {
        if (++tries === 1) throw new Error("away");
        return "back";
      },
    });
    const answers = await Promise.allSettled([cache.get("a"), cache.get("a")]);
    expect(answers.map((answer) => answer.status)).toEqual(["rejected", "rejected"]);
    expect(await cache.get("a")).toBe("back");
    expect(tries).toBe(2);
  });

  it("answers stale values while one load brings a new one, and waits a second after a refresh that failed", async () => {
    let isAway = false;
    const tries: number[] = [];
    const { cache, clock } = setUp({
      staleMs: 5000,
      load: async () => {
        tries.push(clock.now);
        if (isAway) throw new Error("away");
        return `loaded at ${clock.now}`;
      },
    });
    await cache.get("a");
    clock.now += 1000;
    isAway = true;
    expect([cache.get("a"), cache.get("a")]).toEqual(["loaded at 1000000", "loaded at 1000000"]);
    await new Promise(setImmediate);
    clock.now += 999;
    expect(cache.get("a")).toBe("loaded at 1000000");
    clock.now += 1;
    isAway = false;
    expect(cache.get("a")).toBe("loaded at 1000000");
    await new Promise(setImmediate);
    expect(cache.get("a")).toBe("loaded at 1002000");
    expect(tries).toEqual([1_000_000, 1_001_000, 1_002_000]);
    clock.now += 6000;
    expect(cache.get("a")).toBeInstanceOf(Promise);
  });

  it("shortens lives by up to a tenth and never lengthens one", async () => {
    const { cache, clock } = setUp({ random: () => 0.9999 });
    await cache.get("a");
    clock.now += 900;
    expect(cache.get("a")).toBe("a@1");
    clock.now += 1;
    expect(cache.get("a")).toBeInstanceOf(Promise);
  });

  it("keeps a value no longer than its own time, and not at all when that is 0", async () => {
    const { cache, clock } = setUp({
      load: async (key) => key,
      lifeOf: (value) => Number(value),
    });
    await cache.get("50");
    await cache.get("0");
    await cache.get("99999");
    clock.now += 49;
    expect(cache.get("50")).toBe("50");
    expect(cache.get("0")).toBeInstanceOf(Promise);
    clock.now += 1;
    expect(cache.get("50")).toBeInstanceOf(Promise);
    clock.now += 949;
    expect(cache.get("99999")).toBe("99999");
    clock.now += 1;
    expect(cache.get("99999")).toBeInstanceOf(Promise);
  });

  it("drops what was not used first, and counts it", async () => {
    const { cache, loads } = setUp({ maxEntries: 3 });
    for (const key of ["a", "b", "c"]) await cache.get(key);
    cache.get("a");
    await cache.get("d");
    expect(["a", "c", "d"].map((key) => cache.get(key))).toEqual(["a@1", "c@3", "d@4"]);
    await cache.get("b");
    expect(loads).toEqual(["a", "b", "c", "d", "b"]);
    expect(cache.figures()).toMatchObject({ eviction: 2, entries: 3 });
  });

  it("stays below its weight and does not keep what is heavier than that", async () => {
    const { cache } = setUp({ load: async (key) => key, weight: { of: (value) => value.length, max: 10 } });
    for (const key of ["aaaa", "bbbb", "cc"]) await cache.get(key);
    expect(cache.figures()).toMatchObject({ entries: 3, weight: 10 });
    await cache.get("d".repeat(11));
    expect(cache.figures()).toMatchObject({ entries: 3, weight: 10, eviction: 0 });
    await cache.get("e");
    expect(cache.figures()).toMatchObject({ entries: 3, weight: 7, eviction: 1 });
  });

  it("never answers what was loaded before an invalidation to who asks after it", async () => {
    const releases: (() => void)[] = [];
    let value = "old";
    const { cache } = setUp({
      load: () => {
        const seen = value;
        return new Promise<string>((resolve) => releases.push(() => resolve(seen)));
      },
    });
    const before = cache.get("a");
    await new Promise(setImmediate);
    value = "new";
    await cache.invalidate("a");
    const after = cache.get("a");
    await new Promise(setImmediate);
    for (const release of releases) release();
    expect([await before, await after]).toEqual(["old", "new"]);
    expect(cache.get("a")).toBe("new");
    await cache.invalidateAll();
    expect(cache.get("a")).toBeInstanceOf(Promise);
  });

  it.each([{ maxEntries: 0 }, { ttlMs: 0 }])(
    "keeps nothing with %j and loads once for those of one time",
    async (none) => {
      const { cache, loads } = setUp(none);
      await Promise.all([cache.get("a"), cache.get("a")]);
      expect(await cache.get("a")).toBe("a@2");
      expect(loads).toEqual(["a", "a"]);
    },
  );

  it("refuses negative numbers by name", () => {
    expect(() => setUp({ ttlMs: -1 })).toThrow("ttlMs of the cache test is -1, least is 0");
    expect(() => setUp({ maxEntries: Number.NaN })).toThrow("maxEntries of the cache test is NaN, least is 0");
  });

  it("holds no more entries than it may and answers what was loaded for the key, whatever happens", async () => {
    const step = fc.record({
      key: fc.constantFrom("a", "b", "c", "d", "e"),
      what: fc.constantFrom("get", "get", "get", "invalidate", "invalidateAll"),
      passMs: fc.integer({ min: 0, max: 700 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 4 }), async (steps, maxEntries) => {
        let version = 0;
        const clock = { now: 0 };
        const cache = createCache<{ key: string; version: number; at: number }>({
          name: "property",
          ttlMs: 1000,
          staleMs: 500,
          maxEntries,
          load: async (key) => ({ key, version, at: clock.now }),
          now: () => clock.now,
        });
        const leastVersion = new Map<string, number>();
        for (const { key, what, passMs } of steps) {
          clock.now += passMs;
          if (what === "get") {
            const got = await cache.get(key);
            expect(got?.key).toBe(key);
            expect(got?.version).toBeGreaterThanOrEqual(leastVersion.get(key) ?? 0);
            expect(clock.now - (got?.at ?? 0)).toBeLessThan(1500);
          } else {
            version++;
            for (const one of what === "invalidate" ? [key] : ["a", "b", "c", "d", "e"]) leastVersion.set(one, version);
            await (what === "invalidate" ? cache.invalidate(key) : cache.invalidateAll());
          }
          expect(cache.figures().entries).toBeLessThanOrEqual(maxEntries);
        }
      }),
    );
  });
});

describe("privateKey", () => {
  it("is the same for no two pairs of principal and key", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (a, b, c, d) => {
        expect(privateKey(a, b) === privateKey(c, d)).toBe(a === c && b === d);
      }),
    );
    expect(privateKey("1:a", "b")).not.toBe(privateKey("1", ":ab"));
  });
});
