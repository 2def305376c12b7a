/** Joins what the rooms count to the metric registry: the rooms know narrow interfaces, the registry knows names. */
import { ADMISSION_CLASSES, type AdmissionGauges, REFUSAL_REASONS } from "./admission/index.ts";
import type { AuthOutcome } from "./auth/index.ts";
import type { CacheFigures } from "./cache/index.ts";
import type { ConversationCounters } from "./sessions/index.ts";
import type { Store } from "./store/index.ts";
import type { Counter, Histogram, Metrics } from "./telemetry/index.ts";
import type { PoolKeyFigures, UpstreamMetrics, Upstreams } from "./upstreams/index.ts";

/** Methods that keep their own series; whatever else a caller sends is counted as `other`, so that nobody can make series. */
const METHODS: ReadonlySet<string> = new Set([
  "tools/call",
  "tools/list",
  "prompts/get",
  "prompts/list",
  "resources/read",
  "resources/list",
  "resources/templates/list",
  "resources/subscribe",
  "resources/unsubscribe",
  "completion/complete",
  "logging/setLevel",
  "ping",
  "server/discover",
  "subscriptions/listen",
]);

type Timed = { readonly count: Counter; readonly time: Histogram };

/** The map that stands under a key, made when it is first asked for. */
function within<Key, Inner>(outer: Map<string, Map<Key, Inner>>, key: string): Map<Key, Inner> {
  let inner = outer.get(key);
  if (inner === undefined) {
    inner = new Map();
    outer.set(key, inner);
  }
  return inner;
}

export type Measures = ReturnType<typeof measures>;

