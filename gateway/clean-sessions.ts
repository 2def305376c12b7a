/** Ends, from time to time, the upstream sessions of clients that are gone: the work of one process. Part of the composition root. */
import { type Election, holdChores, type SharedState } from "./coordination/index.ts";
import type { Log } from "./telemetry/index.ts";
import type { Upstreams, UpstreamTarget } from "./upstreams/index.ts";

export type SessionCleanUp = { close(): Promise<void> };

export type CleanSessionsOptions = {
  readonly election: Election;
  readonly intervalMs: number;
  readonly concurrency: number;
  readonly target: (id: string) => UpstreamTarget | undefined;
  readonly log: Log;
};

export function startSessionCleanUp(
  state: SharedState,
  upstreams: Upstreams,
  { election, intervalMs, concurrency, target, log }: CleanSessionsOptions,
): SessionCleanUp {
  // Ending a session twice does no harm, so nothing is fenced.
  return holdChores(state, { ...election, name: "session-cleanup", log }, [
    {
      firstMs: intervalMs,
      async run(signal) {
        try {
          const ended = await upstreams.endExpired({ concurrency, target, signal });
          if (ended > 0) log.info("upstream sessions of clients that are gone were ended", { sessions: ended });
        } catch (error) {
          log.warn("upstream sessions could not be cleaned up", { reason: String(error) });
        }
        return intervalMs;
      },
    },
  ]);
}
