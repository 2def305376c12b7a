/** What a person could change to make a budget hold: the inputs and pins that its terms come from. */
import type { Provenance } from "../../contract/plan.ts";
import type { BudgetRule } from "./budgets/index.ts";
import type { Evaluation } from "./evaluate.ts";
import type { Field } from "./field.ts";
import { inputFields, type SizingInput } from "./input.ts";
import { written } from "./leaf.ts";
import { pinRange, planLeaves } from "./pins.ts";

export type Scalar = number | string | boolean;
export type Origin = ReadonlyMap<string, Provenance>;

/** Something that can be changed, and the values that it may take. */
export type Lever = {
  readonly path: string;
  readonly current: Scalar;
  /** What others read: `512Mi`, or the number of a pin. */
  readonly show: (value: Scalar) => Scalar;
  readonly change: (value: Scalar) => SizingInput;
  readonly range?: { readonly min: number; readonly max: number; readonly step: number };
  readonly words?: readonly Scalar[];
};

/** Every input and pin that the rule's terms come from. */
export function leversOf(input: SizingInput, rule: BudgetRule, { plan }: Evaluation, origin: Origin): Lever[] {
  const levers: Lever[] = [];
  for (const path of rootsOf(rule.terms, origin)) {
    if (path.startsWith("given.")) levers.push(pinLever(input, path.slice("given.".length)));
    else {
      const name = path.slice("input.".length);
      const field = inputFields.get(name);
      const current = name === "gateway.workers" ? plan.gateway.workers : scalarAt(input, name);
      if (field !== undefined && current !== undefined && name !== "environment")
        levers.push(inputLever(input, name, field, current));
    }
  }
  return levers;
}

function rootsOf(terms: readonly string[], origin: Origin): Set<string> {
  const roots = new Set<string>();
  const seen = new Set<string>();
  const queue = [...terms];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    if (path.startsWith("input.") || path.startsWith("given.")) roots.add(path);
    else {
      const note = origin.get(path);
      if (note !== undefined && "from" in note) queue.push(...(note.from ?? []));
    }
  }
  return roots;
}

function scalarAt(input: SizingInput, path: string): Scalar | undefined {
  let value: unknown = input;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, name);
  }
  return typeof value === "number" || typeof value === "string" || typeof value === "boolean" ? value : undefined;
}

/** A copy with another value at the path; what is not on the way is shared. */
export function withInput(input: SizingInput, path: string, value: Scalar): SizingInput {
  const set = (part: unknown, names: readonly string[]): unknown => {
    const [name, ...rest] = names;
    if (name === undefined) return value;
    const record = typeof part === "object" && part !== null ? part : {};
    return { ...record, [name]: set(Reflect.get(record, name), rest) };
  };
  // `path` is one of the declared inputs and `value` of its type, so the shape stays.
  return set(input, path.split(".")) as SizingInput;
}

function inputLever(input: SizingInput, path: string, field: Field, current: Scalar): Lever {
  const lever = {
    path,
    current,
    show: (value: Scalar) => (field.kind === "memory" ? written(field, value) : value),
    change: (value: Scalar) => withInput(input, path, value),
  };
  if (field.kind === "boolean") return { ...lever, words: [true, false] };
  if (field.kind === "choice" || field.kind === "version") return { ...lever, words: field.allowed };
  if (field.kind === "text") return lever;
  return { ...lever, range: { min: field.min, max: field.max, step: field.step } };
}

function pinLever(input: SizingInput, path: string): Lever {
  const current = input.given[path] ?? 0;
  const lever = {
    path,
    current,
    show: (value: Scalar) => value,
    change: (value: Scalar) => ({ ...input, given: { ...input.given, [path]: value } }),
  };
  if (typeof current === "boolean") return { ...lever, words: [true, false] };
  if (typeof current === "string") return { ...lever, words: wordsOf(path) };
  return { ...lever, range: pinRange(path, current) };
}

function wordsOf(path: string): readonly string[] {
  const leaf = planLeaves.get(path);
  const entries = leaf === undefined ? undefined : Reflect.get(leaf._zod.def, "entries");
  return typeof entries === "object" && entries !== null ? Object.values(entries).map(String) : [];
}
