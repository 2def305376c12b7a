/** Placeholders of hosted items: what is filled in comes back out of the URI, and nothing else is touched. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  expansionOf,
  fillContent,
  fillPrompt,
  promptPlaceholders,
  templateProblem,
} from "../../../gateway/registry/templates.ts";

const values = (given: Record<string, string>) => new Map(Object.entries(given));

describe("prompts", () => {
  it("name each placeholder once, in order, whatever stands in it", () => {
    expect(promptPlaceholders("{{a}} {{ b }} {{a}} {{ 1 + 1 }} {c} {{")).toEqual(["a", "b", "1 + 1"]);
  });

  it("are filled with text that is not looked at again", () => {
    expect(fillPrompt("Hi {{ a }}, {{b}}! {c} {{", values({ a: "{{b}} $& $1", b: "B" }))).toBe(
      "Hi {{b}} $& $1, B! {c} {{",
    );
    expect(fillPrompt("[{{ absent }}]", values({}))).toBe("[]");
  });

  it("never become longer than 4 Mi characters", () => {
    const template = "{{a}}".repeat(5);
    expect(() => fillPrompt(template, values({ a: "x".repeat(1024 * 1024) }))).toThrow(
      expect.objectContaining({ code: "MCPS_PARAMS" }),
    );
  });
});

describe("resource templates", () => {
  it.each([
    ["docs://a", "needs a variable such as {name}; without one it is a uri"],
    ["docs://{a}{b}", "needs something between two variables"],
    ["docs://{a}/{a}", "a variable stands twice"],
    ["docs://{+a}", "{+a} is not a variable of letters, digits and _"],
    ["docs://{}", "{} is not a variable of letters, digits and _"],
    ["{scheme}://a", "has to begin with a scheme such as docs:"],
    ["docs://{a}/{b}.txt", undefined],
  ])("%s: %s", (template, problem) => {
    expect(templateProblem(template)).toBe(problem);
  });

  it.each([
    ["docs://{a}/{b}.txt", "docs://x%20y/z.txt", { a: "x y", b: "z" }],
    ["docs://{a}", "docs://x/y", undefined],
    ["docs://{a}", "docs://", undefined],
    ["docs://{a}/end", "docs://x/en", undefined],
    ["docs://{a}", "docs://%E0%A4", undefined],
    ["docs://{a}", "other://x", undefined],
  ])("%s in %s", (template, uri, expected) => {
    expect(expansionOf(template, uri)).toEqual(expected === undefined ? undefined : values(expected));
  });

  it("give back every value that was expanded", () => {
    const value = fc.string({ minLength: 1, maxLength: 30, unit: "grapheme" }).filter((text) => text.isWellFormed());
    fc.assert(
      fc.property(value, value, (a, b) => {
        const uri = `docs://${encodeURIComponent(a)}/${encodeURIComponent(b)}`;
        expect(expansionOf("docs://{a}/{b}", uri)).toEqual(values({ a, b }));
      }),
    );
  });

  it("fill their own variables only", () => {
    expect(fillContent('{"a": {a}, "b": {b}, {c d}}', values({ a: "{b}" }))).toBe('{"a": {b}, "b": {b}, {c d}}');
  });
});
