/** Entry file of a worker, a process or a thread of one; started by a crew, and ends with it. */
import { guardProcess } from "./guard.ts";
import { attend, parentChannel } from "./process/index.ts";
import { createLog } from "./telemetry/index.ts";
import { readWorkerConfig } from "./worker-config.ts";

attend(parentChannel(), async (input, crew) => {
  const config = readWorkerConfig(input);
  const { settings, workerId, threads } = config;
  const log = createLog({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT }).child({ worker: workerId });
  guardProcess(log);
  // A process of threads serves nothing itself, and does not load what would.
  if (threads > 0) return await (await import("./serve-threads.ts")).serveThreads(config, crew, log);
  return await (await import("./serve-rooms.ts")).serveRooms(config, crew, log);
});
