/** Signals: what takes slots away, and how they come back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { grown, Pressure, shrunk } from "../../../gateway/admission/governor.ts";
import { createAdmission, heapUse, loopDelay, upstreamWait } from "../../../gateway/admission/index.ts";
import { enter, refusalOf } from "./heads.ts";

/** A signal that says what it is told. */
function dial(name = "dial") {
  const signal = { name, value: 0, read: () => signal.value };
  return signal;
}

/** One window. */
function rounds(count: number, beat: () => unknown): void {
  for (let index = 0; index < 5 * count; index++) beat();
}

describe("signals", () => {
  it("take slots away from calls and lists while one stays beyond its bound, and give them back once all is calm", () => {
    const signal = dial();
    const admission = createAdmission({ maxInFlight: 100, maxStreams: 7, signals: [signal] });
    const limits = () => {
      const { call, list, stream, control } = admission.gauges().limit;
      return [call, list, stream, control];
    };
    for (let index = 0; index < 80; index++) enter(admission, "call");
    signal.value = 1.5;
    rounds(1, () => admission.beat());
    expect(limits()).toEqual([60, 4, 7, 100]);
    const { reason, fault } = refusalOf(admission.enter("call"));
    expect([reason, fault.code, fault.status]).toEqual(["pressure", "MCPS_PRESSURE", 503]);
    signal.value = 0.7;
    rounds(10, () => admission.beat());
    expect(limits()).toEqual([60, 4, 7, 100]);
    signal.value = 0.2;
    rounds(1, () => admission.beat());
    expect(limits()).toEqual([65, 6, 7, 100]);
    rounds(20, () => admission.beat());
    expect(limits()).toEqual([100, 25, 7, 100]);
    expect(admission.gauges().shrunk).toEqual({ dial: 1 });
  });

  it("take a burst for what it is: only a window that is beyond the bound throughout counts", () => {
    const signal = dial();
    const pressure = new Pressure([dial("other"), signal]);
    const verdicts = [9, 9, 0.4, 9, 9, 2, 3, 1.1, 9, 9, 0, 0, 0, 0, 0].map((value) => {
      signal.value = value;
      return pressure.beat();
    });
    expect(verdicts.filter((verdict) => verdict !== undefined)).toEqual([
      { beyond: undefined, isCalm: true },
      { beyond: "dial", isCalm: false },
      { beyond: undefined, isCalm: true },
    ]);
  });

  it("leave an eighth of the slots, and at least one, whatever they say", () => {
    const signals = fc.array(fc.float({ min: 0, max: 3, noNaN: true }), { maxLength: 200 });
    fc.assert(
      fc.property(signals, fc.integer({ min: 1, max: 1000 }), fc.nat(1000), (values, cap, load) => {
        const signal = dial();
        const admission = createAdmission({ maxInFlight: cap, maxLists: 0, maxStreams: 0, signals: [signal] });
        for (const value of values) {
          signal.value = value;
          const before = admission.callSlots;
          for (let index = 0; index < load % 7; index++) admission.enter("call");
          rounds(1, () => admission.beat());
          const after = admission.callSlots;
          expect(after).toBeGreaterThanOrEqual(Math.max(1, Math.ceil(cap / 8)));
          expect(after).toBeLessThanOrEqual(cap);
          if (value > 1) expect(after).toBeLessThanOrEqual(before);
          else if (value < 0.5 && before < cap) expect(after).toBeGreaterThan(before);
          else expect(after).toBe(before);
        }
        signal.value = 0;
        rounds(20, () => admission.beat());
        expect(admission.callSlots).toBe(cap);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    [100, 100, 100, 75],
    [100, 100, 40, 30],
    [100, 100, 0, 13],
    [100, 30, 100, 22],
    [1, 1, 1, 1],
  ])("of %i slots configured and %i now, of which %i were used, leave %i", (configured, limit, peak, left) => {
    expect(shrunk(configured, limit, peak)).toBe(left);
  });

  it.each([
    [100, 50, 55],
    [100, 98, 100],
    [4, 1, 2],
  ])("of %i slots configured and %i now, give back up to %i", (configured, limit, more) => {
    expect(grown(configured, limit)).toBe(more);
  });

  it("measure how late the timer is that reads them, from one reading to the next", () => {
    let now = 1000;
    const { read } = loopDelay(200, 100, () => now);
    const passed = (ms: number) => {
      now += ms;
      return read();
    };
    expect([passed(100), passed(150), passed(500), passed(90), passed(100)]).toEqual([0, 0.25, 2, 0, 0]);
  });

  it("measure the heap against what V8 may use, and waiting calls against those that run", () => {
    const use = heapUse(1).read();
    expect(use).toBeGreaterThan(0);
    expect(use).toBeLessThan(1);
    expect(heapUse(0.5).read() / use).toBeCloseTo(2, 0);
    const counts = { waiting: 0, running: 0 };
    const { read } = upstreamWait(
      0.5,
      () => counts.waiting,
      () => counts.running,
    );
    const at = (waiting: number, running: number) => {
      Object.assign(counts, { waiting, running });
      return read();
    };
    expect([at(0, 0), at(0, 10), at(5, 10), at(10, 10)]).toEqual([0, 0, 1, 2]);
  });
});
