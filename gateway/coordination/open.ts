/** Chooses where shared state lives: Redis when there is one, else PostgreSQL when several processes share it, else memory. */
import type { SharedStateRepository } from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";
import { memoryState } from "./memory.ts";
import { postgresState } from "./postgres.ts";
import { redisState } from "./redis.ts";
import { readAuthorities } from "./redis-authorities.ts";
import type { SharedState } from "./types.ts";

export type SharedStateOptions = {
  readonly redisUrl?: string | undefined;
  /** PEM file of the authorities to trust in place of the well-known ones. */
  readonly redisCaFile?: string | undefined;
  /** Put before every Redis key and channel; default `mcps:`. */
  readonly redisPrefix?: string | undefined;
  /** Longest time of one Redis command, ms; default 2000. */
  readonly redisCommandTimeoutMs?: number | undefined;
  readonly repository?: SharedStateRepository | undefined;
  /** True when no other worker or replica serves this gateway's clients. */
  readonly singleProcess: boolean;
  /** Bound of the memory variant; default 100 000 keys. */
  readonly maxEntries?: number | undefined;
  readonly log: Log;
};

/** Connects to nothing yet. Throws RangeError when several processes would have nothing to share, MCPS_SETTINGS for a file it cannot use. */
export function openSharedState(options: SharedStateOptions): SharedState {
  const { redisUrl, redisCaFile, repository, singleProcess, log } = options;
  if (redisUrl !== undefined && redisUrl !== "") {
    const authorities = redisCaFile === undefined ? undefined : readAuthorities(redisCaFile, redisUrl);
    const prefix = options.redisPrefix ?? "mcps:";
    return redisState({ url: redisUrl, authorities, prefix, commandTimeoutMs: options.redisCommandTimeoutMs, log });
  }
  if (singleProcess)
    return memoryState(options.maxEntries === undefined ? { log } : { log, maxEntries: options.maxEntries });
  if (repository === undefined)
    throw new RangeError("several processes need Redis or PostgreSQL for their shared state");
  return postgresState({ repository, log });
}
