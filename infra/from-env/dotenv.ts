/** Reads a `.env` file: quotes, escapes, comments, `export`, earlier names within values. Never throws. */
import { interpolate } from "./interpolate.ts";
import type { Assignment, FileProblem, Source } from "./source.ts";

const LINE = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*/;
const BARE = /^[ \t]*(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*$/;
const BLANK = /^[ \t]*(?:#.*)?$/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

type Value =
  | { readonly raw: string; readonly lines: number; readonly isLiteral: boolean }
  | { readonly problem: string };

/** The last of two values of a name counts, and a note says so. */
export function readDotenv(text: string): Source {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const found = new Map<string, Assignment>();
  const problems: FileProblem[] = [];
  const notes: string[] = [];
  for (let index = 0; index < lines.length; ) {
    const line = lines[index] ?? "";
    const head = LINE.exec(line);
    const at = index + 1;
    index += 1;
    if (head === null) {
      if (!BLANK.test(line)) problems.push({ line: at, message: sayNoAssignment(line) });
      continue;
    }
    const name = head[1] ?? "";
    const value = valueAt(lines, at - 1, head[0].length);
    if ("problem" in value) {
      problems.push({ line: at, message: value.problem });
      continue;
    }
    index = at - 1 + value.lines;
    const expanded = value.isLiteral ? { text: value.raw, unset: [] } : expandWith(value.raw, found);
    if (expanded.problem !== undefined) problems.push({ line: at, message: expanded.problem });
    const former = found.get(name);
    if (former !== undefined) notes.push(`lines ${former.line} and ${at} set the same name; the last one counts`);
    found.set(name, { name, value: expanded.text, line: at, role: "gateway", kind: "environment" });
  }
  return { form: "env", assignments: [...found.values()], problems, notes, services: new Set() };
}

function sayNoAssignment(line: string): string {
  return BARE.test(line) ? "a name without = and value" : "neither a comment nor NAME=value";
}

function expandWith(raw: string, found: ReadonlyMap<string, Assignment>) {
  return interpolate(raw, (name) => found.get(name)?.value);
}

function valueAt(lines: readonly string[], index: number, start: number): Value {
  const rest = (lines[index] ?? "").slice(start);
  const quote = rest[0];
  if (quote === "'" || quote === '"' || quote === "`") return quotedAt(lines, index, start + 1, quote);
  return { raw: rest.replace(/(?:^|[ \t])#.*$/, "").trim(), lines: 1, isLiteral: false };
}

/** A quoted value may span lines. An unclosed quote is a problem of its own line, so that it does not swallow the rest. */
function quotedAt(lines: readonly string[], index: number, start: number, quote: string): Value {
  let raw = "";
  for (let at = index; at < lines.length; at++) {
    const line = lines[at] ?? "";
    for (let i = at === index ? start : 0; i < line.length; i++) {
      const char = line.charAt(i);
      if (char === quote) return closedAt(raw, line.slice(i + 1), at - index + 1, quote);
      if (char === "\\" && quote === '"' && i + 1 < line.length) {
        i += 1;
        raw += escaped(line.charAt(i));
      } else raw += char;
    }
    raw += "\n";
  }
  return { problem: "a quote is opened and never closed" };
}

/** `\$` must survive the expansion of variables as a dollar. */
function escaped(char: string): string {
  return char === "$" ? "$$" : (ESCAPES[char] ?? char);
}

function closedAt(raw: string, rest: string, lines: number, quote: string): Value {
  if (!/^[ \t]*(?:#.*)?$/.test(rest)) return { problem: "something stands behind the closing quote" };
  return { raw, lines, isLiteral: quote !== '"' };
}
