/** Where sizing inputs come from: a stack's file, any YAML or JSON file, or standard input; a calibration beside them. */
import { existsSync, globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseDocument } from "yaml";
import { nearestOf } from "../contract/nearest.ts";
import { deploymentOf, SIZING_KEY, sizingOf } from "../infra/config.ts";
import { UsageError } from "./command.ts";

/** The options of every command that takes a stack's inputs. */
export const stackOptions = {
  stack: { type: "string", short: "s", value: "<stack>", help: "Stack whose Pulumi.<stack>.yaml holds the inputs" },
  input: { type: "string", value: "<file>", help: "YAML or JSON file with the inputs instead, - for standard input" },
  calibration: {
    type: "string",
    value: "<file>",
    help: "What mcp-stack load --calibration wrote: the plan's measurement",
  },
} as const;

export type StackValues = {
  readonly stack?: string | undefined;
  readonly input?: string | undefined;
  readonly calibration?: string | undefined;
};

export type Stack = { readonly name: string; readonly file: string };

export type StackInput = {
  /** What reports call it: `stack prod`, `prod.yaml`, `standard input`. */
  readonly title: string;
  /** Where it is a stack. */
  readonly stack?: Stack;
  /** As written; not checked. */
  readonly raw: unknown;
  /** What a stack's file says beside its sizing, as written; not checked. */
  readonly deployment?: unknown;
};

const REPOSITORY = resolve(import.meta.dirname, "..");
/** Sizing inputs are a page; more is another file. */
const MAX_BYTES = 1024 * 1024;

/** Throws UsageError where the options do not name one source, RangeError with the file's name where it cannot be read. */
export async function readStack(values: StackValues): Promise<StackInput> {
  const { stack, input, calibration } = values;
  if (stack !== undefined && input !== undefined) throw new UsageError("--stack and --input exclude each other");
  const found = stack === undefined ? await readInputFile(input) : await readStackFile(stack);
  return await withCalibration(found, calibration);
}

/** The same inputs with what a load test measured, where its file is given. */
export async function withCalibration<Source extends StackInput>(
  source: Source,
  calibration: string | undefined,
): Promise<Source> {
  if (calibration === undefined || !isRecord(source.raw)) return source;
  return { ...source, raw: { ...source.raw, calibration: parse(await readText(calibration), calibration) } };
}

async function readStackFile(name: string): Promise<StackInput> {
  if (!/^[\w][\w.-]{0,99}$/.test(name)) throw new UsageError(`--stack ${JSON.stringify(name)} is no name of a stack`);
  const folders = foldersOfStacks();
  const file = folders.map((folder) => join(folder, `Pulumi.${name}.yaml`)).find((path) => existsSync(path));
  if (file === undefined) throw new RangeError(unknownStack(name, folders));
  const content = parse(await readText(file), file);
  const raw = sizingOf(content);
  if (raw === undefined) throw new RangeError(`${file} has no sizing inputs: they stand under config, ${SIZING_KEY}`);
  return { title: `stack ${name}`, stack: { name, file }, raw, deployment: deploymentOf(content) };
}

async function readInputFile(input: string | undefined): Promise<StackInput> {
  if (input === undefined) throw new UsageError(`--stack or --input is needed; ${stacksText(foldersOfStacks())}`);
  const title = input === "-" ? "standard input" : basename(input);
  const content = parse(input === "-" ? await readStandardInput() : await readText(input), title);
  return { title, raw: sizingOf(content) ?? content };
}

/** The working directory first, then the repository, which may be the same. */
function foldersOfStacks(): string[] {
  return [...new Set([process.cwd(), REPOSITORY])];
}

function stacksIn(folders: readonly string[]): string[] {
  const names = folders.flatMap((folder) =>
    globSync("Pulumi.*.yaml", { cwd: folder }).map((file) => file.slice("Pulumi.".length, -".yaml".length)),
  );
  return [...new Set(names)].toSorted();
}

function stacksText(folders: readonly string[]): string {
  const names = stacksIn(folders);
  return names.length === 0 ? "there is no stack here" : `stacks here: ${names.join(", ")}`;
}

function unknownStack(name: string, folders: readonly string[]): string {
  const nearest = nearestOf(name, stacksIn(folders));
  return `there is no Pulumi.${name}.yaml in ${folders.join(" or ")}; ${stacksText(folders)}${nearest === undefined ? "" : `; the nearest is ${nearest}`}`;
}

/** The text of a file; RangeError with its name where it cannot be read or is too long. */
export async function readText(file: string): Promise<string> {
  try {
    const content = await readFile(file);
    if (content.length > MAX_BYTES)
      throw new RangeError(`it has ${content.length} bytes, at most ${MAX_BYTES} are read`);
    return content.toString("utf8");
  } catch (error) {
    throw new RangeError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** As much as a file may have; RangeError beyond. */
export async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > MAX_BYTES) throw new RangeError(`standard input has more than ${MAX_BYTES} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** YAML, and JSON as a part of it. RangeError with the place of the first mistake. */
export function parse(content: string, name: string): unknown {
  const document = parseDocument(content, { prettyErrors: true });
  const [mistake] = document.errors;
  if (mistake !== undefined) throw new RangeError(`${name} is no YAML: ${mistake.message.split("\n")[0]}`);
  try {
    return document.toJS();
  } catch (error) {
    throw new RangeError(`${name} is no YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
