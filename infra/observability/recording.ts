/** Recording rules: what dashboards ask for again and again, and what is compared with the plan. */
import type { Plan } from "../../contract/plan.ts";
import type { RouteClass } from "../../contract/routes.ts";
import { figure, inFlightPerReplica } from "./limits.ts";
import { CLIENT_ROUTES } from "./objective.ts";
import { type RecordingRule, record } from "./rule.ts";
import { type Match, seriesOf } from "./series.ts";
import type { Watch } from "./watch.ts";

/** The classes whose slots are the plan's requests in flight. */
export const LIMITED = { like: (["call", "list"] satisfies RouteClass[]).join("|") } as const;

/** Names of what is recorded, `level:metric:operation`. */
export const records = {
  rate: "mcp:http_requests:rate5m",
  duration: "mcp:request_duration_seconds:quantile5m",
  inFlight: "mcp:requests_in_flight:by_replica",
  inFlightUse: "mcp:requests_in_flight:share_of_plan",
  admissionUse: "mcp:admission:utilisation",
  upstreamFailures: "mcp:upstream_failures:ratio_rate5m",
} as const;

export const QUANTILES = [0.5, 0.95, 0.99] as const;

/** Ends of a request to an upstream that are nobody's failure. */
const UNBROKEN: Match = { unlike: "ok|cancelled" };

export function requestRecords(plan: Plan, watch: Watch): readonly RecordingRule[] {
  const { own, bucket, replica } = seriesOf(watch);
  const inFlight = `sum by (${replica}) (${own("mcp_requests_in_flight", { class: LIMITED })})`;
  const slots = `sum by (${replica}) (${own("mcp_admission_limit", { class: LIMITED })})`;
  const upstream = (outcome?: Match) =>
    `sum by (upstream) (rate(${own("mcp_upstream_requests_total", outcome === undefined ? {} : { outcome })}[5m]))`;
  const buckets = `sum by (le) (rate(${bucket("mcp_request_duration_seconds")}[5m]))`;
  return [
    record(
      watch,
      records.rate,
      `sum by (route, status) (rate(${own("mcp_http_requests_total", { route: CLIENT_ROUTES })}[5m]))`,
    ),
    ...QUANTILES.map((quantile) =>
      record(watch, records.duration, `histogram_quantile(${quantile}, ${buckets})`, { quantile: String(quantile) }),
    ),
    record(watch, records.inFlight, inFlight),
    record(watch, records.inFlightUse, `${inFlight} / ${figure(inFlightPerReplica(plan))}`),
    // Of the slots that there are now: a replica that has taken some away because it is slow is fuller, not emptier.
    record(watch, records.admissionUse, `${inFlight} / ${slots}`),
    // An upstream that has never failed has no series of failures: its share is 0 and not unknown.
    record(watch, records.upstreamFailures, `(${upstream(UNBROKEN)} or 0 * ${upstream()}) / ${upstream()}`),
  ];
}
