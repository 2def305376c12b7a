import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AdmissionClass, createAdmission, type Ticket } from "../../../gateway/admission/index.ts";
import { enter, refusalOf, second, ticketOf } from "./heads.ts";

const none = { probe: 0, control: 0, call: 0, list: 0, stream: 0 };
const nothing = { full: 0, pressure: 0, share: 0, late: 0, draining: 0 };
const nobody = { probe: nothing, control: nothing, call: nothing, list: nothing, stream: nothing };

describe("admission", () => {
  it("refuses call N+1 with 503, Retry-After and a JSON-RPC error, and takes it once a slot is free", () => {
    const admission = createAdmission({ maxInFlight: 2, maxStreams: 1 });
    const call = enter(admission, "call");
    enter(admission, "call");
    const { fault, ...refusal } = refusalOf(admission.enter("call"));
    expect(refusal).toEqual({
      ok: false,
      reason: "full",
      status: 503,
      headers: { "content-type": "application/json", "retry-after": "2" },
      body: '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Too many calls at once, the limit is 2","data":{"code":"MCPS_OVERLOADED"}}}',
    });
    expect(fault).toMatchObject({ code: "MCPS_OVERLOADED", status: 503, headers: { "retry-after": "2" } });
    call.leave();
    enter(admission, "call");
    expect(admission.gauges()).toEqual({
      draining: false,
      inFlight: { ...none, call: 2 },
      admitted: { ...none, call: 3 },
      refused: { ...nobody, call: { ...nothing, full: 1 } },
      limit: { probe: 0, control: 2, call: 2, list: 1, stream: 1 },
      shrunk: {},
      waiting: 0,
    });
  });

  it("hands out answers that were made before: the same objects again", () => {
    const admission = createAdmission({ maxInFlight: 1, maxStreams: 1 });
    enter(admission, "call");
    const answers = Array.from({ length: 100 }, () => admission.enter("call"));
    expect(new Set(answers).size).toBe(2);
    expect([...new Set(answers)].map((answer) => refusalOf(answer).headers["retry-after"])).toEqual(["2", "1"]);
    expect(answers.every((answer) => Object.isFrozen(answer))).toBe(true);
  });

  it("lets neither calls nor lists take the slots of the other", () => {
    const admission = createAdmission({ maxInFlight: 6, maxStreams: 0 });
    for (let index = 0; index < 2; index++) enter(admission, "list");
    expect(refusalOf(admission.enter("list")).fault.message).toBe("Too many lists at once, the limit is 2");
    for (let index = 0; index < 6; index++) enter(admission, "call");
    expect(refusalOf(admission.enter("call")).fault.message).toBe("Too many calls at once, the limit is 6");
    const own = createAdmission({ maxInFlight: 1, maxLists: 3, maxStreams: 0 });
    enter(own, "call");
    for (let index = 0; index < 3; index++) enter(own, "list");
    expect(refusalOf(own.enter("list")).reason).toBe("full");
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
    expect(refusalOf(admission.enter("call")).reason).toBe("full");
  });

  it("counts streams and control messages apart from calls", () => {
    const admission = createAdmission({ maxInFlight: 1, maxStreams: 1, maxControl: 1 });
    for (const kind of ["call", "stream", "control"] as const) enter(admission, kind);
    expect(refusalOf(admission.enter("call")).fault.message).toBe("Too many calls at once, the limit is 1");
    expect(refusalOf(admission.enter("stream")).fault.message).toBe("Too many streams at once, the limit is 1");
    expect(refusalOf(admission.enter("control")).fault.message).toBe(
      "Too many control messages at once, the limit is 1",
    );
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
      expect(refusalOf(admission.enter(kind))).toMatchObject({
        reason: "draining",
        status: 503,
        headers: { "content-type": "application/json", "retry-after": "2", connection: "close" },
      });
    }
    enter(admission, "control").leave();
    call.leave();
    expect(admission.gauges()).toMatchObject({ draining: true, inFlight: none });
  });

  it("has no cap where the cap is 0", () => {
    const admission = createAdmission({ maxInFlight: 0, maxStreams: 0, fairFrom: 0.5, signals: [stuck] });
    for (let index = 0; index < 10_000; index++)
      for (const kind of ["call", "list", "stream", "control"] as const) enter(admission, kind);
    second(admission);
    enter(admission, "call");
    expect(admission.gauges()).toMatchObject({ refused: nobody, limit: none });
    expect(admission.callSlots).toBe(Infinity);
  });

  it("lends a few places to what may end calls, to be refused once the body shows what it is", () => {
    const admission = createAdmission({ maxInFlight: 9, maxStreams: 0 });
    for (let index = 0; index < 9; index++) enter(admission, "call");
    const lent = [1, 2].map(() => ticketOf(admission.enter("call", undefined, true)));
    expect(lent.map(({ controlOnly, bodyWithinMs }) => [controlOnly?.reason, bodyWithinMs])).toEqual([
      ["full", 250],
      ["full", 250],
    ]);
    expect(refusalOf(admission.enter("call", undefined, true)).reason).toBe("full");
    expect(admission.gauges().inFlight).toEqual({ ...none, call: 9, control: 2 });
    for (const ticket of lent) ticket.leave();
    admission.drain();
    expect(ticketOf(admission.enter("call", undefined, true)).controlOnly?.reason).toBe("draining");
    expect(enter(createAdmission({ maxInFlight: 1, maxStreams: 0 }), "call").bodyWithinMs).toBeUndefined();
  });

  it("never exceeds a cap and never leaks a slot, whatever the order", () => {
    const kinds = fc.constantFrom<AdmissionClass>("probe", "control", "call", "list", "stream");
    fc.assert(
      fc.property(fc.array(fc.tuple(kinds, fc.nat(5), fc.boolean()), { maxLength: 200 }), (steps) => {
        const admission = createAdmission({ maxInFlight: 3, maxLists: 2, maxStreams: 2, maxControl: 4 });
        const held: Ticket[] = [];
        for (const [kind, leave, mayEndCalls] of steps) {
          const entered = admission.enter(kind, undefined, mayEndCalls);
          if (entered.ok) held.push(ticketOf(entered));
          for (const ticket of held.splice(0, leave)) ticket.leave();
          const { inFlight } = admission.gauges();
          expect(inFlight.call).toBeLessThanOrEqual(3);
          expect(inFlight.list).toBeLessThanOrEqual(2);
          expect(inFlight.stream).toBeLessThanOrEqual(2);
          expect(inFlight.control).toBeLessThanOrEqual(4 + 1);
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
    [{ maxInFlight: 1, maxStreams: 1, maxLists: -1 }, "maxLists is -1, it has to be a whole number of at least 0"],
    [
      { maxInFlight: 1, maxStreams: 1, maxControl: Number.NaN },
      "maxControl is NaN, it has to be a whole number of at least 0",
    ],
    [{ maxInFlight: 1, maxStreams: 1, fairFrom: 1.1 }, "fairFrom is 1.1, it has to be 0…1"],
  ])("refuses %j", (options, reason) => {
    expect(() => createAdmission(options)).toThrow(reason);
  });
});

const stuck = { name: "stuck", read: () => 2 };
