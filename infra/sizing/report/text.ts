/** The report for people at a terminal: verdict, what does not hold, what is tight, the numbers, what they rest on. */
import type { Budget, PlanDocument, Refusal } from "../../../contract/plan.ts";
import { basisOf } from "./basis.ts";
import { figure, money, percent, quantity, scalar } from "./numbers.ts";
import { type Paint, plain } from "./paint.ts";
import { noRepair, repairTexts, sideRows, whyItMatters } from "./refusal.ts";
import { type Section, sectionsOf, timeoutChain } from "./sections.ts";
import { originOf, type Subject, unitOf, valueAt } from "./subject.ts";
import { alignTable, wrap } from "./table.ts";
import { tightestOf } from "./tightest.ts";
import { verdictOf } from "./verdict.ts";

const WIDTH = 100;

/** Lines end in a line feed, the last one too. `paint` emphasises; without it the text has no escapes. */
export function textReport(subject: Subject, paint: Paint = plain): string {
  const { document } = subject;
  return joined([
    ...verdictBlocks(subject, paint),
    tightLines(document, paint),
    ...sectionsOf(document.plan).map((section) => sectionLines(document, section, paint)),
    [paint.strong("Timeouts, each within the next"), `  ${timeoutChain(document.plan)}`],
    costLines(document, paint),
    ...basisLines(subject, paint),
  ]);
}

/** The beginning of the report alone: what holds and what does not. */
export function verdictText(subject: Subject, paint: Paint = plain): string {
  return joined(verdictBlocks(subject, paint));
}

function verdictBlocks(subject: Subject, paint: Paint): string[][] {
  const { document } = subject;
  return [
    [(document.accepted ? paint.good : paint.bad)(paint.strong(verdictOf(subject)))],
    ...document.refusals.map((refusal) => refusalLines(document, refusal, paint.bad)),
    ...document.warnings.map((warning) => refusalLines(document, warning, paint.warn)),
  ];
}

/** Blocks with a blank line between them, empty ones left out. */
export function joined(blocks: readonly (readonly string[])[]): string {
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join("\n"))
    .join("\n\n")}\n`;
}

/** One budget that does not hold, whole. */
export function refusalLines(
  document: Pick<PlanDocument, "provenance">,
  refusal: Refusal,
  emphasise: (text: string) => string,
): string[] {
  const kind = refusal.severity === "refuse" ? "does not hold" : "warning";
  const repairs = repairTexts(document, refusal);
  const rows = alignTable(
    repairs.map(({ sentence, whatIf }) => [sentence, whatIf]),
    ["left", "left"],
  );
  return [
    `${emphasise(`${refusal.id} ${kind}`)}: ${refusal.statement}`,
    ...indent(wrap(whyItMatters(refusal), WIDTH - 4), 4),
    ...indent(alignTable(sideRows(refusal), ["left", "right"]), 6),
    ...indent(wrap(`Rule: ${refusal.source}.`, WIDTH - 4), 4),
    ...(repairs.length === 0
      ? indent(wrap(noRepair(refusal), WIDTH - 4), 4)
      : [`    ${repairs.length === 1 ? "This repairs it:" : "Each of these alone repairs it:"}`, ...indent(rows, 6)]),
  ];
}

export function indent(lines: readonly string[], blanks: number): string[] {
  return lines.map((line) => " ".repeat(blanks) + line);
}

function tightLines(document: PlanDocument, paint: Paint): string[] {
  const tightest = tightestOf(document, 3);
  if (tightest.length === 0) return [];
  const rows = tightest.map((budget: Budget) => [
    budget.id,
    percent(budget.headroom),
    `${figure(budget.left)} of ${quantity(budget.right, budget.unit)}`,
    budget.statement,
  ]);
  const lines = alignTable([["", "headroom", "taken", ""], ...rows], ["left", "right", "left", "left"]);
  return [paint.strong("Tightest budgets"), ...indent(lines, 2)];
}

function sectionLines({ plan, provenance }: PlanDocument, { title, rows }: Section, paint: Paint): string[] {
  const cells = rows.map(([label, path]) => {
    const value = valueAt(plan, path);
    return [label, scalar(value), unitOf(path), originOf(provenance, path)];
  });
  return [paint.strong(title), ...indent(alignTable(cells, ["left", "right", "left", "left"]), 2)];
}

function costLines({ plan: { cost } }: PlanDocument, paint: Paint): string[] {
  if (cost === null) return [];
  const tiers = Object.entries(cost.tiers).filter(([, amount]) => amount > 0);
  const rows = [
    ["fewest replicas", money(cost.monthlyAtMin, cost.currency)],
    ["most replicas", money(cost.monthlyAtMax, cost.currency)],
    ...tiers.map(([tier, amount]) => [`  of it ${tier}`, money(amount, cost.currency)]),
  ];
  return [paint.strong("Cost of a month"), ...indent(alignTable(rows, ["left", "right"]), 2)];
}

function basisLines(subject: Subject, paint: Paint): string[][] {
  const { measured, assumed, pinned, defaults } = basisOf(subject);
  const table = (title: string, rows: readonly (readonly string[])[]) =>
    rows.length === 0 ? [] : [paint.strong(title), ...indent(alignTable(rows, ["left", "right", "left"]), 2)];
  return [
    measured.length === 0
      ? []
      : [paint.strong("Measured"), ...measured.flatMap((line) => indent(wrap(line, WIDTH - 2), 2))],
    table(
      "Pinned, proved like derived numbers",
      pinned.map(({ path, value, derived }) => [path, value, `derived: ${derived}`]),
    ),
    table(
      "Assumed: nobody measured these",
      assumed.map(({ path, value, what }) => [path, value, what]),
    ),
    defaults === 0 ? [] : [`${defaults} inputs have their defaults; --explain <path> shows where a number comes from.`],
  ];
}
