/** One process of mode `mt`: a crew of threads, each an event loop with its own listener on the common port. Part of the composition root. */
import { BYTES_PER_MIB, RESTART, startTimeoutMs } from "./crew-options.ts";
import { Crew, type CrewLine, spawning, type Worker } from "./process/index.ts";
import { inFlightLimit, listLimit } from "./settings/index.ts";
import { watchMemory } from "./spent.ts";
import { collectProcessMetrics, createMetrics, type Log, mergeFigures } from "./telemetry/index.ts";
import type { WorkerConfig } from "./worker-config.ts";

/** Less than what a scrape waits for this process. */
const FIGURES_DEADLINE_MS = 1_000;

export async function serveThreads(config: WorkerConfig, line: CrewLine, log: Log): Promise<Worker> {
  const { settings, threads, memoryBytes, workerId } = config;
  const metrics = createMetrics();
  collectProcessMetrics(metrics);
  const led = Promise.withResolvers<unknown>();
  let { PORT: port } = settings;
  let hired = 0;
  const crew = new Crew({
    size: threads,
    hire: spawning(() => ({
      entry: new URL("./worker.ts", import.meta.url),
      heapMiB: memoryBytes === undefined ? undefined : Math.floor(memoryBytes / BYTES_PER_MIB / threads),
    })),
    next: () => {
      const id = `${workerId}.${++hired}`;
      return { id, config: { ...config, workerId: id, threads: 0, settings: shareOf(config, port) } };
    },
    startTimeoutMs: startTimeoutMs(settings),
    beatTimeoutMs: settings.WORKER_TIMEOUT * 1000,
    graceMs: settings.SHUTDOWN_GRACE * 1000,
    respawns: settings.WORKER_RESPAWN,
    restart: RESTART,
    firstAlone: port === 0,
    log,
    count: {
      respawn: (reason) => metrics.counter("mcp_worker_respawns_total", reason).inc(),
      recycle: (reason) => metrics.counter("mcp_worker_recycles_total", reason).inc(),
      missed: () => metrics.counter("mcp_worker_scrapes_missed_total").inc(),
    },
    onReady: (message) => {
      if (typeof message.port === "number") port = message.port;
    },
    onLed: led.resolve,
    scrape: () => line.scrape(),
  });
  await crew.start();
  void crew.failed.then(({ reason }) => line.fail(`a thread of it: ${reason}`));
  const stopWatching = memoryBytes === undefined ? undefined : watchMemory(memoryBytes, log, (why) => line.spent(why));
  return {
    ready: { port },
    async lead() {
      crew.lead();
      return Object(await led.promise);
    },
    figures: async () => mergeFigures([metrics.figures(), await crew.figures(FIGURES_DEADLINE_MS)]),
    retire: () => crew.leave("retire"),
    drain: () => crew.leave("drain"),
    async close() {
      stopWatching?.();
      crew.kill();
    },
  };
}

/** What one of a worker's threads may use: the limits of a worker are those of all its threads together. */
function shareOf({ settings, threads }: WorkerConfig, port: number): WorkerConfig["settings"] {
  const share = (whole: number) => (whole === 0 ? 0 : Math.max(1, Math.floor(whole / threads)));
  const calls = inFlightLimit(settings.MAX_IN_FLIGHT, settings.HTTP_SERVER);
  return {
    ...settings,
    PORT: port,
    MAX_IN_FLIGHT: share(calls),
    MAX_LISTS_IN_FLIGHT: share(listLimit(settings.MAX_LISTS_IN_FLIGHT, calls)),
    MAX_STREAMS: share(settings.MAX_STREAMS),
    DB_POOL_SIZE: share(settings.DB_POOL_SIZE),
  };
}
