/**
 * The optional metric of the autoscaler: requests in flight per pod, given to Kubernetes' custom metrics API by prometheus-adapter.
 * https://github.com/kubernetes-sigs/prometheus-adapter/blob/master/docs/config.md
 */
import type { MetricNameOf } from "../../contract/metrics.ts";
import type { Plan } from "../../contract/plan.ts";
import { TARGET_USE } from "../sizing/index.ts";
import { inFlightPerReplica } from "./limits.ts";
import { LIMITED } from "./recording.ts";
import { seriesOf } from "./series.ts";
import type { Watch } from "./watch.ts";

/** One element of `rules` in the adapter's configuration. */
export type AdapterRule = {
  readonly seriesQuery: string;
  readonly resources: { readonly overrides: Readonly<Record<string, { readonly resource: string }>> };
  readonly name: { readonly matches: string; readonly as: string };
  readonly metricsQuery: string;
};

/** For a metric of type Pods in autoscaling/v2: its name and `target.averageValue`. */
export type PodMetric = { readonly name: string; readonly averageValue: string };

export type Autoscaling = { readonly rule: AdapterRule; readonly metric: PodMetric };

const METRIC = "mcp_requests_in_flight" satisfies MetricNameOf<"gauge">;
const API_NAME = "mcp_calls_in_flight";

/**
 * Null where nothing is scaled, or outside Kubernetes. The target is the share of the admission limit that the plan's peak may use, at
 * least 1; streams are left out, for they stay where they are and no new pod takes them over.
 */
export function autoscalingOf(plan: Plan, watch: Watch): Autoscaling | null {
  if (!plan.autoscaling.enabled || watch.namespace === null) return null;
  return {
    rule: {
      seriesQuery: seriesOf(watch).own(METRIC, { class: LIMITED }),
      resources: { overrides: { namespace: { resource: "namespace" }, pod: { resource: "pod" } } },
      name: { matches: `^${METRIC}$`, as: API_NAME },
      metricsQuery: `sum(<<.Series>>{<<.LabelMatchers>>,class=~"${LIMITED.like}"}) by (<<.GroupBy>>)`,
    },
    metric: {
      name: API_NAME,
      averageValue: String(Math.max(1, Math.floor(TARGET_USE * inFlightPerReplica(plan)))),
    },
  };
}
