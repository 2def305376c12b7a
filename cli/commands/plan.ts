/** `mcp-stack plan`: proves a stack's sizing inputs and shows the plan, or what a change does to it. */
import type { Plan, PlanDocument } from "../../contract/plan.ts";
import { proveRollout, withRollout } from "../../infra/sizing/index.ts";
import {
  coloured,
  compareMarkdown,
  compareText,
  explain,
  markdownReport,
  type Paint,
  plain,
  problemsReport,
  type Side,
  type Subject,
  sideOf,
  svgReport,
  textReport,
  verdictText,
} from "../../infra/sizing/report/index.ts";
import { type Command, type OptionValues, readOptions, UsageError } from "../command.ts";
import { envReportText, readEnvFile, withOrigins } from "../from-env.ts";
import { printJson } from "../print.ts";
import { readStack, type StackInput, stackOptions, withCalibration } from "../stack.ts";
import { type NotUnderstood, readSubject } from "../subject.ts";
import { applyWhatIf } from "../what-if.ts";
import { findBefore, keepPlan, writeText } from "../written-plan.ts";

const options = {
  ...stackOptions,
  "from-env": {
    type: "string",
    value: "<file>",
    help: "ContextForge .env or compose file as inputs instead, with what each of its names means here",
  },
  json: { type: "boolean", help: "The plan as one JSON document" },
  markdown: { type: "boolean", help: "The report for a comment on a pull request" },
  svg: {
    type: "string",
    value: "[file]",
    isValueOptional: true,
    help: "Capacity and latency against load as a picture, to the file or to stdout",
  },
  "what-if": {
    type: "string",
    value: "<path=value> …",
    multiple: true,
    help: "Show what other inputs or pinned numbers would change",
  },
  diff: {
    type: "string",
    value: "<file>",
    help: "Show what changes from other inputs or from a written plan to this one",
  },
  explain: { type: "string", value: "<path>", help: "Show how one number comes about" },
  write: { type: "boolean", help: "Keep the accepted plan as plans/<stack>.json; later plans are compared with it" },
} as const;
type Values = OptionValues<typeof options>;

const ACCEPTED = 0;
const NOT_UNDERSTOOD = 1;
const REFUSED = 2;

export const command: Command = {
  summary: "prove a stack's sizing and show its plan",
  options,
  usageExitCode: NOT_UNDERSTOOD,
  async run(argv) {
    const values = readOptions(argv, options);
    expectOneForm(values);
    if (values.write === true && values.stack === undefined)
      throw new UsageError("--write needs --stack: the plan is kept beside the stack's file");
    tolerateClosedPipe();
    if (values["from-env"] !== undefined) return await runFromEnv(values["from-env"], values);
    const source = await readStack(values);
    const given = readSubject(source.title, source.raw);
    if (!given.ok) return notUnderstood(given, values);
    return await showOrChange(source, given.subject, values);
  },
};

/** The report of the names stands before the plan's own, on stderr where stdout has to hold one form alone. */
async function runFromEnv(file: string, values: Values): Promise<number> {
  if (values.stack !== undefined || values.input !== undefined)
    throw new UsageError("--from-env excludes --stack and --input");
  const source = await withCalibration(await readEnvFile(file), values.calibration);
  const { title, report, problems } = source;
  const given = readSubject(title, source.raw);
  const isText = values.markdown !== true && values.json !== true && values.svg !== "" && values.explain === undefined;
  const isUnderstood = problems.length === 0 && given.ok;
  const stream = isText && isUnderstood ? process.stdout : process.stderr;
  const style = { colour: paintFor(stream) === coloured };
  stream.write(`${envReportText(report, isUnderstood ? given.subject.document : undefined, style)}\n`);
  if (problems.length > 0) return notUnderstood({ ok: false, title, problems }, values);
  if (!given.ok) return notUnderstood({ ...given, problems: withOrigins(given.problems, report) }, values);
  return await showOrChange(source, given.subject, values);
}

async function showOrChange(source: StackInput, subject: Subject, values: Values): Promise<number> {
  const settings = values["what-if"];
  if (settings !== undefined) return await showWhatIf(source, subject, settings, values);
  return await show(source, subject, values);
}

