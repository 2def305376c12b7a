/** What a command is, and how its options are read: strictly, with the nearest name where one is mistyped. */
import { parseArgs } from "node:util";
import { nearestOf } from "../contract/nearest.ts";

export type Option = {
  readonly type: "string" | "boolean";
  readonly help: string;
  /** Shown after the name, `<port>`. */
  readonly value?: string;
  /** One letter. */
  readonly short?: string;
  /** May stand more than once and take several values: `--what-if a=1 b=2`. */
  readonly multiple?: true;
  /** May stand without a value, which is then the empty text. */
  readonly isValueOptional?: true;
};
export type Options = Readonly<Record<string, Option>>;
export type OptionValues<Declared extends Options> = {
  readonly [Name in keyof Declared]?: Declared[Name]["type"] extends "boolean"
    ? boolean
    : Declared[Name] extends { readonly multiple: true }
      ? readonly string[]
      : string;
};

export type Command = {
  /** One line for the overview. */
  readonly summary: string;
  readonly options: Options;
  /** Exit code of wrong usage where 2 says something else. */
  readonly usageExitCode?: 1;
  /** Answers the exit code: 0, 1 for a failure, 2 for wrong usage. */
  run(argv: readonly string[]): Promise<number>;
};

/** The command line itself is wrong: told in one sentence, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Throws UsageError. Only options, no positional arguments besides the further values of an option that takes several. */
export function readOptions<Declared extends Options>(
  argv: readonly string[],
  declared: Declared,
): OptionValues<Declared> {
  const options = Object.fromEntries(
    Object.entries(declared).map(([name, { type, short }]) => [name, short === undefined ? { type } : { type, short }]),
  );
  const { tokens } = parseArgs({ args: withEmptyValues(argv, declared), options, strict: false, tokens: true });
  const values: Record<string, string | boolean | string[]> = {};
  let several: string[] | undefined;
  for (const token of tokens) {
    if (token.kind === "positional") {
      if (several === undefined) throw new UsageError(`unexpected argument ${JSON.stringify(token.value)}`);
      several.push(token.value);
      continue;
    }
    several = undefined;
    if (token.kind === "option-terminator") continue;
    const option = declared[token.name];
    if (option === undefined) throw new UsageError(unknownOption(token.rawName, token.name, Object.keys(declared)));
    const value = optionValue(token.rawName, option, token.value);
    if (option.multiple !== true || typeof value !== "string") values[token.name] = value;
    else {
      const before = values[token.name];
      several = Array.isArray(before) ? before : [];
      several.push(value);
      values[token.name] = several;
    }
  }
  return values as OptionValues<Declared>;
}

/** `parseArgs` takes whatever follows for the value; an option that may stand alone gets an empty one written out. */
function withEmptyValues(argv: readonly string[], declared: Options): string[] {
  return argv.map((argument, index) => {
    const option = argument.startsWith("--") ? declared[argument.slice(2)] : undefined;
    const next = argv[index + 1];
    const isAlone = next === undefined || (next.startsWith("-") && next !== "-");
    return option?.isValueOptional === true && isAlone ? `${argument}=` : argument;
  });
}

function optionValue(rawName: string, option: Option, value: string | undefined): string | boolean {
  if (option.type === "boolean") {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return true;
  }
  if (value === undefined || (value === "" && option.isValueOptional !== true))
    throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value ?? "<text>"}`);
  return value;
}

function unknownOption(rawName: string, name: string, known: readonly string[]): string {
  const nearest = nearestOf(name, known);
  return `unknown option ${rawName}${nearest === undefined ? "" : `; the nearest is --${nearest}`}`;
}

/** The options of a command, one per line. */
export function optionHelp(options: Options): string {
  const rows = Object.entries(options).map(
    ([name, { value, short, help }]) =>
      [`${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`, help] as const,
  );
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}\n`).join("");
}
