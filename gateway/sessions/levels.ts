/** Log levels that sessions have set, looked up once in a while: they are needed with each call to a modern upstream. */
import type { Upstreams } from "../upstreams/index.ts";
import { Lru } from "./lru.ts";

/** A level that was set at another worker is followed after this. */
const FRESH_MS = 2000;
const MAX_KNOWN = 10_000;

export type LogLevels = ReturnType<typeof createLogLevels>;

export function createLogLevels(upstreams: Upstreams, now: () => number) {
  const known = new Lru<string, { readonly level: string | undefined; readonly at: number }>(MAX_KNOWN);
  return {
    set(holderKey: string, level: string): void {
      known.set(holderKey, { level, at: now() });
    },
    async get(holderKey: string): Promise<string | undefined> {
      const entry = known.get(holderKey);
      if (entry !== undefined && now() - entry.at < FRESH_MS) return entry.level;
      const { logLevel } = await upstreams.held(holderKey);
      known.set(holderKey, { level: logLevel, at: now() });
      return logLevel;
    },
  };
}
