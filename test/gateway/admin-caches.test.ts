/** What /admin/caches/metrics shows, and that the same figures are metrics. */
import { expect, it } from "vitest";
import { routes } from "../../contract/routes.ts";
import { cacheSubject } from "../../gateway/admin/index.ts";
import { openCaches } from "../../gateway/cache/index.ts";
import { memoryState } from "../../gateway/coordination/index.ts";
import { measures } from "../../gateway/measures.ts";
import { createMetrics } from "../../gateway/telemetry/index.ts";

it("shows of each cache what it answered and holds, as the metrics do", async () => {
  const state = memoryState();
  const caches = openCaches({ type: "memory", state, second: state, secondTimeoutMs: 100, now: () => 0 });
  const used = caches.create<string>({
    ...{ name: "users", ttlMs: 1000, maxEntries: 1, weight: { of: (value) => value.length, max: 100 } },
    async load(key) {
      if (key === "bad") throw new Error("away");
      return `user ${key}`;
    },
  });
  caches.create<string>({ name: "roles", ttlMs: 1000, maxEntries: 5, load: async () => "role" });
  for (const key of ["a", "a", "a", "bb"]) await used.get(key);
  await Promise.resolve(used.get("bad")).catch(() => undefined);

  const { routes: handlers, schemas } = cacheSubject({ workerId: "w1", caches });
  const answer = await handlers["caches.metrics"]?.handle({ params: {}, request: { method: "GET" } as never });
  const none = { hits: 0, staleHits: 0, misses: 0, shared: 0, loads: 0, failures: 0, evictions: 0 };
  expect(schemas.CacheMetrics?.parse(answer?.body)).toEqual({
    workerId: "w1",
    type: "memory",
    caches: [
      { name: "roles", entries: 0, weight: 0, hitRatio: null, ...none },
      {
        ...none,
        ...{ name: "users", entries: 1, weight: 7, hitRatio: 0.4 },
        ...{ hits: 2, misses: 3, loads: 3, failures: 1, evictions: 1 },
      },
    ],
  });
  const metrics = createMetrics();
  measures(metrics).caches(() => caches.figures());
  const lines = metrics.render().split("\n");
  expect(lines.filter((line) => /^mcp_cache_\w+\{.*"users"/.test(line)).sort()).toEqual([
    'mcp_cache_entries{cache="users"} 1',
    'mcp_cache_evictions_total{cache="users"} 1',
    'mcp_cache_loads_total{cache="users",outcome="failure"} 1',
    'mcp_cache_loads_total{cache="users",outcome="load"} 3',
    'mcp_cache_loads_total{cache="users",outcome="shared"} 0',
    'mcp_cache_lookups_total{cache="users",result="hit"} 2',
    'mcp_cache_lookups_total{cache="users",result="miss"} 3',
    'mcp_cache_lookups_total{cache="users",result="stale"} 0',
  ]);
  caches.close();
});

it("is for those who may see figures, under its own path and the older one", () => {
  const found = routes.filter(({ id }) => id === "caches.metrics");
  expect(found.map(({ path, permission }) => [path, permission])).toEqual([
    ["/admin/caches/metrics", "admin.metrics"],
    ["/admin/performance/cache", "admin.metrics"],
    ["/v1/admin/caches/metrics", "admin.metrics"],
    ["/v1/admin/performance/cache", "admin.metrics"],
  ]);
});
