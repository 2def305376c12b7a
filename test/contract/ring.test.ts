import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ring, type Ringed } from "../../contract/ring.ts";

class Member implements Ringed<Member> {
  before: Member | undefined;
  after: Member | undefined;
  readonly name: number;
  constructor(name: number) {
    this.name = name;
  }
}

describe("a ring", () => {
  it("holds what a set would hold, in its order, whatever comes and goes", () => {
    const step = fc.tuple(fc.constantFrom("add", "delete", "clear"), fc.nat(7));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const members = Array.from({ length: 8 }, (_, name) => new Member(name));
        const ring = new Ring<Member>();
        const set = new Set<Member>();
        for (const [what, index] of steps) {
          const member = members[index] as Member;
          if (what === "add") {
            ring.add(member);
            set.add(member);
          } else if (what === "delete") expect(ring.delete(member)).toBe(set.delete(member));
          else if (index === 0) {
            ring.clear();
            set.clear();
          }
          expect(ring.all().map(({ name }) => name)).toEqual([...set].map(({ name }) => name));
          expect([ring.size, ring.first]).toEqual([set.size, [...set][0]]);
          for (const one of members) expect(ring.has(one)).toBe(set.has(one));
        }
        ring.clear();
        expect(members.map(({ before, after }) => [before, after])).toEqual(members.map(() => [undefined, undefined]));
      }),
    );
  });
});
