/**
 * Compiled program text is kept, so that the next start, and each worker, need not compile it again: about half of the CPU time that
 * a start takes. Part of the composition root.
 */
import { mkdirSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join, resolve } from "node:path";

/** Beside the secrets, because whoever may write there decides what runs here. A directory that cannot be used costs only time. */
export function keepCompiled(dataDir: string): Readonly<Record<string, string>> {
  const directory = join(resolve(dataDir), "cache", "compiled");
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    enableCompileCache(directory);
  } catch {
    return {};
  }
  return { NODE_COMPILE_CACHE: directory };
}
