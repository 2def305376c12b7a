/** The autoscaler's metric: prometheus-adapter's rule and the target. */
import { describe, expect, it } from "vitest";
import { autoscalingOf, podMetricOf } from "../../../infra/observability/index.ts";
import { plans } from "../topology/plans.ts";
import { bare, complete } from "./watches.ts";

describe("the use of the slots as a metric of pods", () => {
  it("is asked for by pod, without streams, over the slots of the moment, against the plan's share", () => {
    expect(autoscalingOf(plans.prod, complete)).toEqual({
      rule: {
        seriesQuery: 'mcp_requests_in_flight{namespace="mcp",job="gateway",class=~"call|list"}',
        resources: { overrides: { namespace: { resource: "namespace" }, pod: { resource: "pod" } } },
        name: { matches: "^mcp_requests_in_flight$", as: "mcp_admission_utilisation" },
        metricsQuery:
          'sum(<<.Series>>{<<.LabelMatchers>>,class=~"call|list"}) by (<<.GroupBy>>) / sum(mcp_admission_limit{<<.LabelMatchers>>,class=~"call|list"}) by (<<.GroupBy>>)',
      },
      metric: { name: "mcp_admission_utilisation", averageValue: "700m" },
    });
  });

  it("is not there where nothing is scaled", () => {
    const autoscaling = { ...plans.prod.autoscaling, enabled: false };
    expect(autoscalingOf({ ...plans.prod, autoscaling }, complete)).toBe(null);
    expect(podMetricOf({ ...plans.prod, autoscaling })).toBe(null);
    expect(autoscalingOf(plans.prod, bare)).toBe(null);
  });
});
