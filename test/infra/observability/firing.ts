/** For every alert of a fully watched stack: series in which it fires, and nearly the same ones in which it does not. */
import type { Plan } from "../../../contract/plan.ts";
import {
  clientsPerNginx,
  inFlightPerReplica,
  mebibytes,
  openConnections,
  poolPerReplica,
  streamsPerReplica,
} from "../../../infra/observability/limits.ts";

/** A series, and its samples in promtool's notation: `a+bxn` is n + 1 samples, each b more than the one before. */
export type Sample = { readonly series: string; readonly values: string };

export type Case = {
  readonly fires: readonly Sample[];
  readonly quiet: readonly Sample[];
  /** How many alerts fire; 1 where nothing is said. */
  readonly count?: number;
};

/** Samples of a case, one per `step`, looked at after the last. */
export const STEPS = 120;

type Labels = Readonly<Record<string, string>>;

/** Always the same value. */
export function flat(name: string, job: string, labels: Labels, value: number): Sample {
  return grow(name, job, labels, value, 0);
}

/** Grows with every step. */
function grow(name: string, job: string, labels: Labels, from: number, by: number): Sample {
  const all = Object.entries({ namespace: "mcp", ...(job === "" ? {} : { job }), ...labels });
  const text = all.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(",");
  return { series: `${name}{${text}}`, values: `${from}${by < 0 ? "" : "+"}${by}x${STEPS}` };
}

const G = "gateway";
const own = (name: string, labels: Labels, value: number) => flat(name, G, { pod: "a", ...labels }, value);
const ownGrows = (name: string, labels: Labels, by: number) => grow(name, G, { pod: "a", ...labels }, 0, by);
const of =
  (job: string) =>
  (name: string, value: number, labels: Labels = {}) =>
    flat(name, `${job}-exporter`, { instance: "a", ...labels }, value);
const growsOf = (job: string) => (name: string, by: number) => grow(name, `${job}-exporter`, { instance: "a" }, 0, by);
const kube = (name: string, labels: Labels, value: number) => flat(name, "", labels, value);
const [nginx, pooler, postgres, redis] = [of("nginx"), of("pgbouncer"), of("postgres"), of("redis")];

/** Answers per step, of which some fail. */
function answers(good: number, bad: number): Sample[] {
  const http = (status: string, by: number) => ownGrows("mcp_http_requests_total", { route: "call", status }, by);
  // Probes that fail are the cluster's matter.
  const probe = ownGrows("mcp_http_requests_total", { route: "probe", status: "503" }, 10_000);
  return [http("200", good), http("503", bad), probe];
}

/** Requests per step, of which some are fast; `le` as Prometheus 2 or 3 writes the bound. */
function durations(all: number, fast: number, le: string): Sample[] {
  const labels = { method: "tools/call" };
  const endless = { method: "subscriptions/listen" };
  return [
    ownGrows("mcp_request_duration_seconds_bucket", { ...labels, le }, fast),
    ownGrows("mcp_request_duration_seconds_count", labels, all),
    ownGrows("mcp_request_duration_seconds_bucket", { ...endless, le }, 0),
    ownGrows("mcp_request_duration_seconds_count", endless, 10 * all),
  ];
}

