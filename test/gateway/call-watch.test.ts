/** Several that follow one call: the order of refusals, and who is told of the end. */
import { describe, expect, it } from "vitest";
import { type Fault, fault } from "../../contract/errors.ts";
import { joinWatches } from "../../gateway/call-watch.ts";
import type { CallWatch, WatchedCall } from "../../gateway/sessions/index.ts";

// Never looked into by what joins.
const call = {} as WatchedCall;
const first = fault("MCPS_OVERLOADED", { what: "first", limit: 1 });
const second = fault("MCPS_OVERLOADED", { what: "second", limit: 1 });

function watching(seen: string[], name: string, answer: ReturnType<CallWatch["mayBegin"]>): CallWatch {
  return {
    mayBegin() {
      seen.push(`${name} asked`);
      return answer;
    },
    ended: (_call, outcome, ms) => void seen.push(`${name} ${outcome} ${ms}`),
  };
}

async function askedOf(...answers: ReturnType<CallWatch["mayBegin"]>[]): Promise<[Fault | undefined, string[]]> {
  const seen: string[] = [];
  const joined = joinWatches(answers.map((answer, index) => watching(seen, String(index), answer)));
  const refused = await joined.mayBegin(call);
  joined.ended(call, "ok", 3);
  return [refused, seen];
}

describe("joined watches", () => {
  it("answer at once where none has to wait", () => {
    expect(joinWatches([]).mayBegin(call)).toBeUndefined();
    expect(joinWatches([watching([], "a", undefined), watching([], "b", first)]).mayBegin(call)).toBe(first);
  });

  it("ask nobody after a refusal, and tell everybody of the end", async () => {
    expect(await askedOf(undefined, first, second)).toEqual([
      first,
      ["0 asked", "1 asked", "0 ok 3", "1 ok 3", "2 ok 3"],
    ]);
  });

  it("wait for the ones that have to ask somebody, in their order", async () => {
    expect(await askedOf(Promise.resolve(undefined), undefined, Promise.resolve(second), first)).toEqual([
      second,
      ["0 asked", "1 asked", "2 asked", "0 ok 3", "1 ok 3", "2 ok 3", "3 ok 3"],
    ]);
    expect((await askedOf(Promise.resolve(first), second))[0]).toBe(first);
    expect((await askedOf(Promise.resolve(undefined), undefined))[0]).toBeUndefined();
  });
});
