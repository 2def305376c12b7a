/** Workers as threads of this process: an event loop and a heap of its own for each, one set of files, one id of a process. */
import { Worker } from "node:worker_threads";
import { isMessage } from "./child.ts";
import type { End, Hire } from "./member.ts";

export type SpawnOptions = {
  /** A .ts entry file that calls `attend`. */
  readonly entry: URL;
  /** Largest heap of a thread, MiB; undefined for Node's own rule. */
  readonly heapMiB: number | undefined;
};

/** Threads are started with `options()` as they are then. */
export function spawning(options: () => SpawnOptions): Hire {
  return (id, events) => {
    const { entry, heapMiB } = options();
    const thread = new Worker(entry, {
      name: id,
      ...(heapMiB === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMiB } }),
    });
    let failure: End | undefined;
    thread.on("message", (message: unknown) => isMessage(message) && events.message(message));
    thread.on("error", (error: unknown) => {
      const isHeapFull = error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
      const reason = error instanceof Error ? error.message : String(error);
      failure = isHeapFull
        ? { isClean: false, kind: "memory", reason: `its heap is full (${reason})` }
        : { isClean: false, kind: "crash", reason };
    });
    thread.once("exit", (code) =>
      events.ended(failure ?? { isClean: code === 0, kind: "crash", reason: `exit code ${code}` }),
    );
    return {
      id,
      pid: undefined,
      send: (message) => thread.postMessage(message),
      kill: () => void thread.terminate(),
    };
  };
}
