/** Starts the embedded database process and keeps it running; its socket stays the same over restarts. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault, fault } from "../../contract/errors.ts";
import type { Log } from "../telemetry/index.ts";
import { StartFailure, type SupervisedChild, superviseChild } from "./child.ts";

export type EmbeddedDatabase = {
  /** For `pg`: a PostgreSQL URL that names the directory of the socket. */
  readonly url: string;
  /** The same: nothing stands between. */
  readonly directUrl: string;
  readonly pid: number | undefined;
  status: SupervisedChild["status"];
  /** Writes everything to disk and ends the process. Idempotent. */
  stop(): Promise<void>;
};

/** sun_path holds 104 bytes on macOS and 108 on Linux, with its final zero. */
const MAX_SOCKET_PATH_BYTES = 100;
const SOCKET_NAME = ".s.PGSQL.5432";
/** The first start writes a whole database cluster; on a slow disk that takes its time. */
const READY_TIMEOUT_MS = 120_000;
const STOP_GRACE_MS = 15_000;
let starts = 0;
const RESTART = { minMs: 200, maxMs: 10_000 } as const;

/** What kept the database from starting lies in its directory: it is somebody else's, full, not ours to write, or damaged. */
function startFault(error: unknown, path: string): unknown {
  if (!(error instanceof StartFailure)) return error;
  return error.code === "MCPS_DATA_DIR"
    ? new Fault("MCPS_DATA_DIR", error.reason)
    : fault("MCPS_DATA_DIR", { path, reason: error.reason });
}

/** Resolves when it answers. Rejects with MCPS_DATA_DIR and the reason when it cannot start, for example because another process has the directory. */
export async function startEmbeddedDatabase(options: {
  readonly dataDir: string;
  /** The whole environment of the process; empty by default. */
  readonly env?: Readonly<Record<string, string>>;
  readonly log: Log;
}): Promise<EmbeddedDatabase> {
  const directory = join(options.dataDir, "database");
  const wanted = join(options.dataDir, "run", `db-${process.pid}-${++starts}`);
  const fits = Buffer.byteLength(join(wanted, SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES;
  const socketDirectory = fits ? wanted : await mkdtemp(join(tmpdir(), "mcp-stack-db-"));
  const child = superviseChild({
    entry: new URL("./database.ts", import.meta.url),
    env: options.env ?? {},
    name: "database",
    log: options.log,
    readyTimeoutMs: READY_TIMEOUT_MS,
    restart: RESTART,
    config: { directory, socketPath: join(socketDirectory, SOCKET_NAME) },
  });
  const removeSocket = () => rm(socketDirectory, { recursive: true, force: true });
  try {
    await child.ready;
  } catch (error) {
    await removeSocket();
    throw startFault(error, directory);
  }
  const url = `postgresql://postgres@/postgres?host=${encodeURIComponent(socketDirectory)}&port=5432`;
  return {
    url,
    directUrl: url,
    get pid() {
      return child.pid;
    },
    status: child.status,
    async stop() {
      await child.stop(STOP_GRACE_MS);
      await removeSocket();
    },
  };
}
