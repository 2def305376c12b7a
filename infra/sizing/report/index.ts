/** What people see of a plan: pure functions from documents to text. */
export { type Change, compareMarkdown, compareText, type Side, sideOf } from "./compare.ts";
export { explain } from "./explain.ts";
export { markdownReport } from "./markdown.ts";
export { coloured, type Paint, plain } from "./paint.ts";
export { problemsReport } from "./problems.ts";
export type { Subject } from "./subject.ts";
export { svgReport } from "./svg.ts";
export { alignTable } from "./table.ts";
export { textReport, verdictText } from "./text.ts";
