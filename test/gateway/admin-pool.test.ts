/** What /admin/mcp-pool/metrics shows. */
import { expect, it } from "vitest";
import { routes } from "../../contract/routes.ts";
import { poolSubject } from "../../gateway/admin/index.ts";
import type { CircuitView, SessionFigures } from "../../gateway/upstreams/index.ts";

async function shown(sessions: SessionFigures, circuits: readonly CircuitView[]) {
  const { routes, schemas } = poolSubject({ workerId: "w1", sessions: () => sessions, circuits: () => circuits });
  const request = { method: "GET", path: "/admin/mcp-pool/metrics" } as never;
  const answer = await routes["pool.metrics"]?.handle({ params: {}, request });
  expect(answer?.status).toBe(200);
  return schemas.PoolMetrics?.parse(answer?.body);
}

it("shows sessions, the pool by upstream and identity, and who is left alone", async () => {
  const pool = {
    ...{ created: 1, reused: 3, waited: 4, timeouts: 5, unhealthy: 6, evicted: 7, failed: 8 },
    keys: [
      { upstream: "files", identity: "anonymous", active: 1, idle: 2, waiting: 0 },
      { upstream: "mail", identity: "x", active: 3, idle: 0, waiting: 9 },
    ],
  };
  const circuit = { id: "1", slug: "mail", state: "open", failures: 5, retryMs: 1001 } as const;
  expect(await shown({ open: 10, evicted: 2, pool }, [circuit])).toEqual({
    workerId: "w1",
    enabled: true,
    openSessions: 10,
    evictedSessions: 2,
    totalSessionsCreated: 1,
    totalSessionsReused: 3,
    poolHits: 3,
    poolMisses: 1,
    hitRate: 0.75,
    activeSessions: 4,
    idleSessions: 2,
    acquireWaits: 4,
    acquireTimeouts: 5,
    creationFailures: 8,
    healthCheckFailures: 6,
    idleEvictions: 7,
    keys: pool.keys,
    circuitBreakerStates: [{ upstream: "mail", state: "open", failures: 5, retryInSeconds: 2 }],
  });
});

it("says that there is no pool where it is off", async () => {
  const off = await shown({ open: 0, evicted: 0, pool: undefined }, []);
  expect(off).toMatchObject({ enabled: false, hitRate: null, keys: [], circuitBreakerStates: [] });
});

it("is for those who may see figures, under both paths", () => {
  const found = routes.filter(({ id }) => id === "pool.metrics");
  expect(found.map(({ path, permission }) => [path, permission])).toEqual([
    ["/admin/mcp-pool/metrics", "admin.metrics"],
    ["/v1/admin/mcp-pool/metrics", "admin.metrics"],
  ]);
});
