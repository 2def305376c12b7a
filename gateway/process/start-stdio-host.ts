/** Starts the stdio host process and keeps it running; its socket stays the same over restarts. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../telemetry/index.ts";
import { inheritedEnvironment, killLeftGroups } from "../upstreams/stdio-host/index.ts";
import { type SupervisedChild, superviseChild } from "./child.ts";

export type StdioHostOptions = {
  /** The socket is made in `<dataDir>/run`, mode 0700. */
  readonly dataDir: string;
  /** STDIO_MAX_CHILDREN; ≥ 1. */
  readonly maxChildren: number;
  /** Sessions without a request or an open stream end after this, ms. */
  readonly idleMs: number;
  /** UPSTREAM_MAX_MESSAGE_BYTES */
  readonly maxMessageBytes: number;
  /** What the settings room read; only what programs need to run at all is handed on (PATH, HOME, …), never the rest. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For the host itself, and not for what it runs. */
  readonly childEnvironment?: Readonly<Record<string, string>>;
  readonly log: Log;
  /** Between closing a child's stdin and SIGTERM, and again until SIGKILL, ms. */
  readonly graceMs?: number;
  /** Silence on the era probe that counts as "legacy", ms. */
  readonly probeTimeoutMs?: number;
};

export type RunningStdioHost = {
  readonly socketPath: string;
  readonly pid: number | undefined;
  status: SupervisedChild["status"];
  /** Ends all children and the host; resolves when they are gone. Idempotent. */
  stop(): Promise<void>;
};

/** sun_path holds 104 bytes on macOS and 108 on Linux, with its final zero. */
const MAX_SOCKET_PATH_BYTES = 100;
const DEFAULT_GRACE_MS = 2_000;
const DEFAULT_PROBE_TIMEOUT_MS = 15_000;
const READY_TIMEOUT_MS = 20_000;
const RESTART = { minMs: 200, maxMs: 10_000 } as const;

/** Where the socket goes; `temporary` is a directory to remove afterwards. */
export async function socketPlace(dataDir: string): Promise<{ socketPath: string; temporary: string | undefined }> {
  const wanted = join(dataDir, "run", `stdio-${process.pid}.sock`);
  if (Buffer.byteLength(wanted) <= MAX_SOCKET_PATH_BYTES) return { socketPath: wanted, temporary: undefined };
  const temporary = await mkdtemp(join(tmpdir(), "mcp-stack-"));
  return { socketPath: join(temporary, "stdio.sock"), temporary };
}

/** Resolves when the host listens; rejects with the reason when its first start fails. */
export async function startStdioHost(options: StdioHostOptions): Promise<RunningStdioHost> {
  const { maxChildren, idleMs, maxMessageBytes, log } = options;
  const { socketPath, temporary } = await socketPlace(options.dataDir);
  const graceMs = options.graceMs ?? DEFAULT_GRACE_MS;
  const baseEnv = inheritedEnvironment(options.environment);
  let groups: readonly number[] = [];
  const child = superviseChild({
    entry: new URL("./stdio-host.ts", import.meta.url),
    env: { ...baseEnv, ...options.childEnvironment },
    name: "stdio-host",
    log,
    readyTimeoutMs: READY_TIMEOUT_MS,
    restart: RESTART,
    config: {
      socketPath,
      maxChildren,
      idleMs,
      maxMessageBytes,
      graceMs,
      probeTimeoutMs: options.probeTimeoutMs ?? DEFAULT_PROBE_TIMEOUT_MS,
      baseEnv,
    },
    onMessage(message) {
      if (message.type !== "children" || !Array.isArray(message.pids)) return;
      groups = message.pids.filter((pid): pid is number => Number.isInteger(pid) && pid > 1);
    },
    // A host that was killed could not end its children; most see their stdin close, but not all care.
    onCrash() {
      killLeftGroups(groups);
      groups = [];
    },
  });
  const removeTemporary = async () => {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  };
  try {
    await child.ready;
  } catch (error) {
    await removeTemporary();
    throw error;
  }
  return {
    socketPath,
    get pid() {
      return child.pid;
    },
    status: child.status,
    async stop() {
      // Twice the children's grace is their SIGKILL; two seconds more for the host itself.
      await child.stop(2 * graceMs + 2_000);
      killLeftGroups(groups);
      groups = [];
      await removeTemporary();
    },
  };
}
