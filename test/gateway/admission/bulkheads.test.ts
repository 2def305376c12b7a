import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Fault } from "../../../contract/errors.ts";
import { Bulkheads, type Place } from "../../../gateway/admission/index.ts";

function bulkheads(options: { slots?: number; share?: number; maxLists?: number } = {}) {
  const refused: string[] = [];
  const { slots = 8, share = 0.5, maxLists = 2 } = options;
  const made = new Bulkheads({ slots: () => slots, share, maxLists, refused: (upstream) => refused.push(upstream) });
  return { bulkheads: made, refused };
}

function faultOf(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    return error as Fault;
  }
  throw new Error("it was let in");
}

describe("bulkheads", () => {
  it("leave a slow upstream half of the slots while another one is in use, and name it when it has them", () => {
    const { bulkheads: places, refused } = bulkheads();
    const slow = Array.from({ length: 4 }, () => places.ofUpstream("id-slow", "slow"));
    places.ofUpstream("id-quick", "quick").leave();
    expect(faultOf(() => places.ofUpstream("id-slow", "slow"))).toMatchObject({
      code: "MCPS_UPSTREAM_BUSY",
      status: 503,
      rpc: -32008,
      message: "Upstream slow is busy: it has 4 calls running, its share of this gateway",
      headers: { "retry-after": "1" },
      data: { retryAfterSeconds: 1 },
    });
    places.ofUpstream("id-quick", "quick");
    expect(refused).toEqual(["slow"]);
    slow[0]?.leave();
    places.ofUpstream("id-slow", "slow");
  });

  it("let the only upstream have every slot, and again when the others have not been called for a minute", () => {
    const { bulkheads: places } = bulkheads();
    for (let index = 0; index < 8; index++) places.ofUpstream("a", "a");
    places.ofUpstream("b", "b").leave();
    expect(faultOf(() => places.ofUpstream("a", "a")).code).toBe("MCPS_UPSTREAM_BUSY");
    for (let beat = 0; beat < 61; beat++) places.beat();
    places.ofUpstream("a", "a");
  });

  it.each([
    ["a share of all of them", { share: 1 }],
    ["no cap", { slots: Infinity }],
  ])("have no bound with %s", (_, options) => {
    const { bulkheads: places } = bulkheads(options);
    places.ofUpstream("b", "b");
    for (let index = 0; index < 1000; index++) places.ofUpstream("a", "a");
  });

  it("always leave an upstream one call", () => {
    const { bulkheads: places } = bulkheads({ slots: 1, share: 0.01 });
    for (const id of ["a", "b", "c"]) places.ofUpstream(id, id);
    expect(faultOf(() => places.ofUpstream("a", "a")).message).toBe(
      "Upstream a is busy: it has 1 call running, its share of this gateway",
    );
  });

  it("bound merged lists, or not with 0", () => {
    const { bulkheads: places } = bulkheads({ maxLists: 2 });
    const list = places.ofList();
    places.ofList();
    expect(faultOf(() => places.ofList())).toMatchObject({
      code: "MCPS_OVERLOADED",
      message: "Too many merged lists at once, the limit is 2",
      headers: { "retry-after": "1" },
    });
    list.leave();
    places.ofList();
    const { bulkheads: open } = bulkheads({ maxLists: 0 });
    for (let index = 0; index < 100; index++) open.ofList();
  });

  it("never let one upstream have more than its share while two are in use, and let all leave, whatever the order", () => {
    const step = fc.tuple(fc.constantFrom("a", "b", "c"), fc.boolean(), fc.nat(20));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { bulkheads: places } = bulkheads({ slots: 10, share: 0.3 });
        const held: { readonly id: string; readonly place: Place }[] = [];
        const seen = new Set<string>();
        for (const [id, comes, index] of steps) {
          if (!comes) {
            for (const { place } of held.splice(index, 1)) place.leave();
            continue;
          }
          seen.add(id);
          const busy = held.filter((one) => one.id === id).length;
          const isBounded = seen.size > 1 && busy >= 3;
          if (isBounded) expect(faultOf(() => places.ofUpstream(id, id)).code).toBe("MCPS_UPSTREAM_BUSY");
          else held.push({ id, place: places.ofUpstream(id, id) });
        }
        for (const { place } of held) place.leave();
        for (const id of ["a", "b", "c"]) for (let index = 0; index < 3; index++) places.ofUpstream(id, id);
      }),
    );
  });
});
