/** What operators see of sessions at upstreams: how many are open, what the pool does, which upstreams are left alone. Of one worker. */
import * as z from "zod";
import type { CircuitView, SessionFigures } from "../upstreams/index.ts";
import type { AdminSubject } from "./admin.ts";

const count = z.int().min(0);

const schemas = {
  PoolMetrics: z.object({
    workerId: z.string(),
    enabled: z.boolean(),
    /** Sessions of clients and pooled ones. */
    openSessions: count,
    evictedSessions: count,
    totalSessionsCreated: count,
    totalSessionsReused: count,
    poolHits: count,
    poolMisses: count,
    /** From 0 to 1; null before the first request. */
    hitRate: z.number().nullable(),
    activeSessions: count,
    idleSessions: count,
    acquireWaits: count,
    acquireTimeouts: count,
    creationFailures: count,
    healthCheckFailures: count,
    idleEvictions: count,
    keys: z.array(z.object({ upstream: z.string(), identity: z.string(), active: count, idle: count, waiting: count })),
    /** Upstreams that are not named are reached. */
    circuitBreakerStates: z.array(
      z.object({
        upstream: z.string(),
        state: z.enum(["closed", "open", "half-open"]),
        failures: count,
        retryInSeconds: z.number().min(0),
      }),
    ),
  }),
};

export type PoolParts = {
  readonly workerId: string;
  readonly sessions: () => SessionFigures;
  readonly circuits: () => readonly CircuitView[];
};

export function poolSubject(parts: PoolParts): AdminSubject {
  return {
    schemas,
    routes: {
      "pool.metrics": {
        description: { answer: "PoolMetrics" },
        handle: async () => ({ status: 200, body: shown(parts) }),
      },
    },
  };
}

function shown({ workerId, sessions, circuits }: PoolParts): z.infer<typeof schemas.PoolMetrics> {
  const { open, evicted, pool } = sessions();
  const { created = 0, reused = 0, waited = 0, timeouts = 0, unhealthy = 0, failed = 0, keys = [] } = pool ?? {};
  const sum = (field: "active" | "idle") => keys.reduce((total, key) => total + key[field], 0);
  return {
    workerId,
    enabled: pool !== undefined,
    openSessions: open,
    evictedSessions: evicted,
    totalSessionsCreated: created,
    totalSessionsReused: reused,
    poolHits: reused,
    poolMisses: created,
    hitRate: created + reused === 0 ? null : reused / (created + reused),
    activeSessions: sum("active"),
    idleSessions: sum("idle"),
    acquireWaits: waited,
    acquireTimeouts: timeouts,
    creationFailures: failed,
    healthCheckFailures: unhealthy,
    idleEvictions: pool?.evicted ?? 0,
    keys: keys.map((key) => ({ ...key })),
    circuitBreakerStates: circuits().map(({ slug, state, failures, retryMs }) => {
      return { upstream: slug, state, failures, retryInSeconds: Math.ceil(retryMs / 1000) };
    }),
  };
}