export function gatewayCases(plan: Plan): Readonly<Record<string, Case>> {
  const up = (value: number) =>
    Array.from({ length: plan.gateway.replicas.min }, (_, index) => flat("up", G, { pod: `pod-${index}` }, value));
  const running = (pod: string, settings: string) =>
    flat("mcp_build_info", G, { pod, version: "0.1.0", node: "v26.9.0", settings }, 1);
  const connections = (active: number, waiting: number) => [
    own("mcp_db_connections", { state: "active" }, active),
    own("mcp_db_connections", { state: "waiting" }, waiting),
  ];
  const requests = (upstream: string, outcome: string, by: number) =>
    ownGrows("mcp_upstream_requests_total", { upstream, outcome }, by);
  const inFlight = (calls: number) => [
    own("mcp_requests_in_flight", { class: "call" }, calls),
    own("mcp_requests_in_flight", { class: "stream" }, 100_000),
  ];
  return {
    GatewayErrorBudgetBurnFast: { fires: answers(980, 20), quiet: answers(995, 5) },
    GatewayLatencyBudgetBurnFast: { fires: durations(100, 20, "1.0"), quiet: durations(100, 90, "1") },
    GatewayDown: { fires: up(0), quiet: up(1) },
    GatewayReplicasMissing: { fires: up(1).slice(1), quiet: up(1) },
    GatewayReplicasDiffer: {
      fires: [running("a", "1"), running("b", "2")],
      quiet: [running("a", "1"), running("b", "1")],
    },
    GatewayRefusing: {
      fires: [ownGrows("mcp_requests_refused_total", { class: "call" }, 1)],
      quiet: [own("mcp_requests_refused_total", { class: "call" }, 9)],
    },
    GatewayInFlightNearLimit: {
      fires: inFlight(inFlightPerReplica(plan)),
      quiet: inFlight(Math.floor(0.9 * inFlightPerReplica(plan))),
    },
    GatewayStreamsAbovePlan: {
      fires: [own("mcp_streams_open", { kind: "sse" }, streamsPerReplica(plan) + 1)],
      quiet: [own("mcp_streams_open", { kind: "sse" }, streamsPerReplica(plan))],
    },
    PlanExceeded: {
      fires: [ownGrows("mcp_plan_exceeded_total", { limit: "in_flight_per_worker" }, 1)],
      quiet: [own("mcp_plan_exceeded_total", { limit: "in_flight_per_worker" }, 4)],
    },
    GatewayDatabasePoolSaturated: {
      fires: connections(poolPerReplica(plan), 1),
      quiet: connections(poolPerReplica(plan) - 1, 1),
    },
    GatewayStateStoreFailing: {
      fires: [ownGrows("mcp_state_failures_total", { store: "redis" }, 1)],
      quiet: [own("mcp_state_failures_total", { store: "redis" }, 5)],
    },
    GatewayMemoryNearLimit: {
      // Two workers of one pod.
      fires: ["1", "2"].map((worker) =>
        own("process_resident_memory_bytes", { worker }, mebibytes(plan.gateway.memoryMiB / 2)),
      ),
      quiet: [own("process_resident_memory_bytes", {}, mebibytes(plan.gateway.memoryMiB / 2))],
    },
    GatewayEventLoopDelayed: {
      fires: [own("nodejs_eventloop_delay_seconds", { percentile: "p99" }, 0.6)],
      quiet: [
        own("nodejs_eventloop_delay_seconds", { percentile: "p99" }, 0.4),
        own("nodejs_eventloop_delay_seconds", { quantile: "max" }, 3),
      ],
    },
    UpstreamUnreachable: {
      fires: [requests("time", "MCPS_UPSTREAM_UNREACHABLE", 1), requests("other", "ok", 1)],
      quiet: [requests("time", "MCPS_UPSTREAM_UNREACHABLE", 1), requests("time", "ok", 1)],
    },
    UpstreamFailing: {
      fires: [requests("time", "MCPS_UPSTREAM_TIMEOUT", 3), requests("time", "ok", 7)],
      quiet: [
        requests("time", "MCPS_UPSTREAM_TIMEOUT", 1),
        requests("time", "cancelled", 9),
        requests("time", "ok", 9),
      ],
    },
  };
}

export function dataCases(plan: Plan): Readonly<Record<string, Case>> {
  const { pgbouncer } = plan;
  if (pgbouncer === null) throw new Error("these cases are for a plan with a pooler");
  const pool = (active: number, waiting: number) => [
    pooler("pgbouncer_pools_client_active_connections", active, { database: "app", user: "app" }),
    pooler("pgbouncer_pools_client_waiting_connections", waiting, { database: "app", user: "app" }),
  ];
  const backends = (count: number) =>
    ["app", "postgres"].map((datname) => postgres("pg_stat_database_numbackends", count / 2, { datname }));
  const down = (sample: (value: number) => Sample): Case => ({ fires: [sample(0)], quiet: [sample(1)] });
  const dropped = (by: number) => [
    growsOf("nginx")("nginx_connections_accepted", 60),
    growsOf("nginx")("nginx_connections_handled", 60 - by),
  ];
  const open = "pg_stat_activity_max_tx_duration";
  return {
    NginxDown: down((value) => nginx("nginx_up", value)),
    NginxConnectionsNearLimit: {
      fires: [nginx("nginx_connections_active", clientsPerNginx(plan))],
      quiet: [nginx("nginx_connections_active", Math.floor(0.9 * clientsPerNginx(plan)))],
    },
    NginxDroppingConnections: { fires: dropped(6), quiet: dropped(0) },
    PgbouncerDown: down((value) => pooler("pgbouncer_up", value)),
    PgbouncerClientsWaiting: { fires: pool(1, 1), quiet: pool(1, 0) },
    PgbouncerWaitNearTimeout: {
      fires: [pooler("pgbouncer_pools_client_maxwait_seconds", pgbouncer.queryWaitTimeoutS, { database: "app" })],
      quiet: [pooler("pgbouncer_pools_client_maxwait_seconds", 0.1, { database: "app" })],
    },
    PgbouncerClientsNearLimit: {
      fires: pool(pgbouncer.maxClientConn, 0),
      quiet: pool(Math.floor(0.9 * pgbouncer.maxClientConn), 0),
    },
    PostgresDown: down((value) => postgres("pg_up", value)),
    PostgresConnectionsNearLimit: {
      fires: backends(openConnections(plan)),
      quiet: backends(Math.floor(0.9 * openConnections(plan))),
    },
    PostgresLimitNotAsPlanned: {
      fires: [postgres("pg_settings_max_connections", 100)],
      quiet: [postgres("pg_settings_max_connections", plan.postgres.maxConnections)],
    },
    PostgresIdleInTransaction: {
      fires: [postgres(open, 61, { datname: "app", state: "idle in transaction (aborted)" })],
      quiet: [postgres(open, 900, { datname: "app", state: "active" })],
    },
    RedisDown: down((value) => redis("redis_up", value)),
    RedisRejectingConnections: {
      fires: [growsOf("redis")("redis_rejected_connections_total", 1)],
      quiet: [redis("redis_rejected_connections_total", 7)],
    },
    RedisConnectionsNearLimit: {
      fires: [redis("redis_connected_clients", plan.redis.maxclients)],
      quiet: [redis("redis_connected_clients", Math.floor(0.9 * plan.redis.maxclients))],
    },
    RedisMemoryNearLimit: {
      fires: [redis("redis_memory_used_bytes", mebibytes(plan.redis.maxmemoryMiB))],
      quiet: [redis("redis_memory_used_bytes", mebibytes(plan.redis.maxmemoryMiB / 2))],
    },
    RedisEvicting: {
      fires: [growsOf("redis")("redis_evicted_keys_total", 1)],
      quiet: [redis("redis_evicted_keys_total", 7)],
    },
  };
}

