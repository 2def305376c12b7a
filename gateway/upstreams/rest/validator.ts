/** JSON Schemas of tools, compiled when they are first needed. Failures name the path, the value and what is allowed. */
import { createRequire } from "node:module";
import type * as Ajv from "ajv/dist/2020.js";
import type { ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import safeRegex from "safe-regex2";
import { lazily } from "../../../contract/lazily.ts";

export type Check = (value: unknown) => string | undefined;

const MAX_SHOWN = 10;
const MAX_VALUE = 80;

// Loaded by the first who needs it: most gateways never do, and a start should not wait for it.
const ajv = lazily(() => {
  const { Ajv2020 }: typeof Ajv = createRequire(import.meta.url)("ajv/dist/2020.js");
  return new Ajv2020({
    strict: false,
    allErrors: true,
    verbose: true,
    validateFormats: false,
    validateSchema: false,
    meta: false,
    logger: false,
    // Schemas of real documents compile in a tenth of the time; what is compiled runs as fast.
    inlineRefs: false,
    code: { optimize: false },
  });
});

/**
 * A check for a schema of dialect 2020-12. Formats are annotations there and are not checked. Throws when the schema is none;
 * nothing is ever fetched for it.
 */
export function compileCheck(schema: unknown): Check {
  if (typeof schema !== "object" || schema === null) throw new Error("a schema has to be an object");
  const own = checkable(schema);
  const validate: ValidateFunction = ajv().compile(own);
  // The function lives with its tool, not with the compiler.
  ajv().removeSchema(own);
  return (value) => (validate(value) ? undefined : messageOf(validate.errors ?? []));
}

/** As compileCheck, at its first use. */
export function lazyCheck(schema: unknown): Check {
  let check: Check | undefined;
  return (value) => {
    check ??= compileCheck(schema);
    return check(value);
  };
}

/**
 * The schema as it is enforced. Patterns that could take exponential time, or are none of JavaScript's, are left to the server that
 * asks for them; names of schemas have no meaning outside of their document.
 */
function checkable(schema: object): object {
  const { $id: _, $schema: __, ...own } = { $id: undefined, $schema: undefined, ...schema };
  return withoutSlowPatterns(own);
}

function withoutSlowPatterns(schema: object): object {
  const copy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(copy);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, one]) => {
        if (key === "pattern" && typeof one === "string" && !isQuick(one)) return [];
        if (key !== "patternProperties" || typeof one !== "object" || one === null) return [[key, copy(one)]];
        return [[key, Object.fromEntries(Object.entries(one).filter(([name]) => isQuick(name)))]];
      }),
    );
  };
  return Object(copy(schema));
}

function isQuick(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u").source !== "" && safeRegex(pattern);
  } catch {
    return false;
  }
}

function messageOf(errors: readonly ErrorObject[]): string {
  const lines = errors
    // What a branch of anyOf or an if lacks says less than the branch itself.
    .filter((error) => error.keyword !== "if")
    .map((error) => `${error.instancePath === "" ? "/" : error.instancePath}: ${problemOf(error)}`);
  const unique = [...new Set(lines)];
  const more = unique.length > MAX_SHOWN ? [`and ${unique.length - MAX_SHOWN} more`] : [];
  return [...unique.slice(0, MAX_SHOWN), ...more].join("; ");
}

function problemOf(error: ErrorObject): string {
  const { keyword, message = keyword } = error;
  const params: Record<string, unknown> = error.params;
  if (keyword === "required") return `${String(params.missingProperty)} is needed`;
  if (keyword === "additionalProperties" || keyword === "unevaluatedProperties") {
    const name = params.additionalProperty ?? params.unevaluatedProperty;
    return `${String(name)} is not known; allowed: ${propertiesOf(error.parentSchema).join(", ") || "nothing"}`;
  }
  const allowed =
    keyword === "enum" ? `has to be one of ${shown(params.allowedValues, 400)}` : message.replace(/^must /, "has to ");
  const constant = keyword === "const" ? ` ${shown(params.allowedValue)}` : "";
  return `${shown(error.data)} ${allowed}${constant}`;
}

function propertiesOf(schema: ErrorObject["parentSchema"]): string[] {
  const properties: unknown = schema?.properties;
  return typeof properties === "object" && properties !== null ? Object.keys(properties).slice(0, 50) : [];
}

function shown(value: unknown, limit = MAX_VALUE): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}
