/** `--from-env file`: another gateway's file as sizing inputs, with the report of what each of its names means. */
import { basename } from "node:path";
import type { PlanDocument } from "../contract/plan.ts";
import {
  type EnvReport,
  formatConsequences,
  formatEnvReport,
  originOf,
  readDeployment,
  type Style,
} from "../infra/from-env/index.ts";
import type { Problem } from "../infra/sizing/index.ts";
import { readStandardInput, readText, type StackInput } from "./stack.ts";

export type EnvSource = StackInput & {
  readonly report: EnvReport;
  /** What keeps it from being planned, in the form of an input's problems; without values, which may be secrets. */
  readonly problems: readonly Problem[];
};

/** `-` is standard input. Throws RangeError with the file's name where it cannot be read. */
export async function readEnvFile(file: string): Promise<EnvSource> {
  const title = file === "-" ? "standard input" : basename(file);
  const { input, report } = readDeployment(file === "-" ? await readStandardInput() : await readText(file), title);
  const problems = report.problems.map(({ line, message }) => {
    const path = `${title}:${line}`;
    return { path, value: null, allowed: message, message: `${path}: ${message}` };
  });
  return { title, raw: input, report, problems };
}

/** Problems of an input, each with the name and the line that it comes from. */
export function withOrigins(problems: readonly Problem[], report: EnvReport): readonly Problem[] {
  return problems.map((problem) => ({
    ...problem,
    message: `${problem.message} (${originOf(problem.path, report).origin})`,
  }));
}

/** Names and verdicts, then, where it could be planned, what of it does not hold and what to write instead. */
export function envReportText(report: EnvReport, document: PlanDocument | undefined, style: Style): string {
  const names = formatEnvReport(report, style);
  return document === undefined ? names : `${names}\n${formatConsequences(report, document, style)}`;
}
