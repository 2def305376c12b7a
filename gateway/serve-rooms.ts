/** One event loop of a supervised gateway: its rooms, as its crew asks for them. Part of the composition root. */
import { isMainThread } from "node:worker_threads";
import { endWork } from "./drain.ts";
import type { CrewLine, Worker } from "./process/index.ts";
import { announce } from "./ready.ts";
import { openRooms } from "./rooms.ts";
import { watchMemory, watchRequests } from "./spent.ts";
import { Teardown } from "./teardown.ts";
import { collectProcessMetrics, createMetrics, type Log } from "./telemetry/index.ts";
import type { WorkerConfig } from "./worker-config.ts";

export async function serveRooms(config: WorkerConfig, crew: CrewLine, log: Log): Promise<Worker> {
  const { settings, environment, foundation, workerId, fingerprint, firstRun, maxRequests, memoryBytes } = config;
  const teardown = new Teardown(log);
  const metrics = createMetrics();
  // Threads leave that to the process they are in.
  if (isMainThread) collectProcessMetrics(metrics);
  const rooms = await openRooms({
    settings,
    environment,
    foundation,
    log,
    teardown,
    metrics,
    workerId,
    fingerprint,
    isAlone: false,
    reusePort: !isMainThread,
    withExample: settings.MCP_EXAMPLE_SERVER ?? firstRun,
    metricsText: () => crew.scrape(),
  });
  const graceMs = settings.SHUTDOWN_GRACE * 1000;
  const spent = (reason: string) => crew.spent(reason);
  if (maxRequests > 0) teardown.add("request limit", watchRequests(maxRequests, rooms.served, spent));
  if (memoryBytes !== undefined && isMainThread) teardown.add("memory limit", watchMemory(memoryBytes, log, spent));
  return {
    ready: { port: rooms.port },
    async lead() {
      await rooms.declare();
      return await announce(rooms, settings, foundation.secrets, firstRun);
    },
    figures: () => metrics.figures(),
    async retire() {
      await rooms.undeclare();
      await endWork(rooms, "retire", graceMs, log);
    },
    drain: () => endWork(rooms, "drain", graceMs, log),
    close: () => teardown.run(),
  };
}
