/** An input that could not be read: every finding at once. */
import type { Problem } from "../problem.ts";
import { type Paint, plain } from "./paint.ts";

/** What somebody else wrote must not steer a terminal: control characters are shown, not sent. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** One line per finding with path, value, what is allowed and the nearest legal value. */
export function problemsReport(title: string, problems: readonly Problem[], paint: Paint = plain): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const lines = problems.map(({ message }) => `  ${printable(message)}`);
  return `${paint.bad(paint.strong(`Not understood: ${printable(title)} has ${count}.`))}\n${lines.join("\n")}\n`;
}
