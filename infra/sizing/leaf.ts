/** Reads one input: the value as it is written becomes the value that kernels take, or a finding that says what to write instead. */
import { nearestOf } from "../../contract/nearest.ts";
import { formatMiB, parseBytes, parseCores, QuantityError, trim } from "../../contract/units.ts";
import type { Field } from "./field.ts";
import { clamp } from "./rounding.ts";

export type Reading =
  | { readonly ok: true; readonly value: number | string | boolean }
  | { readonly ok: false; readonly why: string; readonly nearest?: string };

const MIB = 1024 * 1024;
const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86_400 };

/** What may be written, in words. */
export function allowedFor(field: Field): string {
  switch (field.kind) {
    case "boolean":
      return "true or false";
    case "choice":
    case "version":
      return field.allowed.map((word) => (field.kind === "version" ? `"${word}"` : word)).join(", ");
    case "text":
      return `text like ${field.pattern}`;
    case "memory":
      return `a size from ${formatMiB(field.min)} to ${formatMiB(field.max)}, written like 512Mi or 4Gi`;
    case "cores":
      return `cores from ${trim(field.min)} to ${trim(field.max)}, written like 2, 0.5 or 500m`;
    case "workers":
      return `auto, or a whole number from ${field.min} to ${field.max}`;
    case "whole":
      return `a whole number from ${field.min} to ${field.max} (${field.unit})`;
    case "number":
      return `a number from ${trim(field.min)} to ${trim(field.max)} (${field.unit})`;
  }
}

/** How a value of the kernels is written in a file. */
export function written(field: Field, value: number | string | boolean): string {
  if (field.kind === "memory" && typeof value === "number") return formatMiB(value);
  return typeof value === "number" ? trim(value) : String(value);
}

/** Never throws; `raw` may be anything. */
export function readLeaf(field: Field, raw: unknown): Reading {
  switch (field.kind) {
    case "boolean":
      return typeof raw === "boolean" ? { ok: true, value: raw } : refuseBoolean(raw);
    case "choice":
      return readWord(field.allowed, raw);
    case "version":
      // YAML reads 1.25 as a number.
      return readWord(field.allowed, typeof raw === "number" ? String(raw) : raw);
    case "text":
      return typeof raw === "string" && new RegExp(field.pattern).test(raw)
        ? { ok: true, value: raw }
        : { ok: false, why: `${shown(raw)} does not match` };
    case "memory":
      return readQuantity(field, raw, (text) => parseBytes(text) / MIB);
    case "cores":
      return readQuantity(field, raw, parseCores);
    case "workers":
      return raw === "auto" ? { ok: true, value: "auto" } : readNumber(field, raw);
    case "whole":
    case "number":
      return readNumber(field, raw);
  }
}

type Ranged = Extract<Field, { readonly min: number }>;

function refuseBoolean(raw: unknown): Reading {
  // An object without prototype, as some parsers make them, cannot even be turned into text.
  const word = typeof raw === "object" ? "" : String(raw).toLowerCase();
  const nearest = ["yes", "on", "1", "true"].includes(word)
    ? "true"
    : ["no", "off", "0", "false"].includes(word)
      ? "false"
      : undefined;
  return { ok: false, why: `${shown(raw)} is not true or false`, ...(nearest === undefined ? {} : { nearest }) };
}

function readWord(allowed: readonly string[], raw: unknown): Reading {
  if (typeof raw === "string" && allowed.includes(raw)) return { ok: true, value: raw };
  const nearest = typeof raw === "string" ? nearestOf(raw.toLowerCase(), allowed) : undefined;
  return { ok: false, why: `${shown(raw)} is none of them`, ...(nearest === undefined ? {} : { nearest }) };
}

function readQuantity(field: Ranged, raw: unknown, parse: (text: string | number) => number): Reading {
  if (typeof raw !== "string" && typeof raw !== "number") return { ok: false, why: `${shown(raw)} is not a quantity` };
  try {
    if (typeof raw === "number" && !(Number.isFinite(raw) && raw > 0)) return outside(field, raw);
    return within(field, parse(raw));
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    const nearest = error.nearest === undefined ? undefined : nearestTo(field, parse(error.nearest));
    return { ok: false, why: error.message, ...(nearest === undefined ? {} : { nearest }) };
  }
}

function readNumber(field: Ranged, raw: unknown): Reading {
  if (typeof raw === "number") return Number.isFinite(raw) ? within(field, raw) : outside(field, raw);
  if (typeof raw !== "string") return { ok: false, why: `${shown(raw)} is not a number` };
  const found = /^\s*(-?\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(raw);
  if (found === null) return { ok: false, why: `${shown(raw)} is text, not a number` };
  const [, digits = "", unit = ""] = found;
  if (unit === "") return { ok: false, why: `${shown(raw)} is text`, nearest: nearestTo(field, Number(digits)) };
  const [from, to] = [SECONDS[unit.toLowerCase()], SECONDS[field.unit]];
  const meant = from !== undefined && to !== undefined ? (Number(digits) * from) / to : Number(digits);
  const nearest = nearestTo(field, meant);
  return { ok: false, why: `${shown(raw)} carries a unit, the input is in ${field.unit}`, nearest };
}

/** What comes closest to a value and is legal, as it would be written. */
function nearestTo(field: Ranged, value: number): string {
  const isWhole = field.kind === "whole" || field.kind === "workers";
  return written(field, clamp(isWhole ? Math.round(value) : value, field.min, field.max));
}

function within(field: Ranged, value: number): Reading {
  const isWhole = field.kind === "whole" || field.kind === "workers";
  if (value < field.min || value > field.max) return outside(field, value);
  if (isWhole && !Number.isInteger(value))
    return { ok: false, why: `${value} is not whole`, nearest: nearestTo(field, value) };
  return { ok: true, value };
}

function outside(field: Ranged, value: number): Reading {
  if (Number.isNaN(value)) return { ok: false, why: "NaN is not a number" };
  const what = Number.isFinite(value) ? `${written(field, value)} is out of range` : `${value} is not finite`;
  return { ok: false, why: what, nearest: nearestTo(field, value) };
}

/** A value as it stands in a message: one line, not longer than a name. */
export function shown(raw: unknown): string {
  if (raw === undefined) return "nothing";
  if (typeof raw === "number" || typeof raw === "bigint") return String(raw);
  const text =
    typeof raw === "object" && raw !== null ? (Array.isArray(raw) ? "a list" : "a group") : JSON.stringify(raw);
  return (text ?? typeof raw).slice(0, 80);
}
