/** One greedy caller and the others. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RequestHead } from "../../../contract/http.ts";
import { type Admission, createAdmission, type Ticket } from "../../../gateway/admission/index.ts";
import { Shares } from "../../../gateway/admission/shares.ts";
import { enter, headOf, principal, refusalOf, second, ticketOf } from "./heads.ts";

const at = (address: number) => headOf({ remoteAddress: `192.0.2.${address}` });

const share = (admission: Admission, head: RequestHead) => refusalOf(admission.enter("call", head)).reason;

describe("fair shares", () => {
  it("give a caller who is alone every slot", () => {
    const admission = createAdmission({ maxInFlight: 8, maxStreams: 0, fairFrom: 0.5 });
    for (let index = 0; index < 8; index++) enter(admission, "call", at(1));
    expect(refusalOf(admission.enter("call", at(1))).reason).toBe("full");
  });

  it("refuse the greedy first once slots are scarce, and find a slot for whoever is new", () => {
    const admission = createAdmission({ maxInFlight: 8, maxStreams: 0, fairFrom: 0.75 });
    enter(admission, "call", at(2));
    for (let index = 0; index < 5; index++) enter(admission, "call", at(1));
    const greedy = refusalOf(admission.enter("call", at(1)));
    expect([greedy.reason, greedy.status, greedy.fault.code]).toEqual(["share", 503, "MCPS_SHARE"]);
    enter(admission, "call", at(3));
    enter(admission, "call", at(2));
    expect(refusalOf(admission.enter("call", at(4))).reason).toBe("full");
  });

  it("take nothing back, but give what becomes free to the one who found none", () => {
    const admission = createAdmission({ maxInFlight: 4, maxStreams: 0, fairFrom: 0.75 });
    const greedy = Array.from({ length: 4 }, () => enter(admission, "call", at(1)));
    expect(refusalOf(admission.enter("call", at(2))).reason).toBe("full");
    greedy.pop()?.leave();
    expect(refusalOf(admission.enter("call", at(1))).reason).toBe("share");
    enter(admission, "call", at(2));
    for (const ticket of greedy.splice(0, 2)) ticket.leave();
    enter(admission, "call", at(2));
  });

  it("forget one who wanted a slot and did not come back", () => {
    const admission = createAdmission({ maxInFlight: 4, maxStreams: 0, fairFrom: 0.75 });
    const greedy = Array.from({ length: 4 }, () => enter(admission, "call", at(1)));
    admission.enter("call", at(2));
    greedy.pop()?.leave();
    expect(refusalOf(admission.enter("call", at(1))).reason).toBe("share");
    for (let beat = 0; beat < 4; beat++) second(admission);
    enter(admission, "call", at(1));
  });

  it("count by weight", () => {
    const weightOf = (id: string) => (id === "heavy" ? 3 : 1);
    const admission = createAdmission({ maxInFlight: 8, maxStreams: 0, fairFrom: 0, weightOf });
    const heavy = headOf({ authorization: "Bearer heavy" });
    const light = headOf({ authorization: "Bearer light", remoteAddress: "192.0.2.9" });
    enter(admission, "call", heavy).identify(heavy, principal("heavy"));
    enter(admission, "call", light).identify(light, principal("light"));
    const held = { heavy: 1, light: 1 };
    for (let index = 0; index < 20; index++) {
      if (admission.enter("call", light).ok) held.light++;
      if (admission.enter("call", heavy).ok) held.heavy++;
    }
    expect(held).toEqual({ heavy: 6, light: 2 });
  });

  it("know one principal behind many tokens, and one crowd behind many made-up headers of an address", () => {
    const admission = createAdmission({ maxInFlight: 4, maxStreams: 0, fairFrom: 0 });
    const token = (name: string) => headOf({ authorization: `Bearer ${name}` });
    const made = enter(admission, "call", token("made up 1"));
    for (const name of ["a", "b"]) {
      const ticket = enter(admission, "call", token(name));
      ticket.identify(token(name), principal("ada"));
      if (name === "b") for (const one of ["a", "b"]) expect(share(admission, token(one))).toBe("share");
    }
    enter(admission, "call", token("made up 2"));
    expect(share(admission, token("made up 3"))).toBe("full");
    made.leave();
    enter(admission, "call", token("made up 4"));
  });

  it("take a certificate for what it proves", () => {
    const admission = createAdmission({ maxInFlight: 4, maxStreams: 0, fairFrom: 0 });
    const [one, two] = ["aa", "bb"].map((fingerprint) => headOf({ fingerprint }));
    enter(admission, "call", one);
    enter(admission, "call", two);
    enter(admission, "call", one);
    expect(refusalOf(admission.enter("call", one)).reason).toBe("share");
    enter(admission, "call", two);
  });

  it("remember a caller for a minute after its last slot, and keep counts for more callers than they can name", () => {
    const shares = new Shares(() => 1);
    const parties = Array.from({ length: 10_500 }, (_, index) => shares.find(headOf({ remoteAddress: String(index) })));
    for (const party of parties) shares.take(party);
    expect([new Set(parties).size, shares.counts.known]).toEqual([10_001, 10_000]);
    for (const party of parties) shares.give(party);
    for (let beat = 0; beat < 70; beat++) shares.beat();
    expect(shares.counts).toEqual({ holding: 0, wanting: 0, known: 0 });
  });

  it("never refuse a modest caller while the modest fit into what is kept for them, whatever the greedy one does", () => {
    const modestCallers = 3;
    const each = 4;
    const cap = 48;
    const step = fc.record({ who: fc.nat(modestCallers), leave: fc.option(fc.nat(cap)) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const admission = createAdmission({ maxInFlight: cap, maxStreams: 0, fairFrom: 0.75 });
        const held = new Map<number, Ticket[]>();
        // They are there before it is, for nothing is taken back.
        for (let who = 1; who <= modestCallers; who++) held.set(who, [enter(admission, "call", at(who))]);
        for (const { who, leave } of steps) {
          const own = held.get(who) ?? [];
          if (who === 0 || own.length < each) {
            const entered = admission.enter("call", at(who));
            if (who > 0) expect(entered.ok).toBe(true);
            if (entered.ok) own.push(ticketOf(entered));
          }
          held.set(who, own);
          if (leave !== null && own.length > 1) for (const ticket of own.splice(leave % own.length, 1)) ticket.leave();
        }
      }),
    );
  });

  it("refuse for a share only one who holds it, leave nothing behind, whatever the order", () => {
    const cap = 10;
    const step = fc.tuple(fc.nat(5), fc.constantFrom("in", "in", "in", "out", "beat"), fc.nat(20));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const admission = createAdmission({ maxInFlight: cap, maxStreams: 0, fairFrom: 0.5 });
        const held: { readonly who: number; readonly ticket: Ticket }[] = [];
        const holds = (who: number) => held.filter((one) => one.who === who).length;
        for (const [who, what, index] of steps) {
          if (what === "beat") second(admission);
          if (what === "out") for (const { ticket } of held.splice(index, 1)) ticket.leave();
          if (what !== "in") continue;
          const entered = admission.enter("call", at(who));
          if (entered.ok) held.push({ who, ticket: ticketOf(entered) });
          else if (refusalOf(entered).reason === "full") expect(held).toHaveLength(cap);
          else {
            const others = new Set(held.map((one) => one.who)).size;
            expect(held.length).toBeGreaterThanOrEqual(cap / 2);
            expect(holds(who)).toBeGreaterThan(0);
            // At least the share among those who hold something and those who may want something.
            expect(holds(who)).toBeGreaterThanOrEqual(Math.floor(cap / Math.max(others, 6)));
          }
        }
        for (const { ticket } of held) ticket.leave();
        for (let beat = 0; beat < 5; beat++) second(admission);
        expect(admission.gauges().inFlight.call).toBe(0);
        const alone: RequestHead = at(9);
        for (let index = 0; index < cap; index++) enter(admission, "call", alone);
      }),
    );
  });
});
