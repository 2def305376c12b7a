import { describe, expect, it } from "vitest";
import { Autoscaler } from "../../../infra/simulation/autoscaler.ts";
import { prod } from "./plans.ts";

const rules = {
  ...prod().plan.autoscaling,
  min: 3,
  max: 20,
  targetCpuPercent: 70,
  scaleUpPods: 4,
  scaleUpPercent: 100,
  scaleUpPeriodS: 15,
  scaleDownPercent: 10,
  scaleDownPeriodS: 60,
  scaleDownStabilisationS: 300,
};
const seen = (atS: number, replicas: number, usePercent: number, starting = 0) => ({
  atS,
  replicas,
  ready: replicas - starting,
  starting,
  usePercent,
});

describe("the autoscaler", () => {
  it.each([
    // Replicas, use in percent, asked for: ⌈replicas · use ÷ 70⌉, nothing within a tenth of the target.
    [10, 70, 10],
    [10, 76.9, 10],
    [10, 77.1, 12],
    [10, 90, 13],
    [10, 63, 10],
    [3, 100, 5],
  ])("%d replicas at %d percent become %d", (replicas, use, asked) => {
    expect(new Autoscaler(rules).decide(seen(15, replicas, use))).toBe(asked);
  });

  it("adds at most four or doubles within 15 s, and never beyond its bounds", () => {
    const autoscaler = new Autoscaler({ ...rules, targetCpuPercent: 10 });
    expect(autoscaler.decide(seen(15, 3, 100))).toBe(7);
    expect(autoscaler.decide(seen(20, 7, 100))).toBe(7);
    expect(autoscaler.decide(seen(30, 7, 100))).toBe(14);
    expect(autoscaler.decide(seen(45, 14, 100))).toBe(20);
  });

  it("counts replicas that still start as idle", () => {
    // 7 ready at 100 %: ratio 1.43; with 4 that start 0.91, which is no reason to add.
    expect(new Autoscaler(rules).decide(seen(15, 11, 100, 4))).toBe(11);
    expect(new Autoscaler(rules).decide(seen(15, 8, 100, 1))).toBe(10);
  });

  it("removes a tenth a minute, and only what was too many for five minutes", () => {
    const autoscaler = new Autoscaler(rules);
    expect(autoscaler.decide(seen(0, 10, 70))).toBe(10);
    for (let atS = 15; atS < 300; atS += 15) expect(autoscaler.decide(seen(atS, 10, 35))).toBe(10);
    expect(autoscaler.decide(seen(300, 10, 35))).toBe(9);
    expect(autoscaler.decide(seen(315, 9, 39))).toBe(9);
    expect(autoscaler.decide(seen(360, 9, 39))).toBe(8);
  });

  it("waits while nobody is ready", () => {
    expect(new Autoscaler(rules).decide(seen(15, 4, 0, 4))).toBe(4);
  });
});
