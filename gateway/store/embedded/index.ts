/** The door of the embedded database: PGlite in this process, served to PostgreSQL clients on a Unix socket or loopback port. */
import { once } from "node:events";
import { access, chmod, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";
import type { Log } from "../../telemetry/index.ts";
import { lockDataDirectory } from "./data-lock.ts";
import { createFront } from "./front.ts";

export type EmbeddedOptions = {
  /** Holds the lock file and, in `pgdata`, the database. */
  readonly directory: string;
  /** Absent: a port of 127.0.0.1. Clients want the name `.s.PGSQL.<port>`. */
  readonly socketPath?: string;
  readonly log: Log;
  onBroken(reason: string): void;
};

const MAX_CONNECTIONS = 100;
const IDLE_IN_TRANSACTION_MS = 30_000;

/** Names of the WASI errno numbers with which the engine tells what its file system refused. */
const ERRNO: Readonly<Record<number, string>> = {
  2: "EACCES",
  19: "EDQUOT: the quota is used up",
  29: "EIO",
  33: "EMFILE",
  51: "ENOSPC: the disk is full",
  63: "EPERM",
  69: "EROFS: the file system is read-only",
};

/** What the engine throws for its file system is no Error; told as one. */
function engineError(error: unknown): unknown {
  const errno: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "errno") : undefined;
  if (typeof errno !== "number") return error;
  return new Error(ERRNO[errno] ?? `errno ${errno}`, { cause: error });
}

/** Creates the database aside and moves it into place: a start that is cut off leaves no half of one behind. */
async function ensureDatabase(path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const draft = `${path}.new`;
  await rm(draft, { recursive: true, force: true });
  try {
    const creating = new Worker(new URL("./create.ts", import.meta.url), { workerData: draft });
    // An error of the thread rejects this wait.
    const [code] = await once(creating, "exit");
    if (code !== 0) throw new Error(`the database could not be created (exit code ${String(code)})`);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Resolves when clients can connect. Throws MCPS_DATA_DIR when another process has the directory. */
export async function serveEmbedded(options: EmbeddedOptions): Promise<{ port: number; stop(): Promise<void> }> {
  const { directory, socketPath, log } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unlock = await lockDataDirectory(directory);
  try {
    const path = join(directory, "pgdata");
    await ensureDatabase(path);
    const engine = await PGlite.create(path);
    const front = createFront({
      engine: { execProtocolRaw: (message) => engine.execProtocolRaw(message, { throwOnError: false }) },
      log,
      maxConnections: MAX_CONNECTIONS,
      idleInTransactionMs: IDLE_IN_TRANSACTION_MS,
      onBroken: options.onBroken,
    });
    if (socketPath === undefined) front.server.listen(0, "127.0.0.1");
    else {
      await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
      await rm(socketPath, { force: true });
      front.server.listen(socketPath);
    }
    await once(front.server, "listening");
    if (socketPath !== undefined) await chmod(socketPath, 0o600);
    const address = front.server.address();
    return {
      port: typeof address === "object" && address !== null ? address.port : 0,
      async stop() {
        await front.close();
        await engine.close();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw engineError(error);
  }
}
