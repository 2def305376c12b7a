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

/**
 * Requests after which one worker is replaced, 0 for never: up to the jitter more or less, so that workers that started together are not
 * replaced together. `random`: 0 to 1.
 */
export function requestsUntilReplaced(
  { maxRequests, maxRequestsJitter }: Pick<WorkerOptions, "maxRequests" | "maxRequestsJitter">,
  random: number = Math.random(),
): number {
  return maxRequests === 0 ? 0 : Math.max(1, maxRequests + Math.round((random * 2 - 1) * maxRequestsJitter));
}

/**
 * The heap of one worker, MiB: what this process was started with, as a plan says it (`node --max-old-space-size=…`), since it is said of
 * a worker; else what its memory is limited to; undefined leaves it to Node.
 */
export function heapOfWorker(
  { memoryBytes }: Pick<WorkerOptions, "memoryBytes">,
  flags: readonly string[] = process.execArgv,
): number | undefined {
  const told = flags
    .map((flag) => /^--max[-_]old[-_]space[-_]size=(\d+)$/.exec(flag)?.[1])
    .findLast((text) => text !== undefined);
  if (told !== undefined) return Number(told);
  return memoryBytes === undefined ? undefined : Math.floor(memoryBytes / (1024 * 1024));
}

/** The fastify engine has processes only. */
function modeOf(settings: Settings, workers: number): "st" | "mt" {
  if (settings.HTTP_SERVER === "fastify") return "st";
  if (settings.RUNTIME_MODE !== "auto") return settings.RUNTIME_MODE;
  return workers > MOST_AUTO_PROCESSES ? "mt" : "st";
}
