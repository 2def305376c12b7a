/** Which budgets are the next to break. */
import type { Budget, PlanDocument } from "../../../contract/plan.ts";
import { budgetRules } from "../budgets/index.ts";

/** Met but for a rounding: the plan sizes one side from the other, or both are zero. */
const MET = 0.005;
/** Orders of timeouts are a few seconds apart on purpose; nothing uses them up. */
const WAIT = /^(?:timeouts|retries|probes|caches)\.|S$/;

/**
 * The `count` budgets that hold with the least headroom. Left out are those in which the plan chose the room itself and no load can use
 * it up: orders of timeouts, and sides that meet because one was sized from the other. A pinned number is nobody's choice but the
 * user's, so its budgets are always in.
 */
export function tightestOf(document: PlanDocument, count: number): readonly Budget[] {
  return document.budgets
    .filter((budget) => budget.holds && isSpent(document, budget))
    .toSorted((a, b) => a.headroom - b.headroom)
    .slice(0, count);
}

function isSpent({ provenance }: PlanDocument, budget: Budget): boolean {
  const rule = budgetRules.find(({ id, statement }) => id === budget.id && statement === budget.statement);
  const terms = rule?.terms ?? [];
  if (terms.some((path) => provenance[path]?.kind === "given" && !path.startsWith("input."))) return true;
  return budget.headroom > MET && !terms.every((path) => WAIT.test(path));
}
