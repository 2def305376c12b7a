/** The smallest repair repairs, breaks nothing else, and one step less does not do it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Refusal, Repair } from "../../../contract/plan.ts";
import { evaluate, inputFields, pinRange, plan, withInput } from "../../../infra/sizing/index.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";
import { plausibleInputs } from "./arbitraries.ts";
import { pinnedInputs } from "./arbitraries-pinned.ts";
import { published } from "./fixtures.ts";
import { ownRefused } from "./fixtures-own.ts";
import { inputOf } from "./reading.ts";

type Value = Repair["to"];

/** `input.…` of memory is written `512Mi`; everything else is what it is. */
function numberOf(path: string, value: Value): number | undefined {
  if (typeof value === "number") return value;
  if (inputFields.get(path)?.kind !== "memory" || typeof value !== "string") return undefined;
  const found = /^([\d.]+)(Mi|Gi|Ti)$/.exec(value);
  const factor = { Mi: 1, Gi: 1024, Ti: 1024 * 1024 }[found?.[2] ?? ""];
  return factor === undefined ? undefined : Number(found?.[1]) * factor;
}

/** A pinned number is named as the input of the same path would be; what it is changed from tells them apart. */
function isPin(input: SizingInput, { input: path, from }: Repair): boolean {
  return Object.hasOwn(input.given, path) && input.given[path] === from;
}

function repaired(input: SizingInput, repair: Repair, value: Value): SizingInput {
  const { input: path } = repair;
  if (isPin(input, repair)) return { ...input, given: { ...input.given, [path]: value } };
  return withInput(input, path, numberOf(path, value) ?? value);
}

/** What a repair has to achieve: the budget holds and no refusing one breaks that held before. */
function repairs(input: SizingInput, refusal: Refusal, repair: Repair, value: Value): boolean {
  const key = ({ id, statement }: { readonly id: string; readonly statement: string }) => `${id} ${statement}`;
  const brokenOf = (one: SizingInput) =>
    evaluate(one).budgets.flatMap(({ rule, holds }) => (holds || rule.severity === "warn" ? [] : [key(rule)]));
  const before = new Set(brokenOf(input));
  const changed = repaired(input, repair, value);
  const { budgets } = evaluate(changed);
  const own = budgets.find(({ rule }) => key(rule) === key(refusal));
  const isMet = own === undefined || own.holds;
  return isMet && brokenOf(changed).every((one) => before.has(one) && one !== key(refusal));
}

/** One step less than the repair on the grid that starts at the present value; undefined where there are no steps. */
function oneStepLess(input: SizingInput, repair: Repair): number | undefined {
  const { input: path } = repair;
  const field = isPin(input, repair) ? undefined : inputFields.get(path);
  const [from, to] = [numberOf(path, repair.from), numberOf(path, repair.to)];
  if (from === undefined || to === undefined) return undefined;
  const step = field === undefined ? pinRange(path, from).step : "step" in field ? field.step : 1;
  // Values of the grid are rounded to millionths.
  const steps = Math.ceil(Math.abs(to - from) / step - 0.01);
  return Number((from + Math.sign(to - from) * (steps - 1) * step).toFixed(6));
}

function wrongRepairs(input: SizingInput): readonly string[] {
  const document = plan(input);
  return [...document.refusals, ...document.warnings].flatMap((refusal) =>
    refusal.repairs.flatMap((repair) => {
      const { input: path, from, to } = repair;
      const name = `${refusal.id} ${path} ${from} → ${to}`;
      if (!repairs(input, refusal, repair, to)) return [`${name}: does not repair`];
      const less = oneStepLess(input, repair);
      return less !== undefined && repairs(input, refusal, repair, less) ? [`${name}: ${less} is enough`] : [];
    }),
  );
}

describe("the smallest repair", () => {
  it.each([...published, ...ownRefused].map((fixture) => [fixture.name, fixture] as const))(
    "repairs, and one step less does not: %s",
    (_name, { raw }) => {
      expect(wrongRepairs(inputOf(raw))).toEqual([]);
    },
  );

  it("does so wherever plans are refused", () => {
    fc.assert(
      fc.property(fc.oneof(pinnedInputs, plausibleInputs.map(inputOf)), (input) => {
        expect(wrongRepairs(input)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
