/** What a budget is: an inequality with a number, and the terms it is made of. */
import type { Plan, Severity } from "../../../contract/plan.ts";
import type { Understated } from "../derivation.ts";
import type { SizingInput } from "../input.ts";

export type Case = { readonly input: SizingInput; readonly plan: Plan; readonly understated: Understated };

/** `left ≤ right`, or `left < right` where strict; undefined where it does not apply. */
export type Sides = readonly [left: number, right: number] | undefined;

export type BudgetRule = {
  readonly id: string;
  /** Unique among the rules of an id. */
  readonly statement: string;
  readonly unit: string;
  readonly source: string;
  readonly severity: Severity;
  readonly isStrict?: true;
  /** Paths of inputs (`input.…`) and of the plan that the sides are computed from: what a repair may start at. */
  readonly terms: readonly string[];
  readonly sides: (of: Case) => Sides;
};

/** Shorthands that say the severity. */
export function refuse(rule: Omit<BudgetRule, "severity">): BudgetRule {
  return { ...rule, severity: "refuse" };
}
export function warn(rule: Omit<BudgetRule, "severity">): BudgetRule {
  return { ...rule, severity: "warn" };
}
