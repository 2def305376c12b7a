/** What a plan rests on besides arithmetic: measurements, guesses, pinned numbers, defaults. */
import type { PlanDocument } from "../../../contract/plan.ts";
import { inputFields } from "../input.ts";
import { written } from "../leaf.ts";
import { quantity, scalar } from "./numbers.ts";
import { type Subject, unitOf, valueAt } from "./subject.ts";

export type Basis = {
  /** One sentence per load test. */
  readonly measured: readonly string[];
  readonly assumed: readonly Guess[];
  readonly pinned: readonly Pin[];
  /** Inputs that were left out and have a default that is no guess. */
  readonly defaults: number;
};
/** `what` says what the number means, or why it is only a guess. */
export type Guess = { readonly path: string; readonly value: string; readonly what: string };
export type Pin = { readonly path: string; readonly value: string; readonly derived: string };

export function basisOf({ document, input }: Subject): Basis {
  const entries = Object.entries(document.provenance);
  const assumed = entries.flatMap(([path, note]): Guess[] =>
    note.kind === "assumed"
      ? [
          {
            path: nameOf(path),
            value: valueText({ document, input }, path),
            what: inputFields.get(nameOf(path))?.description ?? note.source,
          },
        ]
      : [],
  );
  const pinned = entries.flatMap(([path, note]): Pin[] =>
    note.kind === "given" && note.derived !== undefined
      ? [{ path, value: valueText({ document, input }, path), derived: amount(note.derived, unitOf(path)) }]
      : [],
  );
  const defaults = entries.filter(([path, { kind }]) => path.startsWith("input.") && kind === "default").length;
  return { measured: measurements(document), assumed, pinned, defaults };
}

/** Paths by load test: what it was, then what it says. */
function measurements({ provenance, plan }: PlanDocument): string[] {
  const byTest = new Map<string, string[]>();
  for (const [path, note] of Object.entries(provenance)) {
    if (note.kind !== "measured") continue;
    const test = `${note.by} on ${note.on}, ${note.at}`;
    const values = byTest.get(test) ?? [];
    byTest.set(test, values);
    if (!path.startsWith("input.")) values.push(`${path} ${amount(valueAt(plan, path), unitOf(path))}`);
  }
  return [...byTest].map(([test, values]) => (values.length === 0 ? test : `${values.join(", ")}: ${test}`));
}

/** Inputs are called as they are written in a stack file. */
export function nameOf(path: string): string {
  return path.startsWith("input.") ? path.slice("input.".length) : path;
}

/** The value at a path of the plan or of the inputs (`input.…`), with its unit. */
export function valueText({ document, input }: Pick<Subject, "document" | "input">, path: string): string {
  if (!path.startsWith("input.")) return amount(valueAt(document.plan, path), unitOf(path));
  const name = nameOf(path);
  const [field, value] = [inputFields.get(name), valueAt(input, name)];
  if (field?.kind === "memory" && typeof value === "number") return written(field, value);
  return amount(value, unitOf(path));
}

function amount(value: unknown, unit: string): string {
  return typeof value === "number" ? quantity(value, unit) : scalar(value);
}