export function clusterCases(plan: Plan): Readonly<Record<string, Case>> {
  const scaled = (current: number, desired: number) =>
    Object.entries({ current, desired }).map(([which, value]) =>
      kube(`kube_horizontalpodautoscaler_status_${which}_replicas`, { horizontalpodautoscaler: "gateway" }, value),
    );
  const budget = (allowed: number, expected: number) => [
    kube("kube_poddisruptionbudget_status_pod_disruptions_allowed", { poddisruptionbudget: "gateway" }, allowed),
    kube("kube_poddisruptionbudget_status_expected_pods", { poddisruptionbudget: "gateway" }, expected),
  ];
  const container = { pod: "a", container: "gateway" };
  const restarts = (by: number) => grow("kube_pod_container_status_restarts_total", "", container, 0, by);
  const killed = kube("kube_pod_container_status_last_terminated_reason", { ...container, reason: "OOMKilled" }, 1);
  const volume = (from: number, by: number) =>
    grow("kubelet_volume_stats_available_bytes", "kubelet", { persistentvolumeclaim: "data-postgres-0" }, from, by);
  const { max } = plan.autoscaling;
  return {
    AutoscalerAtMaximum: { fires: scaled(max, max), quiet: scaled(max, max - 1) },
    DisruptionBudgetBlocked: { fires: budget(0, 3), quiet: budget(0, 0) },
    ContainerRestarting: { fires: [restarts(1)], quiet: [restarts(0.05)] },
    ContainerOutOfMemory: { fires: [restarts(1), killed], quiet: [restarts(0), killed] },
    PostgresVolumeFilling: { fires: [volume(mebibytes(100_000), -mebibytes(100))], quiet: [volume(1e13, 0)] },
    CertificateExpiring: {
      fires: [kube("certmanager_certificate_expiration_timestamp_seconds", { name: "edge" }, 13 * 86_400)],
      quiet: [kube("certmanager_certificate_expiration_timestamp_seconds", { name: "edge" }, 30 * 86_400)],
    },
    ...jobCases("Backup", "backup-1f"),
    ...jobCases("RestoreTest", "restore-test-1f"),
  };
}

/** Times are seconds since the first sample; a run is made a minute after `lastSuccess` and fails. */
function jobCases(name: "Backup" | "RestoreTest", cronjob: string): Readonly<Record<string, Case>> {
  const job = { job_name: `${cronjob}-29000000` };
  const failedAt = (made: number, lastSuccess?: number) => [
    kube("kube_job_failed", { ...job, condition: "true" }, 1),
    kube("kube_job_created", job, made),
    ...(lastSuccess === undefined ? [] : [kube("kube_cronjob_status_last_successful_time", { cronjob }, lastSuccess)]),
  ];
  return { [`${name}Failed`]: { fires: failedAt(60), quiet: failedAt(60, 120) } };
}

/** What takes days to fire; a step is an hour. */
export function slowCases(): Readonly<Record<string, Case>> {
  const hour = 3600;
  const last = (cronjob: string, at: number) => kube("kube_cronjob_status_last_successful_time", { cronjob }, at);
  const made = (cronjob: string) => kube("kube_cronjob_created", { cronjob }, 0);
  return {
    GatewayErrorBudgetBurnSlow: { fires: answers(9980, 20), quiet: answers(9995, 5) },
    GatewayLatencyBudgetBurnSlow: { fires: durations(100, 90, "1"), quiet: durations(100, 99, "1.0") },
    BackupTooOld: { fires: [made("backup-1f")], quiet: [made("backup-1f"), last("backup-1f", (STEPS - 20) * hour)] },
    RestoreTestTooOld: {
      // Made long before the first sample.
      fires: [last("restore-test-1f", -100 * hour)],
      quiet: [last("restore-test-1f", -10 * hour)],
    },
  };
}
