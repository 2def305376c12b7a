/** All that the store promises, in one suite for whatever database it is given; it fails where an operation is in none of its parts. */
import { describe, expect, it } from "vitest";
import { describeAccounts } from "./accounts-conformance.ts";
import { Asked } from "./asked.ts";
import { describeStore } from "./conformance.ts";
import { describePeople } from "./people-conformance.ts";
import { describeProtection } from "./protection-conformance.ts";
import { describeRecords } from "./records-conformance.ts";
import { describeRestTools } from "./rest-tools-conformance.ts";

/** `copies`: how records are written in bulk there. The shared state's own suite is in ../coordination/conformance.ts. */
export function describeWholeStore(name: string, urlOf: () => Promise<string>, copies: "copy" | "insert"): void {
  describe(`the whole store on ${name}`, () => {
    const asked = new Asked();
    describeStore(name, urlOf, asked);
    describeAccounts(name, urlOf, asked);
    describePeople(name, urlOf, asked);
    describeProtection(name, urlOf, asked);
    describeRestTools(name, urlOf, asked);
    describeRecords(name, urlOf, copies, asked);

    it("leaves no operation out", () => {
      expect(asked.leftOut()).toEqual([]);
    });
  });
}
