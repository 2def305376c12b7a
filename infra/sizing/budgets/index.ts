/** Every budget that a plan is proved against; numbers of retired ones (I2, I42) are not used again. */
import type { Budget } from "../../../contract/plan.ts";
import { capacity } from "./capacity.ts";
import { connections } from "./connections.ts";
import { data } from "./data.ts";
import { demands } from "./demands.ts";
import { kernel } from "./kernel.ts";
import { replicas } from "./replicas.ts";
import type { BudgetRule, Case } from "./rule.ts";
import { security } from "./security.ts";
import { timeouts } from "./timeouts.ts";

export type { BudgetRule, Case } from "./rule.ts";

export const budgetRules: readonly BudgetRule[] = [
  ...capacity,
  ...connections,
  ...timeouts,
  ...kernel,
  ...replicas,
  ...data,
  ...security,
  ...demands,
];

/** A rule with its numbers. */
export type BudgetLine = {
  readonly rule: BudgetRule;
  readonly left: number;
  readonly right: number;
  readonly holds: boolean;
};

export function checkBudgets(of: Case): BudgetLine[] {
  const lines: BudgetLine[] = [];
  for (const rule of budgetRules) {
    const line = checkBudget(rule, of);
    if (line !== undefined) lines.push(line);
  }
  return lines;
}

/** Undefined where the rule does not apply. */
export function checkBudget(rule: BudgetRule, of: Case): BudgetLine | undefined {
  const sides = rule.sides(of);
  if (sides === undefined) return undefined;
  const [left, right] = sides;
  return { rule, left, right, holds: holdsBetween(left, right, rule.isStrict === true) };
}

/** A bit of floating-point noise does not break a budget that holds with equality. */
function holdsBetween(left: number, right: number, isStrict: boolean): boolean {
  const noise = 1e-9 * Math.max(Math.abs(left), Math.abs(right));
  return isStrict ? left < right - noise : left <= right + noise;
}

/** The rule's line as others read it. */
export function budgetOf({ rule, left, right, holds }: BudgetLine): Budget {
  return {
    id: rule.id,
    statement: rule.statement,
    left: rounded(left),
    right: rounded(right),
    strict: rule.isStrict === true,
    unit: rule.unit,
    headroom: headroomOf(left, right),
    severity: rule.severity,
    source: rule.source,
    holds,
  };
}

/** (right − left) ÷ right in thousandths; where right is 0, 0 or −1. */
export function headroomOf(left: number, right: number): number {
  if (right === 0) return left > 0 ? -1 : 0;
  return rounded((right - left) / Math.abs(right), 3);
}

/** What rounds to nothing from below is 0, not −0, which no JSON can write. */
function rounded(value: number, digits = 6): number {
  return Number(value.toFixed(digits)) + 0;
}
