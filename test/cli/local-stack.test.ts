/** What the command line makes of a stack's file on this machine, and what it shows of a stack that runs. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { statusText } from "../../cli/commands/status.ts";
import { type MachineFacts, poolerVersion, withMachine } from "../../cli/machine.ts";
import type { State } from "../../infra/targets/local/index.ts";
import { compiled } from "../harness/index.ts";

const modules = { javascript: "/m/ngx_http_js_module.so", brotli: null, zstd: null };
const facts: MachineFacts = {
  programs: {
    nginx: { path: "/usr/sbin/nginx", version: "1.22.1", modules },
    pgbouncer: { path: "/usr/sbin/pgbouncer", version: "1.18.0" },
    postgres: { path: "/usr/bin/postgres", version: "15.18" },
    redis: { path: "/usr/bin/redis-server", version: "7.0.15" },
    directories: [],
  },
  nofileHard: 20_000,
  somaxconn: 4096,
};

describe("this machine's facts", () => {
  it("stand in place of what the file says of the same thing, and the file's word is told where it gives way", () => {
    const file = {
      name: "one",
      sizing: { environment: "dev", database: { postgres: { version: 18, cpu: 1 } }, cluster: { nofileHard: 20_000 } },
      deployment: { target: "docker", logLevel: "debug" },
    };
    expect(withMachine(file, facts)).toEqual({
      sizing: {
        environment: "dev",
        database: { postgres: { version: 15, cpu: 1 }, pgbouncer: { version: "1.18" } },
        cluster: { nofileHard: 20_000, somaxconn: 4096 },
      },
      deployment: {
        target: "local",
        logLevel: "debug",
        images: {
          nginx: { version: "1.22.1", javascript: "/m/ngx_http_js_module.so" },
          redis: { version: "7.0.15" },
        },
      },
      notes: ["sizing.database.postgres.version is 18 in the stack's file; this machine has 15, which holds here"],
    });
  });

  it("what is not installed says nothing, and what is no record is left for its reader to refuse", () => {
    const none = { nginx: null, pgbouncer: null, postgres: null, redis: null, directories: [] };
    const file = { name: "one", sizing: "nonsense", deployment: undefined };
    expect(withMachine(file, { ...facts, programs: none })).toEqual({
      sizing: "nonsense",
      deployment: { target: "local" },
      notes: [],
    });
  });

  it.for([
    ["1.18.0", "1.18"],
    ["1.25.1", "1.25"],
    ["1.99.0", "1.25"],
    ["2.0.0", "1.25"],
    ["1.17.0", "1.17.0"],
  ] as const)("PgBouncer %s is rendered as %s", ([version, known]) => {
    expect(poolerVersion(version)).toBe(known);
  });
});

describe("status", () => {
  const record: State["workloads"][number] = {
    name: "redis",
    tier: "redis",
    kind: "service",
    state: "ready",
    identity: { pid: 42, startTicks: 7 },
    since: 1_000_000,
    restarts: 0,
    failure: null,
    ports: [{ name: "redis", port: 6379 }],
    after: [],
    signal: "SIGTERM",
    graceS: 10,
  };
  const state: State = {
    stack: "one",
    boot: "b",
    supervisor: { pid: 1, startTicks: 1 },
    checksum: "",
    entry: { workload: "nginx", port: 8080 },
    workloads: [
      record,
      {
        ...record,
        name: "nginx",
        state: "failed",
        identity: null,
        restarts: 3,
        failure: "ended with exit code 1",
        ports: [],
      },
    ],
    schedules: [{ name: "backup", cron: "0 3 * * *" }],
  };

  it("is a table, then what failed, then what does not run by itself", () => {
    expect(statusText({ state, isSupervised: true }, 1_000_000 + 90_000)).toBe(
      [
        "workload  state   pid  ports  restarts  since",
        "redis     ready   42   6379   0         90 s",
        "nginx     failed  -    -      3         90 s",
        "",
        "nginx: ended with exit code 1",
        "",
        "backup (0 3 * * *) does not run by itself here: mcp-stack up --run backup",
        "",
      ].join("\n"),
    );
  });

  it("says that nobody supervises any more", () => {
    expect(statusText({ state, isSupervised: false }, 0).split("\n")[0]).toBe(
      "its supervisor is gone: mcp-stack down ends what is left, mcp-stack up starts it anew",
    );
  });
});

describe("the commands", () => {
  const directory = mkdtempSync(join(tmpdir(), "cli-"));
  const run = (args: readonly string[], stack: unknown) => {
    writeFileSync(join(directory, "Pulumi.one.yaml"), JSON.stringify({ config: stack }));
    const program = resolve(import.meta.dirname, "../../cli/mcp-stack.js");
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      cwd: directory,
      env: { PATH: "/nonexistent", HOME: directory, ...compiled() },
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  };
  const sizing = { environment: "dev", load: { peakRps: 1, concurrentUsers: 1 } };
  const stack = (target: string) => ({ "mcp-stack:sizing": sizing, "mcp-stack:deployment": { target } });

  it("another platform's stack is Pulumi's work, and what would take its data is only named", () => {
    const told = (verb: string, target: string, ...more: string[]) => {
      const { status, stderr } = run([verb, "-s", "one", ...more], stack(target));
      return [status, stderr.split("\n")[0]];
    };
    expect(told("up", "docker")).toEqual([
      1,
      "mcp-stack: stack one runs on docker: pulumi up -s one does that, and Pulumi's command line is not on PATH",
    ]);
    expect(told("down", "kubernetes")).toEqual([
      1,
      "mcp-stack: stack one runs on kubernetes: pulumi destroy -s one ends it, and takes its data with it",
    ]);
    expect(told("up", "local", "--target", "docker")).toEqual([
      2,
      "mcp-stack: --target docker is not what the file of stack one says: deployment.target is local",
    ]);
  });

  it("a stack that does not run is told so by status, down and verify", () => {
    const data = join(directory, "data");
    const args = ["-s", "one", "--data-dir", data];
    expect(run(["status", ...args], stack("local"))).toEqual({
      status: 1,
      stdout: "stack one does not run\n",
      stderr: "",
    });
    expect(run(["down", ...args], stack("local"))).toEqual({
      status: 0,
      stdout: "",
      stderr: "stack one does not run\n",
    });
  });

  it("a stack is needed, and a target that is known", () => {
    expect(run(["up"], stack("local")).stderr).toContain("--stack is needed: mcp-stack up -s local");
    expect(run(["up", "-s", "one", "--target", "moon"], stack("local"))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--target "moon" is none of local, docker, kubernetes'),
    });
  });

  it("a key that is not known is refused with its path before anything starts", () => {
    const { status, stderr } = run(["up", "-s", "one"], { "mcp-stack:sizing": { ...sizing, laod: 1 } });
    expect(status).toBe(1);
    expect(stderr).toContain("\n  sizing.laod is not an input; nearest: load;");
  });
});
