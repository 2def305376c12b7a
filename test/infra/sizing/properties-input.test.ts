/** What is written by hand is read whole or refused whole: every mistake is named with its place, nothing throws, nothing leaks in. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Field } from "../../../infra/sizing/field.ts";
import { inputFields, plan, readInput, written } from "../../../infra/sizing/index.ts";
import type { Problem } from "../../../infra/sizing/problem.ts";
import { fields, isRequired, legalInputs, plausibleInputs, type Raw, valueAt, withValue } from "./arbitraries.ts";
import {
  garbage,
  type Mistake,
  partlyGarbage,
  prototypeKeys,
  unknownKeys,
  wrongValues,
} from "./arbitraries-illegal.ts";
import { inputOf } from "./reading.ts";

const TEN_THOUSAND = { numRuns: 10_000 };

function problemsOf(raw: unknown): readonly Problem[] {
  const read = readInput(raw);
  return read.ok ? [] : read.problems;
}

/** Says where, what was found and what is allowed, each in words that are there. */
function isComplete({ path, allowed, message }: Problem): boolean {
  return typeof path === "string" && allowed.length > 0 && message.length > 0 && !message.includes("[object Object]");
}

/** The text of a suggestion as a YAML parser reads it. */
function asWritten(field: Field, text: string): unknown {
  if (field.kind === "boolean") return text === "true";
  const isNumber = ["number", "whole", "workers", "cores"].includes(field.kind);
  return isNumber && Number.isFinite(Number(text)) ? Number(text) : text;
}

function expectNamed({ kind, raw, path, value }: Mistake): void {
  const problems = problemsOf(raw);
  const own = problems.filter((problem) => problem.path === path);
  expect([kind, path, value, problems.map((problem) => problem.path)]).toEqual([kind, path, value, [path]]);
  expect(own.every(isComplete)).toBe(true);
  // A value is shown as it was written; of an unknown key it is the key that is wrong.
  if (value !== undefined) expect(own.map((problem) => problem.value)).toEqual([value]);
}

describe("what is legal", () => {
  it("is read", () => {
    fc.assert(
      fc.property(legalInputs, (raw) => {
        expect(problemsOf(raw)).toEqual([]);
      }),
      TEN_THOUSAND,
    );
  });

  it("can be written and read back with every unit", () => {
    fc.assert(
      fc.property(fc.oneof(plausibleInputs, legalInputs), (raw) => {
        const input = inputOf(raw);
        const rewritten = [...input.stated].reduce<Raw>((document, path) => {
          const field = inputFields.get(path);
          const value = valueAt(input, path);
          if (field === undefined || (typeof value !== "number" && typeof value !== "string")) return document;
          return withValue(document, path, field.kind === "memory" ? written(field, value) : value);
        }, raw);
        expect(inputOf(rewritten)).toEqual(input);
      }),
      TEN_THOUSAND,
    );
  });
});

describe("what is not", () => {
  it("is named: a wrong value of any field, or one that is missing", () => {
    fc.assert(fc.property(wrongValues, expectNamed), TEN_THOUSAND);
  });

  it("comes with what is nearest and legal: written in its place, it is read", () => {
    fc.assert(
      fc.property(wrongValues, ({ raw, path }) => {
        const field = fields.get(path);
        const [problem] = problemsOf(raw);
        if (field === undefined || problem?.nearest === undefined) return;
        expect(problemsOf(withValue(raw, path, asWritten(field, problem.nearest)))).toEqual([]);
      }),
      TEN_THOUSAND,
    );
  });

  it("is named: a key that nobody declared", () => {
    fc.assert(fc.property(unknownKeys, expectNamed), TEN_THOUSAND);
  });

  it("is named wherever it stands: every mistake at once", () => {
    const required = [...fields].flatMap(([path, field]) =>
      isRequired(field) && !path.startsWith("prices.") ? [path] : [],
    );
    expect(problemsOf({}).map(({ path }) => path)).toEqual(expect.arrayContaining(["environment"]));
    const all = required.reduce<Raw>((document, path) => withValue(document, path, []), {});
    expect(problemsOf(all).map(({ path }) => path)).toEqual(required);
  });

  it("never throws: garbage for a document", () => {
    fc.assert(
      fc.property(garbage, (raw) => {
        const problems = problemsOf(raw);
        expect(problems.length).toBeGreaterThan(0);
        expect(problems.every(isComplete)).toBe(true);
      }),
      TEN_THOUSAND,
    );
  });

  it("never throws: garbage for a part of one", () => {
    fc.assert(
      fc.property(partlyGarbage, (raw) => {
        const read = readInput(raw);
        if (!read.ok) expect(read.problems.every(isComplete)).toBe(true);
      }),
      TEN_THOUSAND,
    );
  });

  it("pollutes nothing: __proto__ as a key", () => {
    fc.assert(
      fc.property(prototypeKeys, (raw) => {
        const read = readInput(raw);
        expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
        expect(read.ok).toBe(false);
        if (read.ok) plan(read.input);
      }),
      { numRuns: 200 },
    );
  });
});
