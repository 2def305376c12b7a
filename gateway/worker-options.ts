/** How many processes and event loops serve, and when one is replaced: the settings, with what `auto` means on this machine. */
import { availableParallelism } from "node:os";
import type { Settings } from "../contract/settings.ts";
import { MOST_AUTO_WORKERS } from "../contract/worker-settings.ts";

export type WorkerOptions = {
  /** Processes, or in mode `mt` processes with `threads` event loops each. */
  readonly workers: number;
  readonly mode: "st" | "mt";
  /** Event loops of one process; 1 in mode `st`. */
  readonly threads: number;
  /** 0 waits for ever. */
  readonly timeoutMs: number;
  /** 0 replaces none. */
  readonly maxRequests: number;
  readonly maxRequestsJitter: number;
  /** Resident bytes of one worker. */
  readonly memoryBytes: number | undefined;
  readonly respawn: boolean;
  readonly preload: boolean;
  readonly reload: boolean;
};

/** More workers than this are threads, where the mode is left to the gateway. */
const MOST_AUTO_PROCESSES = 8;

/** `cpus`: the cores this process may use. */
export function workerOptions(settings: Settings, cpus: number = availableParallelism()): WorkerOptions {
  const workers = settings.WORKERS === "auto" ? autoWorkers(settings.HTTP_SERVER, cpus) : settings.WORKERS;
  const mode = modeOf(settings, workers);
  return {
    workers,
    mode,
    threads: mode === "mt" ? settings.RUNTIME_THREADS : 1,
    timeoutMs: settings.WORKER_TIMEOUT * 1000,
    maxRequests: settings.WORKER_MAX_REQUESTS,
    maxRequestsJitter: settings.WORKER_MAX_REQUESTS_JITTER ?? Math.floor(settings.WORKER_MAX_REQUESTS / 10),
    memoryBytes: settings.WORKER_MEMORY,
    respawn: settings.WORKER_RESPAWN,
    preload: settings.PRELOAD,
    reload: settings.DEV_RELOAD,
  };
}

/** The sources' rules: Gunicorn's twice the cores and one, Granian's one for each core; neither more than 16. */
export function autoWorkers(engine: Settings["HTTP_SERVER"], cpus: number): number {
  return Math.min(engine === "fastify" ? 2 * cpus + 1 : Math.max(1, cpus), MOST_AUTO_WORKERS);
}

/** The fastify engine has processes only. */
function modeOf(settings: Settings, workers: number): "st" | "mt" {
  if (settings.HTTP_SERVER === "fastify") return "st";
  if (settings.RUNTIME_MODE !== "auto") return settings.RUNTIME_MODE;
  return workers > MOST_AUTO_PROCESSES ? "mt" : "st";
}
