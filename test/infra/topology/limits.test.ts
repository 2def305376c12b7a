/** Every number of the plan that a daemon enforces stands in its file, once where it is one limit; found by changing one and reading the difference. */
import { describe, expect, it } from "vitest";
import { type Plan, planSchema } from "../../../contract/plan.ts";
import { renderNginx, renderPgbouncer, renderPostgresql, renderRedis } from "../../../infra/topology/index.ts";
import { nginxPlace, pgbouncerPlace, postgresPlace, redisPlace } from "./places.ts";
import { plans } from "./plans.ts";

type Leaf = string | number | boolean;
/** Path of the number, what it is changed to, and the lines that say so afterwards. */
type Row = readonly [path: string, to: Leaf, lines: readonly string[]];

function withLeaf(plan: Plan, path: string, value: Leaf): Plan {
  const copy: Record<string, unknown> = structuredClone(plan);
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let group: unknown = copy;
  for (const key of keys) group = (group as Record<string, unknown>)[key];
  expect(Object.keys(group as object)).toContain(last);
  (group as Record<string, unknown>)[last] = value;
  return planSchema.parse(copy);
}

/** Lines of the second text that the first has not. */
function newLines(before: string, after: string): string[] {
  const old = new Map<string, number>();
  for (const line of before.split("\n")) old.set(line, (old.get(line) ?? 0) + 1);
  return after.split("\n").flatMap((line) => {
    const left = old.get(line) ?? 0;
    old.set(line, left - 1);
    return left > 0 ? [] : [line.trim()];
  });
}

function leavesOf(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, `${path}.${key}`));
}

function confirm(base: Plan, render: (plan: Plan) => string, group: string, rows: readonly Row[], elsewhere: string[]) {
  it.each(rows)("%s", (path, to, lines) => {
    expect(newLines(render(base), render(withLeaf(base, path, to)))).toEqual(lines);
  });

  it("knows every number of its group", () => {
    const leaves = leavesOf(base[group as keyof Plan], group);
    const rendered = rows.map(([path]) => path).filter((path) => path.startsWith(`${group}.`));
    expect([...rendered, ...elsewhere].sort()).toEqual(leaves.sort());
    // What is not in the file changes nothing in it.
    for (const path of elsewhere.filter((one) => typeof leafAt(base, one) === "number"))
      expect(newLines(render(base), render(withLeaf(base, path, Number(leafAt(base, path)) + 1)))).toEqual([]);
  });
}

function leafAt(plan: Plan, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], plan);
}

const zoneRows = (name: string, keys: number, size: number, inactive: number): Row[] => {
  const line = (keysMiB: number, sizeMiB: number, inactiveS: number) =>
    `proxy_cache_path /var/cache/nginx/${name} levels=1:2 keys_zone=${name}:${keysMiB}m max_size=${sizeMiB}m inactive=${inactiveS}s use_temp_path=off;`;
  const path = `nginx.zones.${name}`;
  return [
    [`${path}.keysMiB`, 77, [line(77, size, inactive)]],
    [`${path}.maxSizeMiB`, 77, [line(keys, 77, inactive)]],
    [`${path}.inactiveS`, 77, [line(keys, size, 77)]],
    [`${path}.validS`, 77, ["proxy_cache_valid 200 77s;"]],
  ];
};

