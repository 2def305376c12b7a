/** Where one number comes from: its formula with names, with the numbers put in, and the same for each of its parts. */

import { nearestOf } from "../../../contract/nearest.ts";
import type { Provenance } from "../../../contract/plan.ts";
import { type Field, fallbackOf } from "../field.ts";
import { inputFields } from "../input.ts";
import { planLeaves } from "../pins.ts";
import { nameOf, valueText } from "./basis.ts";
import { scalar } from "./numbers.ts";
import { type Paint, plain } from "./paint.ts";
import { copiedInput, type Subject, unitOf, valueAt } from "./subject.ts";

export type Explanation =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly nearest: string | undefined };

/** `path` is one of the plan, of the inputs, or either with `input.` or `given.` before it. */
export function explain(subject: Subject, path: string, paint: Paint = plain): Explanation {
  const found = resolve(subject, path);
  if (found === undefined) {
    const known = [...planLeaves.keys(), ...inputFields.keys()];
    return { ok: false, nearest: nearestOf(nameOf(path), known) };
  }
  return { ok: true, text: `${nodeLines(subject, found, paint, new Set()).join("\n")}\n` };
}

/** The key of the provenance that a person means. */
function resolve({ document }: Subject, path: string): string | undefined {
  const name = path.replace(/^given\./, "");
  if (valueAt(document.plan, name) !== undefined && planLeaves.has(name)) return name;
  if (Object.hasOwn(document.provenance, name)) return name;
  const input = nameOf(name);
  return inputFields.has(input) ? `input.${input}` : undefined;
}

/** A number and, indented below it, what it is made of; what was explained once is not explained again. */
function nodeLines(subject: Subject, path: string, paint: Paint, seen: Set<string>): string[] {
  const note = subject.document.provenance[path];
  const head = `${paint.strong(titleOf(path))} = ${isCalibration(path) ? "the calibration" : valueText(subject, path)}`;
  if (note === undefined) return [`${head}  ${paint.faint(absenceOf(subject, path))}`];
  if (note.kind !== "derived") return [`${head}  ${paint.faint(sourceOf(note, path))}`];
  const copied = copiedInput(note);
  if (copied !== undefined)
    return [`${head}  ${paint.faint(`is ${nodeLines(subject, copied, plain, seen).join("")}`)}`];
  if (seen.has(path)) return [`${head}  ${paint.faint("explained above")}`];
  seen.add(path);
  const formula = [note.formula, withNumbers(subject, note.formula, note.from)].filter(
    (line, index, lines) => index === 0 || line !== lines[0],
  );
  const from = [...new Set(note.from)];
  return [
    head,
    ...formula.map((line) => `${from.length === 0 ? "  " : "│ "}   = ${line}`),
    ...from.flatMap((part, index) => branch(nodeLines(subject, part, paint, seen), index === from.length - 1)),
  ];
}

function branch([first = "", ...rest]: readonly string[], isLast: boolean): string[] {
  return [`${isLast ? "└─" : "├─"} ${first}`, ...rest.map((line) => `${isLast ? "  " : "│ "} ${line}`)];
}

/** An input is called one: some have the name of the plan's number that is made of them. */
function titleOf(path: string): string {
  return path.startsWith("input.") ? `input ${nameOf(path)}` : path;
}

function isCalibration(path: string): boolean {
  return path === "input.calibration";
}

function sourceOf(note: Exclude<Provenance, { readonly kind: "derived" }>, path: string): string {
  switch (note.kind) {
    case "given":
      return note.derived === undefined ? "given" : `pinned under given; derived it would be ${scalar(note.derived)}`;
    case "default":
      return `default: ${note.source}${descriptionOf(path)}`;
    case "assumed":
      return `assumed: ${note.source}; nobody measured it${descriptionOf(path)}`;
    case "measured":
      return `measured: ${note.by} on ${note.on}, ${note.at}`;
  }
}

function descriptionOf(path: string): string {
  const field = inputFields.get(nameOf(path));
  return path.startsWith("input.") && field !== undefined ? ` (${firstLower(field.description)})` : "";
}

function firstLower(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}

/** Inputs that may be left out, and numbers of tiers that the plan does not have. */
function absenceOf({ input }: Subject, path: string): string {
  const field: Field | undefined = path.startsWith("input.") ? inputFields.get(nameOf(path)) : undefined;
  if (field === undefined) return isCalibration(path) ? "not given" : "does not apply";
  const fallback = fallbackOf(field, input.environment);
  return fallback === undefined ? `not given${descriptionOf(path)}` : `default: ${field.source ?? "this project"}`;
}

/** The formula with the values of `from` in the place of their names; unchanged where it is more words than formula. */
function withNumbers(subject: Subject, formula: string, from: readonly string[]): string {
  const [head = "", ...comment] = formula.split(";");
  if (!/[·÷+−⌈⌊(]/.test(head)) return formula;
  const values = new Map(
    from.flatMap((path) => namesOf(path).map((name) => [name, plainValue(subject, path)] as const)),
  );
  const names = [...values.keys()].toSorted((a, b) => b.length - a.length).map((name) => name.replaceAll(".", "\\."));
  if (names.length === 0) return formula;
  const pattern = new RegExp(`(?<![\\w.])(?:${names.join("|")})(?![\\w(.])`, "g");
  const put = head.replace(pattern, (name) => values.get(name) ?? name);
  return [put, ...comment].join(";");
}

/** How a formula may call the value at a path: `connections`, `redis.connections`, and both without what they end in. */
function namesOf(path: string): string[] {
  const parts = path.split(".");
  return [parts.slice(-1), parts.slice(-2)].flatMap((some) => {
    const name = some.join(".");
    return [name, name.replace(/(?:MiB|GiB|S|Connections|PerWorker)$/, "")];
  });
}

/** Units that are not those of the number they lead to, and so have to be seen. */
const OTHER_UNITS = new Set(["ms", "bytes", "KiB", "GiB"]);

/** Without thousands separators, so that it can be computed again; a number of many digits is rounded to six. */
function plainValue({ document, input }: Subject, path: string): string {
  const value = path.startsWith("input.") ? valueAt(input, nameOf(path)) : valueAt(document.plan, path);
  if (typeof value !== "number") return scalar(value);
  return `${Number(value.toPrecision(6))}${OTHER_UNITS.has(unitOf(path)) ? ` ${unitOf(path)}` : ""}`;
}
