import { array, assert, double, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { Histogram, RELATIVE_ERROR } from "../../../cli/load/histogram.ts";

const ms = double({ min: 0, max: 4_000_000, noNaN: true });

function filled(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** Nearest rank on the values themselves. */
function exact(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0;
}

describe("histogram", () => {
  it("answers every percentile within its relative error and half a microsecond", () => {
    assert(
      property(
        array(ms, { minLength: 1, maxLength: 200 }),
        double({ min: 0, max: 1, noNaN: true }),
        (values, share) => {
          const wanted = exact(values, share);
          const off = Math.abs(filled(values).percentile(share) - wanted);
          return off <= wanted * RELATIVE_ERROR + 0.0006;
        },
      ),
      { numRuns: 10_000 },
    );
  });

  it("never answers more than the greatest value, which it keeps as it is", () => {
    assert(
      property(array(ms, { minLength: 1 }), (values) => {
        const histogram = filled(values);
        return histogram.maxMs === Math.max(...values) && histogram.percentile(1) <= histogram.maxMs;
      }),
    );
  });

  it("added to another, answers as if it had recorded both", () => {
    assert(
      property(array(ms), array(ms), (some, others) => {
        const sum = filled(some);
        sum.add(filled(others));
        expect(sum).toEqual(filled([...some, ...others]));
      }),
    );
  });

  it("is exact to the microsecond below 256", () => {
    const values = Array.from({ length: 256 }, (_, us) => us / 1000);
    const histogram = filled(values);
    expect(values.map((_, index) => histogram.percentile((index + 1) / 256))).toEqual(values);
  });

  it("answers 0 while it is empty, and takes what lasts longer than it can say", () => {
    expect([new Histogram().percentile(0.5), new Histogram().maxMs, new Histogram().count]).toEqual([0, 0, 0]);
    const long = filled([1e12]);
    expect([long.count, long.maxMs, Math.round(long.percentile(0.5) / 60_000)]).toEqual([1, 1e12, 71]);
  });
});
