/** The report as a comment on a pull request: the verdict and what does not hold in sight, the numbers folded. */
import type { PlanDocument, Refusal } from "../../../contract/plan.ts";
import { basisOf } from "./basis.ts";
import { figure, money, percent, quantity, scalar } from "./numbers.ts";
import { noRepair, repairTexts, sideRows, whyItMatters } from "./refusal.ts";
import { sectionsOf, timeoutChain } from "./sections.ts";
import { originOf, type Subject, unitOf, valueAt } from "./subject.ts";
import { cell, markdownTable } from "./table.ts";
import { tightestOf } from "./tightest.ts";
import { verdictOf } from "./verdict.ts";

/** GitHub-flavoured Markdown. */
export function markdownReport(subject: Subject): string {
  const { document } = subject;
  const blocks = [
    [`## ${document.accepted ? "✅" : "❌"} ${cell(verdictOf(subject))}`],
    ...document.refusals.map((refusal) => refusalBlock(document, refusal, "❌")),
    ...document.warnings.map((warning) => refusalBlock(document, warning, "⚠️")),
    tightBlock(document),
    numbersBlock(document),
    basisBlock(subject),
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join("\n"))
    .join("\n\n")}\n`;
}

/** One budget that does not hold. */
export function refusalBlock(document: Pick<PlanDocument, "provenance">, refusal: Refusal, mark: string): string[] {
  const repairs = repairTexts(document, refusal);
  return [
    `### ${mark} ${refusal.id}: ${cell(refusal.statement)}`,
    "",
    cell(whyItMatters(refusal)),
    "",
    ...markdownTable(["", ""], sideRows(refusal), ["left", "right"]),
    "",
    `Rule: ${cell(refusal.source)}.`,
    "",
    ...(repairs.length === 0
      ? [cell(noRepair(refusal))]
      : [
          repairs.length === 1 ? "This repairs it:" : "Each of these alone repairs it:",
          "",
          ...repairs.map(({ sentence, whatIf }) => `- ${cell(sentence)}: \`${whatIf}\``),
        ]),
  ];
}

function tightBlock(document: PlanDocument): string[] {
  const rows = tightestOf(document, 3).map(({ id, headroom, left, right, unit, statement }) => [
    id,
    percent(headroom),
    `${figure(left)} of ${quantity(right, unit)}`,
    statement,
  ]);
  if (rows.length === 0) return [];
  return [
    "### Tightest budgets",
    "",
    ...markdownTable(["", "headroom", "taken", "budget"], rows, ["left", "right", "left", "left"]),
  ];
}

/** Folded: a comment is read for its verdict first. */
function numbersBlock({ plan, provenance }: PlanDocument): string[] {
  const sections = sectionsOf(plan).flatMap(({ title, rows }) => [
    `#### ${cell(title)}`,
    "",
    ...markdownTable(
      ["", "value", "unit", "origin"],
      rows.map(([label, path]) => [label, scalar(valueAt(plan, path)), unitOf(path), originOf(provenance, path)]),
      ["left", "right", "left", "left"],
    ),
    "",
  ]);
  const { cost } = plan;
  const month =
    cost === null
      ? []
      : [
          "",
          `A month costs ${money(cost.monthlyAtMin, cost.currency)} with the fewest replicas, ${money(cost.monthlyAtMax, cost.currency)} with the most.`,
        ];
  return [
    "<details><summary>Numbers per tier</summary>",
    "",
    ...sections,
    `Timeouts, each within the next: ${timeoutChain(plan)}.`,
    ...month,
    "",
    "</details>",
  ];
}

function basisBlock(subject: Subject): string[] {
  const { measured, assumed, pinned, defaults } = basisOf(subject);
  const items = [
    ...measured.map((line) => `- measured: ${cell(line)}`),
    ...pinned.map(({ path, value, derived }) => `- pinned: \`${path}\` ${cell(value)}, derived ${cell(derived)}`),
    ...assumed.map(({ path, value, what }) => `- assumed: \`${path}\` ${cell(value)} (${cell(what)})`),
    ...(defaults === 0 ? [] : [`- ${defaults} inputs have their defaults`]),
  ];
  return items.length === 0 ? [] : ["<details><summary>What it rests on</summary>", "", ...items, "", "</details>"];
}
