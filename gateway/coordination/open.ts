/** Chooses where shared state lives: Redis when there is one, else PostgreSQL when several processes share it, else memory. */
import type { SharedStateRepository } from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";
import { memoryState } from "./memory.ts";
import { postgresState } from "./postgres.ts";
import { redisState } from "./redis.ts";
import { type CertificateFiles, readCertificates } from "./redis-certificates.ts";
import type { CircuitOptions } from "./redis-circuit.ts";
import type { RedisTimes } from "./redis-options.ts";
import type { SharedState } from "./types.ts";

export type SharedStateOptions = {
  readonly redisUrl?: string | undefined;
  /** PEM files: of the authorities to trust in place of the well-known ones, and what this gateway shows. */
  readonly redisFiles?: CertificateFiles | undefined;
  /** Put before every Redis key and channel; default `mcps:`. */
  readonly redisPrefix?: string | undefined;
  readonly redis?: (RedisTimes & CircuitOptions & { readonly asksTwice?: boolean }) | undefined;
  readonly repository?: SharedStateRepository | undefined;
  /** True when no other worker or replica serves this gateway's clients. */
  readonly singleProcess: boolean;
  /** Bound of the memory variant; default 100 000 keys. */
  readonly maxEntries?: number | undefined;
  readonly log: Log;
};

/** Connects to nothing yet. Throws RangeError when several processes would have nothing to share, MCPS_SETTINGS for a file it cannot use. */
export function openSharedState(options: SharedStateOptions): SharedState {
  const { redisUrl, repository, singleProcess, log } = options;
  if (redisUrl !== undefined && redisUrl !== "") {
    const certificates = readCertificates(options.redisFiles ?? {}, redisUrl);
    return redisState({ ...options.redis, url: redisUrl, certificates, prefix: options.redisPrefix ?? "mcps:", log });
  }
  if (singleProcess)
    return memoryState(options.maxEntries === undefined ? { log } : { log, maxEntries: options.maxEntries });
  if (repository === undefined)
    throw new RangeError("several processes need Redis or PostgreSQL for their shared state");
  return postgresState({ repository, log });
}
