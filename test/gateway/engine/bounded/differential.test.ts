/** The strict reader against node:http on ten thousand mutated sequences of requests; `bench/fuzz-reader.ts` runs a million. */
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { ParsedHead } from "../../../../gateway/engine/bounded/memo.ts";
import { HeadReader } from "../../../../gateway/engine/bounded/reader.ts";
import { compare, emptyTally, type Read, readerOfCase, runCases } from "./differential.ts";
import { Chance, mutated } from "./mutations.ts";

const CALL = "POST /a?b HTTP/1.1\r\nHost: h\r\nX-A: b\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody";

describe("the reader and node:http", () => {
  it("agree on mutated requests", async () => {
    const tally = await runCases(10_000, 6, turn);
    expect(tally.disagreements).toEqual([]);
    // The cases reach both sides of the reader's grammar.
    expect([tally.cases, tally.accepted > 9000, tally.handedOver > 6000, tally.unfinished > 2000]).toEqual([
      10_000,
      true,
      true,
      true,
    ]);
  });

  it("agree on every byte at every place of a request that is followed by another one", async () => {
    const tally = emptyTally();
    const objections: string[] = [];
    for (let at = 0; at < CALL.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const bytes = Buffer.from(CALL + CALL);
        bytes[at] = byte;
        const objection = compare(bytes, tally);
        if (objection !== undefined) objections.push(`${byte} at ${at}: ${objection}`);
      }
      await turn();
    }
    expect(objections).toEqual([]);
  });

  it.each<[string, (head: ParsedHead) => ParsedHead]>([
    ["a body that is longer", (head) => ({ ...head, contentLength: head.contentLength + 1 })],
    ["a body that is shorter", (head) => ({ ...head, contentLength: head.contentLength - 1 })],
    ["a head that is longer", (head) => ({ ...head, size: head.size + 1 })],
    ["another method", (head) => ({ ...head, method: "PUT" })],
    ["another path", (head) => ({ ...head, path: "/" })],
    ["another query", (head) => ({ ...head, query: "" })],
    ["a header less", ({ headers: { host: _, ...headers }, ...head }) => ({ ...head, headers })],
    ["a header more", (head) => ({ ...head, headers: { ...head.headers, more: "" } })],
    ["another value", (head) => ({ ...head, headers: { ...head.headers, "x-a": "b " } })],
  ])("would be seen to disagree about %s", (_, lie) => {
    const read = readerOfCase();
    const lying: Read = (bytes, from) => {
      const head = read(bytes, from);
      return typeof head === "string" ? head : lie(head);
    };
    expect(compare(Buffer.from(CALL + CALL), emptyTally())).toBeUndefined();
    expect(compare(Buffer.from(CALL + CALL), emptyTally(), lying)).toMatch(/^request 0: /);
  });

  it("would be seen to disagree about what is no request at all", () => {
    const head = readerOfCase()(Buffer.from(CALL), 0);
    const bare = Buffer.from(CALL.replaceAll("\r\n", "\n"));
    expect(compare(bare, emptyTally(), () => head)).toBe("request 0: is none in node:http");
  });
});

describe("a head that has not come whole", () => {
  it("is incomplete, or handed over as the whole one is, wherever it is cut", () => {
    const chance = new Chance(1);
    for (let count = 0; count < 400; count++) {
      const bytes = mutated(chance);
      const readerOf = () => new HeadReader({ maxHeadBytes: 16 * 1024, memo: false });
      const whole = readerOf().read(bytes, 0);
      const end = typeof whole === "string" ? bytes.length : whole.size;
      for (let cut = 0; cut < end; cut++) {
        const reading = readerOf().read(bytes.subarray(0, cut), 0);
        if (reading !== "incomplete") expect([reading, whole]).toEqual(["hand-over", "hand-over"]);
      }
    }
  });
});
