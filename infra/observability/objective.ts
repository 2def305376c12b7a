/**
 * Promises, and how fast they are being broken: multi-window, multi-burn-rate alerts with the rates and windows of the Site Reliability
 * Workbook, chapter 5, table 5-8. A burn rate of 1 uses the error budget of 30 days up in 30 days.
 */
import { metricOf } from "../../contract/metrics.ts";
import type { Plan } from "../../contract/plan.ts";
import type { RouteClass } from "../../contract/routes.ts";
import { figure } from "./limits.ts";
import { type AlertRule, alert, type RecordingRule, record } from "./rule.ts";
import { type Match, recorded, type Series, seriesOf } from "./series.ts";
import type { Watch } from "./watch.ts";

/** A share of requests that is bad, over any window. */
type Indicator = {
  /** Recorded as `<record>:ratio_rate<window>`. */
  readonly record: string;
  readonly badShare: (window: string) => string;
  /** Share that may be bad. */
  readonly budget: number;
};

/** A rate above which both windows have to be: the long one says that it matters, the short one that it goes on. */
type Burn = { readonly rate: number; readonly long: string; readonly short: string };

const FAST: readonly Burn[] = [
  { rate: 14.4, long: "1h", short: "5m" },
  { rate: 6, long: "6h", short: "30m" },
];
const SLOW: readonly Burn[] = [{ rate: 1, long: "3d", short: "6h" }];
const WINDOWS = ["5m", "30m", "1h", "6h", "3d"];

/** Of exponential times no more than 2 % take four times their mean. */
const MEANS = 4;

export const FAILURES = "mcp:http_failures";
export const SLOW_REQUESTS = "mcp:slow_requests";

/** What a client waits for; probes answer the cluster. */
export const CLIENT_ROUTES: Match = { unlike: "probe" satisfies RouteClass };
/** A method whose answer ends when the client goes: its duration is no waiting. */
const ANSWERED: Match = { unlike: "subscriptions/listen" };

/**
 * How long a request may take to count as fast, seconds: the first bound of the histogram that is at least four times the mean, which by
 * Little's law is in flight ÷ rate.
 */
export function fastWithin({ load }: Pick<Plan, "load">): number {
  const bounds = metricOf("mcp_request_duration_seconds").buckets ?? [];
  const mean = load.gatewayRps === 0 ? 0 : load.inFlight / load.gatewayRps;
  return bounds.find((bound) => bound >= MEANS * mean) ?? Math.max(...bounds);
}

export function objectiveRecords(plan: Plan, watch: Watch): readonly RecordingRule[] {
  return indicatorsOf(plan, watch).flatMap((indicator) =>
    WINDOWS.map((window) => record(watch, recordOf(indicator, window), indicator.badShare(window))),
  );
}

export function objectiveAlerts(plan: Plan, watch: Watch): readonly AlertRule[] {
  const [failures, slow] = indicatorsOf(plan, watch);
  const within = `${figure(fastWithin(plan))} s`;
  return [
    ...burnAlerts(watch, failures, "GatewayErrorBudgetBurn", {
      bad: "answers fail (status 5xx)",
      promise: `${figure(watch.objective.availability * 100)} % of answers are no failure`,
    }),
    ...burnAlerts(watch, slow, "GatewayLatencyBudgetBurn", {
      bad: `requests take longer than ${within}`,
      promise: `${figure(watch.objective.fast * 100)} % of requests take at most ${within}`,
    }),
  ];
}

/** RangeError for a promise whose alerts would never fire, since no share is above 1, or always. */
function indicatorsOf(plan: Plan, watch: Watch): readonly [failures: Indicator, slow: Indicator] {
  const series = seriesOf(watch);
  const least = 1 - 1 / Math.max(...FAST.map(({ rate }) => rate));
  for (const [name, share] of Object.entries(watch.objective))
    if (!(share > least && share < 1))
      throw new RangeError(`objective.${name} is ${share}; allowed is more than ${least.toFixed(4)} and less than 1`);
  return [
    {
      record: FAILURES,
      badShare: (window) => failureShare(series, window),
      budget: 1 - watch.objective.availability,
    },
    {
      record: SLOW_REQUESTS,
      badShare: (window) => slowShare(series, window, fastWithin(plan)),
      budget: 1 - watch.objective.fast,
    },
  ];
}

/** No failure has been counted before the first one: then the share is 0 and not unknown. */
function failureShare({ own }: Series, window: string): string {
  const failed = own("mcp_http_requests_total", { route: CLIENT_ROUTES, status: { like: "5.." } });
  const all = own("mcp_http_requests_total", { route: CLIENT_ROUTES });
  return `(sum(rate(${failed}[${window}])) or vector(0)) / sum(rate(${all}[${window}]))`;
}

/** Prometheus 3 writes the bound 1 as 1.0, Prometheus 2 keeps it as the gateway writes it. */
function slowShare({ bucket, observed }: Series, window: string, within: number): string {
  const le: Match = Number.isInteger(within) ? { like: `${within}(\\.0)?` } : String(within);
  const fast = bucket("mcp_request_duration_seconds", { method: ANSWERED, le });
  const all = observed("mcp_request_duration_seconds", { method: ANSWERED });
  return `1 - sum(rate(${fast}[${window}])) / sum(rate(${all}[${window}]))`;
}

function burnAlerts(
  watch: Watch,
  indicator: Indicator,
  name: string,
  { bad, promise }: { readonly bad: string; readonly promise: string },
): readonly AlertRule[] {
  const exprOf = (burns: readonly Burn[]) =>
    burns
      .map(({ rate, long, short }) => {
        const above = (window: string) =>
          `${recorded(watch, recordOf(indicator, window))} > ${figure(rate * indicator.budget)}`;
        return `(${above(long)} and ${above(short)})`;
      })
      .join(" or ");
  const share = "{{ $value | humanizePercentage }}";
  return [
    alert(watch, {
      name: `${name}Fast`,
      expr: exprOf(FAST),
      forS: 120,
      severity: "critical",
      summary: `${watch.stack}: ${bad} so often that the month's budget is gone within days`,
      description: `${share} now. Promised: ${promise}. Fires at ${FAST.map(burnText).join(" or ")}.`,
    }),
    alert(watch, {
      name: `${name}Slow`,
      expr: exprOf(SLOW),
      forS: 3600,
      severity: "warning",
      summary: `${watch.stack}: ${bad} more often than promised`,
      description: `${share} now. Promised: ${promise}. Fires at ${SLOW.map(burnText).join(" or ")}.`,
    }),
  ];
}

function burnText({ rate, long, short }: Burn): string {
  return `${rate} times the budget over ${long} and ${short}`;
}

function recordOf({ record: name }: Indicator, window: string): string {
  return `${name}:ratio_rate${window}`;
}
