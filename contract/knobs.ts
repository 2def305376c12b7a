/**
 * Every knob of the servers that the sources run, with what it does here: the settings that take its place, and the names that have no
 * meaning in Node with the reason. The reference page, the warnings at the start and the tests come from this.
 */
import { nearestOf } from "./nearest.ts";
import { type Knob, type SettingName, settingNames, settingOf } from "./settings.ts";

export type SettingKnob = Knob & {
  readonly setting: SettingName;
  /** Names of the sources that mean the same. */
  readonly aliases: readonly string[];
};

export const settingKnobs: readonly SettingKnob[] = settingNames.flatMap((setting) => {
  const { knob, aliases = [] } = settingOf(setting);
  return knob === undefined ? [] : [{ setting, aliases, ...knob }];
});

/** Variables that do nothing here, and why, as the end of the sentence "has no meaning here: …". */
export const meaninglessKnobs: Readonly<Record<string, string>> = {
  GRANIAN_LOOP: "Node has one event loop, libuv's",
  GRANIAN_TASK_IMPL: "tasks are JavaScript's own",
  GRANIAN_INTERFACE: "there is one kind of application",
  GRANIAN_RUNTIME_BLOCKING_THREADS:
    "an event loop of Node has no pool of its own; BLOCKING_THREADS is the one of its process",
  GRANIAN_BLOCKING_THREADS_IDLE_TIMEOUT: "libuv keeps its threads",
  GRANIAN_WORKERS_LIFETIME: "a worker is replaced by its requests or its memory: WORKER_MAX_REQUESTS, WORKER_MEMORY",
  GRANIAN_WORKERS_MAX_RSS: "WORKER_MEMORY is that limit, in bytes",
  GUNICORN_WORKER_CLASS: "HTTP_SERVER chooses the engine",
  GUNICORN_WORKER_CONNECTIONS: "MAX_IN_FLIGHT limits what a worker serves at once",
  GUNICORN_WORKER_TMP_DIR: "workers tell that they live over a channel, not in a file",
  GUNICORN_THREADS: "one event loop serves all requests of a worker; BLOCKING_THREADS is the pool beside it",
  TEMPLATES_AUTO_RELOAD: "there are no templates; DEV_RELOAD watches the program",
};

/** Arguments of a named process that do nothing here, and why. */
export const meaninglessKeys: Readonly<Record<string, string>> = {
  interface: "there is one kind of application",
  loop: "Node has one event loop, libuv's",
  "task-impl": "tasks are JavaScript's own",
  "runtime-blocking-threads": "an event loop of Node has no pool of its own",
  "blocking-threads-idle-timeout": "libuv keeps its threads",
  "worker-class": "BACKEND chooses the engine",
  "worker-connections": "backpressure limits what a worker serves at once",
  "worker-tmp-dir": "workers tell that they live over a channel, not in a file",
  lifespan: "there is no ASGI lifespan",
  ws: "there is one implementation of WebSocket; websockets switches it",
};

const keyedSettings: ReadonlyMap<string, SettingKnob> = new Map(
  settingKnobs.flatMap((knob) => (knob.keys ?? []).map((key): [string, SettingKnob] => [key, knob])),
);

/** The setting that an argument of a named process stands for. */
export function knobOfKey(key: string): SettingKnob | undefined {
  return keyedSettings.get(key);
}

/** Arguments that are understood, `bind` among them, which is an address and a port. */
export const processKeys: readonly string[] = ["bind", ...keyedSettings.keys(), ...Object.keys(meaninglessKeys)];

export function nearestKey(key: string): string | undefined {
  return nearestOf(key, processKeys);
}

/** Why a variable has no meaning; undefined for one that has, and for one that nobody knows. */
export function meaninglessKnob(name: string): string | undefined {
  return Object.hasOwn(meaninglessKnobs, name) ? meaninglessKnobs[name] : undefined;
}

const OTHER_SERVER = { fastify: "GRANIAN_", bounded: "GUNICORN_" } as const;
const OWN_SERVER = { fastify: "GUNICORN_", bounded: "GRANIAN_" } as const;

/**
 * Whether a variable configures the server that is not chosen: it has a twin of the chosen one, which is the one to be followed.
 * `GUNICORN_WORKERS` beside `HTTP_SERVER=granian` says nothing; `GUNICORN_TIMEOUT`, which Granian has no name for, does.
 */
export function isOfOtherServer(alias: string, setting: SettingName, engine: "fastify" | "bounded"): boolean {
  if (!alias.startsWith(OTHER_SERVER[engine])) return false;
  return (settingOf(setting).aliases ?? []).some((twin) => twin.startsWith(OWN_SERVER[engine]));
}
