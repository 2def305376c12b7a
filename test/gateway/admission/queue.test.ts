/** Waiting for a slot: in order, until a deadline, and never longer. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAdmission, QueuedTicket, type Ticket } from "../../../gateway/admission/index.ts";
import { enter, headOf, refusalOf } from "./heads.ts";

function queueing(maxInFlight: number, queueTimeoutMs = 1000) {
  const clock = { now: 0 };
  const events: string[] = [];
  const admission = createAdmission({
    maxInFlight,
    maxStreams: 0,
    fairFrom: 0.5,
    queueTimeoutMs,
    now: () => clock.now,
  });
  const wait = (name: string, head = headOf({ remoteAddress: name })): QueuedTicket => {
    const entered = admission.enter("call", head);
    if (!(entered instanceof QueuedTicket)) throw new Error(`${name} does not wait`);
    entered.onTurn({
      start: () => events.push(`${name} starts`),
      drop: ({ reason }) => events.push(`${name} ${reason}`),
    });
    return entered;
  };
  return { admission, clock, events, wait };
}

describe("the queue", () => {
  it("starts what waits in the order in which it came, one for each slot that becomes free", () => {
    const { admission, events, wait } = queueing(2);
    const running = [enter(admission, "call"), enter(admission, "call")];
    const first = wait("a");
    wait("b");
    expect(admission.gauges()).toMatchObject({ waiting: 2, inFlight: { call: 2 } });
    running[0]?.leave();
    expect(events).toEqual(["a starts"]);
    first.leave();
    first.leave();
    expect(events).toEqual(["a starts", "b starts"]);
    expect(admission.gauges()).toMatchObject({ waiting: 0, inFlight: { call: 2 }, admitted: { call: 4 } });
  });

  it("drops with 503 what cannot start in time, and never starts it late", () => {
    const { admission, clock, events, wait } = queueing(1, 300);
    const running = enter(admission, "call");
    wait("a").onTurn({ start: () => events.push("late start"), drop: ({ fault }) => events.push(fault.code) });
    clock.now = 299;
    admission.beat();
    expect(events).toEqual([]);
    clock.now = 300;
    running.leave();
    expect(events).toEqual(["MCPS_QUEUE_TIMEOUT"]);
    expect(admission.gauges()).toMatchObject({ waiting: 0, inFlight: { call: 0 }, refused: { call: { late: 1 } } });
  });

  it("drops at a beat where no slot becomes free", () => {
    const { admission, clock, events, wait } = queueing(1, 300);
    enter(admission, "call");
    wait("a");
    clock.now = 200;
    const second = admission.enter("call", headOf({ remoteAddress: "b" }));
    clock.now = 300;
    admission.beat();
    expect(events).toEqual(["a late"]);
    expect(refusalOf(second).reason).toBe("full");
  });

  it("is as long as there are slots, and closes when the process drains", () => {
    const { admission, events, wait } = queueing(2);
    const running = [enter(admission, "call"), enter(admission, "call")];
    wait("a");
    wait("b");
    expect(refusalOf(admission.enter("call", headOf({ remoteAddress: "c" }))).reason).toBe("full");
    admission.drain();
    for (const ticket of running) ticket.leave();
    expect(events).toEqual(["a draining", "b draining"]);
    expect(refusalOf(admission.enter("call")).reason).toBe("draining");
  });

  it("tells at once what was decided before anybody asked, and nothing to one who has left", () => {
    const { admission, clock, events } = queueing(1);
    const running = enter(admission, "call");
    const entered = admission.enter("call");
    if (!(entered instanceof QueuedTicket)) throw new Error("it does not wait");
    running.leave();
    entered.onTurn({ start: () => events.push("started"), drop: () => events.push("dropped") });
    const gone = admission.enter("call");
    gone.ok && gone.leave();
    entered.leave();
    clock.now = 5000;
    admission.beat();
    expect(events).toEqual(["started"]);
    expect(admission.gauges()).toMatchObject({ waiting: 0, inFlight: { call: 0 } });
  });

  it("holds the share of those who wait, so that one caller cannot fill it", () => {
    const { admission, wait } = queueing(4);
    const greedy = headOf({ remoteAddress: "greedy" });
    for (const address of ["a", "b", "c"]) enter(admission, "call", headOf({ remoteAddress: address }));
    enter(admission, "call", greedy);
    wait("greedy", greedy);
    expect(refusalOf(admission.enter("call", greedy)).reason).toBe("full");
    wait("new");
    expect(admission.gauges().waiting).toBe(2);
  });

  it("gives every request exactly one end, in time and in order, and every slot back", () => {
    const step = fc.oneof(
      fc.constant({ kind: "come" as const }),
      fc.record({ kind: fc.constant("end" as const), which: fc.nat(20) }),
      fc.record({ kind: fc.constant("leave" as const), which: fc.nat(20) }),
      fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(200) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const clock = { now: 0 };
        const admission = createAdmission({ maxInFlight: 3, maxStreams: 0, queueTimeoutMs: 300, now: () => clock.now });
        const running: (Ticket | QueuedTicket)[] = [];
        const waiting: { readonly ticket: QueuedTicket; readonly cameAt: number }[] = [];
        const ends = new Map<QueuedTicket, string>();
        const settle = (ticket: QueuedTicket, end: string) => {
          expect(ends.get(ticket)).toBeUndefined();
          ends.set(ticket, end);
          const at = waiting.findIndex((one) => one.ticket === ticket);
          const [found] = waiting.splice(at, 1);
          expect(at).toBe(0);
          if (end === "start") expect(clock.now - (found?.cameAt ?? 0)).toBeLessThan(300);
        };
        for (const one of steps) {
          if (one.kind === "pass") {
            clock.now += one.ms;
            admission.beat();
          } else if (one.kind === "end") {
            for (const ticket of running.splice(one.which, 1)) ticket.leave();
          } else if (one.kind === "leave") {
            for (const { ticket } of waiting.splice(one.which, 1)) ticket.leave();
          } else {
            const entered = admission.enter("call");
            if (!(entered instanceof QueuedTicket)) {
              if (entered.ok) running.push(entered);
              continue;
            }
            waiting.push({ ticket: entered, cameAt: clock.now });
            entered.onTurn({
              start: () => {
                settle(entered, "start");
                running.push(entered);
              },
              drop: () => settle(entered, "drop"),
            });
          }
          expect(admission.gauges()).toMatchObject({ waiting: waiting.length, inFlight: { call: running.length } });
          expect(running.length).toBeLessThanOrEqual(3);
        }
        for (const { ticket } of waiting.splice(0)) ticket.leave();
        for (const ticket of running.splice(0)) ticket.leave();
        expect(admission.gauges()).toMatchObject({ waiting: 0, inFlight: { call: 0 } });
      }),
    );
  });
});
