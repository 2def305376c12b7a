/** What an input is declared as. One declaration serves parsing, the editors' JSON Schema, repairs, reports and the fuzz tests. */
import type { Cores, MiB } from "../../contract/units.ts";

export type Environment = "dev" | "prod";

type Common<Value> = {
  readonly description: string;
  readonly unit: string;
  /** Per environment where it differs; absent for an input that has to be given or may be left out. */
  readonly fallback?: Value | { readonly dev: Value; readonly prod: Value };
  /** Where the default comes from. */
  readonly source?: string;
  /** The default is a guess that nobody measured. */
  readonly isAssumed?: true;
  /** May be left out and is then not there; false where a value is needed. */
  readonly isOptional?: true;
  /** What stands in for it: another input, by path. */
  readonly sameAs?: string;
};
/** Bounds are part of what is legal; `step` is the smallest change that means anything and what repairs move by. */
type Range = { readonly min: number; readonly max: number; readonly step: number };

export type NumberField = Common<number> & Range & { readonly kind: "number" | "whole" };
/** Written as `512Mi`; carried as MiB. */
export type MemoryField = Common<number> & Range & { readonly kind: "memory" };
/** Written as `2`, `0.5` or `500m`. */
export type CoresField = Common<number> & Range & { readonly kind: "cores" };
export type BooleanField = Common<boolean> & { readonly kind: "boolean" };
export type ChoiceField = Common<string> & { readonly kind: "choice"; readonly allowed: readonly string[] };
/** A whole number, or the word that lets the model choose. */
export type WorkersField = Common<number | "auto"> & Range & { readonly kind: "workers" };
export type VersionField = Common<string> & { readonly kind: "version"; readonly allowed: readonly string[] };
export type TextField = Common<string> & { readonly kind: "text"; readonly pattern: string };

export type Field =
  | NumberField
  | MemoryField
  | CoresField
  | BooleanField
  | ChoiceField
  | WorkersField
  | VersionField
  | TextField;

/** The value's type stands in a phantom: nothing carries it at run time. */
declare const value: unique symbol;
export type Typed<Value, Declared extends Field = Field> = Declared & { readonly [value]?: Value };
/** A group of inputs that may be missing as a whole. */
export type OptionalGroup<Shape> = { readonly group: Shape };

export type ValueOf<Shape> = Shape extends { readonly [value]?: infer Value }
  ? Value
  : Shape extends OptionalGroup<infer Inner>
    ? ValueOf<Inner> | undefined
    : { readonly [Key in keyof Shape]: ValueOf<Shape[Key]> };

type Given<Declared extends Field> = Omit<Declared, "kind" | "unit" | "step"> &
  Partial<Pick<Declared & { readonly step: number }, "unit" | "step">>;

export function number(field: Given<NumberField> & { readonly unit: string }): Typed<number> {
  return { step: 0.001, ...field, kind: "number" };
}
export function optionalNumber(field: Given<NumberField> & { readonly unit: string }): Typed<number | undefined> {
  return { step: 0.001, ...field, kind: "number", isOptional: true };
}
export function whole(field: Given<NumberField> & { readonly unit: string }): Typed<number> {
  return { step: 1, ...field, kind: "whole" };
}
export function optionalWhole(field: Given<NumberField> & { readonly unit: string }): Typed<number | undefined> {
  return { step: 1, ...field, kind: "whole", isOptional: true };
}
export function memory(field: Given<MemoryField>): Typed<MiB> {
  return { step: 1, unit: "MiB", ...field, kind: "memory" };
}
export function optionalMemory(field: Given<MemoryField>): Typed<MiB | undefined> {
  return { step: 1, unit: "MiB", ...field, kind: "memory", isOptional: true };
}
export function cpu(field: Given<CoresField>): Typed<Cores> {
  return { step: 0.05, unit: "cores", ...field, kind: "cores" };
}
export function optionalCpu(field: Given<CoresField>): Typed<Cores | undefined> {
  return { step: 0.05, unit: "cores", ...field, kind: "cores", isOptional: true };
}
export function flag(field: Given<BooleanField>): Typed<boolean> {
  return { unit: "", ...field, kind: "boolean" };
}
export function choice<const Allowed extends string>(
  allowed: readonly Allowed[],
  field: Omit<Given<ChoiceField>, "allowed">,
): Typed<Allowed> {
  return { unit: "", ...field, kind: "choice", allowed };
}
export function workers(field: Given<WorkersField>): Typed<number | "auto"> {
  return { unit: "workers", step: 1, ...field, kind: "workers" };
}
export function version<const Allowed extends string>(
  allowed: readonly Allowed[],
  field: Omit<Given<VersionField>, "allowed">,
): Typed<Allowed> {
  return { unit: "", ...field, kind: "version", allowed };
}
export function text(pattern: string, field: Omit<Given<TextField>, "pattern">): Typed<string> {
  return { unit: "", ...field, kind: "text", pattern };
}
export function optionalGroup<Shape>(group: Shape): OptionalGroup<Shape> {
  return { group };
}

/** Nested declarations: fields at the leaves. */
export type Declarations = { readonly [name: string]: Field | Declarations | OptionalGroup<Declarations> };

export function isField(declared: Field | Declarations | OptionalGroup<Declarations>): declared is Field {
  return typeof (declared as { kind?: unknown }).kind === "string";
}

export function isGroup(
  declared: Field | Declarations | OptionalGroup<Declarations>,
): declared is OptionalGroup<Declarations> {
  return !isField(declared) && Object.keys(declared).length === 1 && "group" in declared;
}

/** Every field with its path (`load.peakRps`), in the order of declaration. */
export function listFields(declared: Declarations, prefix = ""): ReadonlyMap<string, Field> {
  const found = new Map<string, Field>();
  for (const [name, part] of Object.entries(declared)) {
    const path = `${prefix}${name}`;
    if (isField(part)) found.set(path, part);
    else
      for (const [inner, field] of listFields(isGroup(part) ? part.group : part, `${path}.`)) found.set(inner, field);
  }
  return found;
}

/** The default in an environment, undefined where there is none. */
export function fallbackOf(field: Field, environment: Environment): number | string | boolean | undefined {
  const { fallback } = field;
  return typeof fallback === "object" ? fallback[environment] : fallback;
}