describe("nginx.conf", () => {
  const zone = (keysMiB: number, maxSizeMiB: number, inactiveS: number) => ({
    keysMiB,
    maxSizeMiB,
    inactiveS,
    validS: 5,
  });
  // Named here, for these numbers stand in one line together with others.
  const zones = {
    static: zone(9, 1024, 2_592_000),
    api: zone(5, 512, 300),
    schema: zone(3, 256, 86_400),
    admin: zone(1, 16, 60),
    requestLimitMiB: 1,
    connectionLimitMiB: 1,
  };
  const base = { ...plans.prod, nginx: { ...plans.prod.nginx, zones, identityTtlS: 5 } };
  const place = { ...nginxPlace, listen: [{ address: "0.0.0.0", port: 8080 }] };
  const identity = (keys: number, size: number, inactive: number) =>
    `proxy_cache_path /var/cache/nginx/identity levels=1:2 keys_zone=identity:${keys}m max_size=${size}m inactive=${inactive}s use_temp_path=off;`;
  const rows: Row[] = [
    ["nginx.workerProcesses", 7, ["worker_processes 7;"]],
    ["nginx.workerConnections", 777, ["worker_connections 777;"]],
    ["nginx.nofile", 7777, ["worker_rlimit_nofile 7777;"]],
    ["nginx.keepalivePerWorker", 77, ["keepalive 77;"]],
    ["nginx.keepaliveRequests", 777, ["keepalive_requests 777;", "keepalive_requests 777;"]],
    ["nginx.backlog", 77, ["listen 0.0.0.0:8080 default_server reuseport backlog=77;"]],
    ...zoneRows("static", 9, 1024, 2_592_000),
    ...zoneRows("api", 5, 512, 300),
    ...zoneRows("schema", 3, 256, 86_400),
    ...zoneRows("admin", 1, 16, 60),
    [
      "nginx.zones.requestLimitMiB",
      7,
      ["limit_req_zone $binary_remote_addr zone=requests:7m rate=100r/s;", identity(7, 219, 5)],
    ],
    ["nginx.zones.connectionLimitMiB", 7, ["limit_conn_zone $binary_remote_addr zone=connections:7m;"]],
    ["nginx.identityTtlS", 7.9, [identity(1, 32, 7), "proxy_cache_valid 204 7s;"]],
    ["timeouts.nginxKeepaliveS", 77.5, ["keepalive_timeout 77500ms;"]],
    ["timeouts.nginxUpstreamKeepaliveS", 77, ["keepalive_timeout 77s;"]],
    ["timeouts.proxyReadS", 77, ["proxy_send_timeout 77s;", "proxy_read_timeout 77s;"]],
    ["timeouts.streamReadS", 77, ["proxy_read_timeout 77s;"]],
    [
      "timeouts.readinessS",
      7,
      ["resolver_timeout 7s;", "proxy_connect_timeout 7s;", "proxy_next_upstream_timeout 14s;"],
    ],
    ["probes.readiness.periodS", 7, ["resolver 10.96.0.10:53 valid=7s;"]],
    ["shutdown.drainS", 77, ["worker_shutdown_timeout 77s;"]],
  ];
  const elsewhere = ["replicas", "cpu", "memoryMiB", "newConnectionsPerSecond"].map((name) => `nginx.${name}`);
  confirm(base, (plan) => renderNginx(plan, place), "nginx", rows, elsewhere);
});

describe("pgbouncer.ini", () => {
  const rows: Row[] = [
    ["pgbouncer.maxClientConn", 777, ["max_client_conn = 777"]],
    ["pgbouncer.defaultPoolSize", 77, ["default_pool_size = 77"]],
    ["pgbouncer.minPoolSize", 77, ["min_pool_size = 77"]],
    ["pgbouncer.reservePoolSize", 77, ["reserve_pool_size = 77"]],
    ["pgbouncer.maxDbConnections", 77, ["max_db_connections = 77"]],
    ["pgbouncer.maxUserConnections", 77, ["max_user_connections = 77"]],
    ["pgbouncer.maxPreparedStatements", 77, ["max_prepared_statements = 77"]],
    ["pgbouncer.resetQueryAlways", true, ["server_reset_query_always = 1"]],
    ["pgbouncer.queryWaitTimeoutS", 7.5, ["query_wait_timeout = 7.5"]],
    ["pgbouncer.reservePoolTimeoutS", 77, ["reserve_pool_timeout = 77"]],
    ["pgbouncer.serverConnectTimeoutS", 77, ["server_connect_timeout = 77"]],
    ["pgbouncer.clientIdleTimeoutS", 77, ["client_idle_timeout = 77"]],
    ["pgbouncer.serverLifetimeS", 77, ["server_lifetime = 77"]],
    ["pgbouncer.serverIdleTimeoutS", 77, ["server_idle_timeout = 77"]],
    ["pgbouncer.listenBacklog", 77, ["listen_backlog = 77"]],
    ["timeouts.idleTransactionS", 77, ["idle_transaction_timeout = 77"]],
  ];
  // These decide which lines there are: files.test.ts has them. Another count of databases would be refused.
  const shape = ["version", "forcedUser", "databases", "users"];
  const outside = ["instances", "pools", "nofile", "cpu", "memoryMiB"];
  const base = withLeaf(plans.prod, "pgbouncer.version", "1.25");
  const render = (plan: Plan) => renderPgbouncer(plan, pgbouncerPlace);
  const elsewhere = [...shape, ...outside]
    .map((name) => `pgbouncer.${name}`)
    .filter((path) => path !== "pgbouncer.databases");
  confirm(base, render, "pgbouncer", [...rows, ["pgbouncer.databases", 1, []]], elsewhere);
});

