import { afterEach, describe, expect, it, vi } from "vitest";
import { openCaches } from "../../gateway/cache/index.ts";
import { memoryState } from "../../gateway/coordination/index.ts";
import { loadSettings } from "../../gateway/settings/index.ts";
import { cacheTypeOf, keptAnswersOf, startCaches } from "../../gateway/start-caches.ts";
import type { Store } from "../../gateway/store/index.ts";
import { Teardown } from "../../gateway/teardown.ts";
import { silentLog } from "./coordination/log.ts";

const settingsOf = (env: Readonly<Record<string, string>>) => loadSettings({ env, envFile: false }).settings;

describe("cacheTypeOf", () => {
  it.each([
    [{}, "memory"],
    [{ REDIS_URL: "redis://h" }, "redis"],
    [{ CACHE_TYPE: "none", REDIS_URL: "redis://h" }, "none"],
    [{ CACHE_TYPE: "database" }, "database"],
    [{ CACHE_TYPE: "memory", REDIS_URL: "redis://h" }, "memory"],
    [{ CACHE_TYPE: "redis", REDIS_URL: "redis://h" }, "redis"],
  ])("of %j is %s", (env, type) => {
    expect(cacheTypeOf(settingsOf(env))).toBe(type);
  });

  it("refuses redis where there is none", () => {
    expect(() => cacheTypeOf(settingsOf({ CACHE_TYPE: "redis" }))).toThrow(
      "CACHE_TYPE is redis, it has to be memory, database or none where REDIS_URL is not set",
    );
  });
});

describe("a clock that is set", () => {
  afterEach(() => vi.restoreAllMocks());

  it.each([
    ["forward", 3_600_000],
    ["back", -3_600_000],
  ])("%s ends no life earlier and none later", async (_, jumpMs) => {
    const [shown, teardown] = [Date.now, new Teardown(silentLog)];
    let jumped = 0;
    vi.spyOn(Date, "now").mockImplementation(() => shown() + jumped);
    const store: Pick<Store, "sharedState"> = {
      get sharedState(): never {
        throw new Error("is not asked");
      },
    };
    const input = { state: memoryState(), store, observe: { caches: () => undefined }, log: silentLog, teardown };
    const caches = startCaches({ settings: settingsOf({}), ...input });
    let loads = 0;
    const load = async () => ++loads;
    const long = caches.create<number>({ name: "long", ttlMs: 60_000, maxEntries: 1, load });
    const short = caches.create<number>({ name: "short", ttlMs: 5, maxEntries: 1, load });
    expect([await long.get("k"), await short.get("k")]).toEqual([1, 2]);
    jumped = jumpMs;
    expect(await long.get("k")).toBe(1);
    await expect.poll(() => short.get("k")).toBe(3);
    await teardown.run();
  });
});

describe("keptAnswersOf", () => {
  const state = memoryState();
  const caches = openCaches({ type: "memory", state, second: state, secondTimeoutMs: 1, now: Date.now });
  const kept = (env: Readonly<Record<string, string>>) => {
    const { caches: _, now: __, wallClock: ___, ...numbers } = keptAnswersOf(settingsOf(env), caches);
    return numbers;
  };
  const defaults = {
    listTtlMs: {
      "tools/list": 20_000,
      "prompts/list": 15_000,
      "resources/list": 15_000,
      "resources/templates/list": 15_000,
    },
    readTtlMs: 3_600_000,
    maxPages: 2000,
    maxResources: 1000,
    maxBytes: 67_108_864,
  };

  it("takes each number from its setting", () => {
    expect(kept({})).toEqual(defaults);
    expect(
      kept({
        REGISTRY_CACHE_TOOLS_TTL: "1",
        REGISTRY_CACHE_PROMPTS_TTL: "2",
        REGISTRY_CACHE_RESOURCES_TTL: "3",
        RESOURCE_CACHE_TTL: "4",
        RESOURCE_CACHE_SIZE: "5",
        LIST_CACHE_SIZE: "6",
        RESPONSE_CACHE_BYTES: "7",
      }),
    ).toEqual({
      listTtlMs: {
        "tools/list": 1000,
        "prompts/list": 2000,
        "resources/list": 3000,
        "resources/templates/list": 3000,
      },
      readTtlMs: 4000,
      maxPages: 6,
      maxResources: 5,
      maxBytes: 7,
    });
  });

  it("keeps no list with REGISTRY_CACHE_ENABLED=false, and resources as before", () => {
    const none = { "tools/list": 0, "prompts/list": 0, "resources/list": 0, "resources/templates/list": 0 };
    expect(kept({ REGISTRY_CACHE_ENABLED: "false" })).toEqual({ ...defaults, listTtlMs: none });
  });
});
