/** Whatever the inputs: every report can be written, says only what it knows, and is the same each time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Provenance } from "../../../../contract/plan.ts";
import { budgetOf } from "../../../../infra/sizing/budgets/index.ts";
import { evaluate, inputFields, type SizingInput } from "../../../../infra/sizing/index.ts";
import { withInput } from "../../../../infra/sizing/levers.ts";
import {
  compareMarkdown,
  compareText,
  explain,
  markdownReport,
  type Subject,
  sideOf,
  svgReport,
  textReport,
} from "../../../../infra/sizing/report/index.ts";
import { proveRollout } from "../../../../infra/sizing/rollout.ts";
import { readWrittenPlan, writePlan } from "../../../../infra/sizing/written.ts";
import { dev, prod, subjectOf } from "./stacks.ts";

const bases = [subjectOf("dev", dev), subjectOf("prod", prod)];

/** A few fields of a base at any legal value, small ones as likely as great ones. */
const changes = fc.array(
  // Prices belong together; the second base has them.
  fc.constantFrom(...[...inputFields].filter(([path]) => !path.startsWith("prices."))).chain(([path, field]) => {
    const value =
      field.kind === "boolean"
        ? fc.boolean()
        : field.kind === "choice" || field.kind === "version" || field.kind === "text"
          ? fc.constantFrom(...(field.kind === "text" ? ["EUR"] : field.allowed))
          : fc.double({ min: 0, max: 1, noNaN: true }).map((part) => between(field, part));
    return fc.tuple(fc.constant(path), value);
  }),
  { maxLength: 8 },
);

function between(
  { kind, min, max }: { readonly kind: string; readonly min: number; readonly max: number },
  part: number,
): number {
  // Beyond a million only the time grows that it takes to plan.
  const value = Math.exp(Math.log(min + 1) + part * (Math.log(Math.min(max, 1e6) + 1) - Math.log(min + 1))) - 1;
  return kind === "number" || kind === "cores" ? Math.max(min, value) : Math.max(min, Math.round(value));
}

const cases = fc.tuple(fc.constantFrom(0, 1), changes);

function subjectFor([which, made]: [number, [string, number | string | boolean][]]): Subject {
  const base = bases[which];
  if (base === undefined) throw new Error("there are two bases");
  const input = made.reduce<SizingInput>((one, [path, value]) => withInput(one, path, value), base.input);
  const notes = new Map<string, Provenance>(
    Object.entries(base.document.provenance).filter(([path]) => path.startsWith("input.")),
  );
  const { plan, budgets } = evaluate(input, notes);
  const lines = budgets.map(budgetOf);
  const broken = (severity: string) =>
    lines.filter((line) => !line.holds && line.severity === severity).map((line) => ({ ...line, repairs: [] }));
  const document = {
    accepted: broken("refuse").length === 0,
    plan,
    budgets: lines,
    provenance: Object.fromEntries(notes),
    refusals: broken("refuse"),
    warnings: broken("warn"),
  };
  return { title: "any", input, document };
}

const UNKNOWN = /undefined|NaN|\[object|function/;

describe("any plan", () => {
  it("can be reported in every form", () => {
    fc.assert(
      fc.property(cases, (made) => {
        const subject = subjectFor(made);
        for (const report of [textReport, markdownReport]) {
          const text = report(subject);
          expect(text).not.toMatch(UNKNOWN);
          expect(text).not.toMatch(/[ \t]$/m);
          expect(report(subject)).toBe(text);
        }
        const svg = svgReport(subject);
        expect(svg).not.toMatch(UNKNOWN);
        expect(svg).not.toContain("Infinity");
        expect(svg.length).toBeLessThan(60_000);
      }),
      { numRuns: 400 },
    );
  });

  it("can be compared with any other, both ways, and kept", () => {
    fc.assert(
      fc.property(cases, cases, (...made) => {
        const [one, other] = [subjectFor(made[0]), subjectFor(made[1])];
        const [before, after] = [one, other].map(({ document, input }, index) =>
          sideOf(String(index), document, input),
        );
        if (before === undefined || after === undefined) throw new Error("two sides");
        for (const text of [compareText(before, after), compareMarkdown(after, before)])
          expect(text).not.toMatch(UNKNOWN);
        for (const budget of proveRollout(before.plan, after.plan, one.input.cluster.quota)) {
          expect(Number.isFinite(budget.left) && Number.isFinite(budget.right)).toBe(true);
          expect(budget.holds).toBe(budget.left <= budget.right + 1e-6);
        }
        const text = writePlan({}, one.document);
        expect(readWrittenPlan(JSON.parse(text), "x").plan).toEqual(JSON.parse(JSON.stringify(one.document.plan)));
      }),
      { numRuns: 200 },
    );
  });

  it("explains every number that it has", () => {
    fc.assert(
      fc.property(cases, (made) => {
        const subject = subjectFor(made);
        for (const path of Object.keys(subject.document.provenance)) {
          const explanation = explain(subject, path);
          expect(explanation.ok && !UNKNOWN.test(explanation.text)).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });
});
