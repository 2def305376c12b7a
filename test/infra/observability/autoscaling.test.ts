/** The autoscaler's metric: prometheus-adapter's rule and the target. */
import { describe, expect, it } from "vitest";
import { autoscalingOf, podMetricOf } from "../../../infra/observability/index.ts";
import { plans } from "../topology/plans.ts";
import { bare, complete } from "./watches.ts";

describe("requests in flight as a metric of pods", () => {
  it("is asked for by pod, without streams, against the plan's share of the admission limit", () => {
    const { gateway } = plans.prod;
    expect(autoscalingOf(plans.prod, complete)).toEqual({
      rule: {
        seriesQuery: 'mcp_requests_in_flight{namespace="mcp",job="gateway",class=~"call|list"}',
        resources: { overrides: { namespace: { resource: "namespace" }, pod: { resource: "pod" } } },
        name: { matches: "^mcp_requests_in_flight$", as: "mcp_requests_in_flight" },
        metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>,class=~"call|list"}) by (<<.GroupBy>>)',
      },
      metric: {
        name: "mcp_requests_in_flight",
        averageValue: String(Math.floor(0.7 * gateway.inFlightPerWorker * gateway.workers)),
      },
    });
  });

  it("is never 0, which no autoscaler could reach", () => {
    const gateway = { ...plans.prod.gateway, inFlightPerWorker: 1, workers: 1 };
    expect(autoscalingOf({ ...plans.prod, gateway }, complete)?.metric.averageValue).toBe("1");
  });

  it("is not there where nothing is scaled", () => {
    const autoscaling = { ...plans.prod.autoscaling, enabled: false };
    expect(autoscalingOf({ ...plans.prod, autoscaling }, complete)).toBe(null);
    expect(podMetricOf({ ...plans.prod, autoscaling })).toBe(null);
    expect(autoscalingOf(plans.prod, bare)).toBe(null);
  });
});