export function measures(metrics: Metrics) {
  // Series by their labels, one map in another: a key put together from them would be made with every request.
  const requestHandles = new Map<string, Map<string, Map<string, Timed>>>();
  const httpHandles = new Map<string, Map<number, Counter>>();
  const upstreamHandles = new Map<string, Map<string, Timed>>();
  const authHandles = new Map<AuthOutcome, Counter>();
  const errorHandles = new Map<string, Counter>();
  const parked = metrics.gauge("mcp_client_requests_parked");

  const conversations: ConversationCounters = {
    request(method, era, outcome, ms) {
      const known = METHODS.has(method) ? method : "other";
      const byOutcome = within(within(requestHandles, known), era);
      let handles = byOutcome.get(outcome);
      if (handles === undefined) {
        handles = {
          count: metrics.counter("mcp_requests_total", known, era, outcome),
          time: metrics.histogram("mcp_request_duration_seconds", known),
        };
        byOutcome.set(outcome, handles);
      }
      handles.count.inc();
      handles.time.observe(ms / 1000);
    },
    parked: (delta) => parked.add(delta),
  };

  const upstreams: UpstreamMetrics = {
    requestEnded(upstream, outcome, durationMs) {
      const byOutcome = within(upstreamHandles, upstream);
      let handles = byOutcome.get(outcome);
      if (handles === undefined) {
        handles = {
          count: metrics.counter("mcp_upstream_requests_total", upstream, outcome),
          time: metrics.histogram("mcp_upstream_request_duration_seconds", upstream),
        };
        byOutcome.set(outcome, handles);
      }
      handles.count.inc();
      handles.time.observe(durationMs / 1000);
    },
    sessionOpened: (upstream) => metrics.counter("mcp_upstream_sessions_opened_total", upstream).inc(),
    sessionLost: (upstream) => metrics.counter("mcp_upstream_sessions_lost_total", upstream).inc(),
    sessionEvicted: (upstream) => metrics.counter("mcp_upstream_sessions_evicted_total", upstream).inc(),
    retried: (upstream) => metrics.counter("mcp_upstream_retries_total", upstream).inc(),
  };

  return {
    conversations,
    upstreams,
    partial: (upstream: string, method: string, code: string): void =>
      metrics.counter("mcp_lists_partial_total", upstream, method, code).inc(),
    auth(outcome: AuthOutcome): void {
      let handle = authHandles.get(outcome);
      if (handle === undefined) {
        handle = metrics.counter("mcp_auth_total", outcome);
        authHandles.set(outcome, handle);
      }
      handle.inc();
    },
    stream: (kind: string, delta: 1 | -1): void => metrics.gauge("mcp_streams_open", kind).add(delta),
    caches(read: () => ReadonlyMap<string, CacheFigures>): void {
      metrics.collect("mcp_cache_lookups_total", (set) => {
        for (const [cache, figures] of read())
          for (const result of ["hit", "stale", "miss"] as const) set(figures[result], cache, result);
      });
      metrics.collect("mcp_cache_loads_total", (set) => {
        for (const [cache, figures] of read())
          for (const outcome of ["shared", "load", "failure"] as const) set(figures[outcome], cache, outcome);
      });
      metrics.collect("mcp_cache_evictions_total", (set) => {
        for (const [cache, { eviction }] of read()) set(eviction, cache);
      });
      metrics.collect("mcp_cache_entries", (set) => {
        for (const [cache, { entries }] of read()) set(entries, cache);
      });
    },
    redisCircuit(isOpen: boolean): void {
      metrics.gauge("mcp_redis_circuit_open").set(isOpen ? 1 : 0);
      if (isOpen) metrics.counter("mcp_redis_circuit_opened_total").inc();
    },
    stateFailure: (kind: string): void => metrics.counter("mcp_state_failures_total", kind).inc(),
    application: {
      http(routeClass: string, status: number): void {
        const byStatus = within(httpHandles, routeClass);
        let handle = byStatus.get(status);
        if (handle === undefined) {
          handle = metrics.counter("mcp_http_requests_total", routeClass, String(status));
          byStatus.set(status, handle);
        }
        handle.inc();
      },
      error(code: string): void {
        let handle = errorHandles.get(code);
        if (handle === undefined) {
          handle = metrics.counter("mcp_errors_total", code);
          errorHandles.set(code, handle);
        }
        handle.inc();
      },
    },
    admission(read: () => AdmissionGauges): void {
      metrics.collect("mcp_requests_in_flight", (set) => {
        const { inFlight } = read();
        for (const kind of ADMISSION_CLASSES) set(inFlight[kind], kind);
      });
      metrics.collect("mcp_admission_limit", (set) => {
        const { limit } = read();
        for (const kind of ADMISSION_CLASSES) if (limit[kind] > 0) set(limit[kind], kind);
      });
      metrics.collect("mcp_requests_refused_total", (set) => {
        const { refused } = read();
        // All from the start: what is not there has no rate.
        for (const kind of ADMISSION_CLASSES)
          for (const reason of REFUSAL_REASONS) if (kind !== "probe") set(refused[kind][reason], kind, reason);
      });
      metrics.collect("mcp_admission_shrunk_total", (set) => {
        for (const [signal, count] of Object.entries(read().shrunk)) set(count, signal);
      });
      metrics.collect("mcp_requests_waiting", (set) => set(read().waiting));
    },
    toolUnfit: (what: "arguments" | "result"): void => metrics.counter("mcp_tool_checks_failed_total", what).inc(),
    pinned: (kind: string): void => metrics.counter("mcp_tool_pins_total", kind).inc(),
    limitRefused: (rule: string): void => metrics.counter("mcp_limit_refused_total", rule).inc(),
    upstreamSessions(room: Pick<Upstreams, "circuits" | "sessionFigures">): void {
      metrics.collect("mcp_upstream_circuit_open", (set) => {
        for (const { slug, state } of room.circuits()) set(state === "closed" ? 0 : 1, slug);
      });
      metrics.collect("mcp_upstream_sessions_open", (set) => set(room.sessionFigures().open));
      metrics.collect("mcp_upstream_pool_sessions", (set) => {
        const { pool } = room.sessionFigures();
        if (pool === undefined) return;
        set(sum(pool.keys, "active"), "active");
        set(sum(pool.keys, "idle"), "idle");
        set(sum(pool.keys, "waiting"), "waiting");
      });
    },
    upstreamRefused: (upstream: string): void => metrics.counter("mcp_upstream_refused_total", upstream).inc(),
    store(store: Store): void {
      metrics.collect("mcp_db_connections", (set) => {
        const { total, idle, waiting } = store.gauges();
        set(total - idle, "active");
        set(idle, "idle");
        set(waiting, "waiting");
      });
      metrics.collect("mcp_db_statements_total", (set) => {
        for (const [purpose, count] of Object.entries(store.figures().statements)) set(count, purpose);
      });
      metrics.collect("mcp_db_repeats_total", (set) => set(store.figures().repeated));
    },
  };
}

function sum(keys: readonly PoolKeyFigures[], field: "active" | "idle" | "waiting"): number {
  return keys.reduce((total, key) => total + key[field], 0);
}
