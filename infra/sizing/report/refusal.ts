/** A budget that does not hold, in words that need no knowledge of the model: what, by how much, why it matters, what to change. */
import type { Budget, PlanDocument, Refusal, Repair } from "../../../contract/plan.ts";
import { inputFields } from "../input.ts";
import { isRolloutBudget } from "../rollout.ts";
import { consequenceOf } from "./consequences.ts";
import { quantity } from "./numbers.ts";

/** The two sides of a statement by name; a side that is only a number is called after what it does. */
export function sidesOf({ statement }: Budget): readonly [left: string, right: string] {
  const [left = statement, right = ""] = statement.split(/ [≤<] /);
  const bare = right.replace(/:.*$/, "");
  const isNumber = (text: string) => /^\d+$/.test(text);
  return [isNumber(left) ? "needed at least" : left, isNumber(bare) ? "allowed at most" : right];
}

/** `44 connections`; that equality is not enough where the sides are equal. */
function excessOf({ left, right, strict, unit }: Budget): string {
  if (strict && left === right) return "equal, but it has to be less";
  return quantity(Number((left - right).toFixed(6)), unit);
}

/** A repair as it is given to `--what-if`; what is pinned, or can only be pinned, is changed there. */
export function whatIfOf({ provenance }: Pick<PlanDocument, "provenance">, { input, to }: Repair): string {
  const isPin = provenance[input]?.kind === "given" || !inputFields.has(input);
  const path = isPin ? `given.${input}` : input;
  return `--what-if ${path}=${String(to)}`;
}

export type RepairText = { readonly sentence: string; readonly whatIf: string };

export function repairTexts(document: Pick<PlanDocument, "provenance">, { repairs }: Refusal): RepairText[] {
  return repairs.map((repair) => ({
    sentence: `set ${repair.input} to ${String(repair.to)} (now ${String(repair.from)})`,
    whatIf: whatIfOf(document, repair),
  }));
}

/** What stands where there is no repair. */
export function noRepair(refusal: Refusal): string {
  if (isRolloutBudget(refusal))
    return `No single number of this plan repairs it alone: pods of the plan before still need room for ${quantity(refusal.left, refusal.unit)}. Take two steps: first this plan with the limits of the plan before pinned, then without.`;
  if (refusal.id === "I5")
    return "No input repairs it: measure with `mcp-stack load --serve --profile step --rps 8000 --calibration calibration.json` and plan with `--calibration calibration.json`.";
  return "No single input repairs it.";
}

/** Why it matters; the rule itself for numbers that are newer than these words. */
export function whyItMatters({ id, statement }: Budget): string {
  return consequenceOf(id) ?? `It has to hold that ${statement}.`;
}

/** Both sides with numbers and units, and the difference. */
export function sideRows(budget: Budget): readonly (readonly [name: string, amount: string])[] {
  const [left, right] = sidesOf(budget);
  return [
    [left, quantity(budget.left, budget.unit)],
    [right, quantity(budget.right, budget.unit)],
    ["over by", excessOf(budget)],
  ];
}
