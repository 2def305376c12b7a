/** The expectations of a topology: what its plan promises for each workload that runs all the time, and its edges. */
import { settingsFingerprint } from "../../contract/setting-values.ts";
import { type Edge, isTier, resolveSubnets, type Tier, type Topology, type Workload } from "../topology/index.ts";
import type { Expectation, Question, Rule } from "./expectation.ts";

const MIB = 1024 * 1024;

/** What is asked only where the platform can enforce it. */
export type Platform = {
  /** Where `workload` is found by the others. */
  host(workload: string): string;
  /** What the control group of an instance is limited to; null where processes have none of their own. */
  memoryMiB(workload: Workload): number | null;
  /** Addresses (CIDR) of the stack's networks, by the name within the stack, where the engine chose them. */
  readonly subnets: Readonly<Record<string, string>>;
  /** Why what is not in the edge list is open here all the same; null where it has to be closed. */
  readonly openness: string | null;
};

/** Throws RangeError with the network's name where an environment has the addresses of one that `platform` does not know. */
export function expectationsOf(topology: Topology, platform: Platform): readonly Expectation[] {
  const services = topology.workloads.filter(({ shape }) => shape.kind === "replicated" || shape.kind === "stateful");
  return [
    ...services.flatMap((workload) => [
      ...commonTo(workload, platform),
      ...OF_TIER[workload.tier](workload, topology.plan, platform),
    ]),
    ...reachable(topology.edges, services, platform),
    ...(platform.openness === null ? unreachable(topology.edges, services, platform) : []),
  ];
}

function expectation({ name }: Workload, what: string, question: Question, rule: Rule): Expectation {
  return { workload: name, what, question, rule };
}

function commonTo(workload: Workload, { memoryMiB }: Platform): readonly Expectation[] {
  const { nofile, sysctls } = workload;
  const limitMiB = memoryMiB(workload);
  return [
    ...(nofile === null
      ? []
      : [
          expectation(
            workload,
            "descriptors per process",
            { kind: "descriptors" },
            { kind: "at least", least: nofile },
          ),
        ]),
    ...Object.entries(sysctls).map(([name, value]) =>
      expectation(
        workload,
        name,
        { kind: "sysctl", name },
        { kind: "equal", to: value.trim().replaceAll(/\s+/g, " ") },
      ),
    ),
    ...(limitMiB === null ? [] : [expectation(workload, "memory limit", { kind: "memory" }, bytes(limitMiB))]),
  ];
}

type Plan = Topology["plan"];
type OfTier = (workload: Workload, plan: Plan, platform: Platform) => readonly Expectation[];

const OF_TIER: Readonly<Record<Tier, OfTier>> = {
  nginx: (workload, { nginx }) => [
    expectation(
      workload,
      "worker processes",
      { kind: "processes", title: "nginx: worker process" },
      equal(nginx.workerProcesses),
    ),
    ...backlog(workload, nginx.backlog),
  ],
  gateway: (workload, { gateway }, { subnets }) => [
    ...backlog(workload, gateway.backlog),
    ...workload.ports
      .slice(0, 1)
      .map(({ port }) =>
        expectation(
          workload,
          "settings fingerprint",
          { kind: "fingerprint", port },
          { kind: "equal", to: settingsFingerprint(given(workload, subnets)) },
        ),
      ),
  ],
  pgbouncer: (workload, { pgbouncer }) => (pgbouncer === null ? [] : ofPooler(workload, pgbouncer)),
  postgres: (workload, { postgres }) => ofPostgres(workload, postgres),
  redis: (workload, { redis }) => [
    ...(["maxclients", "tcp-backlog"] as const).map((key) =>
      expectation(
        workload,
        key,
        { kind: "redis", key },
        equal(key === "maxclients" ? redis.maxclients : redis.tcpBacklog),
      ),
    ),
    expectation(workload, "maxmemory", { kind: "redis", key: "maxmemory" }, bytes(Math.max(1, redis.maxmemoryMiB))),
    expectation(workload, "maxmemory-policy", { kind: "redis", key: "maxmemory-policy" }, equal(redis.policy)),
    ...backlog(workload, redis.tcpBacklog),
  ],
  migrations: () => [],
  backup: () => [],
  exporter: () => [],
};

/** The environment that its containers were given: with the addresses that were known by then. */
function given({ environment }: Workload, subnets: Platform["subnets"]): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, resolveSubnets(value, subnets)]));
}

