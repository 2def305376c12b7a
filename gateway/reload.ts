/** New workers for old ones, with the settings, secrets, certificates and program as they are now. Part of the composition root. */
import { type FSWatcher, watch } from "node:fs";
import { join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { SettingName, Settings } from "../contract/settings.ts";
import type { Foundation } from "./foundation.ts";
import type { Serving } from "./main.ts";
import type { Crew } from "./process/index.ts";
import { ensureSecrets, type LoadedSettings } from "./settings/index.ts";
import type { Log } from "./telemetry/index.ts";

/** What the primary itself has made something of; a new value is for the next start. */
const KEPT: readonly SettingName[] = [
  "HOST",
  "PORT",
  "HTTP_SERVER",
  "DATA_DIR",
  "DATABASE_URL",
  "DATABASE_DIRECT_URL",
  "STDIO_MAX_CHILDREN",
  "STDIO_IDLE_TIMEOUT",
  "WORKERS",
  "WORKER_TIMEOUT",
  "WORKER_MAX_REQUESTS",
  "WORKER_MAX_REQUESTS_JITTER",
  "WORKER_MEMORY",
  "WORKER_RESPAWN",
  "PRELOAD",
  "DEV_RELOAD",
  "RUNTIME_MODE",
  "RUNTIME_THREADS",
  "BLOCKING_THREADS",
  "STARTUP_TIMEOUT",
  "SHUTDOWN_GRACE",
];
/** An editor writes a file more than once, a checkout many. */
const SETTLED_MS = 200;
/** What workers load. */
const SOURCES = ["gateway", "contract"] as const;

/** What a worker is started with. */
export type Start = { readonly loaded: LoadedSettings; readonly foundation: Foundation };

type ReloadParts = {
  readonly serving: Serving;
  readonly crew: Crew;
  /** `current`: of the next worker; `tried`: of one that a reload starts, until the first of them serves. */
  readonly starts: { current: Start; tried: Start };
  readonly log: Log;
};

export function createReloading({ serving, crew, starts, log }: ReloadParts) {
  const watchers: FSWatcher[] = [];
  let running: Promise<void> = Promise.resolve();
  let isWanted = false;
  let timer: NodeJS.Timeout | undefined;

  async function run(reason: string): Promise<void> {
    isWanted = false;
    log.info("reload", { reason });
    try {
      const loaded = await serving.reload();
      for (const warning of loaded.warnings) log.warn("settings", { warning });
      const settings = kept(starts.current.loaded.settings, loaded.settings, log);
      const secrets = await ensureSecrets(resolve(settings.DATA_DIR), settings);
      starts.tried = { loaded: { ...loaded, settings }, foundation: { ...starts.current.foundation, secrets } };
    } catch (error) {
      log.error("reload.refused", { reason: error instanceof Error ? error.message : String(error) });
      return;
    }
    const { tried } = starts;
    const done = await crew.reload(() => {
      starts.current = tried;
    });
    if (done) log.info("reload.done");
    else log.error("reload.given_up", { reason: reasonOf(starts.current === tried) });
  }

  /** One after the other; what is asked for while one waits its turn is that one. */
  function reload(reason: string): void {
    if (isWanted) return;
    isWanted = true;
    running = running.then(() => run(reason));
  }

  if (serving.workers.reload) {
    if (serving.loaded.environment.NODE_ENV === "production")
      log.warn("settings", { warning: "DEV_RELOAD is not for production (NODE_ENV) and is ignored" });
    else for (const name of SOURCES) watchers.push(watchSource(name, changed));
  }

  function changed(): void {
    clearTimeout(timer);
    timer = setTimeout(() => reload("a source file changed"), SETTLED_MS);
  }

  return {
    reload,
    close(): void {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}

function reasonOf(isProven: boolean): string {
  return isProven
    ? "a new worker did not start; those that are left serve on, and the next ones start with the new settings"
    : "the first new worker did not start; the old ones serve on, and the next ones start with the old settings";
}

function watchSource(name: (typeof SOURCES)[number], changed: () => void): FSWatcher {
  const watcher = watch(join(import.meta.dirname, "..", name), { recursive: true }, (_, file) => {
    if (file === null || file.endsWith(".ts")) changed();
  });
  watcher.unref();
  return watcher;
}

function kept(before: Settings, after: Settings, log: Log): Settings {
  const names = KEPT.filter((name) => !isDeepStrictEqual(before[name], after[name]));
  if (names.length === 0) return after;
  log.warn("settings that only a restart changes keep their values", { settings: names.join(", ") });
  return { ...after, ...Object.fromEntries(names.map((name) => [name, before[name]])) };
}
