/** Numbers and durations as Prometheus reads them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { figure } from "../../../infra/observability/limits.ts";
import { durationOf } from "../../../infra/observability/rule.ts";

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

describe("a number in a rule", () => {
  it("has no noise and no exponent", () => {
    expect([0.1 + 0.2, 1 - 0.999, 486, 0.05, 1e-7, 1932735283.2].map(figure)).toEqual([
      "0.3",
      "0.001",
      "486",
      "0.05",
      "0.0000001",
      "1932735283.2",
    ]);
  });

  it("is the number, to eleven digits", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e15, noNaN: true }), (value) => {
        const text = figure(value);
        expect(text).toMatch(/^\d+(?:\.\d+)?$/);
        expect(Math.abs(Number(text) - value)).toBeLessThanOrEqual(Math.max(value * 1e-11, 1e-12));
      }),
    );
  });
});

describe("a duration in a rule", () => {
  it("is in the largest unit that divides it", () => {
    expect([0, 60, 90, 385, 7200, 259_200, 0.4].map(durationOf)).toEqual(["0s", "1m", "90s", "385s", "2h", "3d", "1s"]);
  });

  it("is never shorter than asked for, and no second longer", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), (seconds) => {
        const [, count, unit] = /^(\d+)([smhd])$/.exec(durationOf(seconds)) ?? [];
        expect(Number(count) * (UNITS[unit ?? ""] ?? Number.NaN)).toBe(Math.ceil(seconds));
      }),
    );
  });
});