function ofPooler(workload: Workload, pooler: NonNullable<Plan["pgbouncer"]>): readonly Expectation[] {
  const keys: readonly (readonly [string, number | string])[] = [
    ["max_client_conn", pooler.maxClientConn],
    ["default_pool_size", pooler.defaultPoolSize],
    ["min_pool_size", pooler.minPoolSize],
    ["reserve_pool_size", pooler.reservePoolSize],
    ["max_db_connections", pooler.maxDbConnections],
    ["max_user_connections", pooler.maxUserConnections],
    ["pool_mode", "transaction"],
    ["query_wait_timeout", pooler.queryWaitTimeoutS],
  ];
  return [
    ...keys.map(([key, value]) => expectation(workload, key, { kind: "pgbouncer", key }, equal(value))),
    ...backlog(workload, pooler.listenBacklog),
  ];
}

function ofPostgres(workload: Workload, postgres: Plan["postgres"]): readonly Expectation[] {
  const counts: readonly (readonly [string, number])[] = [
    ["max_connections", postgres.maxConnections],
    ["superuser_reserved_connections", postgres.reservedConnections],
    ...(postgres.version >= 16 ? [["reserved_connections", postgres.directConnections] as const] : []),
    ["max_worker_processes", postgres.maxWorkerProcesses],
    ["autovacuum_max_workers", postgres.autovacuumMaxWorkers],
  ];
  const sizes: readonly (readonly [string, number])[] = [
    ["shared_buffers", postgres.sharedBuffersMiB],
    ["effective_cache_size", postgres.effectiveCacheSizeMiB],
    ["work_mem", postgres.workMemMiB],
    ["maintenance_work_mem", postgres.maintenanceWorkMemMiB],
    ["wal_buffers", postgres.walBuffersMiB],
  ];
  const ask = (parameter: string, rule: Rule) =>
    expectation(workload, parameter, { kind: "postgres", parameter }, rule);
  return [
    ...counts.map(([parameter, value]) => ask(parameter, equal(value))),
    ...sizes.map(([parameter, mebibytes]) => ask(parameter, bytes(mebibytes))),
  ];
}

/** Of the port that its clients come to, which is the first. */
function backlog(workload: Workload, planned: number): readonly Expectation[] {
  return workload.ports
    .slice(0, 1)
    .map(({ port }) =>
      expectation(workload, `listen backlog of ${port}`, { kind: "backlog", port }, { kind: "backlog", planned }),
    );
}

function equal(value: number | string): Rule {
  return { kind: "equal", to: String(value) };
}

function bytes(mebibytes: number): Rule {
  return { kind: "bytes", bytes: mebibytes * MIB };
}

/** Edges between services of the deployment; who comes from outside or goes there is not ours to try. */
function reachable(edges: readonly Edge[], services: readonly Workload[], { host }: Platform): readonly Expectation[] {
  return edges.flatMap(({ from, to, port, protocol }) => {
    if (!isTier(from) || !isTier(to) || protocol !== "TCP") return [];
    const ends = services.filter(({ tier, ports }) => tier === to && ports.some((one) => one.port === port));
    return ofTier(services, from).flatMap((start) =>
      ends.map((end) =>
        expectation(
          start,
          `edge to ${end.name}:${port}`,
          { kind: "reach", host: host(end.name), port },
          { kind: "equal", to: "open" },
        ),
      ),
    );
  });
}

/** Data services are what must be closed to whoever has no edge to them. */
const GUARDED: readonly Tier[] = ["postgres", "redis", "pgbouncer"];

function unreachable(
  edges: readonly Edge[],
  services: readonly Workload[],
  { host }: Platform,
): readonly Expectation[] {
  const isEdge = (from: Tier, to: Tier, port: number) =>
    edges.some((edge) => edge.from === from && edge.to === to && edge.port === port);
  return services.flatMap((start) =>
    services.flatMap((end) => {
      const port = end.ports[0]?.port;
      if (port === undefined || start.tier === end.tier || !GUARDED.includes(end.tier)) return [];
      if (isEdge(start.tier, end.tier, port)) return [];
      const question = { kind: "reach", host: host(end.name), port } as const;
      return [expectation(start, `no edge to ${end.name}:${port}`, question, { kind: "equal", to: "closed" })];
    }),
  );
}

function ofTier(services: readonly Workload[], tier: Tier): readonly Workload[] {
  return services.filter((workload) => workload.tier === tier);
}
