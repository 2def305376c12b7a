/**
 * The gateway's way in: one process that serves, or a primary with workers where more than one was asked for. Which, and what goes wrong
 * on the way, is decided here.
 */
import { Fault } from "../contract/errors.ts";
import { keepCompiled } from "./compile-cache.ts";
import { guardProcess } from "./guard.ts";
import type { LoadedSettings } from "./settings/index.ts";
import { Teardown } from "./teardown.ts";
import { createLog, type Log } from "./telemetry/index.ts";
import { type WorkerOptions, workerOptions } from "./worker-options.ts";

export type ServeOptions = {
  readonly loaded: LoadedSettings;
  /** Reads settings, and the files of secrets that they name, once more. */
  readonly reload: () => Promise<LoadedSettings>;
  /** Print one JSON line when ready, and nothing else on stdout. */
  readonly json: boolean;
  /** Print a token and how to connect, and register the example server unless the settings say otherwise. */
  readonly firstRun: boolean;
};

/** What every way of serving is given. */
export type Serving = ServeOptions & {
  readonly log: Log;
  readonly teardown: Teardown;
  readonly workers: WorkerOptions;
  /** What our own processes are started with beside their settings. */
  readonly childEnvironment: Readonly<Record<string, string>>;
};

/** Runs a gateway until it is told to stop; the answer is the process's exit code. */
export async function serve(options: ServeOptions): Promise<number> {
  const { settings, warnings } = options.loaded;
  const log = createLog({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT });
  for (const warning of warnings) log.warn("settings", { warning });
  guardProcess(log);
  const teardown = new Teardown(log);
  const workers = workerOptions(settings);
  const childEnvironment = keepCompiled(settings.DATA_DIR);
  try {
    // What the other way needs is not loaded.
    const run = needsPrimary(workers)
      ? (await import("./primary.ts")).servePrimary
      : (await import("./serve-alone.ts")).serveAlone;
    return await run({ ...options, log, teardown, workers, childEnvironment });
  } catch (error) {
    await teardown.run();
    const failure = error instanceof Fault ? error : undefined;
    process.stderr.write(
      `${failure === undefined ? String(error instanceof Error ? error.stack : error) : `${failure.code}: ${failure.message}`}\n`,
    );
    return 1;
  }
}

/** One worker that nothing is to be done about serves without a process that would do it. */
function needsPrimary({ workers, mode, maxRequests, memoryBytes, reload }: WorkerOptions): boolean {
  return workers > 1 || mode === "mt" || maxRequests > 0 || memoryBytes !== undefined || reload;
}
