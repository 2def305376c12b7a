/** Callers of whom nobody has checked yet who they are, where everybody has to say. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Admission, createAdmission, QueuedTicket, type Ticket } from "../../../gateway/admission/index.ts";
import { enter, headOf, principal, refusalOf, second, ticketOf } from "./heads.ts";

const BODY_MS = 5000;
const ADA = headOf({ authorization: "Bearer ada", remoteAddress: "192.0.2.200" });
const at = (address: number) => headOf({ remoteAddress: `192.0.2.${address}` });
const create = (more: Partial<Parameters<typeof createAdmission>[0]> = {}) =>
  createAdmission({ maxInFlight: 8, maxStreams: 0, strangersBodyMs: BODY_MS, ...more });

/** She has been here before. */
function known(admission: Admission, head = ADA, id = "ada"): void {
  const ticket = enter(admission, "call", head);
  ticket.identify(head, principal(id));
  ticket.leave();
}

function fill(admission: Admission, kind: "call" | "list", who: (index: number) => ReturnType<typeof at>): Ticket[] {
  const tickets: Ticket[] = [];
  for (let index = 0; ; index++) {
    const entered = admission.enter(kind, who(index));
    if (!entered.ok) return tickets;
    tickets.push(ticketOf(entered));
  }
}

describe("strangers", () => {
  it.each(["call", "list"] as const)("hold half of the slots of %ss, and whoever is known finds the other", (kind) => {
    const admission = create({ maxLists: 8 });
    const ticket = enter(admission, kind, ADA);
    ticket.identify(ADA, principal("ada"));
    ticket.leave();
    expect(fill(admission, kind, at)).toHaveLength(4);
    const refused = refusalOf(admission.enter(kind, at(1)));
    expect([refused.reason, refused.status]).toEqual(["share", 503]);
    expect(fill(admission, kind, () => ADA)).toHaveLength(4);
    expect(refusalOf(admission.enter(kind, ADA)).reason).toBe("full");
  });

  it("hold one slot where there is only one", () => {
    expect(fill(create({ maxInFlight: 1 }), "call", at)).toHaveLength(1);
  });

  it("are as many as there are slots where nobody has to say who he is", () => {
    expect(fill(create({ strangersBodyMs: undefined }), "call", at)).toHaveLength(8);
    expect(enter(create({ strangersBodyMs: undefined }), "call", at(1)).bodyWithinMs).toBeUndefined();
  });

  it("have little time for their body, unlike those who are known", () => {
    const admission = create();
    expect(enter(admission, "call", at(1)).bodyWithinMs).toBe(BODY_MS);
    expect(enter(admission, "control", at(1)).bodyWithinMs).toBeUndefined();
    const ada = enter(admission, "call", ADA);
    expect(ada.bodyWithinMs).toBe(BODY_MS);
    ada.identify(ADA, principal("ada"));
    expect([ada.bodyWithinMs, enter(admission, "call", ADA).bodyWithinMs]).toEqual([undefined, undefined]);
  });

  it("are strangers no longer once they have proven who they are, and leave their place to the next", () => {
    const admission = create();
    for (let index = 0; index < 4; index++) {
      const head = headOf({ authorization: `Bearer ${index}` });
      enter(admission, "call", head).identify(head, principal(`p${index}`));
    }
    expect(fill(admission, "call", at)).toHaveLength(4);
  });

  it("are none who prove a certificate, or come over a connection on which they have said it", () => {
    const admission = create();
    fill(admission, "call", at);
    const certified = enter(admission, "call", headOf({ fingerprint: "aa" }));
    expect(certified.bodyWithinMs).toBeUndefined();
    expect(admission.enterNow("call", at(1), principal("ada")).ok).toBe(true);
    expect(refusalOf(admission.enterNow("call", at(1))).reason).toBe("share");
  });

  it("make the share of those who are known no smaller, and share their half among themselves", () => {
    const admission = create({ fairFrom: 0.5 });
    known(admission);
    enter(admission, "call", at(1));
    enter(admission, "call", at(1));
    enter(admission, "call", at(2));
    expect(refusalOf(admission.enter("call", at(1))).reason).toBe("share");
    enter(admission, "call", at(2));
    expect(fill(admission, "call", () => ADA)).toHaveLength(4);
  });

  it("wait for a slot in the same number, and give it back however they go", () => {
    const now = { ms: 0 };
    const admission = create({ queueTimeoutMs: 1000, now: () => now.ms });
    known(admission);
    const served = Array.from({ length: 8 }, () => enter(admission, "call", ADA));
    const waiting = [1, 2, 3, 4].map((index) => admission.enter("call", at(index)));
    expect(waiting.map((one) => one instanceof QueuedTicket && one.bodyWithinMs)).toEqual(Array(4).fill(BODY_MS));
    expect(refusalOf(admission.enter("call", at(5))).reason).toBe("full");
    expect(admission.enter("call", ADA)).toBeInstanceOf(QueuedTicket);
    const [first] = waiting;
    if (!(first instanceof QueuedTicket)) throw new Error("it does not wait");
    first.leave();
    const next = admission.enter("call", at(5));
    served[0]?.leave();
    now.ms = 1001;
    admission.beat();
    for (const ticket of served) ticket.leave();
    expect(admission.gauges()).toMatchObject({ waiting: 0, inFlight: { call: 1 } });
    expect(fill(admission, "call", at)).toHaveLength(3);
    if (next instanceof QueuedTicket) next.leave();
    expect(fill(admission, "call", at)).toHaveLength(0);
  });

  it("never cost a known caller a free slot, and leave nothing behind, whatever the order", () => {
    const cap = 9;
    const step = fc.tuple(fc.constantFrom("stranger", "ada", "proves", "leaves", "beat"), fc.nat(20));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const admission = create({ maxInFlight: cap, fairFrom: 0.75 });
        known(admission);
        const held: { readonly ticket: Ticket; isStranger: boolean }[] = [];
        for (const [what, index] of steps) {
          const one = held[index];
          if (what === "beat") second(admission);
          if (what === "leaves") for (const { ticket } of held.splice(index, 1)) ticket.leave();
          if (what === "proves" && one?.isStranger) {
            one.ticket.identify(headOf({ authorization: "Bearer ada" }), principal("ada"));
            one.isStranger = false;
          }
          if (what === "ada") {
            const entered = admission.enter("call", ADA);
            expect(entered.ok).toBe(held.length < cap);
            if (entered.ok) held.push({ ticket: ticketOf(entered), isStranger: false });
          }
          if (what === "stranger") {
            const entered = admission.enter("call", at(index));
            if (entered.ok) held.push({ ticket: ticketOf(entered), isStranger: true });
            expect(held.filter(({ isStranger }) => isStranger).length).toBeLessThanOrEqual(4);
          }
        }
        for (const { ticket } of held) ticket.leave();
        for (let beat = 0; beat < 5; beat++) second(admission);
        expect(admission.gauges().inFlight.call).toBe(0);
        expect(fill(admission, "call", () => at(1))).toHaveLength(4);
      }),
    );
  });
});
