/** The plan as a document: every number with its origin, every budget, and for those that do not hold the smallest repairs. */
import type { PlanDocument, Provenance, Refusal } from "../../contract/plan.ts";
import { type BudgetLine, budgetOf } from "./budgets/index.ts";
import { evaluate } from "./evaluate.ts";
import { inputFields, type SizingInput } from "./input.ts";
import { measurementOf } from "./kernels/gateway.ts";
import { findRepairs } from "./repairs.ts";

/**
 * Pure: the same input always gives the same document. Accepted when every budget of severity `refuse` holds. Throws nothing for an
 * input that `readInput` gave.
 */
export function plan(input: SizingInput): PlanDocument {
  const notes = new Map<string, Provenance>();
  noteInputs(input, notes);
  const evaluation = evaluate(input, notes);
  const broken = evaluation.budgets.filter((line) => !line.holds);
  const explained = (severity: BudgetLine["rule"]["severity"]): Refusal[] =>
    broken
      .filter(({ rule }) => rule.severity === severity)
      .map((line) => ({ ...budgetOf(line), repairs: findRepairs(input, line, evaluation, notes) }));
  const refusals = explained("refuse");
  return {
    accepted: refusals.length === 0,
    plan: evaluation.plan,
    budgets: evaluation.budgets.map(budgetOf),
    provenance: Object.fromEntries(notes),
    refusals,
    warnings: explained("warn"),
  };
}

function noteInputs(input: SizingInput, notes: Map<string, Provenance>): void {
  for (const [path, field] of inputFields) {
    if (input.stated.has(path)) notes.set(`input.${path}`, { kind: "given", from: [] });
    else if (field.fallback !== undefined)
      notes.set(`input.${path}`, {
        kind: field.isAssumed === true ? "assumed" : "default",
        source: field.source ?? "this project",
      });
  }
  const { calibration } = input;
  if (calibration !== undefined) notes.set("input.calibration", measurementOf(calibration));
}
