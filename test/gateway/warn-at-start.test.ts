/** What is said at the start of workers: connections that a replaced listener resets, and those that the database will not give. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadSettings } from "../../gateway/settings/index.ts";
import { warnOfConnections, warnOfResets } from "../../gateway/warn-at-start.ts";
import { workerOptions } from "../../gateway/worker-options.ts";
import { recordingLog } from "./coordination/log.ts";

const directory = mkdtempSync(join(tmpdir(), "warn-at-start-"));

describe("warnOfResets", () => {
  const toldOf = (mode: "st" | "mt", content: string | undefined) => {
    const { log, lines } = recordingLog();
    const path = join(directory, `migrate-${content?.trim()}`);
    if (content !== undefined) writeFileSync(path, content);
    warnOfResets({ workers: 2, threads: 2, mode }, log, path);
    return lines.map(({ level, fields }) => [level, fields?.setting, fields?.remedy]);
  };

  it("names the sysctl where threads listen and the kernel does not move what waits", () => {
    const remedy = "sysctl -w net.ipv4.tcp_migrate_req=1 lets another one take them; RUNTIME_MODE=st does not need it";
    expect(toldOf("mt", "0\n")).toEqual([["warn", "RUNTIME_MODE", remedy]]);
  });

  it("says nothing where it does, where that is not known, and of processes", () => {
    expect([toldOf("mt", "1\n"), toldOf("mt", undefined), toldOf("st", "0\n")]).toEqual([[], [], []]);
  });
});

describe("warnOfConnections", () => {
  const DATABASE_URL = "postgresql://one@127.0.0.1:1/gateway";
  const toldOf = (env: Readonly<Record<string, string>>) => {
    const { log, lines } = recordingLog();
    const { settings } = loadSettings({ env, envFile: false });
    warnOfConnections(workerOptions(settings, 8), settings, log);
    return lines.map(({ level, fields }) => [level, fields]);
  };

  it.each([
    [{ WORKERS: "auto" }, 16, 160],
    [{ WORKERS: "10" }, 10, 100],
    [{ WORKERS: "2", DB_POOL_SIZE: "46" }, 2, 92],
    // Threads share their worker's, and have at least one.
    [{ HTTP_SERVER: "bounded", RUNTIME_MODE: "mt", WORKERS: "16", RUNTIME_THREADS: "6", DB_POOL_SIZE: "4" }, 16, 96],
  ])("counts what %o asks of the database", (env, workers, connections) => {
    expect(toldOf({ DATABASE_URL, ...env })).toEqual([
      ["warn", { setting: "DB_POOL_SIZE", workers, connections, usual: 90 }],
    ]);
  });

  it.each([
    { DATABASE_URL, WORKERS: "9" },
    { WORKERS: "16" },
    { DATABASE_URL, WORKERS: "16", PLAN_FILE: "/plan.json" },
    { DATABASE_URL, WORKERS: "16", DATABASE_DIRECT_URL: "postgresql://one@127.0.0.1:2/gateway" },
  ])("says nothing where %o", (env) => {
    expect(toldOf(env)).toEqual([]);
  });
});
