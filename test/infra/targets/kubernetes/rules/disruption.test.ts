import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { autoscaling, disruption } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import { autoscaler, budget, deployment, excluding, gateway, including, labelsOf, postgres, put } from "./objects.ts";

const sentences = (found: ReturnType<typeof disruption>) =>
  found.map(
    ({ rule, object, field, value, allowed, why }) => `${rule} ${object} ${field}: ${value} (${allowed}) ${why}`,
  );

const STUCK = "with 3 replicas no pod could ever be evicted, and no node drained";

describe("budgets of disruption", () => {
  it("can be satisfied", () => {
    expect(disruption(deployment)).toEqual([]);
  });

  const limited = (spec: Record<string, unknown>): Manifest => {
    const { selector, unhealthyPodEvictionPolicy } = {
      selector: { matchLabels: labelsOf("gateway") },
      unhealthyPodEvictionPolicy: "AlwaysAllow",
    };
    return { ...budget, spec: { selector, unhealthyPodEvictionPolicy, ...spec } };
  };

  it.each<[Record<string, unknown>, string]>([
    [{ minAvailable: 3 }, "spec.minAvailable: 3 (less than 3; better maxUnavailable: 1)"],
    [{ minAvailable: "100%" }, 'spec.minAvailable: "100%" (less than 3; better maxUnavailable: 1)'],
    [{ minAvailable: "67%" }, 'spec.minAvailable: "67%" (less than 3; better maxUnavailable: 1)'],
    [{ maxUnavailable: 0 }, "spec.maxUnavailable: 0 (at least 1)"],
    [{ maxUnavailable: "0%" }, 'spec.maxUnavailable: "0%" (at least 1)'],
  ])("that block every drain are found: %j", (spec, said) => {
    expect(sentences(disruption(including(limited(spec))))).toEqual([
      `disruption/satisfiable PodDisruptionBudget/gateway ${said} ${STUCK}`,
    ]);
  });

  it("are satisfiable exactly when one of the fewest replicas may go", () => {
    const share = fc.integer({ min: 0, max: 100 });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), share, fc.boolean(), (replicas, percent, isLeast) => {
        const objects = including(
          put(autoscaler, "spec.minReplicas", replicas),
          limited({ [isLeast ? "minAvailable" : "maxUnavailable"]: `${percent}%` }),
        );
        const amount = Math.ceil((replicas * percent) / 100);
        const allowsOne = isLeast ? amount < replicas : amount >= 1;
        expect(disruption(objects).length).toBe(allowsOne ? 0 : 1);
      }),
    );
  });

  it("say one thing, and let pods go that will never be ready", () => {
    expect(sentences(disruption(including(limited({ minAvailable: 1, maxUnavailable: 1 }))))).toEqual([
      "disruption/form PodDisruptionBudget/gateway spec.maxUnavailable: 1 (one of the two) a budget has one of minAvailable and maxUnavailable",
    ]);
    expect(
      sentences(disruption(including(limited({ maxUnavailable: 1, unhealthyPodEvictionPolicy: undefined })))),
    ).toEqual([
      "disruption/unhealthy PodDisruptionBudget/gateway spec.unhealthyPodEvictionPolicy: nothing (AlwaysAllow) a pod that never becomes ready would block the drain that replaces it",
    ]);
  });

  it("are there for what has replicas, once, and not for single pods", () => {
    expect(sentences(disruption(excluding(budget)))).toEqual([
      "disruption/budget Deployment/gateway PodDisruptionBudget: nothing (one, with maxUnavailable: 1) a drain could take all of its pods at once; it has at least 3 replicas",
    ]);
    const second = put(budget, "metadata.name", "second");
    expect(sentences(disruption(including(second)))).toEqual([
      "disruption/budget Deployment/gateway PodDisruptionBudget: gateway, second (one, with maxUnavailable: 1) a pod under two budgets cannot be evicted; it has at least 3 replicas",
    ]);
    const single = put(put(budget, "metadata.name", "postgres"), "spec.selector.matchLabels", labelsOf("postgres"));
    expect(sentences(disruption(including(single)))).toEqual([
      "disruption/budget StatefulSet/postgres PodDisruptionBudget: postgres (nothing) a budget for a single pod either blocks every drain or says nothing; it has at least 1 replica",
    ]);
    expect(disruption(including(single, put(postgres, "spec.replicas", 3)))).toEqual([]);
  });
});

describe("autoscalers", () => {
  it("own their target, within bounds, at a chosen pace", () => {
    expect(autoscaling(deployment)).toEqual([]);
  });

  it("conflict with replicas that are written down", () => {
    expect(sentences(autoscaling(including(put(gateway, "spec.replicas", 3))))).toEqual([
      "autoscaling/replicas Deployment/gateway spec.replicas: 3 (nothing) HorizontalPodAutoscaler/gateway owns it: both would write it in turns, and under server-side apply they conflict",
    ]);
    expect(autoscaling(excluding(autoscaler, gateway).concat(put(gateway, "spec.replicas", 3)))).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    [
      "spec.minReplicas",
      9,
      "autoscaling/bounds HorizontalPodAutoscaler/gateway spec.minReplicas: 9 (at most 8) an API server refuses an autoscaler whose least is more than its most",
    ],
    [
      "spec.behavior.scaleDown",
      undefined,
      "autoscaling/behavior HorizontalPodAutoscaler/gateway spec.behavior.scaleDown: nothing (policies and a window) the plan counts on the pace; Kubernetes' own is another",
    ],
  ])("with %s = %j are found", (path, value, sentence) => {
    expect(sentences(autoscaling(including(put(autoscaler, path, value))))).toEqual([sentence]);
  });

  it("need a request to take a share of", () => {
    const init = put(gateway, "spec.template.spec.initContainers", [{ name: "wait", image: "x" }]);
    expect(autoscaling(including(init))).toEqual([]);
    const silent = put(gateway, "spec.template.spec.containers[0].resources.requests.cpu", undefined);
    expect(sentences(autoscaling(including(silent)))).toEqual([
      "autoscaling/request HorizontalPodAutoscaler/gateway spec.metrics[0]: a share of the cpu that container gateway asks for, which is nothing (a request in every container) the autoscaler cannot compute the share and does nothing",
    ]);
  });
});
