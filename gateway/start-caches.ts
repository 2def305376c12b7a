/** The caches of one worker and what may be kept of upstreams' answers, from the settings. Part of the composition root. */
import { fault } from "../contract/errors.ts";
import type { Settings } from "../contract/settings.ts";
import { type Caches, type CacheType, openCaches } from "./cache/index.ts";
import { postgresState, type SharedState } from "./coordination/index.ts";
import type { measures } from "./measures.ts";
import type { Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";
import type { KeptAnswersOptions } from "./upstreams/index.ts";

type CachesInput = {
  readonly settings: Settings;
  readonly state: SharedState;
  readonly store: Pick<Store, "sharedState">;
  readonly observe: Pick<ReturnType<typeof measures>, "caches">;
  readonly log: Log;
  readonly teardown: Teardown;
};

/**
 * Epoch milliseconds by a clock that nobody sets: one that was set back would lengthen the lives of what is kept. It stands still while the
 * machine sleeps and drifts away from the one that other processes see: nothing of it is told to them.
 */
const steadyNow = (): number => performance.timeOrigin + performance.now();

/** Throws MCPS_SETTINGS for CACHE_TYPE=redis without Redis. */
export function startCaches({ settings, state, store, observe, log, teardown }: CachesInput): Caches {
  const type = cacheTypeOf(settings);
  // The shared state may be elsewhere than what was loaded shall wait.
  const isElsewhere = type === "database" && state.kind !== "postgres";
  const second = isElsewhere ? postgresState({ repository: store.sharedState, log }) : state;
  if (isElsewhere) teardown.add("second level of the caches", () => second.close());
  const secondTimeoutMs = settings.REDIS_OPERATION_TIMEOUT * 1000;
  const caches = openCaches({ type, state, second, secondTimeoutMs, now: steadyNow, wallClock: Date.now });
  teardown.add("caches", () => caches.close());
  observe.caches(() => caches.figures());
  return caches;
}

export function cacheTypeOf(settings: Pick<Settings, "CACHE_TYPE" | "REDIS_URL">): CacheType {
  const hasRedis = settings.REDIS_URL !== undefined;
  if (settings.CACHE_TYPE === "redis" && !hasRedis) {
    const text = "CACHE_TYPE is redis, it has to be memory, database or none where REDIS_URL is not set";
    throw fault("MCPS_SETTINGS", { count: 1, problems: `  ${text}` }, [text]);
  }
  return settings.CACHE_TYPE ?? (hasRedis ? "redis" : "memory");
}

export function keptAnswersOf(settings: Settings, caches: Caches): KeptAnswersOptions {
  const listMs = (seconds: number): number => (settings.REGISTRY_CACHE_ENABLED ? seconds * 1000 : 0);
  const resourceListMs = listMs(settings.REGISTRY_CACHE_RESOURCES_TTL);
  return {
    caches,
    listTtlMs: {
      "tools/list": listMs(settings.REGISTRY_CACHE_TOOLS_TTL),
      "prompts/list": listMs(settings.REGISTRY_CACHE_PROMPTS_TTL),
      "resources/list": resourceListMs,
      "resources/templates/list": resourceListMs,
    },
    readTtlMs: settings.RESOURCE_CACHE_TTL * 1000,
    maxPages: settings.LIST_CACHE_SIZE,
    maxResources: settings.RESOURCE_CACHE_SIZE,
    maxBytes: settings.RESPONSE_CACHE_BYTES,
    now: steadyNow,
    wallClock: Date.now,
  };
}
