/** What is repeated, how often, and after which pause. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pauseBefore, type Reach, repeating } from "../../../gateway/store/repeat.ts";

const failure = (code: string) => Object.assign(new Error(code), { code });
const options = { maxRetries: 3, intervalMs: 1, maxPauseMs: 2, withinMs: 10_000, random: () => 1 };

/** How often it was tried when every try fails so, after having come this far. */
async function tries(error: Error, stage: Reach["stage"], more: Partial<typeof options> = {}): Promise<number> {
  let count = 0;
  const work = (reach: Reach) => {
    count++;
    reach.stage = stage;
    return Promise.reject(error);
  };
  await expect(repeating({ ...options, ...more, repeated: () => undefined }, work)).rejects.toBe(error);
  return count;
}

describe("repeating", () => {
  it.each([
    // Nothing was sent.
    ["ECONNREFUSED", "before", 4],
    ["57P03", "before", 4],
    ["53300", "before", 4],
    // The answer was lost: a read is read again, a write may have been done.
    ["ECONNRESET", "reading", 4],
    ["57P01", "reading", 4],
    ["ECONNRESET", "writing", 1],
    ["57P01", "writing", 1],
    // The server says that nothing of it stays.
    ["40001", "writing", 4],
    ["40P01", "writing", 4],
    // The database answers.
    ["23505", "reading", 1],
    ["42P01", "before", 1],
    ["57014", "reading", 1],
  ] as const)("%s when %s: %i tries", async (code, stage, expected) => {
    expect(await tries(failure(code), stage)).toBe(expected);
  });

  it("knows connections that ended without a code, and waits no second time for one that did not come in time", async () => {
    expect(await tries(new Error("Connection terminated unexpectedly"), "reading")).toBe(4);
    expect(await tries(new Error("timeout exceeded when trying to connect"), "before")).toBe(1);
    expect(await tries(new Error("Query read timeout"), "reading")).toBe(1);
  });

  it("begins no try after its time", async () => {
    expect(await tries(failure("ECONNREFUSED"), "before", { withinMs: 0 })).toBe(1);
    expect(await tries(failure("ECONNREFUSED"), "before", { maxRetries: 0 })).toBe(1);
  });

  it("answers what a later try brings, and counts the repetitions", async () => {
    let [left, repeated] = [2, 0];
    const work = async () => {
      if (left-- > 0) throw failure("ECONNREFUSED");
      return "there";
    };
    expect(await repeating({ ...options, repeated: () => repeated++ }, work)).toBe("there");
    expect(repeated).toBe(2);
  });

  it("pauses twice as long each time, up to its limit, and up to half less by chance", () => {
    const exact = { intervalMs: 100, maxPauseMs: 1000, random: () => 0 };
    expect([1, 2, 3, 4, 5, 60].map((nth) => pauseBefore(nth, exact))).toEqual([100, 200, 400, 800, 1000, 1000]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0, max: 1, noNaN: true }), (nth, chance) => {
        const most = pauseBefore(nth, exact);
        const pause = pauseBefore(nth, { ...exact, random: () => chance });
        expect(pause).toBeGreaterThanOrEqual(most / 2);
        expect(pause).toBeLessThanOrEqual(most);
      }),
    );
  });
});
