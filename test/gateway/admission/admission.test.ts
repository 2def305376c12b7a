import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AdmissionClass, createAdmission, type Ticket } from "../../../gateway/admission/index.ts";

function enter(admission: ReturnType<typeof createAdmission>, kind: AdmissionClass): Ticket {
  const entered = admission.enter(kind);
  if (entered.refused !== undefined) throw entered.refused;
  return entered;
}

const none = { probe: 0, control: 0, call: 0, list: 0, stream: 0 };

describe("admission", () => {
  it("refuses call N+1 with 503, Retry-After and the limit, and takes it once a slot is free", () => {
    const admission = createAdmission({ maxInFlight: 2, maxStreams: 1, retryAfterSeconds: 3 });
    const call = enter(admission, "call");
    enter(admission, "list");
    const { refused } = admission.enter("call");
    expect(refused).toMatchObject({
      code: "MCPS_OVERLOADED",
      status: 503,
      rpc: -32000,
      message: "Too many calls at once, the limit is 2",
      headers: { "retry-after": "3" },
    });
    expect(admission.enter("list").refused?.message).toBe("Too many calls at once, the limit is 2");
    call.leave();
    expect(admission.enter("call").refused).toBeUndefined();
    expect(admission.gauges()).toEqual({
      draining: false,
      inFlight: { ...none, call: 1, list: 1 },
      admitted: { ...none, call: 2, list: 1 },
      refused: { ...none, call: 1, list: 1 },
    });
  });

  it("tells each rise above what is planned, and refuses nothing for it", () => {
    const told: string[] = [];
    const watch = (name: string, limit: number) => ({ limit, exceeded: () => told.push(name) });
    const admission = createAdmission({
      maxInFlight: 0,
      maxStreams: 0,
      planned: { inFlight: watch("in flight", 2), streams: watch("streams", 0) },
    });
    enter(admission, "call");
    enter(admission, "list");
    for (const kind of ["control", "probe"] as const) for (let n = 0; n < 5; n++) enter(admission, kind);
    expect(told).toEqual([]);
    const third = enter(admission, "call");
    enter(admission, "call").leave();
    expect(told).toEqual(["in flight"]);
    third.leave();
    enter(admission, "list");
    enter(admission, "stream");
    enter(admission, "stream");
    expect(told).toEqual(["in flight", "in flight", "streams"]);
  });

  it("gives a slot back once, however often it is left", () => {
    const admission = createAdmission({ maxInFlight: 2, maxStreams: 1 });
    const one = enter(admission, "call");
    enter(admission, "call");
    one.leave();
    one.leave();
    enter(admission, "call");
    expect(admission.enter("call").refused?.code).toBe("MCPS_OVERLOADED");
  });

  it("counts streams and control messages apart from calls", () => {
    const admission = createAdmission({ maxInFlight: 1, maxStreams: 1, maxControl: 1 });
    for (const kind of ["call", "stream", "control"] as const) enter(admission, kind);
    expect(admission.enter("call").refused?.message).toBe("Too many calls at once, the limit is 1");
    expect(admission.enter("stream").refused?.message).toBe("Too many streams at once, the limit is 1");
    expect(admission.enter("control").refused?.message).toBe("Too many control messages at once, the limit is 1");
  });

  it("never refuses a probe", () => {
    const admission = createAdmission({ maxInFlight: 1, maxStreams: 1 });
    enter(admission, "call");
    for (let index = 0; index < 1000; index++) enter(admission, "probe");
    admission.drain();
    enter(admission, "probe");
    expect(admission.gauges().inFlight.probe).toBe(1001);
  });

  it("refuses new work while draining and lets control messages end the old", () => {
    const admission = createAdmission({ maxInFlight: 5, maxStreams: 5 });
    const call = enter(admission, "call");
    admission.drain();
    for (const kind of ["call", "list", "stream"] as const) {
      expect(admission.enter(kind).refused).toMatchObject({
        code: "MCPS_DRAINING",
        status: 503,
        headers: { "retry-after": "1", connection: "close" },
      });
    }
    enter(admission, "control").leave();
    call.leave();
    expect(admission.gauges()).toMatchObject({ draining: true, inFlight: none });
  });

  it("has no cap where the cap is 0", () => {
    const admission = createAdmission({ maxInFlight: 0, maxStreams: 0 });
    for (let index = 0; index < 10_000; index++)
      for (const kind of ["call", "stream", "control"] as const) enter(admission, kind);
    expect(admission.gauges().refused).toEqual(none);
  });

  it("never exceeds a cap and never leaks a slot, whatever the order", () => {
    const kinds = fc.constantFrom<AdmissionClass>("probe", "control", "call", "list", "stream");
    fc.assert(
      fc.property(fc.array(fc.tuple(kinds, fc.nat(5)), { maxLength: 200 }), (steps) => {
        const admission = createAdmission({ maxInFlight: 3, maxStreams: 2, maxControl: 4 });
        const held: Ticket[] = [];
        for (const [kind, leave] of steps) {
          const entered = admission.enter(kind);
          if (entered.refused === undefined) held.push(entered);
          for (const ticket of held.splice(0, leave)) ticket.leave();
          const { inFlight } = admission.gauges();
          expect(inFlight.call + inFlight.list).toBeLessThanOrEqual(3);
          expect(inFlight.stream).toBeLessThanOrEqual(2);
          expect(inFlight.control).toBeLessThanOrEqual(4);
          expect(Object.values(inFlight).reduce((sum, value) => sum + value)).toBe(held.length);
        }
        for (const ticket of held) ticket.leave();
        expect(admission.gauges().inFlight).toEqual(none);
      }),
    );
  });

  it.each([
    [{ maxInFlight: -1, maxStreams: 1 }, "maxInFlight is -1, it has to be a whole number of at least 0"],
    [{ maxInFlight: 1, maxStreams: 1.5 }, "maxStreams is 1.5, it has to be a whole number of at least 0"],
    [
      { maxInFlight: 1, maxStreams: 1, maxControl: Number.NaN },
      "maxControl is NaN, it has to be a whole number of at least 0",
    ],
    [
      { maxInFlight: 1, maxStreams: 1, retryAfterSeconds: 0 },
      "retryAfterSeconds is 0, it has to be a whole number of at least 1",
    ],
  ])("refuses %j", (options, reason) => {
    expect(() => createAdmission(options)).toThrow(reason);
  });
});
