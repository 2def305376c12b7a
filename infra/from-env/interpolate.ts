/** `${NAME:-default}` and its relatives as docker compose reads them. Only the given variables count, never those of this process. */

export type Interpolation = {
  readonly text: string;
  /** Names that were needed and not set. */
  readonly unset: readonly string[];
  /** What is wrong with it, without repeating it. */
  readonly problem?: string;
};

/** The value of a variable, undefined where it is not set. */
export type Known = (name: string) => string | undefined;

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const OPERATOR = /:-|-|:\?|\?|:\+|\+/y;
/** Defaults may hold variables again; deeper than this nobody writes by hand. */
const MAX_DEPTH = 16;

class Malformed extends Error {}

/** `$$` is a dollar, `$NAME` and `${NAME}` a value, `${NAME:-x}`, `${NAME:?x}` and `${NAME:+x}` as in a shell. Never throws. */
export function interpolate(text: string, known: Known): Interpolation {
  const unset: string[] = [];
  try {
    const expanded = expand(text, 0, 0, undefined, known, unset);
    return { text: expanded.text, unset };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { text: "", unset, problem: error.message };
  }
}

type Expanded = { readonly text: string; readonly end: number };

/** Up to `stop`, or to the end of the text when there is none. */
function expand(
  text: string,
  start: number,
  depth: number,
  stop: "}" | undefined,
  known: Known,
  unset: string[],
): Expanded {
  if (depth > MAX_DEPTH) throw new Malformed("variables within variables are nested too deeply");
  let out = "";
  let at = start;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === stop) return { text: out, end: at + 1 };
    const found = char === "$" ? variableAt(text, at + 1, depth, known, unset) : undefined;
    out += found?.text ?? char;
    at = found?.end ?? at + 1;
  }
  if (stop !== undefined) throw new Malformed("a variable in braces is not closed");
  return { text: out, end: at };
}

/** What follows a `$`; undefined when it is just a dollar. */
function variableAt(text: string, at: number, depth: number, known: Known, unset: string[]): Expanded | undefined {
  if (text[at] === "$") return { text: "$", end: at + 1 };
  const isBraced = text[at] === "{";
  const name = matchAt(NAME, text, isBraced ? at + 1 : at);
  if (name === undefined) {
    if (isBraced) throw new Malformed("a dollar and a brace are not followed by a name");
    return undefined;
  }
  const end = at + (isBraced ? 1 : 0) + name.length;
  if (!isBraced) return { text: lookUp(name, known, unset), end };
  if (text[end] === "}") return { text: lookUp(name, known, unset), end: end + 1 };
  const operator = matchAt(OPERATOR, text, end);
  if (operator === undefined) throw new Malformed("a name in braces is followed by neither } nor an operator");
  const value = known(name);
  const isSet = value !== undefined && !(operator.startsWith(":") && value === "");
  const unused: string[] = [];
  const other = expand(text, end + operator.length, depth + 1, "}", known, isSet ? unused : unset);
  if (operator.endsWith("+")) return { text: isSet ? other.text : "", end: other.end };
  if (isSet) return { text: value, end: other.end };
  if (operator.endsWith("-")) return other;
  unset.push(name);
  return { text: "", end: other.end };
}

function lookUp(name: string, known: Known, unset: string[]): string {
  const value = known(name);
  if (value === undefined) unset.push(name);
  return value ?? "";
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}
