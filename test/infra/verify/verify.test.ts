/** What is asked of a deployment, and how its answers are read, with an observer that plays the deployment. */
import { describe, expect, it } from "vitest";
import { settingsFingerprint } from "../../../contract/setting-values.ts";
import { backlogIn } from "../../../infra/verify/answers.ts";
import {
  dockerObserver,
  dockerSubnets,
  expectationsOf,
  type Finding,
  kubernetesObserver,
  localObserver,
  type Observer,
  type Platform,
  type Ran,
  verify,
} from "../../../infra/verify/index.ts";
import { runProgram } from "../../../infra/verify/observers/run.ts";
import { membersOf, readProcessTable } from "../../../infra/verify/processes.ts";
import { built } from "../topology/stacks.ts";

const { topology } = built("local");
const open: Platform = { host: () => "127.0.0.1", subnets: {}, memoryMiB: () => null, openness: "it is a play" };
const closed: Platform = {
  host: (name) => name,
  subnets: {},
  memoryMiB: ({ resources }) => resources.memoryMiB,
  openness: null,
};
const of = (platform: Platform, workload: string) =>
  expectationsOf(topology, platform)
    .filter((one) => one.workload === workload)
    .map(({ what, rule }) => [
      what,
      "to" in rule ? rule.to : "least" in rule ? rule.least : "planned" in rule ? rule.planned : rule.bytes,
    ]);

describe("expectations", () => {
  const { plan } = topology;
  const MIB = 1024 * 1024;

  it("of PostgreSQL are the plan's numbers", () => {
    const { postgres } = plan;
    expect(of(open, "postgres")).toEqual([
      ["descriptors per process", postgres.nofile],
      ["max_connections", String(postgres.maxConnections)],
      ["superuser_reserved_connections", String(postgres.reservedConnections)],
      ...(postgres.version >= 16 ? [["reserved_connections", String(postgres.directConnections)]] : []),
      ["max_worker_processes", String(postgres.maxWorkerProcesses)],
      ["autovacuum_max_workers", String(postgres.autovacuumMaxWorkers)],
      ["shared_buffers", postgres.sharedBuffersMiB * MIB],
      ["effective_cache_size", postgres.effectiveCacheSizeMiB * MIB],
      ["work_mem", postgres.workMemMiB * MIB],
      ["maintenance_work_mem", postgres.maintenanceWorkMemMiB * MIB],
      ["wal_buffers", postgres.walBuffersMiB * MIB],
    ]);
  });

  it("of a gateway are its descriptors, its backlog, the settings it was given, and its edges", () => {
    const gateway = topology.workloads.find(({ name }) => name === "gateway-2");
    expect(of(open, "gateway-2")).toEqual([
      ["descriptors per process", plan.gateway.nofile],
      ["listen backlog of 4445", plan.gateway.backlog],
      ["settings fingerprint", settingsFingerprint(gateway?.environment ?? {})],
      ["edge to pgbouncer:6432", "open"],
      ["edge to redis:6379", "open"],
    ]);
  });

  it("of a gateway on Docker are the settings with the addresses that the engine chose, and none without them", () => {
    const dev = built("dev").topology;
    const { environment } = dev.workloads.find(({ name }) => name === "gateway") ?? { environment: {} };
    expect(environment).toMatchObject({ TRUSTED_PROXIES: "{{subnet:inside}}" });
    const known = { ...open, subnets: { inside: "172.31.7.0/24" } };
    const [found] = expectationsOf(dev, known).filter(({ what }) => what === "settings fingerprint");
    const to = settingsFingerprint({ ...environment, TRUSTED_PROXIES: "172.31.7.0/24" });
    expect(found?.rule).toEqual({ kind: "equal", to });
    expect(() => expectationsOf(dev, open)).toThrow("the engine does not say which addresses network inside has");
  });

  it("where something isolates, data services are closed to whoever has no edge to them", () => {
    const guarded = expectationsOf(topology, closed)
      .filter(({ what }) => what.startsWith("no edge"))
      .map(({ workload, what }) => `${workload}: ${what}`);
    expect(guarded).toEqual([
      "postgres: no edge to redis:6379",
      "postgres: no edge to pgbouncer:6432",
      "redis: no edge to postgres:5433",
      "redis: no edge to pgbouncer:6432",
      "pgbouncer: no edge to redis:6379",
      "gateway-1: no edge to postgres:5433",
      "gateway-2: no edge to postgres:5433",
      "nginx: no edge to postgres:5433",
      "nginx: no edge to redis:6379",
      "nginx: no edge to pgbouncer:6432",
    ]);
  });

  it("of memory there are only where a control group holds it", () => {
    const memory = (platform: Platform) => of(platform, "redis").filter(([what]) => what === "memory limit");
    expect(memory(open)).toEqual([]);
    expect(memory(closed)).toEqual([["memory limit", plan.redis.memoryMiB * MIB]]);
  });
});

