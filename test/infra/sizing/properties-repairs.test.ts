/** The smallest repair repairs, breaks nothing else, and one step less does not do it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Refusal, Repair } from "../../../contract/plan.ts";
import { evaluate, inputFields, pinRange, plan, withInput } from "../../../infra/sizing/index.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";
import { plausibleInputs, valueAt } from "./arbitraries.ts";
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

/** A place where a value is written: among the pins or among the inputs. */
type Place = { readonly kind: "pin" | "input"; readonly path: string };

/** A pin is named as the input of the same path would be; what it is changed from tells them apart, unless both were written alike. */
function placesOf(input: SizingInput, { input: path, from }: Repair): readonly Place[] {
  const isPin = Object.hasOwn(input.given, path) && input.given[path] === from;
  const current = valueAt(input, path);
  const isInput = inputFields.has(path) && (current === "auto" || current === (numberOf(path, from) ?? from));
  return [...(isPin ? [{ kind: "pin", path } as const] : []), ...(isInput ? [{ kind: "input", path } as const] : [])];
}

function repaired(input: SizingInput, { kind, path }: Place, value: Value): SizingInput {
  if (kind === "pin") return { ...input, given: { ...input.given, [path]: value } };
  return withInput(input, path, numberOf(path, value) ?? value);
}

/** What a repair has to achieve: the budget holds and no refusing one breaks that held before. */
function repairs(input: SizingInput, refusal: Refusal, place: Place, value: Value): boolean {
  const key = ({ id, statement }: { readonly id: string; readonly statement: string }) => `${id} ${statement}`;
  const brokenOf = (one: SizingInput) =>
    evaluate(one).budgets.flatMap(({ rule, holds }) => (holds || rule.severity === "warn" ? [] : [key(rule)]));
  const before = new Set(brokenOf(input));
  const changed = repaired(input, place, value);
  const { budgets } = evaluate(changed);
  const own = budgets.find(({ rule }) => key(rule) === key(refusal));
  const isMet = own === undefined || own.holds;
  return isMet && brokenOf(changed).every((one) => before.has(one) && one !== key(refusal));
}

/** One step less than the repair on the grid that starts at the present value; undefined where there are no steps. */
function oneStepLess({ kind, path }: Place, repair: Repair): number | undefined {
  const field = kind === "pin" ? undefined : inputFields.get(path);
  const [from, to] = [numberOf(path, repair.from), numberOf(path, repair.to)];
  if (from === undefined || to === undefined) return undefined;
  const step = field === undefined ? pinRange(path, from).step : "step" in field ? field.step : 1;
  // Values of the grid are rounded to millionths.
  const steps = Math.ceil(Math.abs(to - from) / step - 0.01);
  return Number((from + Math.sign(to - from) * (steps - 1) * step).toFixed(6));
}

/** Nothing where the repair is right in a place that it may mean. */
function wrongAt(input: SizingInput, refusal: Refusal, repair: Repair): readonly string[] {
  const name = `${refusal.id} ${repair.input} ${repair.from} → ${repair.to}`;
  const wrongs = placesOf(input, repair).map((place) => {
    if (!repairs(input, refusal, place, repair.to)) return `${name}: does not repair`;
    const less = oneStepLess(place, repair);
    return less !== undefined && repairs(input, refusal, place, less) ? `${name}: ${less} is enough` : undefined;
  });
  if (wrongs.length === 0) return [`${name}: is nowhere written`];
  return wrongs.includes(undefined) ? [] : wrongs.filter((wrong) => wrong !== undefined);
}

function wrongRepairs(input: SizingInput): readonly string[] {
  const { refusals, warnings } = plan(input);
  return [...refusals, ...warnings].flatMap((refusal) =>
    refusal.repairs.flatMap((repair) => wrongAt(input, refusal, repair)),
  );
}

describe("the smallest repair", () => {
  it.each([...published, ...ownRefused].map((fixture) => [fixture.name, fixture] as const))(
    "repairs, and one step less does not: %s",
    (_name, { raw }) => {
      expect(wrongRepairs(inputOf(raw))).toEqual([]);
    },
  );

  it("does so wherever plans are refused, ten thousand repairs over", () => {
    fc.assert(
      fc.property(fc.oneof(pinnedInputs, plausibleInputs.map(inputOf)), (input) => {
        console.log(
          "R",
          plan(input).refusals.reduce((a, b) => a + b.repairs.length, 0),
        );
        expect(wrongRepairs(input)).toEqual([]);
      }),
      { numRuns: 8000 },
    );
  });
});
