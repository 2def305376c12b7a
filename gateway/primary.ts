/**
 * The primary of a supervised gateway: lays the foundation, keeps the workers, merges their figures, and turns signals into what they are to
 * do. It serves nothing itself. Part of the composition root.
 */
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Fault, isErrorCode } from "../contract/errors.ts";
import { encodeSettings, settingsFingerprint } from "../contract/setting-values.ts";
import { RESTART, startTimeoutMs } from "./crew-options.ts";
import { layFoundation } from "./foundation.ts";
import type { Serving } from "./main.ts";
import { Crew, forking, StartFailure } from "./process/index.ts";
import { type Announcement, printReady } from "./ready.ts";
import { createReloading, type Start } from "./reload.ts";
import { untilEnded } from "./stop-crew.ts";
import { collectProcessMetrics, createMetrics, type Metrics, mergeFigures, renderFigures } from "./telemetry/index.ts";
import { warnOfConnections, warnOfResets } from "./warn-at-start.ts";
import type { WorkerConfig } from "./worker-config.ts";
import { heapOfWorker, requestsUntilReplaced, type WorkerOptions } from "./worker-options.ts";

/** Prometheus gives up after ten seconds unless it is told otherwise. */
const FIGURES_DEADLINE_MS = 2_000;

export async function servePrimary(serving: Serving): Promise<number> {
  const { loaded, json, log, teardown, workers, childEnvironment } = serving;
  warnOfResets(workers, log);
  warnOfConnections(workers, loaded.settings, log);
  const metrics = createMetrics();
  collectProcessMetrics(metrics);
  const start = { loaded, foundation: await layFoundation(loaded, workers.preload, childEnvironment, log, teardown) };
  const starts = { current: start, tried: start };
  const led = Promise.withResolvers<Announcement>();
  const crew = crewOf(serving, metrics, (isReload) => (isReload ? starts.tried : starts.current), led.resolve);
  teardown.add("workers", async () => crew.kill());
  const announcement = await lead(crew, led.promise);
  const reloading = createReloading({ serving, crew, starts, log });
  teardown.add("reload", () => reloading.close());
  // Whoever reads the ready line may send a signal at once.
  const ended = untilEnded({ crew, reload: reloading.reload, log, teardown });
  log.info("ready", { workers: workers.workers, threads: workers.mode === "mt" ? workers.threads : undefined });
  printReady(announcement, json);
  return await ended;
}

/** Starts the workers and lets one lead; throws the first worker's failure as if it had been this process's. */
async function lead(crew: Crew, led: Promise<Announcement>): Promise<Announcement> {
  try {
    await crew.start();
    crew.lead();
    return await Promise.race([led, crew.failed.then((reason) => Promise.reject(reason))]);
  } catch (error) {
    throw error instanceof StartFailure ? faultOf(error) : error;
  }
}

function crewOf(
  { log, workers, firstRun, loaded, childEnvironment }: Serving,
  metrics: Metrics,
  startOf: (isReload: boolean) => Start,
  announced: (announcement: Announcement) => void,
): Crew {
  const { settings } = loaded;
  const isThreaded = workers.mode === "mt";
  let port = settings.PORT;
  let found: number | undefined;
  const crew = new Crew({
    size: workers.workers,
    hire: forking(() => ({
      entry: fileURLToPath(new URL("./worker.ts", import.meta.url)),
      // The heaps of threads have limits of their own.
      heapMiB: isThreaded ? undefined : heapOfWorker(workers),
      env: childEnvironment,
    })),
    next: (isReload) => {
      // Workers share what the first got for port 0 as long as one of them listens; afterwards it has to be asked for by number.
      if (found !== undefined && (isThreaded || crew.size === 0)) port = found;
      const id = `w${randomBytes(6).toString("hex")}`;
      return { id, config: configOf(id, workers, firstRun, port, startOf(isReload)) };
    },
    startTimeoutMs: startTimeoutMs(settings),
    beatTimeoutMs: workers.timeoutMs,
    graceMs: settings.SHUTDOWN_GRACE * 1000,
    respawns: workers.respawn,
    restart: RESTART,
    firstAlone: isThreaded && port === 0,
    log,
    count: {
      respawn: (reason) => metrics.counter("mcp_worker_respawns_total", reason).inc(),
      recycle: (reason) => metrics.counter("mcp_worker_recycles_total", reason).inc(),
      missed: () => metrics.counter("mcp_worker_scrapes_missed_total").inc(),
    },
    onReady: (message) => {
      if (typeof message.port === "number") found = message.port;
    },
    onLed: (fields) => {
      if (isAnnouncement(fields)) announced(fields);
    },
    scrape: async () => renderFigures(mergeFigures([metrics.figures(), await crew.figures(FIGURES_DEADLINE_MS)])),
  });
  return crew;
}

function configOf(
  workerId: string,
  workers: WorkerOptions,
  firstRun: boolean,
  port: number,
  { loaded, foundation }: Start,
): WorkerConfig {
  const { mode, threads, memoryBytes } = workers;
  return {
    kind: "worker",
    workerId,
    settings: { ...loaded.settings, PORT: port },
    environment: { ...loaded.environment },
    foundation,
    fingerprint: settingsFingerprint(encodeSettings(loaded.settings)),
    firstRun,
    threads: mode === "mt" ? threads : 0,
    maxRequests: requestsUntilReplaced(workers),
    memoryBytes,
  };
}

function isAnnouncement(value: unknown): value is Announcement {
  return typeof value === "object" && value !== null && "ready" in value && "text" in value;
}

/** What a worker said of its start, as if it had been said here. */
function faultOf(failure: StartFailure): Error {
  return failure.code !== undefined && isErrorCode(failure.code) ? new Fault(failure.code, failure.reason) : failure;
}
