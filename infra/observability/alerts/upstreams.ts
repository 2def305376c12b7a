/** Alerts about the MCP servers behind the gateway. */
import type { ErrorCode } from "../../../contract/errors.ts";
import { records } from "../recording.ts";
import { type AlertRule, alert } from "../rule.ts";
import { recorded, seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";

/** Outcomes of a request that did not get as far as an upstream. */
const UNREACHED: readonly ErrorCode[] = ["MCPS_UPSTREAM_UNREACHABLE", "MCPS_UPSTREAM_LIMIT"];
/** Share of requests to an upstream that may fail before somebody should look. */
const FAILING = 0.2;

export function upstreamAlerts(watch: Watch): readonly AlertRule[] {
  const { own } = seriesOf(watch);
  const rate = (like: string) =>
    `sum by (upstream) (rate(${own("mcp_upstream_requests_total", { outcome: { like } })}[5m]))`;
  return [
    alert(watch, {
      name: "UpstreamUnreachable",
      expr: `${rate(UNREACHED.join("|"))} > 0 unless ${rate("ok")} > 0`,
      forS: 300,
      severity: "critical",
      summary: `${watch.stack}: an upstream cannot be reached`,
      description:
        "No request has reached {{ $labels.upstream }} for five minutes, {{ $value | humanize }} per second have tried.",
    }),
    alert(watch, {
      name: "UpstreamFailing",
      expr: `${recorded(watch, records.upstreamFailures)} > ${FAILING}`,
      forS: 600,
      severity: "warning",
      summary: `${watch.stack}: an upstream fails`,
      description: "{{ $value | humanizePercentage }} of the requests to {{ $labels.upstream }} end in a failure.",
    }),
  ];
}