/** The forms exclude each other; an SVG in a file is beside them. */
function expectOneForm({ json, markdown, svg, explain: path, diff, write, "what-if": settings }: Values): void {
  const shown = [json && "--json", markdown && "--markdown", svg === "" && "--svg", path !== undefined && "--explain"];
  const changed = [settings !== undefined && "--what-if", diff !== undefined && "--diff", write && "--write"];
  for (const names of [
    shown,
    changed,
    [path !== undefined && "--explain", write && "--write"],
    [path !== undefined && "--explain", diff !== undefined && "--diff"],
  ]) {
    const [one, other] = names.filter((name) => typeof name === "string");
    if (one !== undefined && other !== undefined) throw new UsageError(`${one} and ${other} exclude each other`);
  }
}

function notUnderstood({ title, problems }: NotUnderstood, { json }: Values): number {
  process.stderr.write(problemsReport(title, problems, paintFor(process.stderr)));
  if (json === true) printJson({ problems });
  return NOT_UNDERSTOOD;
}

/** The plan, beside the plan that was written before where there is one. */
async function show(source: StackInput, subject: Subject, values: Values): Promise<number> {
  const before = await findBefore(source.stack, values.diff);
  if (before !== undefined && "problems" in before) return notUnderstood(before, values);
  const isWritten = before?.isWritten === true;
  const document = isWritten ? withRollout(subject.document, subject.input, before.side.plan) : subject.document;
  const code = await report({ ...subject, document }, before?.side, values);
  if (values.write === true) await write(source, document.accepted, subject.document);
  return code;
}

async function showWhatIf(
  { title, raw }: StackInput,
  before: Subject,
  settings: readonly string[],
  values: Values,
): Promise<number> {
  const after = readSubject(`${title} with ${settings.join(", ")}`, applyWhatIf(raw, settings));
  if (!after.ok) return notUnderstood(after, values);
  return await report(after.subject, sideOf(before.title, before.document, before.input), values);
}

/** Prints the form that was asked for; the exit code is the verdict's. */
async function report(subject: Subject, before: Side | undefined, values: Values): Promise<number> {
  const { document } = subject;
  if (values.svg === "") process.stdout.write(svgReport(subject));
  else if (values.svg !== undefined) await writeText(values.svg, svgReport(subject));
  if (values.explain !== undefined) return explained(subject, values.explain);
  const changes = before === undefined ? undefined : ([before, withWay(subject, before.plan)] as const);
  if (values.json === true) printJson(document);
  else if (values.markdown === true)
    process.stdout.write(markdownReport(subject) + (changes === undefined ? "" : `\n${compareMarkdown(...changes)}`));
  else if (values.svg !== "") {
    const paint = paintFor(process.stdout);
    const isComparison = values["what-if"] !== undefined || values.diff !== undefined;
    process.stdout.write((isComparison ? verdictText : textReport)(subject, paint));
    if (changes !== undefined) process.stdout.write(`\n${compareText(...changes, paint)}`);
  }
  return document.accepted ? ACCEPTED : REFUSED;
}

/** The side after a change, with the budgets of the way there where the document has none. */
function withWay({ title, document, input }: Subject, before: Plan): Side {
  const side = sideOf(title, document, input);
  const way = proveRollout(before, document.plan, input.cluster.quota);
  const own = new Set(side.budgets.map(({ statement }) => statement));
  return { ...side, budgets: [...side.budgets, ...way.filter(({ statement }) => !own.has(statement))] };
}

function explained(subject: Subject, path: string): number {
  const explanation = explain(subject, path, paintFor(process.stdout));
  if (!explanation.ok)
    throw new UsageError(
      `--explain ${JSON.stringify(path.slice(0, 100))} is no number of the plan and no input; the nearest is ${explanation.nearest}`,
    );
  process.stdout.write(explanation.text);
  return ACCEPTED;
}

/** Only what holds, the way there too, is kept, and of it the plan alone. */
async function write({ stack, raw }: StackInput, isAccepted: boolean, document: PlanDocument): Promise<void> {
  if (stack === undefined) return;
  if (isAccepted) process.stderr.write(`${await keepPlan(stack, raw, document)} was written.\n`);
  else process.stderr.write("mcp-stack: a refused plan is not written\n");
}

/** `… | head` reads no further; that is no failure, and the exit code stays the verdict's. */
function tolerateClosedPipe(): void {
  if (process.stdout.listenerCount("error") > 0) return;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

/** https://no-color.org: any value but the empty one. */
function paintFor(stream: { readonly isTTY?: boolean }): Paint {
  const { NO_COLOR } = process.env;
  return stream.isTTY === true && (NO_COLOR === undefined || NO_COLOR === "") ? coloured : plain;
}
