/** An input that could not be read: every finding at once. */
import type { Problem } from "../problem.ts";
import { type Paint, plain } from "./paint.ts";

/** One line per finding with path, value, what is allowed and the nearest legal value. */
export function problemsReport(title: string, problems: readonly Problem[], paint: Paint = plain): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const lines = problems.map(({ message }) => `  ${message}`);
  return `${paint.bad(paint.strong(`Not understood: ${title} has ${count}.`))}\n${lines.join("\n")}\n`;
}
