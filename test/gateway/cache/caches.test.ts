import { describe, expect, it } from "vitest";
import { openCaches } from "../../../gateway/cache/index.ts";
import { sharedStore } from "./states.ts";

describe("openCaches", () => {
  const open = (type: "memory" | "redis" | "database" | "none") => {
    const store = sharedStore(() => 0);
    const [state] = store.states;
    const caches = openCaches({ type, state, second: state, secondTimeoutMs: 10, now: () => 0 });
    let loads = 0;
    const cache = caches.create<string>({
      name: "some",
      ttlMs: 1000,
      maxEntries: 10,
      load: async () => `load ${++loads}`,
      encode: (value) => value,
      decode: (text) => text,
      random: () => 0,
    });
    return { caches, cache, state };
  };

  it.each([
    ["memory", "load 1", undefined],
    ["redis", "load 1", "1000 +load 1"],
    ["database", "load 1", "1000 +load 1"],
    ["none", "load 2", undefined],
  ] as const)("%s: the second answer is %s and the shared state has %s", async (type, second, text) => {
    const { caches, cache, state } = open(type);
    await cache.get("k");
    await new Promise(setImmediate);
    expect(await cache.get("k")).toBe(second);
    await new Promise(setImmediate);
    expect(await state.get("cache:some:0:k")).toBe(text);
    expect([...caches.figures().keys()]).toEqual(["some"]);
    caches.close();
  });

  it("takes a name once", () => {
    const { caches } = open("memory");
    const again = () => caches.create({ name: "some", ttlMs: 1, maxEntries: 1, load: async () => "x" });
    expect(again).toThrow("there is a cache some already");
    caches.close();
  });

  it("loads for itself when the shared state takes too long", async () => {
    const store = sharedStore(() => 0);
    const [state] = store.states;
    const slow = new Proxy(state, {
      get: (of, name: keyof typeof state) => (name === "get" ? () => new Promise(() => undefined) : of[name]),
    });
    const caches = openCaches({ type: "redis", state, second: slow, secondTimeoutMs: 5, now: () => 0 });
    const cache = caches.create<string>({
      name: "slow",
      ttlMs: 1000,
      maxEntries: 10,
      load: async () => "own",
      encode: (value) => value,
      decode: (text) => text,
    });
    expect(await cache.get("k")).toBe("own");
    caches.close();
  });
});
