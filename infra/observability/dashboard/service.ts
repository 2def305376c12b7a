/** Rows about what clients and upstreams see. */
import type { Plan } from "../../../contract/plan.ts";
import { figure } from "../limits.ts";
import { FAILURES, fastWithin, SLOW_REQUESTS } from "../objective.ts";
import { QUANTILES, records } from "../recording.ts";
import { recorded, seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";
import type { RowText } from "./model.ts";

export function serviceRow(plan: Plan, watch: Watch): RowText {
  const { own } = seriesOf(watch);
  const within = figure(fastWithin(plan));
  return {
    title: "Service",
    panels: [
      {
        title: "Requests by class and status",
        description: "HTTP answers of the gateway by route class and status, probes left out.",
        unit: "reqps",
        queries: [{ expr: recorded(watch, records.rate), legend: "{{route}} {{status}}" }],
        limit: { value: plan.load.gatewayRps, name: "planned peak" },
      },
      {
        title: "Latency",
        description: `From the framed request to the last byte handed to the socket; at most ${within} s counts as fast.`,
        unit: "s",
        queries: QUANTILES.map((quantile) => ({
          expr: recorded(watch, records.duration, { quantile: String(quantile) }),
          legend: `p${quantile * 100}`,
        })),
        limit: { value: fastWithin(plan), name: "fast" },
      },
      {
        title: "Share of the promise broken",
        description: "Failed answers and slow requests over five minutes, and how many of each are promised at most.",
        unit: "percentunit",
        queries: [
          { expr: recorded(watch, `${FAILURES}:ratio_rate5m`), legend: "failed" },
          { expr: recorded(watch, `${SLOW_REQUESTS}:ratio_rate5m`), legend: "slow" },
          { expr: `vector(${figure(1 - watch.objective.availability)})`, legend: "failed, promised" },
          { expr: `vector(${figure(1 - watch.objective.fast)})`, legend: "slow, promised" },
        ],
      },
      {
        title: "MCP requests by method",
        description: "Calls, lists and whatever else clients ask for.",
        unit: "reqps",
        queries: [
          {
            expr: `sum by (method, outcome) (rate(${own("mcp_requests_total")}[5m]))`,
            legend: "{{method}} {{outcome}}",
          },
        ],
      },
      {
        title: "Failures by code",
        description: "Codes of the error registry.",
        unit: "ops",
        queries: [{ expr: `sum by (code) (rate(${own("mcp_errors_total")}[5m]))`, legend: "{{code}}" }],
      },
      {
        title: "Authentication",
        description: "Outcomes of asking who is there.",
        unit: "ops",
        queries: [{ expr: `sum by (outcome) (rate(${own("mcp_auth_total")}[5m]))`, legend: "{{outcome}}" }],
      },
    ],
  };
}

export function upstreamRow(watch: Watch): RowText {
  const { own, bucket } = seriesOf(watch);
  const perUpstream = "sum by (upstream)";
  const buckets = bucket("mcp_upstream_request_duration_seconds");
  return {
    title: "Upstreams",
    panels: [
      {
        title: "Share of requests that fail",
        description: "By upstream; what the client gave up does not count.",
        unit: "percentunit",
        queries: [{ expr: recorded(watch, records.upstreamFailures), legend: "{{upstream}}" }],
      },
      {
        title: "Latency (p95)",
        description: "From sending a request to an upstream to its answer.",
        unit: "s",
        queries: [
          {
            expr: `histogram_quantile(0.95, sum by (le, upstream) (rate(${buckets}[5m])))`,
            legend: "{{upstream}}",
          },
        ],
      },
      {
        title: "Sessions opened, lost, requests repeated",
        description:
          "A lost session is one that the upstream had forgotten; a repeated request met a closed connection.",
        unit: "ops",
        queries: [
          {
            expr: `${perUpstream} (rate(${own("mcp_upstream_sessions_opened_total")}[5m]))`,
            legend: "{{upstream}} opened",
          },
          {
            expr: `${perUpstream} (rate(${own("mcp_upstream_sessions_lost_total")}[5m]))`,
            legend: "{{upstream}} lost",
          },
          { expr: `${perUpstream} (rate(${own("mcp_upstream_retries_total")}[5m]))`, legend: "{{upstream}} repeated" },
        ],
      },
    ],
  };
}
