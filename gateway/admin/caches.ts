/** What operators see of caches: how often each answered, what it holds. Of one worker. */
import * as z from "zod";
import type { CacheFigures, Caches } from "../cache/index.ts";
import type { AdminSubject } from "./admin.ts";

const count = z.int().min(0);

const schemas = {
  CacheMetrics: z.object({
    workerId: z.string(),
    /** Where entries wait for other processes. */
    type: z.enum(["memory", "redis", "database", "none"]),
    caches: z.array(
      z.object({
        name: z.string(),
        entries: count,
        /** In the unit of the cache's bound: bytes where there is one, else entries. */
        weight: z.number().min(0),
        hits: count,
        /** Answered while a new value is loaded. */
        staleHits: count,
        misses: count,
        /** Hits, stale ones too, of all that was asked: from 0 to 1; null before the first. */
        hitRatio: z.number().nullable(),
        /** Loaded by another process. */
        shared: count,
        loads: count,
        failures: count,
        evictions: count,
      }),
    ),
  }),
};

export type CacheParts = { readonly workerId: string; readonly caches: Pick<Caches, "type" | "figures"> };

export function cacheSubject({ workerId, caches }: CacheParts): AdminSubject {
  return {
    schemas,
    routes: {
      "caches.metrics": {
        description: { answer: "CacheMetrics" },
        async handle() {
          const found = [...caches.figures()].sort(([one], [other]) => (one < other ? -1 : 1));
          const body: z.infer<typeof schemas.CacheMetrics> = {
            workerId,
            type: caches.type,
            caches: found.map(([name, figures]) => ({ name, ...shown(figures) })),
          };
          return { status: 200, body };
        },
      },
    },
  };
}

function shown({ entries, weight, hit, stale, miss, shared, load, failure, eviction }: CacheFigures) {
  const asked = hit + stale + miss;
  return {
    entries,
    weight,
    hits: hit,
    staleHits: stale,
    misses: miss,
    hitRatio: asked === 0 ? null : (hit + stale) / asked,
    shared,
    loads: load,
    failures: failure,
    evictions: eviction,
  };
}
