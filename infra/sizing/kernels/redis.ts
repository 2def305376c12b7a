/** Redis: clients, memory and whether anything may be evicted. */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { powerOfTwo, up } from "../rounding.ts";

/** Exporter, administrators, Sentinels. */
const OTHER_CLIENTS = 10;
const LEAST_CLIENTS = 1000;
/** Redis keeps 32 descriptors for itself (redis.conf, maxclients). */
export const REDIS_DESCRIPTORS = 32;
const SESSION_KIB = 0.5;
const USER_KIB = 0.2;
const KIB_PER_MIB = 1024;

/** What the instance has to hold, MiB: kept events, sessions with upstream state, limits per user, the second-level cache. */
export function redisData({ load, redis }: SizingInput): number {
  const kept =
    load.sseStreams * redis.eventsPerStream * redis.eventKiB +
    load.statefulSessions * SESSION_KIB +
    load.concurrentUsers * USER_KIB;
  return kept / KIB_PER_MIB + redis.l2CacheMiB;
}

export function planRedis(input: SizingInput, peak: number, workers: number, derive: Derivation): Plan["redis"] {
  const { redis, cluster } = input;
  const connectionsPerWorker = derive.number(
    "redis.connectionsPerWorker",
    redis.connectionsPerWorker,
    "connectionsPerWorker",
    ["input.redis.connectionsPerWorker"],
  );
  const connections = derive.demand(
    "redis.connections",
    peak * workers * connectionsPerWorker + OTHER_CLIENTS,
    "peak · workers · connectionsPerWorker + 10",
    ["gateway.replicas.peak", "gateway.workers", "redis.connectionsPerWorker"],
  );
  const maxclients = derive.number(
    "redis.maxclients",
    // With less than it would take, I10 says whether what the service allows is enough.
    Math.min(redis.ceiling ?? Number.POSITIVE_INFINITY, Math.max(LEAST_CLIENTS, up(1.2 * connections))),
    "max(1000, ⌈1.2 · connections⌉), at most the ceiling",
    ["redis.connections", "input.redis.ceiling"],
  );
  const maxmemoryMiB = derive.number(
    "redis.maxmemoryMiB",
    up(1.5 * redisData(input)),
    "⌈1.5 · (sseStreams · eventsPerStream · eventKiB + statefulSessions · 0.5 KiB + concurrentUsers · 0.2 KiB + l2CacheMiB)⌉",
    [
      "input.load.sseStreams",
      "input.redis.eventsPerStream",
      "input.redis.eventKiB",
      "input.load.statefulSessions",
      "input.load.concurrentUsers",
      "input.redis.l2CacheMiB",
    ],
  );
  const role = derive.word("redis.role", redis.role, "role", ["input.redis.role"]);
  const persistence = derive.flag("redis.persistence", redis.persistence, "persistence", ["input.redis.persistence"]);
  return {
    role,
    connectionsPerWorker,
    connections,
    maxclients,
    maxmemoryMiB,
    policy: derive.word(
      "redis.policy",
      role === "cache" ? "allkeys-lru" : "noeviction",
      "noeviction unless role is cache",
      ["redis.role"],
    ),
    persistence,
    cpu: derive.standard("redis.cpu", 1, "commands run on one thread"),
    memoryMiB: derive.number(
      "redis.memoryMiB",
      up(maxmemoryMiB * (persistence ? 2 : 1.25) + 64),
      "maxmemoryMiB · (persistence ? 2 : 1.25) + 64: a fork may copy all, buffers lie outside maxmemory",
      ["redis.maxmemoryMiB", "redis.persistence"],
    ),
    tcpBacklog: derive.number(
      "redis.tcpBacklog",
      Math.min(cluster.somaxconn, Math.max(512, powerOfTwo(connections))),
      "all clients at once as a power of two, at least 512, at most somaxconn",
      ["redis.connections", "input.cluster.somaxconn"],
    ),
    nofile: derive.number("redis.nofile", maxclients + REDIS_DESCRIPTORS, "maxclients + 32", ["redis.maxclients"]),
  };
}
