/** `mcp-stack plan`: proves a stack's sizing inputs and shows the plan, or what a change does to it. */
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Plan, PlanDocument } from "../../contract/plan.ts";
import { type Problem, plan, readInput, type SizingInput } from "../../infra/sizing/index.ts";
import { withRollout } from "../../infra/sizing/next-generation.ts";
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
import { proveRollout } from "../../infra/sizing/rollout.ts";
import { isWrittenPlan, readWrittenPlan, writePlan } from "../../infra/sizing/written.ts";
import { type Command, type OptionValues, readOptions, UsageError } from "../command.ts";
import { parse, planFileOf, readStack, readText, type StackInput, sizingOf, stackOptions } from "../stack.ts";
import { applyWhatIf } from "../what-if.ts";

const options = {
  ...stackOptions,
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
    tolerateClosedPipe();
    const source = await readStack(values);
    const given = read(source.title, source.raw);
    if (!given.ok) return notUnderstood(given, values);
    const settings = values["what-if"];
    if (settings !== undefined) return await showWhatIf(source, given.subject, settings, values);
    return await show(source, given.subject, values);
  },
};

type Reading =
  | { readonly ok: true; readonly subject: Subject }
  | { readonly ok: false; readonly title: string; readonly problems: readonly Problem[] };

function read(title: string, raw: unknown): Reading {
  const reading = readInput(raw);
  if (!reading.ok) return { ok: false, title, problems: reading.problems };
  const { input } = reading;
  return { ok: true, subject: { title, input, document: plan(input) } };
}

/** The forms exclude each other; an SVG in a file is beside them. */
function expectOneForm({ json, markdown, svg, explain: path, diff, write, "what-if": settings }: Values): void {
  const forms = [json && "--json", markdown && "--markdown", svg === "" && "--svg", path !== undefined && "--explain"];
  const comparisons = [settings !== undefined && "--what-if", diff !== undefined && "--diff"];
  for (const names of [forms, comparisons, [settings !== undefined && "--what-if", write && "--write"]]) {
    const [one, other] = names.filter((name) => typeof name === "string");
    if (one !== undefined && other !== undefined) throw new UsageError(`${one} and ${other} exclude each other`);
  }
}

function notUnderstood({ title, problems }: Extract<Reading, { ok: false }>, { json }: Values): number {
  process.stderr.write(problemsReport(title, problems, paintFor(process.stderr)));
  if (json === true) printJson({ problems });
  return NOT_UNDERSTOOD;
}

/** The plan, beside the plan that was written before where there is one. */
async function show(source: StackInput, subject: Subject, values: Values): Promise<number> {
  const before = await findBefore(source, values.diff);
  if (before !== undefined && "problems" in before) return notUnderstood(before, values);
  const isWritten = before?.isWritten === true;
  const document = isWritten ? withRollout(subject.document, subject.input, before.side.plan) : subject.document;
  const code = await report({ ...subject, document }, before?.side, values);
  return values.write === true && code !== NOT_UNDERSTOOD
    ? await write(source, document.accepted, subject.document)
    : code;
}

async function showWhatIf(
  { title, raw }: StackInput,
  before: Subject,
  settings: readonly string[],
  values: Values,
): Promise<number> {
  const after = read(`${title} with ${settings.join(", ")}`, applyWhatIf(raw, settings));
  if (!after.ok) return notUnderstood(after, values);
  return await report(after.subject, sideOf(before.title, before.document, before.input), values);
}

/** Prints the form that was asked for; the exit code is the verdict's. */
async function report(subject: Subject, before: Side | undefined, values: Values): Promise<number> {
  const { document } = subject;
  if (values.explain !== undefined) return explained(subject, values.explain);
  if (values.svg === "") process.stdout.write(svgReport(subject));
  else if (values.svg !== undefined) await writeText(values.svg, svgReport(subject));
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

type Before = { readonly side: Side; readonly isWritten: boolean };

/** The plan that --diff names, else the one that was written for the stack. */
async function findBefore(
  { stack }: StackInput,
  diff: string | undefined,
): Promise<Before | Extract<Reading, { ok: false }> | undefined> {
  if (diff !== undefined) return readBefore(diff, parse(await readText(diff), diff));
  if (stack === undefined) return undefined;
  const file = planFileOf(stack);
  return existsSync(file) ? readBefore(`plans/${stack.name}.json`, parse(await readText(file), file)) : undefined;
}

function readBefore(title: string, content: unknown): Before | Extract<Reading, { ok: false }> {
  if (isWrittenPlan(content)) {
    const { input, plan: before, budgets } = readWrittenPlan(content, title);
    const accepted = budgets.every(({ holds, severity }) => holds || severity === "warn");
    return { isWritten: true, side: { title, accepted, plan: before, budgets, users: usersOf(input) } };
  }
  const reading = read(title, sizingOf(content) ?? content);
  if (!reading.ok) return reading;
  const { document, input } = reading.subject;
  return { isWritten: false, side: sideOf(title, document, input) };
}

/** From the inputs of a written plan, which were complete when it was written. */
function usersOf(input: unknown): number | undefined {
  const reading: { ok: false } | { ok: true; input: SizingInput } = readInput(input);
  return reading.ok ? reading.input.load.concurrentUsers : undefined;
}

/** Only what holds, the way there too, is kept, and of it the plan alone; exit code as for the plan itself. */
async function write({ stack, raw }: StackInput, isAccepted: boolean, document: PlanDocument): Promise<number> {
  if (stack === undefined) throw new UsageError("--write needs --stack: the plan is kept beside the stack's file");
  if (!isAccepted) {
    process.stderr.write("mcp-stack: a refused plan is not written\n");
    return REFUSED;
  }
  const file = planFileOf(stack);
  const temporary = `${file}.${process.pid}.tmp`;
  await mkdir(dirname(file), { recursive: true });
  await writeText(temporary, writePlan(raw, document));
  // Never half a plan: written beside it, then put in its place.
  await rename(temporary, file);
  process.stderr.write(`${file} was written.\n`);
  return ACCEPTED;
}

/** RangeError with the file's name where it cannot be written. */
async function writeText(file: string, content: string): Promise<void> {
  try {
    await writeFile(file, content);
  } catch (error) {
    throw new RangeError(`${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
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
