/**
 * The optional metric of the autoscaler: how full admission is per pod, given to Kubernetes' custom metrics API by prometheus-adapter.
 * https://github.com/kubernetes-sigs/prometheus-adapter/blob/master/docs/config.md
 */
import type { MetricNameOf } from "../../contract/metrics.ts";
import type { Plan } from "../../contract/plan.ts";
import { TARGET_USE } from "../sizing/index.ts";
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

const IN_FLIGHT = "mcp_requests_in_flight" satisfies MetricNameOf<"gauge">;
const LIMIT = "mcp_admission_limit" satisfies MetricNameOf<"gauge">;
/** No series of the gateway: what the adapter makes of the two. */
const UTILISATION = "mcp_admission_utilisation";

/** What an autoscaler of the gateway asks for; null where nothing is scaled. */
export function podMetricOf(plan: Pick<Plan, "autoscaling">): PodMetric | null {
  if (!plan.autoscaling.enabled) return null;
  // The share of the slots that the plan's peak may use, in thousandths as Kubernetes writes fractions.
  return { name: UTILISATION, averageValue: `${Math.round(1000 * TARGET_USE)}m` };
}

/**
 * Requests in flight over the slots there are at the moment: a pod that has taken slots away because it is slow, or has fewer workers
 * than planned for a while, asks for help by that, where the bare number would fall. Null also outside Kubernetes. Streams are left out:
 * they stay where they are, and no new pod takes one over.
 */
export function autoscalingOf(plan: Plan, watch: Watch): Autoscaling | null {
  const metric = podMetricOf(plan);
  if (metric === null || watch.namespace === null) return null;
  const sum = (series: string) => `sum(${series}{<<.LabelMatchers>>,class=~"${LIMITED.like}"}) by (<<.GroupBy>>)`;
  return {
    rule: {
      seriesQuery: seriesOf(watch).own(IN_FLIGHT, { class: LIMITED }),
      resources: { overrides: { namespace: { resource: "namespace" }, pod: { resource: "pod" } } },
      name: { matches: `^${IN_FLIGHT}$`, as: metric.name },
      metricsQuery: `${sum("<<.Series>>")} / ${sum(LIMIT)}`,
    },
    metric,
  };
}
