/** The only list of metrics: name, kind, labels, meaning. Dashboards, alerts and the reference page come from it. */
export type MetricDeclaration = {
  readonly type: "counter" | "gauge" | "histogram";
  readonly unit: "1" | "seconds" | "bytes";
  /** Every label has few values, and never one that a caller can make up. */
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds of a histogram's buckets in `unit`, ascending; +Inf is added. */
  readonly buckets?: readonly number[];
  /** Of gauges of several processes: their sum, which is the default, or the largest. Everything else is added. */
  readonly merge?: "sum" | "max";
};

const LATENCY = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export const metrics = {
  // clients
  mcp_http_requests_total: {
    type: "counter",
    unit: "1",
    labels: ["route", "status"],
    help: "HTTP answers by route class and status.",
  },
  mcp_requests_total: {
    type: "counter",
    unit: "1",
    labels: ["method", "era", "outcome"],
    help: "MCP requests by method, client era and outcome (ok, error, cancelled).",
  },
  mcp_request_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["method"],
    buckets: LATENCY,
    help: "From the framed request to the last byte handed to the socket.",
  },
  mcp_errors_total: { type: "counter", unit: "1", labels: ["code"], help: "Failures by code of the error registry." },
  mcp_auth_total: {
    type: "counter",
    unit: "1",
    labels: ["outcome"],
    help: "Authentications by outcome (ok, anonymous, missing, invalid, expired).",
  },
  mcp_redis_circuit_open: {
    type: "gauge",
    unit: "1",
    labels: [],
    help: "Processes that do not wait for Redis at this moment, because it did not answer; 0 without Redis.",
  },
  mcp_redis_circuit_opened_total: {
    type: "counter",
    unit: "1",
    labels: [],
    help: "How often a process stopped waiting for Redis.",
  },
  mcp_cache_lookups_total: {
    type: "counter",
    unit: "1",
    labels: ["cache", "result"],
    help: "Lookups by cache and result: hit, stale (answered while a new value is loaded), miss.",
  },
  mcp_cache_loads_total: {
    type: "counter",
    unit: "1",
    labels: ["cache", "outcome"],
    help: "Loads by cache: shared (another process had loaded it), load (every try to load), failure (those of them that failed).",
  },
  mcp_cache_evictions_total: {
    type: "counter",
    unit: "1",
    labels: ["cache"],
    help: "Entries dropped for want of room, by cache.",
  },
  mcp_cache_entries: { type: "gauge", unit: "1", labels: ["cache"], help: "Entries held, by cache." },
  mcp_streams_open: {
    type: "gauge",
    unit: "1",
    labels: ["kind"],
    help: "Open client streams by kind (post, get, listen, sse, websocket).",
  },
  mcp_client_requests_parked: {
    type: "gauge",
    unit: "1",
    labels: [],
    help: "Questions to clients (elicitation, sampling, roots) that wait for an answer.",
  },
  mcp_lists_partial_total: {
    type: "counter",
    unit: "1",
    labels: ["upstream", "method", "code"],
    help: "List answers that lack an upstream, by upstream and why.",
  },
  mcp_requests_in_flight: {
    type: "gauge",
    unit: "1",
    labels: ["class"],
    help: "Requests being served by admission class.",
  },
  mcp_requests_refused_total: {
    type: "counter",
    unit: "1",
    labels: ["class", "reason"],
    help: "Requests refused by admission, by class and reason (full, pressure, share, late, draining).",
  },
  mcp_admission_limit: {
    type: "gauge",
    unit: "1",
    labels: ["class"],
    help: "Slots at this moment by admission class, fewer than configured under pressure; mcp_requests_in_flight over this is the utilisation. Absent without a limit.",
  },
  mcp_admission_shrunk_total: {
    type: "counter",
    unit: "1",
    labels: ["signal"],
    help: "How often a signal (event_loop, heap, upstream_wait) has taken slots away.",
  },
  mcp_requests_waiting: {
    type: "gauge",
    unit: "1",
    labels: [],
    help: "Requests that wait for a slot (QUEUE_TIMEOUT).",
  },
  // upstreams
  mcp_upstream_requests_total: {
    type: "counter",
    unit: "1",
    labels: ["upstream", "outcome"],
    help: "Requests to upstreams by outcome (ok, cancelled or an error code).",
  },
  mcp_upstream_request_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["upstream"],
    buckets: LATENCY,
    help: "From sending a request to an upstream to its answer.",
  },
  mcp_upstream_sessions_opened_total: {
    type: "counter",
    unit: "1",
    labels: ["upstream"],
    help: "Upstream sessions that were opened.",
  },
  mcp_upstream_sessions_lost_total: {
    type: "counter",
    unit: "1",
    labels: ["upstream"],
    help: "Upstream sessions that the upstream had forgotten while they were wanted.",
  },
  mcp_upstream_retries_total: {
    type: "counter",
    unit: "1",
    labels: ["upstream"],
    help: "Requests sent again, because a kept-alive connection closed under them or after a pause.",
  },
  mcp_upstream_sessions_evicted_total: {
    type: "counter",
    unit: "1",
    labels: ["upstream"],
    help: "Upstream sessions that were ended to make room for others (MCP_SESSION_POOL_MAX_TOTAL_SESSIONS, MCP_SESSION_POOL_MAX_PER_UPSTREAM).",
  },
  mcp_upstream_sessions_open: {
    type: "gauge",
    unit: "1",
    labels: [],
    help: "Upstream sessions that workers know, of clients and pooled.",
  },
  mcp_upstream_pool_sessions: {
    type: "gauge",
    unit: "1",
    labels: ["state"],
    help: "Pooled upstream sessions by state (active, idle), and under `waiting` the requests that wait for one.",
  },
  mcp_upstream_circuit_open: {
    type: "gauge",
    unit: "1",
    labels: ["upstream"],
    help: "Workers that leave this upstream alone, because it could not be reached several times in a row.",
  },
  mcp_upstream_refused_total: {
    type: "counter",
    unit: "1",
    labels: ["upstream"],
    help: "Calls refused because their upstream had its share of the slots.",
  },
  mcp_limit_refused_total: {
    type: "counter",
    unit: "1",
    labels: ["rule"],
    help: "Requests and calls refused by a limit or quota, by the name of its rule (RATE_LIMITS, QUOTAS, tiers, tool-rate).",
  },
  mcp_tool_checks_failed_total: {
    type: "counter",
    unit: "1",
    labels: ["what"],
    help: "Arguments and results that do not fit a tool's schema (TOOL_ARGUMENTS_CHECK, TOOL_RESULTS_CHECK).",
  },
  mcp_tool_pins_total: {
    type: "counter",
    unit: "1",
    labels: ["kind"],
    help: "Definitions of tools that this process saw first, changed, or restored to what was approved.",
  },
  // stores
  mcp_db_connections: {
    type: "gauge",
    unit: "1",
    labels: ["state"],
    help: "Database connections by state (active, idle), and under `waiting` the queries that wait for one.",
  },
  mcp_db_statements_total: {
    type: "counter",
    unit: "1",
    labels: ["purpose"],
    help: "Statements sent to the database by purpose (registry, catalogue, state, records, ping).",
  },
  mcp_db_repeats_total: {
    type: "counter",
    unit: "1",
    labels: [],
    help: "Work on the database that was done again because it had not taken it or had rolled it back.",
  },
  mcp_records_waiting: {
    type: "gauge",
    unit: "1",
    labels: ["records"],
    help: "Rows in memory that wait to be written, by what they are (calls, audit, security, log).",
  },
  mcp_records_written_total: {
    type: "counter",
    unit: "1",
    labels: ["records"],
    help: "Rows that were written.",
  },
  mcp_records_dropped_total: {
    type: "counter",
    unit: "1",
    labels: ["records"],
    help: "Rows that found no room in memory or that the database refused.",
  },
  mcp_state_failures_total: {
    type: "counter",
    unit: "1",
    labels: ["store"],
    help: "Operations that the shared state store did not answer.",
  },
  // the plan of this deployment
  mcp_plan_limit: {
    type: "gauge",
    unit: "1",
    labels: ["limit"],
    merge: "max",
    help: "What the plan says: in_flight_per_worker, streams_per_worker, replicas_max, pool_per_worker.",
  },
  mcp_plan_exceeded_total: {
    type: "counter",
    unit: "1",
    labels: ["limit"],
    help: "How often the load of this process rose above what the plan says, by limit.",
  },
  // this process
  mcp_build_info: {
    type: "gauge",
    unit: "1",
    labels: ["version", "node", "settings"],
    merge: "max",
    help: "Always 1; the labels say what runs, and `settings` is the same in replicas with the same settings.",
  },
  process_cpu_seconds_total: {
    type: "counter",
    unit: "seconds",
    labels: [],
    help: "CPU time, user and system, of all processes that serve.",
  },
  process_resident_memory_bytes: {
    type: "gauge",
    unit: "bytes",
    labels: [],
    help: "Resident memory of all processes that serve.",
  },
  process_heap_bytes: { type: "gauge", unit: "bytes", labels: [], help: "Used heaps of the JavaScript engine." },
  process_start_time_seconds: {
    type: "gauge",
    unit: "seconds",
    labels: [],
    merge: "max",
    help: "Start as Unix time; of several processes, the last start.",
  },
  nodejs_eventloop_delay_seconds: {
    type: "gauge",
    unit: "seconds",
    labels: ["percentile"],
    merge: "max",
    help: "Event loop delay since the last scrape (p50, p99, max); of several event loops, the largest.",
  },
  // the processes that serve
  mcp_workers: {
    type: "gauge",
    unit: "1",
    labels: [],
    help: "Event loops that serve: processes, or threads of them. One that is being replaced counts until it is gone.",
  },
  mcp_worker_respawns_total: {
    type: "counter",
    unit: "1",
    labels: ["reason"],
    help: "Workers that were started again, by what ended the one before (crash, memory, stuck, start).",
  },
  mcp_worker_recycles_total: {
    type: "counter",
    unit: "1",
    labels: ["reason"],
    help: "Workers that were replaced by a successor in good order, by reason (requests, memory, reload).",
  },
  mcp_worker_scrapes_missed_total: {
    type: "counter",
    unit: "1",
    labels: [],
    help: "Answers of workers that a scrape did not wait for; their counts are those of the scrape before.",
  },
} as const satisfies Record<string, MetricDeclaration>;

export type MetricName = keyof typeof metrics;
export type MetricNameOf<Type extends MetricDeclaration["type"]> = {
  [Name in MetricName]: (typeof metrics)[Name]["type"] extends Type ? Name : never;
}[MetricName];

type Texts<Labels extends readonly string[]> = { readonly [Index in keyof Labels]: string };

/** One value per label of the metric, in declared order, as call arguments. */
export type LabelValues<Name extends MetricName> = Texts<(typeof metrics)[Name]["labels"]>;

export const metricNames: readonly MetricName[] = Object.keys(metrics).filter((name): name is MetricName =>
  Object.hasOwn(metrics, name),
);

/** The declaration in its general form. */
export function metricOf(name: MetricName): MetricDeclaration {
  return metrics[name];
}
