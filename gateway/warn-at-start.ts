/** What a supervised gateway says once of the machine and the database it was given. Part of the composition root. */
import { readFileSync } from "node:fs";
import type { Settings } from "../contract/settings.ts";
import type { Log } from "./telemetry/index.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** Whether the kernel hands connections that wait at a closing listener to another one of its port (ip-sysctl, since Linux 5.14). */
const MIGRATE = "/proc/sys/net/ipv4/tcp_migrate_req";
/** PostgreSQL's max_connections is 100 unless changed; some of them are kept for its superuser, and for whoever else looks at it. */
const USUAL_CONNECTIONS = 90;

type Workers = Pick<WorkerOptions, "workers" | "mode" | "threads">;

/** Threads have a listener each, and one that is replaced closes its own. `path`: of the kernel's setting; where it is missing nothing is said. */
export function warnOfResets({ mode }: Workers, log: Log, path = MIGRATE): void {
  if (mode !== "mt" || textOf(path)?.trim() !== "0") return;
  log.warn("an event loop that is replaced resets the connections that wait for it to take them", {
    setting: "RUNTIME_MODE",
    remedy: "sysctl -w net.ipv4.tcp_migrate_req=1 lets another one take them; RUNTIME_MODE=st does not need it",
  });
}

/** A plan has counted connections already, and behind a pooler (DATABASE_DIRECT_URL) they are not the server's. */
export function warnOfConnections({ workers, threads }: Workers, settings: Settings, log: Log): void {
  const { DATABASE_URL, DATABASE_DIRECT_URL, PLAN_FILE, DB_POOL_SIZE } = settings;
  if (DATABASE_URL === undefined || DATABASE_DIRECT_URL !== undefined || PLAN_FILE !== undefined) return;
  // Threads share what their worker may have, and each has at least one.
  const connections = workers * threads * Math.max(1, Math.floor(DB_POOL_SIZE / threads));
  if (connections <= USUAL_CONNECTIONS) return;
  log.warn(
    "the workers may ask for more database connections than PostgreSQL gives unless its max_connections was raised",
    {
      setting: "DB_POOL_SIZE",
      workers,
      connections,
      usual: USUAL_CONNECTIONS,
    },
  );
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
