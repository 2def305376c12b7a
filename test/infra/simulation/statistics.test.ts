import { describe, expect, it } from "vitest";
import { randomOf } from "../../../infra/simulation/random.ts";
import { Histogram, intervalOf, ratioIntervalOf, shareIntervalOf } from "../../../infra/simulation/statistics.ts";
import { studentT } from "../../../infra/simulation/student.ts";

describe("intervals", () => {
  it.each([
    // Confidence, degrees of freedom, t: the published table.
    [0.95, 1, 12.706],
    [0.95, 4, 2.776],
    [0.95, 19, 2.093],
    [0.99, 9, 3.25],
    [0.999, 4, 8.61],
    [0.95, 1000, 1.962],
  ])("Student's t at %d with %d degrees is %d", (confidence, freedom, t) => {
    expect(studentT(confidence, freedom)).toBeCloseTo(t, 3);
  });

  it("of five samples is the textbook's", () => {
    const { mean, low, high, samples } = intervalOf([1, 2, 3, 4, 5]);
    expect([mean, samples]).toEqual([3, 5]);
    expect(high - mean).toBeCloseTo(2.776 * Math.sqrt(2.5 / 5), 3);
    expect(mean - low).toBeCloseTo(high - mean, 12);
    expect(intervalOf([4])).toEqual({ mean: 4, low: 4, high: 4, samples: 1 });
    expect(intervalOf([4, Number.NaN, 4])).toEqual({ mean: 4, low: 4, high: 4, samples: 2 });
  });

  it("hold the true mean in 95 of 100", () => {
    const random = randomOf(5);
    let within = 0;
    for (let round = 0; round < 4000; round += 1) {
      const { low, high } = intervalOf(Array.from({ length: 10 }, () => random.normal()));
      if (low <= 0 && 0 <= high) within += 1;
    }
    expect(within / 4000).toBeCloseTo(0.95, 1);
  });

  it("of a quotient weigh batches by what they counted", () => {
    const { mean, low, high } = ratioIntervalOf([1, 9], [10, 30]);
    expect(mean).toBe(0.25);
    // What each exceeds its due by: −1.5 and 1.5; per batch of 20 on average.
    expect(high - mean).toBeCloseTo((12.706 * 1.5) / 20, 3);
    expect(mean - low).toBeCloseTo(high - mean, 12);
    expect(ratioIntervalOf([0, 0], [0, 0]).mean).toBeNaN();
  });

  it("of a share stay within 0 and 1, and what never happened in 1000 trials may still be 0.3 %", () => {
    expect(shareIntervalOf([0, 0], [400, 600])).toEqual({ mean: 0, low: 0, high: 1 - 0.05 ** 0.001, samples: 2 });
    expect(1 - 0.05 ** 0.001).toBeCloseTo(0.002991, 6);
    expect(shareIntervalOf([0, 0, 2], [100, 100, 100]).low).toBe(0);
    expect(shareIntervalOf([100, 100, 90], [100, 100, 100]).high).toBe(1);
  });
});

describe("histogram", () => {
  it("finds the quantiles of an exponential within one percent", () => {
    const random = randomOf(9);
    const histogram = new Histogram();
    for (let at = 0; at < 1_000_000; at += 1) histogram.record(0.25 * random.exponential());
    for (const share of [0.5, 0.9, 0.99])
      expect(histogram.quantile(share) / (-0.25 * Math.log(1 - share))).toBeCloseTo(1, 2);
    histogram.clear();
    expect(histogram.quantile(0.5)).toBeNaN();
  });

  it("keeps what is shorter and longer than its buckets at its ends", () => {
    const histogram = new Histogram();
    histogram.record(0);
    expect(histogram.quantile(0.5)).toBeLessThanOrEqual(1e-6);
    histogram.clear();
    histogram.record(1e12);
    expect(histogram.quantile(1)).toBeGreaterThan(86_400);
  });
});
