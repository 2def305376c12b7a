/** What a command is, and how its options are read: strictly, with the nearest name where one is mistyped. */
import { parseArgs } from "node:util";
import { nearestOf } from "../contract/nearest.ts";

export type Option = {
  readonly type: "string" | "boolean";
  readonly help: string;
  /** Shown after the name, `<port>`. */
  readonly value?: string;
};
export type Options = Readonly<Record<string, Option>>;
export type OptionValues<Declared extends Options> = {
  readonly [Name in keyof Declared]?: Declared[Name]["type"] extends "boolean" ? boolean : string;
};

export type Command = {
  /** One line for the overview. */
  readonly summary: string;
  readonly options: Options;
  /** Answers the exit code: 0, 1 for a failure, 2 for wrong usage. */
  run(argv: readonly string[]): Promise<number>;
};

/** The command line itself is wrong: told in one sentence, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Throws UsageError. Only options, no positional arguments. */
export function readOptions<Declared extends Options>(
  argv: readonly string[],
  declared: Declared,
): OptionValues<Declared> {
  const options = Object.fromEntries(Object.entries(declared).map(([name, { type }]) => [name, { type }]));
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const values: Record<string, string | boolean> = {};
  for (const token of tokens) {
    if (token.kind === "positional") throw new UsageError(`unexpected argument ${JSON.stringify(token.value)}`);
    if (token.kind === "option-terminator") continue;
    const option = declared[token.name];
    if (option === undefined) throw new UsageError(unknownOption(token.rawName, token.name, Object.keys(declared)));
    values[token.name] = optionValue(token.rawName, option, token.value);
  }
  return values as OptionValues<Declared>;
}

function optionValue(rawName: string, option: Option, value: string | undefined): string | boolean {
  if (option.type === "boolean") {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return true;
  }
  if (value === undefined || value === "")
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
    ([name, { value, help }]) => [`--${name}${value === undefined ? "" : ` ${value}`}`, help] as const,
  );
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}\n`).join("");
}
