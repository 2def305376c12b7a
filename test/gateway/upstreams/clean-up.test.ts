/** The end of a clean-up that was not through. */
import { expect, it } from "vitest";
import { type CleanUpParts, endExpired } from "../../../gateway/upstreams/clean-up.ts";

it("looks for nothing more once it is told to stop", async () => {
  const stopping = new AbortController();
  const asked: number[] = [];
  const ledger = {
    async expired(part: number) {
      asked.push(part);
      if (part === 2) stopping.abort();
      return [];
    },
  };
  const parts = { ledger } as unknown as CleanUpParts;
  expect(await endExpired(parts, { concurrency: 2, target: () => undefined, signal: stopping.signal })).toBe(0);
  expect(asked).toEqual([0, 1, 2]);
});
