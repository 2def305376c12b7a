/** `mcp-stack simulate`: the planned system under load in a discrete-event simulation, and what of the plan it confirms. */
import { nearestOf } from "../../contract/nearest.ts";
import { reportText, type ScenarioName, scenarioNames, simulate } from "../../infra/simulation/index.ts";
import { problemsReport } from "../../infra/sizing/report/index.ts";
import { type Command, readOptions, UsageError } from "../command.ts";
import { printJson } from "../print.ts";
import { readStack, stackOptions } from "../stack.ts";
import { readSubject } from "../subject.ts";

const SPREADS = ["exponential", "deterministic", "lognormal"] as const;

const options = {
  ...stackOptions,
  scenario: {
    type: "string",
    value: "<name,…>",
    help: `What is done to the planned system: ${scenarioNames.join(", ")}; all when left out`,
  },
  seed: {
    type: "string",
    value: "<number>",
    help: "Of the random numbers, 1 when left out; the same gives the same report",
  },
  requests: { type: "string", value: "<number>", help: "About how many per scenario, 1000000 when left out" },
  times: {
    type: "string",
    value: "<spread>",
    help: `How long work takes: ${SPREADS.join(", ")}; exponential when left out`,
  },
  json: { type: "boolean", help: "The report as one JSON document" },
} as const;

const CONFIRMED = 0;
const NOT_UNDERSTOOD = 1;
const NOT_CONFIRMED = 2;

export const command: Command = {
  summary: "simulate a stack's plan and show what holds",
  options,
  usageExitCode: NOT_UNDERSTOOD,
  async run(argv) {
    const values = readOptions(argv, options);
    const chosen = {
      scenarios: readScenarios(values.scenario),
      seed: readWhole("--seed", values.seed, { fallback: 1, least: 0, most: Number.MAX_SAFE_INTEGER }),
      requests: readWhole("--requests", values.requests, { fallback: 1_000_000, least: 1000, most: 100_000_000 }),
      spread: readChoice("--times", values.times ?? "exponential", SPREADS),
    };
    const source = await readStack(values);
    const given = readSubject(source.title, source.raw);
    if (!given.ok) {
      process.stderr.write(problemsReport(given.title, given.problems));
      if (values.json === true) printJson({ problems: given.problems });
      return NOT_UNDERSTOOD;
    }
    const { input, document } = given.subject;
    if (!document.accepted) process.stderr.write(refusedText(document.refusals.map(({ id }) => id)));
    const report = simulate(input, document.plan, chosen);
    if (values.json === true) printJson(report);
    else process.stdout.write(reportText(report));
    return report.verdict === "confirmed" ? CONFIRMED : NOT_CONFIRMED;
  },
};

function readScenarios(text: string | undefined): readonly ScenarioName[] {
  if (text === undefined || text === "all") return scenarioNames;
  return text.split(",").map((name) => readChoice("--scenario", name, scenarioNames));
}

function readChoice<Name extends string>(option: string, text: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  throw new UsageError(
    `${option} ${JSON.stringify(text.slice(0, 100))} is not one of ${names.join(", ")}; the nearest is ${nearestOf(text, names) ?? names[0]}`,
  );
}

type Range = { readonly fallback: number; readonly least: number; readonly most: number };

function readWhole(option: string, text: string | undefined, { fallback, least, most }: Range): number {
  if (text === undefined) return fallback;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${option} ${JSON.stringify(text.slice(0, 100))} is no whole number from ${least} to ${most}`);
}

function refusedText(ids: readonly string[]): string {
  return `mcp-stack: the plan is refused (${ids.join(", ")}) and simulated as it stands; mcp-stack plan says what would repair it\n`;
}
