/** Which numbers of a plan a report shows, tier by tier, and what they are called there. */
import type { Plan } from "../../../contract/plan.ts";
import { valueAt } from "./subject.ts";

export type Row = readonly [label: string, path: string];
export type Section = { readonly title: string; readonly rows: readonly Row[] };

const load: readonly Row[] = [
  ["at the peak of a burst", "load.gatewayRps"],
  ["average of the peak hour", "load.averageRps"],
  ["in flight at the peak", "load.inFlight"],
  ["database connections busy", "load.dbConnectionsBusy"],
  ["database processor", "load.dbCores"],
];

const gateway: readonly Row[] = [
  ["fewest replicas", "gateway.replicas.min"],
  ["most replicas", "gateway.replicas.max"],
  ["during a rollout", "gateway.replicas.peak"],
  ["workers of a replica", "gateway.workers"],
  ["service rate of a worker", "gateway.rpsPerWorker"],
  ["in flight per worker", "gateway.inFlightPerWorker"],
  ["processor of a replica", "gateway.cpu"],
  ["memory of a replica", "gateway.memoryMiB"],
  ["heap of a worker", "gateway.maxOldSpaceMiB"],
  ["listen backlog", "gateway.backlog"],
  ["descriptors of a worker", "gateway.nofile"],
  ["autoscaler's target", "autoscaling.targetCpuPercent"],
];

const pools: readonly Row[] = [
  ["pool of a worker", "database.poolPerWorker"],
  ["opened at the worst instant", "database.appConnections"],
  ["PgBouncer instances", "pgbouncer.instances"],
  ["clients of an instance", "pgbouncer.maxClientConn"],
  ["pool", "pgbouncer.defaultPoolSize"],
  ["reserve", "pgbouncer.reservePoolSize"],
  ["server connections", "pgbouncer.maxDbConnections"],
  ["descriptors", "pgbouncer.nofile"],
];

const postgres: readonly Row[] = [
  ["max_connections", "postgres.maxConnections"],
  ["processor", "postgres.cpu"],
  ["memory", "postgres.memoryMiB"],
  ["shared_buffers", "postgres.sharedBuffersMiB"],
  ["work_mem", "postgres.workMemMiB"],
  ["maintenance_work_mem", "postgres.maintenanceWorkMemMiB"],
  ["volume", "postgres.volumeGiB"],
];

const redis: readonly Row[] = [
  ["role", "redis.role"],
  ["connections at the worst instant", "redis.connections"],
  ["maxclients", "redis.maxclients"],
  ["maxmemory", "redis.maxmemoryMiB"],
  ["policy", "redis.policy"],
  ["memory", "redis.memoryMiB"],
];

const nginx: readonly Row[] = [
  ["replicas", "nginx.replicas"],
  ["worker processes", "nginx.workerProcesses"],
  ["connections of a worker", "nginx.workerConnections"],
  ["idle connections kept per worker", "nginx.keepalivePerWorker"],
  ["memory", "nginx.memoryMiB"],
];

const sessions: readonly Row[] = [
  ["upstream sessions per worker", "mcp.sessionsPerWorker"],
  ["streams per worker", "mcp.streamsPerWorker"],
];

/** Sections of a plan without the numbers that it does not have. */
export function sectionsOf(plan: Plan): readonly Section[] {
  const { engine, database, postgres: server } = plan;
  const sections: readonly Section[] = [
    { title: "Load", rows: load },
    { title: `Gateway, engine ${engine.kind}: ${engine.why}`, rows: gateway },
    {
      title: database.mode === "pgbouncer" ? "Database connections through PgBouncer" : "Database connections",
      rows: pools,
    },
    { title: `PostgreSQL ${server.version}`, rows: postgres },
    { title: "Redis", rows: redis },
    { title: "nginx", rows: nginx },
    { title: "Sessions and streams", rows: sessions },
  ];
  return sections.map(({ title, rows }) => ({
    title,
    rows: rows.filter(([, path]) => valueAt(plan, path) !== undefined),
  }));
}

/** The waits of one call from the innermost outwards: each ends before the next, so that somebody can say why. */
export function timeoutChain({ timeouts }: Plan): string {
  const chain: readonly (readonly [string, number])[] = [
    ["tool", timeouts.toolS],
    ["session", timeouts.sessionTransportS],
    ["upstream", timeouts.upstreamBodyS],
    ["handler", timeouts.handlerS],
    ["proxy", timeouts.proxyReadS],
    ["load balancer", timeouts.lbIdleS],
    ["its connection", timeouts.nginxKeepaliveS],
  ];
  return `${chain.map(([name, value]) => `${name} ${value}`).join(" · ")} s`;
}