/** Answers by a part of the command. */
function playing(answers: Readonly<Record<string, string | Ran>>, asked: string[] = []): Observer {
  return {
    instances: async (workload) => [{ name: `${workload.name}-x`, workload, pid: 5 }],
    run: async (_, command) => {
      const line = command.join(" ");
      asked.push(line);
      const found = Object.entries(answers).find(([part]) => line.includes(part))?.[1];
      if (found === undefined) return { code: 1, stdout: "", stderr: "nobody knows\nmore" };
      return typeof found === "string" ? { code: 0, stdout: found, stderr: "" } : found;
    },
  };
}

function only(findings: readonly Finding[], what: string): readonly (readonly [string, string, string])[] {
  return findings
    .filter((one) => one.what === what)
    .map(({ verdict, instance, found }) => [verdict, instance, found] as const);
}

describe("answers", () => {
  const stat = (pid: number, parent: number) => `${pid} (a b) S ${parent} ${pid} ${pid} 0`;
  const table = [
    stat(5, 1),
    stat(6, 5),
    stat(7, 5),
    stat(8, 6),
    stat(9, 1),
    "--",
    "/proc/5/limits:Max open files            2560                 4096                 files     ",
    "/proc/6/limits:Max open files            1024                 4096                 files     ",
    "/proc/9/limits:Max open files            16                   4096                 files     ",
    "--",
    "/proc/5/cmdline:nginx: master process nginx -e stderr ",
    "/proc/6/cmdline:nginx: worker process ",
    "/proc/7/cmdline:nginx: cache manager process ",
    "/proc/8/cmdline:nginx: worker process",
    "/proc/9/cmdline:nginx: worker process",
    "",
  ].join("\n");

  it("a table of processes is read, and who belongs to the first one", () => {
    expect(membersOf(readProcessTable(table), { pid: 5 }).map(({ pid, openFiles }) => [pid, openFiles])).toEqual([
      [5, 2560],
      [6, 1024],
      [7, undefined],
      [8, undefined],
    ]);
  });

  it("one process that is short of descriptors is enough, and workers are counted by their titles", async () => {
    const findings = await verify(topology, open, playing({ "/proc/[0-9]*/stat": table }));
    expect(only(findings, "descriptors per process").find(([, where]) => where === "nginx-x")).toEqual([
      "WRONG",
      "nginx-x",
      "1024",
    ]);
    expect(only(findings, "worker processes")).toEqual([["WRONG", "nginx-x", "2"]]);
  });

  it("settings are asked one by one or all at once, as their daemon tells them", async () => {
    const { redis, pgbouncer } = topology.plan;
    const asked: string[] = [];
    const observer = playing(
      {
        "SHOW CONFIG": `max_client_conn|${pgbouncer?.maxClientConn}|100|yes\ndefault_pool_size|99|20|yes\n`,
        "CONFIG GET": `maxclients\n${redis.maxclients}\n`,
        "SHOW $3": `${topology.plan.postgres.maxConnections}\n`,
      },
      asked,
    );
    const findings = await verify(topology, open, observer);
    expect(only(findings, "max_client_conn")).toEqual([["OK", "pgbouncer-x", String(pgbouncer?.maxClientConn)]]);
    expect(only(findings, "default_pool_size")).toEqual([["WRONG", "pgbouncer-x", "99"]]);
    expect(only(findings, "pool_mode")).toEqual([["NOT CHECKED", "pgbouncer-x", "it did not tell"]]);
    expect(only(findings, "maxclients")).toEqual([["OK", "redis-x", String(redis.maxclients)]]);
    expect(only(findings, "max_connections")).toEqual([
      ["OK", "postgres-x", String(topology.plan.postgres.maxConnections)],
    ]);
    expect(asked.filter((line) => line.includes("SHOW CONFIG")).length).toBe(1);
  });

  it("a tool that is not there leaves a thing unchecked with the tool's words", async () => {
    const findings = await verify(topology, open, playing({}));
    expect(only(findings, "max_connections")).toEqual([["NOT CHECKED", "postgres-x", "nobody knows"]]);
    expect(findings.slice(-2).map(({ what, found }) => [what, found])).toEqual([
      ["memory limits", "processes of this machine have no limit of their own"],
      ["closed edges", "it is a play"],
    ]);
  });

  it("an edge that is open although it is in no list is wrong", async () => {
    const findings = await verify(topology, closed, playing({ "node:net": "open\n", "/dev/tcp": "open\n" }));
    expect(only(findings, "edge to pgbouncer:6432")[0]).toEqual(["OK", "gateway-1-x", "open"]);
    expect(only(findings, "no edge to postgres:5433")[0]).toEqual(["WRONG", "redis-x", "open"]);
  });

  it("a name that cannot be looked up tells nothing of an edge, whoever asks", async () => {
    // An empty label is refused before any server is asked.
    const platform: Platform = { ...closed, host: () => "no..name" };
    const others = playing({});
    const findings = await verify(topology, platform, {
      ...others,
      run: (instance, command) => {
        const [program = "", ...args] = command;
        if (!args.includes("no..name")) return others.run(instance, command);
        return runProgram([program.endsWith("/node") ? process.execPath : program, ...args]);
      },
    });
    const asked = findings.filter(({ what }) => what === "no edge to postgres:5433");
    expect(asked.map(({ verdict, instance }) => [verdict, instance])).toEqual(
      ["redis-x", "gateway-1-x", "gateway-2-x", "nginx-x"].map((instance) => ["NOT CHECKED", instance]),
    );
    expect(asked.map(({ found }) => found)).toContain("no..name cannot be looked up");
  });

  it("the least backlog of the sockets at a port counts, as ss shows them", () => {
    const text =
      "LISTEN 0 4096 127.0.0.1:8080 0.0.0.0:*\nLISTEN 0 511 127.0.0.1:8080 0.0.0.0:*\nLISTEN 0 5 127.0.0.1:80 0.0.0.0:*\n";
    expect([backlogIn(text, 8080), backlogIn(text, 80), backlogIn(text, 81)]).toEqual(["511", "5", undefined]);
  });
});

