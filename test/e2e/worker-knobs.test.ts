/** Knobs of the processes, under the names of Granian: threads of event loops, libuv's pool, a limit of memory, reload on change. */
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Gateway, isRunning, send, startGateway, titled, waitFor } from "../harness/index.ts";

const ROOT = join(import.meta.dirname, "../..");
const ENVIRONMENT = {
  HTTP_SERVER: "granian",
  GRANIAN_WORKERS: "2",
  GRANIAN_RUNTIME_MODE: "mt",
  GRANIAN_RUNTIME_THREADS: "2",
  GRANIAN_BLOCKING_THREADS: "9",
  GRANIAN_DEV_MODE: "True",
  // Less than any process of Node needs.
  WORKER_MEMORY: "128MiB",
};

/** A change that a watcher sees and nobody else: of the times of the file, to what they are. */
const SOURCE = join(ROOT, "gateway", "version.ts");
async function touchSource(): Promise<void> {
  const { atime, mtime } = await stat(SOURCE);
  await utimes(SOURCE, atime, mtime);
}

/** Why the file cannot be touched: a checkout that is read-only, or somebody else's (utimensat(2), EPERM). */
function untouchable(): string | undefined {
  try {
    accessSync(SOURCE, constants.W_OK);
  } catch (error) {
    return String(error);
  }
  const own = process.getuid?.() ?? 0;
  return own === 0 || statSync(SOURCE).uid === own ? undefined : `${SOURCE} belongs to another user`;
}
const held = untouchable();

type Line = {
  readonly event: string;
  readonly worker?: string;
  readonly pid?: number;
  readonly setting?: string;
  readonly reason?: string;
};

let gateway: Gateway;

const lines = (): readonly Line[] =>
  gateway
    .stderr()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
const happened = (event: string) => lines().filter((line) => line.event === event);
const processes = () => happened("worker.ready").flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
/** An event loop of a process is called after it: `<worker>.<number>`. */
const loops = () => happened("worker.ready").filter(({ worker }) => /\.\d+$/.test(worker ?? ""));

describe("the knobs of Granian", () => {
  beforeAll(async () => {
    gateway = await startGateway({ env: ENVIRONMENT, deadlineMs: 240_000 });
  }, 300_000);
  afterAll(() => gateway?.stop());

  it("GRANIAN_WORKERS and GRANIAN_RUNTIME_THREADS: two processes with two event loops each", () => {
    expect([new Set(processes()).size, loops().length]).toEqual([2, 4]);
  });

  it("GRANIAN_BLOCKING_THREADS: so many threads of the pool in each worker", async () => {
    const poolOf = (pid: number) =>
      readdirSync(`/proc/${pid}/task`)
        .map((task) => readFileSync(`/proc/${pid}/task/${task}/comm`, "utf8").trim())
        .filter((name) => name === "libuv-worker").length;
    expect(processes().map(poolOf)).toEqual([9, 9]);
  });

  it("WORKER_MEMORY: a limit that cannot be kept is told, by its name", () => {
    const told = lines().filter(({ setting }) => setting === "WORKER_MEMORY");
    expect(told.length).toBe(2);
  });

  it("RUNTIME_MODE: what a kernel that moves no waiting connection costs is told once", () => {
    const sysctl = "/proc/sys/net/ipv4/tcp_migrate_req";
    const moves = !existsSync(sysctl) || readFileSync(sysctl, "utf8").trim() !== "0";
    expect(lines().filter(({ setting }) => setting === "RUNTIME_MODE").length).toBe(moves ? 0 : 1);
  });

  it.skipIf(held !== undefined)(
    titled("GRANIAN_DEV_MODE: a source file that changes replaces the workers", held),
    async () => {
      const before = new Set(processes());
      await touchSource();
      await waitFor(() => happened("reload.done").length > 0, 200_000, "the reload");
      // Once for each time that the watcher saw it: whoever works in the checkout changes files too.
      expect(new Set(happened("reload").map(({ reason }) => reason))).toEqual(new Set(["a source file changed"]));
      expect(processes().filter((pid) => !before.has(pid)).length).toBeGreaterThanOrEqual(2);
      expect([...before].filter(isRunning)).toEqual([]);
    },
    240_000,
  );
});

// Here and in no other file: a source file that changes reloads every gateway that watches it.
describe.skipIf(held !== undefined)(titled("DEV_RELOAD", held), () => {
  afterEach(() => gateway?.stop());

  it.each([
    ["fastify", {}],
    ["bounded", { RUNTIME_MODE: "st" }],
  ] as const)("replaces the workers of the %s engine when the program changes", async (engine, kind) => {
    gateway = await startGateway({
      env: { HTTP_SERVER: engine, LOG_FORMAT: "json", DISABLE_ACCESS_LOG: "true", DEV_RELOAD: "true", ...kind },
    });
    await touchSource();
    await waitFor(() => happened("reload.done").length > 0, 60_000, "the reload");
    expect(new Set(happened("reload").map(({ reason }) => reason))).toEqual(new Set(["a source file changed"]));
    expect((await send("GET", `${gateway.url}/health`, {})).status).toBe(200);
  });
});
