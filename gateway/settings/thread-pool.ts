/** libuv reads the size of its pool from the environment, once, when a process first needs a thread. */
import type { Settings } from "../../contract/settings.ts";

/** Before anything asks for a file, a name or a digest off the event loop; workers that are started later inherit it. */
export function sizeThreadPool(settings: Pick<Settings, "BLOCKING_THREADS">): void {
  if (settings.BLOCKING_THREADS !== undefined) process.env.UV_THREADPOOL_SIZE = String(settings.BLOCKING_THREADS);
}
