/** Settings of the processes and threads that serve: how many, what each may use, and when one is replaced. */
import { count, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

const MIB = 1024 * 1024;
/** `auto` never starts more than these. */
export const MOST_AUTO_WORKERS = 16;

export const workerSettings = {
  WORKERS: {
    ...count("workers", 1, 256),
    auto: true,
    default: 1,
    aliases: ["GUNICORN_WORKERS", "GRANIAN_WORKERS"],
    room: "process",
    description:
      "Processes that serve. `auto`: with fastify twice the cores and one, with bounded one for each core, 16 at most.",
    knob: {
      engines: "both",
      effect: "As many processes accept connections; one serves without a supervisor.",
      keys: ["workers"],
    },
  },
  WORKER_TIMEOUT: {
    ...seconds(0, 3600),
    default: 30,
    aliases: ["GUNICORN_TIMEOUT"],
    room: "process",
    description: "A worker whose event loop has not turned for this long is killed and replaced; 0 waits for ever.",
    knob: {
      engines: "both",
      effect: "A worker that is stopped (SIGSTOP) is replaced after this time.",
      keys: ["timeout"],
    },
  },
  WORKER_MAX_REQUESTS: {
    ...count("requests", 0, 1_000_000_000),
    default: 0,
    aliases: ["GUNICORN_MAX_REQUESTS"],
    room: "process",
    description: "A worker that has answered so many drains and is replaced; 0 replaces none.",
    knob: {
      engines: "both",
      effect: "Another process answers after so many requests.",
      keys: ["max-requests", "limit-max-requests"],
    },
  },
  WORKER_MAX_REQUESTS_JITTER: {
    ...count("requests", 0, 1_000_000_000),
    default: null,
    computed: "a tenth of WORKER_MAX_REQUESTS",
    aliases: ["GUNICORN_MAX_REQUESTS_JITTER"],
    room: "process",
    description: "Up to so many requests more or less, so that workers are not replaced all at once.",
    knob: { engines: "both", effect: "Workers are replaced at different counts.", keys: ["max-requests-jitter"] },
  },
  WORKER_MEMORY: {
    type: "bytes",
    default: null,
    computed: "no limit",
    unit: "bytes",
    min: 64 * MIB,
    max: 1024 * 1024 * MIB,
    room: "process",
    description:
      "A worker that has more memory resident drains and is replaced; its heap cannot grow beyond it at all.",
    knob: { engines: "both", effect: "Another process answers once one is larger." },
  },
  WORKER_RESPAWN: {
    type: "boolean",
    default: true,
    aliases: ["GRANIAN_RESPAWN_FAILED"],
    room: "process",
    description: "Replace a worker that ended by itself; false ends the gateway with it.",
    knob: {
      engines: "both",
      effect: "After `kill -9` of a worker there is a new one, or the gateway has ended.",
      keys: ["respawn-failed-workers"],
    },
  },
  PRELOAD: {
    type: "boolean",
    default: true,
    aliases: ["GUNICORN_PRELOAD_APP"],
    room: "process",
    description: "Migrations and the compiled program once in the primary, before the first worker.",
    knob: {
      engines: "both",
      effect: "The schema is changed by the primary, not by the first worker.",
      keys: ["preload", "preload-app"],
    },
  },
  DEV_RELOAD: {
    type: "boolean",
    default: false,
    aliases: ["GUNICORN_DEV_MODE", "GRANIAN_DEV_MODE"],
    room: "process",
    description: "Replace the workers when a file of the program changes; for development.",
    knob: { engines: "both", effect: "A touched source file replaces the workers.", keys: ["reload"] },
  },
  RUNTIME_MODE: {
    type: "enum",
    default: "auto",
    allowed: ["auto", "st", "mt"],
    aliases: ["GRANIAN_RUNTIME_MODE"],
    room: "process",
    description:
      "`st`: one event loop in each process; `mt`: RUNTIME_THREADS of them; `auto`: mt for more than 8 workers.",
    knob: { engines: "bounded", effect: "Event loops within one process, or in several.", keys: ["runtime-mode"] },
  },
  RUNTIME_THREADS: {
    ...count("threads", 1, 128),
    default: 1,
    aliases: ["GRANIAN_RUNTIME_THREADS"],
    room: "process",
    description: "Event loops of each process in mode `mt`.",
    knob: { engines: "bounded", effect: "As many listeners of one process share the port.", keys: ["runtime-threads"] },
  },
  BLOCKING_THREADS: {
    ...count("threads", 1, 1024),
    default: null,
    computed: "UV_THREADPOOL_SIZE of Node itself, else 4",
    aliases: ["GRANIAN_BLOCKING_THREADS"],
    room: "process",
    description: "Threads of each process for files, names, compression and cryptography (libuv's pool).",
    knob: {
      engines: "both",
      effect: "As many of these run at once in one process.",
      keys: ["threads", "blocking-threads"],
    },
  },
} as const satisfies Record<string, SettingDeclaration>;
