// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of files are written so
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interpolate } from "../../../infra/from-env/interpolate.ts";

const known = new Map([
  ["A", "1"],
  ["EMPTY", ""],
]);
const read = (text: string) => interpolate(text, (name) => known.get(name));

describe("variables within values", () => {
  it.each([
    ["plain $ and $$ and $1", "plain $ and $ and $1"],
    ["$A${A}", "11"],
    ["${EMPTY-d}|${EMPTY:-d}|${NONE-d}|${NONE:-d}", "|d|d|d"],
    ["${EMPTY+s}|${EMPTY:+s}|${A:+s}|${NONE+s}", "s||s|"],
    ["${NONE:-${ALSO_NONE:-${A}}}!", "1!"],
    ["${NONE:-{}}", "{}"],
    ["${A:?has to be set}${EMPTY?}", "1"],
  ])("%s", (text, expected) => {
    expect(read(text)).toEqual({ text: expected, unset: [] });
  });

  it("names what is needed and not set, but nothing within a default that is not used", () => {
    expect(read("${NONE}$B${NONE:?}")).toEqual({ text: "", unset: ["NONE", "B", "NONE"] });
    expect(read("${A:-$NONE}")).toEqual({ text: "1", unset: [] });
  });

  it.each([
    ["${", "a dollar and a brace are not followed by a name"],
    ["${A", "a name in braces is followed by neither } nor an operator"],
    ["${A:-x", "a variable in braces is not closed"],
    ["${NONE:-".repeat(40) + "}".repeat(40), "variables within variables are nested too deeply"],
  ])("%s is a problem", (text, problem) => {
    expect(read(text)).toEqual({ text: "", unset: expect.any(Array), problem });
  });

  it("never throws, and leaves text without a dollar alone", () => {
    const alphabet = fc.constantFrom("$", "{", "}", ":", "-", "?", "+", "A", "EMPTY", "x", " ");
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 40 }), (parts) => {
        const text = parts.join("");
        const { text: out, problem } = read(text);
        if (!text.includes("$")) expect([out, problem]).toEqual([text, undefined]);
      }),
      { numRuns: 5000 },
    );
  });
});
