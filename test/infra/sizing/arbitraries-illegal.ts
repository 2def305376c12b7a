/** Documents with exactly one thing wrong, and where: what a parser has to find and name. */
import fc from "fast-check";
import type { Field } from "../../../infra/sizing/field.ts";
import { fields, isRequired, legalInputs, plausibleInputs, type Raw, withValue } from "./arbitraries.ts";

export type Mistake = {
  readonly kind: string;
  readonly raw: Raw;
  /** Where the problem has to be reported. */
  readonly path: string;
  readonly value: unknown;
};

type Wrong = { readonly kind: string; readonly value: unknown };

const shapes: readonly Wrong[] = [
  { kind: "a list", value: [1] },
  { kind: "an object", value: { value: 1 } },
  { kind: "nothing written", value: null },
  { kind: "a date", value: new Date(0) },
];

const numbers: readonly Wrong[] = [
  { kind: "not a number", value: Number.NaN },
  { kind: "infinity", value: Number.POSITIVE_INFINITY },
  { kind: "minus infinity", value: Number.NEGATIVE_INFINITY },
  { kind: "negative", value: -1 },
  { kind: "a flag", value: true },
  { kind: "empty text", value: "" },
  { kind: "another unit", value: "5 apples" },
];

const sizes: readonly Wrong[] = [
  { kind: "a number without unit", value: 512 },
  { kind: "text without unit", value: "512" },
  { kind: "thousandths of a byte", value: "512m" },
  { kind: "an unknown unit", value: "512Xi" },
  { kind: "a negative size", value: "-512Mi" },
  { kind: "no size at all", value: "0Mi" },
];

/** Wrong values of a field's kind. */
export function wrongValuesOf(field: Field): readonly Wrong[] {
  switch (field.kind) {
    case "number":
    case "whole":
      return [
        ...shapes,
        ...numbers,
        ...outside(field),
        { kind: "text for a number", value: String(field.min + 1) },
        ...(field.kind === "whole" ? [{ kind: "a fraction", value: field.min + 0.5 }] : []),
      ];
    case "workers":
      return [...shapes, ...numbers, ...outside(field), { kind: "another word", value: "automatic" }];
    case "cores":
      return [...shapes, ...numbers, ...outside(field), { kind: "a size", value: "2Gi" }];
    case "memory":
      return [
        ...shapes,
        ...numbers,
        ...sizes,
        { kind: "above the greatest", value: `${field.max + 1}Mi` },
        { kind: "below the least", value: `${field.min / 2}Mi` },
      ];
    case "boolean":
      return [...shapes, { kind: "text for a flag", value: "yes" }, { kind: "a number for a flag", value: 1 }];
    case "choice":
      return [...shapes, { kind: "no choice of it", value: `${field.allowed[0]}x` }, { kind: "a number", value: 3 }];
    case "version":
      return [...shapes, { kind: "an unknown version", value: "0.1" }, { kind: "a number", value: 3 }];
    case "text":
      return [...shapes, { kind: "text of another form", value: "!" }, { kind: "a number", value: 3 }];
  }
}

function outside({ min, max }: { readonly min: number; readonly max: number }): readonly Wrong[] {
  return [
    { kind: "above the greatest", value: max + 1 },
    { kind: "far above", value: Number.MAX_VALUE },
    ...(min > 0 ? [{ kind: "zero", value: 0 }] : []),
  ];
}

/** A few hundred right documents are enough to put every mistake into. */
const base = fc.constantFrom(...fc.sample(fc.oneof(plausibleInputs, legalInputs), { numRuns: 300, seed: 4 }));

/** A wrong value of one field, or a field that is needed and missing. */
export const wrongValues: fc.Arbitrary<Mistake> = fc
  .tuple(base, fc.constantFrom(...fields))
  .chain(([raw, [path, field]]) => {
    const missing = isRequired(field) ? [{ kind: "missing", value: undefined }] : [];
    return fc
      .constantFrom(...wrongValuesOf(field), ...missing)
      .map(({ kind, value }) => ({ kind, raw: inGroup(raw, path, value), path, value }));
  });

/** The prices come together: one wrong price in a table whose others are there. */
function inGroup(raw: Raw, path: string, value: unknown): Raw {
  const whole = path.startsWith("prices.")
    ? { ...raw, prices: { cpuMonth: 20, memoryGiBMonth: 3, storageGiBMonth: 0.1 } }
    : raw;
  return withValue(whole, path, value);
}

const groups = ["", ...new Set([...fields.keys()].flatMap(parentsOf))];

function parentsOf(path: string): readonly string[] {
  const names = path.split(".").slice(0, -1);
  return names.map((_, at) => `${names.slice(0, at + 1).join(".")}.`).filter((prefix) => prefix !== "prices.");
}

/** A key that nobody declared, among them names that mean something to JavaScript. */
export const unknownKeys: fc.Arbitrary<Mistake> = fc
  .tuple(
    base,
    fc.constantFrom(...groups),
    fc.constantFrom("peakRsp", "memroy", "x", "", " ", "constructor", "toString", "hasOwnProperty", "prototype", "0"),
  )
  .map(([raw, prefix, name]) => ({
    kind: "unknown key",
    raw: withValue(raw, `${prefix}${name}`, 1),
    path: `${prefix}${name}`,
    value: name,
  }));

/** `__proto__` as a key of its own, which only a parser of text can bring about. */
export const prototypeKeys: fc.Arbitrary<Raw> = fc
  .tuple(base, fc.constantFrom("", "load", "gateway", "given", "calibration"))
  .map(([raw, group]) => {
    const poisoned: unknown = JSON.parse('{"__proto__": {"peakRps": 1, "polluted": true}}');
    const target = group === "" ? raw : raw[group];
    const merged = Object.defineProperties(
      { ...(typeof target === "object" ? target : {}) },
      Object.getOwnPropertyDescriptors(poisoned),
    );
    return group === "" ? merged : { ...raw, [group]: merged };
  });

/** Anything at all. */
export const garbage: fc.Arbitrary<unknown> = fc.anything({
  maxDepth: 4,
  maxKeys: 3,
  size: "small",
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});

/** A document that is right but for garbage in one of its groups or fields. */
export const partlyGarbage: fc.Arbitrary<Raw> = fc
  .tuple(
    base,
    fc.constantFrom(...fields.keys(), "load", "gateway", "database.postgres", "given", "calibration"),
    garbage,
  )
  .map(([raw, path, value]) => withValue(raw, path, value));