describe("observers", () => {
  const [workload] = topology.workloads;
  if (workload === undefined) throw new Error("an empty topology");

  function recording(stdout: string, code = 0) {
    const lines: string[][] = [];
    const run = async (command: readonly string[]): Promise<Ran> => {
      lines.push([...command]);
      return { code, stdout, stderr: code === 0 ? "" : "no daemon\n" };
    };
    return { lines, run };
  }

  it("Docker's finds containers by the stack's labels and runs programs in them", async () => {
    const { lines, run } = recording("dev-postgres\n");
    const observer = dockerObserver("dev", "unix:///x.sock", run);
    const [instance] = await observer.instances(workload);
    if (instance === undefined) throw new Error("none found");
    await observer.run(instance, ["cat", "/a"]);
    expect(instance).toMatchObject({ name: "dev-postgres", pid: 1 });
    expect(lines).toEqual([
      [
        "docker",
        "-H",
        "unix:///x.sock",
        "ps",
        "--no-trunc",
        "--format={{.Names}}",
        "--filter=label=mcp-stack.stack=dev",
        "--filter=label=mcp-stack.workload=postgres",
      ],
      ["docker", "-H", "unix:///x.sock", "exec", "dev-postgres", "cat", "/a"],
    ]);
  });

  it("Docker's asks the engine for the addresses of a network", async () => {
    const { lines, run } = recording("172.31.7.0/24\nfd31::/64\n\n");
    const subnets = await dockerSubnets({ inside: "mcp-dev-inside" }, "unix:///x.sock", run);
    expect(subnets).toEqual({ inside: "172.31.7.0/24,fd31::/64" });
    const format = "--format={{range .IPAM.Config}}{{println .Subnet}}{{end}}";
    expect(lines).toEqual([["docker", "-H", "unix:///x.sock", "network", "inspect", format, "mcp-dev-inside"]]);
    await expect(dockerSubnets({ inside: "mcp-dev-inside" }, undefined, recording("", 1).run)).rejects.toThrow(
      "docker network inspect mcp-dev-inside: no daemon",
    );
  });

  it("Kubernetes' finds pods by the recommended labels and runs programs in them", async () => {
    const { lines, run } = recording("postgres-0\n");
    const observer = kubernetesObserver({ stack: "prod", namespace: "mcp", context: undefined }, run);
    const [instance] = await observer.instances(workload);
    if (instance === undefined) throw new Error("none found");
    await observer.run(instance, ["cat", "/a"]);
    expect(lines).toEqual([
      [
        "kubectl",
        "--namespace=mcp",
        "get",
        "pods",
        "--selector=app.kubernetes.io/instance=prod,app.kubernetes.io/name=postgres",
        "--field-selector=status.phase=Running",
        "--output=jsonpath={range .items[*]}{.metadata.name}{'\\n'}{end}",
      ],
      ["kubectl", "--namespace=mcp", "exec", "postgres-0", "--", "cat", "/a"],
    ]);
  });

  it("a platform that does not answer is told in its own words", async () => {
    const { run } = recording("", 1);
    await expect(dockerObserver("dev", undefined, run).instances(workload)).rejects.toThrow("docker ps: no daemon");
  });

  it("this machine's knows the processes that it was told, and runs programs with the workload's environment", async () => {
    const seen: unknown[] = [];
    const observer = localObserver(new Map([["postgres", 42]]), async (command, options) => {
      seen.push([command, options]);
      return { code: 0, stdout: "", stderr: "" };
    });
    const [instance] = await observer.instances(workload);
    if (instance === undefined) throw new Error("none found");
    await observer.run(instance, ["true"]);
    expect(instance).toMatchObject({ name: "postgres", pid: 42 });
    expect(seen).toEqual([[["true"], { environment: workload.environment }]]);
    expect(await observer.instances({ ...workload, name: "other" })).toEqual([]);
  });
});