describe("postgresql.conf", () => {
  const rows: Row[] = [
    ["postgres.maxConnections", 777, ["max_connections = 777"]],
    ["postgres.reservedConnections", 7, ["superuser_reserved_connections = 7"]],
    ["postgres.directConnections", 7, ["reserved_connections = 7"]],
    ["postgres.sharedBuffersMiB", 777, ["shared_buffers = 777MB"]],
    ["postgres.effectiveCacheSizeMiB", 777, ["effective_cache_size = 777MB"]],
    ["postgres.workMemMiB", 777, ["work_mem = 777MB"]],
    ["postgres.maintenanceWorkMemMiB", 777, ["maintenance_work_mem = 777MB"]],
    ["postgres.autovacuumWorkMemMiB", 777, ["autovacuum_work_mem = 777MB"]],
    ["postgres.autovacuumMaxWorkers", 17, ["autovacuum_max_workers = 17", "autovacuum_worker_slots = 17"]],
    ["postgres.walBuffersMiB", 777, ["wal_buffers = 777MB"]],
    ["postgres.minWalSizeMiB", 777, ["min_wal_size = 777MB"]],
    ["postgres.maxWalSizeMiB", 777, ["max_wal_size = 777MB"]],
    ["postgres.randomPageCost", 7.5, ["random_page_cost = 7.5"]],
    ["postgres.effectiveIoConcurrency", 77, ["effective_io_concurrency = 77"]],
    ["postgres.maxWorkerProcesses", 77, ["max_worker_processes = 77"]],
    ["postgres.maxParallelWorkers", 77, ["max_parallel_workers = 77"]],
    ["postgres.maxParallelWorkersPerGather", 77, ["max_parallel_workers_per_gather = 77"]],
    ["postgres.maxParallelMaintenanceWorkers", 77, ["max_parallel_maintenance_workers = 77"]],
    ["postgres.hugePages", "try", ["huge_pages = try"]],
    ["postgres.jit", true, ["jit = on"]],
    ["postgres.walCompression", "pglz", ["wal_compression = pglz"]],
    ["postgres.maxWalSenders", 77, ["max_wal_senders = 77"]],
    ["postgres.cpu", 64, ["io_workers = 16"]],
    ["timeouts.dbStatementS", 7.5, ["statement_timeout = 7500ms"]],
    ["timeouts.idleInTransactionS", 77, ["idle_in_transaction_session_timeout = 77s"]],
  ];
  const outside = ["semaphores", "memoryMiB", "shmMiB", "volumeGiB", "nofile"].map((name) => `postgres.${name}`);
  const base = withLeaf(plans.prod, "postgres.version", 18);
  const render = (plan: Plan) => renderPostgresql(plan, postgresPlace);
  confirm(base, render, "postgres", [...rows, ["postgres.version", 18, []]], outside);
});

describe("redis.conf", () => {
  const rows: Row[] = [
    ["redis.maxclients", 777, ["maxclients 777"]],
    ["redis.maxmemoryMiB", 777, ["maxmemory 777mb"]],
    ["redis.policy", "volatile-ttl", ["maxmemory-policy volatile-ttl"]],
    ["redis.persistence", false, ["appendonly no"]],
    ["redis.tcpBacklog", 77, ["tcp-backlog 77"]],
    ["timeouts.healthIntervalS", 77, ["tcp-keepalive 77"]],
  ];
  const outside = ["role", "connectionsPerWorker", "connections", "memoryMiB", "nofile", "cpu"].map(
    (name) => `redis.${name}`,
  );
  confirm(plans.prod, (plan) => renderRedis(plan, redisPlace), "redis", rows, outside);
});
