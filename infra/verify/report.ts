/** Findings as a table for people. */

import type { Finding } from "./expectation.ts";
import { isAsPlanned } from "./judge.ts";

export function findingsText(findings: readonly Finding[]): string {
  const head = ["verdict", "where", "what", "planned", "found"];
  const rows = findings.map(({ verdict, instance, what, planned, found }) => [verdict, instance, what, planned, found]);
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd();
  const count = (verdict: Finding["verdict"]) => findings.filter((one) => one.verdict === verdict).length;
  const sum = `${count("OK")} as planned, ${count("WRONG")} wrong, ${count("NOT CHECKED")} not checked`;
  return `${[line(head), ...rows.map(line), "", isAsPlanned(findings) ? sum : `NOT as planned: ${sum}`].join("\n")}\n`;
}
