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

/** What an autoscaler of the gateway asks for; null where nothing is scaled. */
export function podMetricOf(plan: Pick<Plan, "autoscaling" | "gateway">): PodMetric | null {
  if (!plan.autoscaling.enabled) return null;
  // The share of the admission limit that the plan's peak may use. 0 could never be reached.
  return { name: METRIC, averageValue: String(Math.max(1, Math.floor(TARGET_USE * inFlightPerReplica(plan)))) };
}

/** Null also outside Kubernetes. Streams are left out: they stay where they are, and no new pod takes one over. */
export function autoscalingOf(plan: Plan, watch: Watch): Autoscaling | null {
  const metric = podMetricOf(plan);
  if (metric === null || watch.namespace === null) return null;
  return {
    rule: {
      seriesQuery: seriesOf(watch).own(METRIC, { class: LIMITED }),
      resources: { overrides: { namespace: { resource: "namespace" }, pod: { resource: "pod" } } },
      name: { matches: `^${METRIC}$`, as: metric.name },
      metricsQuery: `sum(<<.Series>>{<<.LabelMatchers>>,class=~"${LIMITED.like}"}) by (<<.GroupBy>>)`,
    },
    metric,
  };
}
