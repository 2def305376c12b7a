import { describe, expect, it } from "vitest";
import { openCaches } from "../../gateway/cache/index.ts";
import { memoryState } from "../../gateway/coordination/index.ts";
import { loadSettings } from "../../gateway/settings/index.ts";
import { cacheTypeOf, keptAnswersOf } from "../../gateway/start-caches.ts";

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

describe("keptAnswersOf", () => {
  const state = memoryState();
  const caches = openCaches({ type: "memory", state, second: state, secondTimeoutMs: 1, now: Date.now });
  const kept = (env: Readonly<Record<string, string>>) => {
    const { caches: _, now: __, ...numbers } = keptAnswersOf(settingsOf(env), caches);
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
