/** What a file of settings never says: the load. Stated, so that somebody can say it better. */
import type { Assumption, Value } from "./report.ts";

const EXAMPLE = "an example load of this project";
const LOAD_TEST = "the documents' load test: 2500 users, about 2000 requests/s";
const NO_LIMIT = "no limit is set; enough for the rest";
/** From this many workers on nobody runs them for an example load. */
const MANY_WORKERS = 16;
const WORKER_MIB = 512;
/** Ten upstreams for ten identities at a time, the defaults of the plan. */
const SESSION_KEYS = 100;
/** Where the plan chooses the replicas: more than it will. */
const REPLICAS_UNKNOWN = 8;

/** By path, what is known already; inputs as `gateway.workers`, pins as `given.gateway.replicas.max`. */
export function assume(known: ReadonlyMap<string, Value>, isCompose: boolean): readonly Assumption[] {
  const numberAt = (path: string) => {
    const value = known.get(path);
    return typeof value === "number" ? value : undefined;
  };
  const workers = numberAt("gateway.workers") ?? 1;
  const replicas = numberAt("given.gateway.replicas.max") ?? (isCompose ? 1 : undefined);
  const isBig = workers * (replicas ?? 1) >= MANY_WORKERS;
  const stated: readonly Assumption[] = [
    { path: "environment", value: "dev", source: "ContextForge's own default" },
    { path: "load.peakRps", value: isBig ? 2000 : 50, source: isBig ? LOAD_TEST : EXAMPLE },
    ...(isBig ? STEADY : []),
    { path: "load.concurrentUsers", value: isBig ? 2500 : 20, source: isBig ? LOAD_TEST : EXAMPLE },
    { path: "load.meanLatencyMs", value: isBig ? 250 : 150, source: EXAMPLE },
    { path: "gateway.cpu", value: workers, source: "no limit is set; one core per worker" },
    { path: "gateway.memory", value: `${WORKER_MIB * workers}Mi`, source: "no limit is set; 512 MiB per worker" },
    { path: "database.postgres.cpu", value: isBig ? 4 : 1, source: NO_LIMIT },
    postgresMemory(numberAt("given.postgres.sharedBuffersMiB"), isBig),
    {
      path: "mcp.maxTotalSessions",
      value: Math.min(1e9, SESSION_KEYS * (numberAt("mcp.maxPerKey") ?? 1) * workers * (replicas ?? REPLICAS_UNKNOWN)),
      source: NO_LIMIT,
    },
    ...(isCompose ? COMPOSE : []),
  ];
  return stated.filter(({ path }) => !known.has(path));
}

/** What the documents say of the load that they were tested with. */
const STEADY: readonly Assumption[] = [
  { path: "load.burst", value: 1, source: "a load test has no bursts" },
  { path: "load.dbQueriesPerRequest", value: 1, source: "the documents: up to one query per request with warm caches" },
];

function postgresMemory(buffersMiB: number | undefined, isBig: boolean): Assumption {
  const path = "database.postgres.memory";
  if (buffersMiB !== undefined)
    return { path, value: `${Math.max(256, 4 * buffersMiB)}Mi`, source: "no limit is set; four times shared_buffers" };
  return { path, value: isBig ? "8192Mi" : "1024Mi", source: NO_LIMIT };
}

/** A compose project neither scales by itself nor adds containers while it replaces others. */
const COMPOSE: readonly Assumption[] = [
  { path: "gateway.hpa", value: false, source: "compose does not scale by itself" },
  { path: "gateway.maxSurge", value: 0, source: "compose stops a container before it starts the next" },
  { path: "given.gateway.replicas.max", value: 1, source: "compose starts one container where replicas are not said" },
];
