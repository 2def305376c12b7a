import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ServiceRate } from "../../../gateway/admission/service-rate.ts";

describe("the wait that is told", () => {
  it("is the number of those who were turned away over what ends in a second", () => {
    const rate = new ServiceRate();
    expect(rate.seconds).toBe(1);
    rate.beat(10, 95);
    expect([rate.perSecond, rate.seconds]).toEqual([10, 10]);
    rate.beat(10, 4);
    expect(rate.seconds).toBe(1);
    rate.beat(20, 38);
    expect([rate.perSecond, rate.seconds]).toEqual([13, 3]);
  });

  it("doubles while nothing ends, up to half a minute, and is a second when nobody is refused", () => {
    const rate = new ServiceRate();
    const waits = [1, 2, 3, 4, 5, 6].map(() => {
      rate.beat(0, 3);
      return rate.seconds;
    });
    expect(waits).toEqual([2, 4, 8, 16, 30, 30]);
    rate.beat(0, 0);
    expect(rate.seconds).toBe(1);
  });

  it("is spread over as long again, in turn", () => {
    const rate = new ServiceRate();
    rate.beat(1, 2);
    expect(rate.seconds).toBe(3);
    expect(Array.from({ length: 9 }, () => rate.next())).toEqual([4, 5, 6, 3, 4, 5, 6, 3, 4]);
  });

  it("is a whole number of 1…30 seconds, whatever happens", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(100_000), fc.nat(1_000_000))), (seconds) => {
        const rate = new ServiceRate();
        for (const [finished, refused] of seconds) {
          rate.beat(finished, refused);
          const told = rate.next();
          expect(Number.isInteger(told) && told >= 1 && told <= 30).toBe(true);
        }
      }),
    );
  });
});
