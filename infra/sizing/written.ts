/** An accepted plan as it is kept beside its stack: what later plans are compared with, and what a rollout starts from. */
import { z } from "zod";
import { budgetSchema, type PlanDocument, planSchema } from "../../contract/plan.ts";

const writtenSchema = z.object({ input: z.unknown().optional(), plan: planSchema, budgets: z.array(budgetSchema) });

/** `input` is there only in files that `writePlan` made, as it was written by the user. */
export type WrittenPlan = z.infer<typeof writtenSchema>;

/** The same input and plan always give the same bytes: keys of the input are sorted, those of the plan stand as in its schema. */
export function writePlan(input: unknown, { plan, budgets }: PlanDocument): string {
  return `${JSON.stringify({ input: sorted(input), plan: planSchema.parse(plan), budgets }, null, 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sorted(part)]),
  );
}

/** True for what `writePlan` or `--json` gave, in any version: inputs have no such keys. */
export function isWrittenPlan(content: unknown): boolean {
  return typeof content === "object" && content !== null && "plan" in content && "budgets" in content;
}

/** Throws RangeError with the place of the first difference where another version wrote it. */
export function readWrittenPlan(content: unknown, name: string): WrittenPlan {
  const parsed = writtenSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue === undefined ? "" : `: ${issue.path.map(String).join(".")}: ${issue.message}`;
  throw new RangeError(`${name} is no plan of this version${place}; move it away and write it again with --write`);
}
