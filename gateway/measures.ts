/** Joins what the rooms count to the metric registry: the rooms know narrow interfaces, the registry knows names. */
import { ADMISSION_CLASSES, type AdmissionGauges, REFUSAL_REASONS } from "./admission/index.ts";
import type { AuthOutcome } from "./auth/index.ts";
import type { ConversationCounters } from "./sessions/index.ts";
import type { Store } from "./store/index.ts";
import type { Counter, Histogram, Metrics } from "./telemetry/index.ts";
import type { UpstreamMetrics } from "./upstreams/index.ts";

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

export type Measures = ReturnType<typeof measures>;

export function measures(metrics: Metrics) {
  const requestHandles = new Map<string, { readonly count: Counter; readonly time: Histogram }>();
  const httpHandles = new Map<string, Counter>();
  const upstreamHandles = new Map<string, { readonly count: Counter; readonly time: Histogram }>();
  const authHandles = new Map<AuthOutcome, Counter>();
  const errorHandles = new Map<string, Counter>();
  const parked = metrics.gauge("mcp_client_requests_parked");

  const conversations: ConversationCounters = {
    request(method, era, outcome, ms) {
      const known = METHODS.has(method) ? method : "other";
      const key = `${known} ${era} ${outcome}`;
      let handles = requestHandles.get(key);
      if (handles === undefined) {
        handles = {
          count: metrics.counter("mcp_requests_total", known, era, outcome),
          time: metrics.histogram("mcp_request_duration_seconds", known),
        };
        requestHandles.set(key, handles);
      }
      handles.count.inc();
      handles.time.observe(ms / 1000);
    },
    parked: (delta) => parked.add(delta),
  };

  const upstreams: UpstreamMetrics = {
    requestEnded(upstream, outcome, durationMs) {
      const key = `${upstream} ${outcome}`;
      let handles = upstreamHandles.get(key);
      if (handles === undefined) {
        handles = {
          count: metrics.counter("mcp_upstream_requests_total", upstream, outcome),
          time: metrics.histogram("mcp_upstream_request_duration_seconds", upstream),
        };
        upstreamHandles.set(key, handles);
      }
      handles.count.inc();
      handles.time.observe(durationMs / 1000);
    },
    sessionOpened: (upstream) => metrics.counter("mcp_upstream_sessions_opened_total", upstream).inc(),
    sessionLost: (upstream) => metrics.counter("mcp_upstream_sessions_lost_total", upstream).inc(),
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
    stateFailure: (kind: string): void => metrics.counter("mcp_state_failures_total", kind).inc(),
    application: {
      http(routeClass: string, status: number): void {
        const key = `${routeClass} ${status}`;
        let handle = httpHandles.get(key);
        if (handle === undefined) {
          handle = metrics.counter("mcp_http_requests_total", routeClass, String(status));
          httpHandles.set(key, handle);
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
    upstreamRefused: (upstream: string): void => metrics.counter("mcp_upstream_refused_total", upstream).inc(),
    store(store: Store): void {
      metrics.collect("mcp_db_connections", (set) => {
        const { total, idle, waiting } = store.gauges();
        set(total - idle, "active");
        set(idle, "idle");
        set(waiting, "waiting");
      });
    },
  };
}
