/** The caches of one process, made with what they have in common: the shared state, the clock, whether anything is kept. */
import type { SharedState } from "../coordination/index.ts";
import { createCache } from "./cache.ts";
import { type Invalidations, invalidationsOf } from "./invalidations.ts";
import type { Cache, Cached, CacheFigures, CacheOptions } from "./types.ts";

export type CacheType = "memory" | "redis" | "database" | "none";

export type CachesOptions = {
  readonly type: CacheType;
  /** Tells invalidations to other processes, whatever the type. */
  readonly state: SharedState;
  /** Where entries wait for other processes; the same as `state` or another one. Not asked with `memory` and `none`. */
  readonly second: SharedState;
  /** How long an entry of another process is waited for, ms. */
  readonly secondTimeoutMs: number;
  readonly now: () => number;
  /** The clock of all processes, where that is another one than `now`. */
  readonly wallClock?: () => number;
};

export type CacheRecipe<Value extends Cached> = Omit<CacheOptions<Value>, "shared" | "now"> & {
  /** With them entries wait for other processes. */
  readonly waitForOthersMs?: number;
  readonly encode?: (value: Value) => string | undefined;
  readonly decode?: (text: string) => Value | undefined;
};

export interface Caches {
  readonly type: CacheType;
  create<Value extends Cached>(recipe: CacheRecipe<Value>): Cache<Value>;
  /** By name. */
  figures(): ReadonlyMap<string, CacheFigures>;
  close(): void;
}

export function openCaches(options: CachesOptions): Caches {
  const { type, state, second, secondTimeoutMs, now, wallClock = now } = options;
  const opened = new Map<string, { figures(): CacheFigures }>();
  const invalidations: Invalidations = invalidationsOf(state);
  return {
    type,
    create(recipe) {
      const { encode, decode, waitForOthersMs = 0, ...own } = recipe;
      if (opened.has(own.name)) throw new RangeError(`there is a cache ${own.name} already`);
      const isShared = (type === "redis" || type === "database") && encode !== undefined && decode !== undefined;
      const cache = createCache({
        ...own,
        maxEntries: type === "none" ? 0 : own.maxEntries,
        shared: { state, second, secondTimeoutMs, wallClock, waitForOthersMs, ...(isShared ? { encode, decode } : {}) },
        now,
      });
      opened.set(own.name, cache);
      return cache;
    },
    figures: () => new Map([...opened].map(([name, cache]) => [name, cache.figures()])),
    close: () => invalidations.close(),
  };
}
