/** Ends, from time to time, the upstream sessions of clients that are gone: the work of one process. Part of the composition root. */
import { holdLease, type LeaseOptions, type SharedState } from "./coordination/index.ts";
import type { Log } from "./telemetry/index.ts";
import type { Upstreams, UpstreamTarget } from "./upstreams/index.ts";

export type SessionCleanUp = { close(): Promise<void> };

export type CleanSessionsOptions = {
  readonly election: Omit<LeaseOptions, "name" | "log">;
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
  let timer: NodeJS.Timeout | undefined;
  let isRunning = false;

  async function run(signal: AbortSignal): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    try {
      const ended = await upstreams.endExpired({ concurrency, target, signal });
      if (ended > 0) log.info("upstream sessions of clients that are gone were ended", { sessions: ended });
    } catch (error) {
      log.warn("upstream sessions could not be cleaned up", { reason: String(error) });
    } finally {
      isRunning = false;
    }
  }

  // Ending a session twice does no harm, so nothing is fenced.
  return holdLease(
    state,
    { ...election, name: "session-cleanup", log },
    {
      acquired(_, signal) {
        timer = setInterval(() => void run(signal), intervalMs).unref();
      },
      lost: () => clearInterval(timer),
    },
  );
}
