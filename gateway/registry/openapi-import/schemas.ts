/**
 * Schemas of OpenAPI as JSON Schemas of dialect 2020-12 that stand alone: what they refer to goes into `$defs`, so that a schema
 * that holds itself stays as small as it is.
 */
import { DocumentError, isJson, type Json, pointed, type Version } from "./document.ts";

/** `request` leaves out what only answers have, and the other way round. */
export type Direction = "request" | "response";

const MAX_DEPTH = 64;
const MAX_NODES = 20_000;
const MAX_HOPS = 100;

/** Members whose value is one schema, a list of them, or schemas by name. */
const ONE = new Set(
  "additionalProperties items not if then else contains propertyNames unevaluatedItems unevaluatedProperties additionalItems contentSchema".split(
    " ",
  ),
);
const MANY = new Set(["allOf", "anyOf", "oneOf", "prefixItems"]);
const NAMED = new Set(["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"]);
const TYPES = new Set(["string", "number", "integer", "boolean", "object", "array", "null"]);
const isText = (value: unknown) => typeof value === "string";
const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);
const isCount = (value: unknown) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
const isFlag = (value: unknown) => typeof value === "boolean";
const isNames = (value: unknown) => Array.isArray(value) && value.every(isText);
const isAnything = () => true;

/** Values that are copied, when they are what JSON Schema wants: documents are written by people. */
const PLAIN = new Map<string, (value: unknown) => boolean>([
  [
    "type",
    (value) => (Array.isArray(value) ? value.length > 0 && value.every(isType) : isType(value) || value === "file"),
  ],
  ["enum", (value) => Array.isArray(value) && value.length > 0],
  ["const", isAnything],
  ["default", isAnything],
  ["examples", Array.isArray],
  ...named(["title", "description", "format", "pattern", "contentEncoding", "contentMediaType", "$comment"], isText),
  ...named(["maximum", "minimum"], isNumber),
  // Of OpenAPI 3.0 they are flags.
  ...named(["exclusiveMaximum", "exclusiveMinimum"], (value) => isNumber(value) || isFlag(value)),
  ["multipleOf", (value) => typeof value === "number" && value > 0],
  ...named(["maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"], isCount),
  ...named(["maxContains", "minContains"], isCount),
  ...named(["uniqueItems", "deprecated", "readOnly", "writeOnly"], isFlag),
  ["required", Array.isArray],
  ["dependentRequired", (value) => isJson(value) && Object.values(value).every(isNames)],
]);

function isType(value: unknown): boolean {
  return typeof value === "string" && TYPES.has(value);
}

function named(names: readonly string[], check: (value: unknown) => boolean) {
  return names.map((name) => [name, check] as const);
}

/** Gathers the definitions that the schemas of one tool share. */
export class SchemaWriter {
  readonly #document: Json;
  readonly #version: Version;
  readonly #direction: Direction;
  readonly #names = new Map<string, string>();
  readonly #defs = new Map<string, Json>();
  #nodes = 0;

  constructor(document: Json, version: Version, direction: Direction) {
    this.#document = document;
    this.#version = version;
    this.#direction = direction;
  }

  /** Throws DocumentError for a reference that cannot be followed, and for what is too large. */
  write(schema: unknown, depth = 0): Json {
    if (depth > MAX_DEPTH) throw new DocumentError(`a schema is nested deeper than ${MAX_DEPTH}`);
    if (++this.#nodes > MAX_NODES) throw new DocumentError(`the schemas have more than ${MAX_NODES} parts`);
    // 2020-12 knows schemas that are true or false.
    if (schema === false) return { not: {} };
    if (!isJson(schema)) return {};
    const { $ref: ref } = schema;
    if (typeof ref === "string") return this.#referred(ref, schema, depth);
    const own = this.#members(schema, depth);
    return this.#hasDialect ? own : older(schema, own);
  }

  /** The schema at the end of its references, written: for a root, where `type` has to stand. */
  root(schema: unknown): Json {
    let found = schema;
    for (let hops = 0; hops < MAX_HOPS; hops++) {
      if (!isJson(found) || typeof found.$ref !== "string" || Object.keys(found).length > 1) break;
      found = pointed(this.#document, found.$ref);
    }
    return this.write(found);
  }

  get defs(): Json | undefined {
    return this.#defs.size === 0 ? undefined : Object.fromEntries(this.#defs);
  }

  /** OpenAPI 3.1 and later use JSON Schema as it is. */
  get #hasDialect(): boolean {
    return this.#version === "3.1" || this.#version === "3.2";
  }

  /** References that lead to themselves and to nothing else say nothing. */
  #isCircle(ref: string): boolean {
    const seen = new Set<string>();
    for (let next: unknown = ref; typeof next === "string"; ) {
      if (seen.has(next)) return true;
      seen.add(next);
      const target = pointed(this.#document, next);
      next = isJson(target) ? target.$ref : undefined;
    }
    return false;
  }

  #referred(ref: string, schema: Json, depth: number): Json {
    if (!this.#names.has(ref) && this.#isCircle(ref)) return {};
    let name = this.#names.get(ref);
    if (name === undefined) {
      name = this.#freeName(ref);
      this.#names.set(ref, name);
      // Known by name before it is written: it may hold itself.
      this.#defs.set(name, this.write(pointed(this.#document, ref), depth + 1));
    }
    const target = { $ref: `#/$defs/${name}` };
    if (!this.#hasDialect) return target;
    const { $ref: _, ...beside } = schema;
    return { ...this.#members(beside, depth), ...target };
  }

  #freeName(ref: string): string {
    const last = ref.split("/").at(-1) ?? "";
    const stem = last.replaceAll(/[^A-Za-z0-9_.-]/g, "_").slice(0, 100) || "schema";
    const taken = new Set(this.#names.values());
    for (let count = 1; ; count++) {
      const name = count === 1 ? stem : `${stem}_${count}`;
      if (!taken.has(name)) return name;
    }
  }

  #members(schema: Json, depth: number): Json {
    const own: Record<string, unknown> = {};
    const hidden = this.#hidden(schema);
    for (const [key, value] of Object.entries(schema)) {
      if (PLAIN.get(key)?.(value) === true) own[key] = value;
      else if (MANY.has(key) && Array.isArray(value) && value.length > 0)
        own[key] = value.map((one) => this.write(one, depth + 1));
      else if (ONE.has(key)) own[key] = typeof value === "boolean" ? value : this.write(value, depth + 1);
      else if (NAMED.has(key) && isJson(value)) {
        const entries = Object.entries(value).filter(([name]) => key !== "properties" || !hidden.has(name));
        own[key] = objectOf(entries.map(([name, one]) => [name, this.write(one, depth + 1)]));
      }
    }
    if (Array.isArray(own.required)) {
      const left = own.required.filter((name) => typeof name === "string" && !hidden.has(name));
      own.required = [...new Set(left)];
    }
    return this.#hasDialect ? withoutFlags(own) : own;
  }

  /** Names of properties that the other direction has. */
  #hidden({ properties }: Json): ReadonlySet<string> {
    const flag = this.#direction === "request" ? "readOnly" : "writeOnly";
    if (!isJson(properties)) return new Set();
    return new Set(
      Object.entries(properties).flatMap(([name, one]) => (isJson(one) && one[flag] === true ? [name] : [])),
    );
  }
}

/** Bounds that are flags mean nothing to JSON Schema. */
function withoutFlags(own: Json): Json {
  const { exclusiveMinimum, exclusiveMaximum, ...rest } = own;
  return {
    ...rest,
    ...(typeof exclusiveMinimum === "number" ? { exclusiveMinimum } : {}),
    ...(typeof exclusiveMaximum === "number" ? { exclusiveMaximum } : {}),
    ...(rest.type === "file" ? { type: "string" } : {}),
  };
}

/** As an object literal, whatever the names: `__proto__` is a name like any other. */
export function objectOf(entries: readonly (readonly [string, unknown])[]): Json {
  return Object.fromEntries(entries);
}

/** What OpenAPI 3.0 and Swagger 2.0 say otherwise: nullable, boolean bounds, files. */
function older(schema: Json, own: Json): Json {
  const made: Record<string, unknown> = { ...own };
  for (const [flag, bound] of [
    ["exclusiveMinimum", "minimum"],
    ["exclusiveMaximum", "maximum"],
  ] as const) {
    if (typeof made[flag] !== "boolean") continue;
    if (made[flag] === true && typeof made[bound] === "number") {
      made[flag] = made[bound];
      delete made[bound];
    } else delete made[flag];
  }
  if (made.type === "file") return { ...made, type: "string", contentEncoding: "base64" };
  if (schema.nullable !== true && schema["x-nullable"] !== true) return made;
  if (typeof made.type === "string") {
    const enums = Array.isArray(made.enum) && !made.enum.includes(null) ? { enum: [...made.enum, null] } : {};
    return { ...made, type: [made.type, "null"], ...enums };
  }
  return { anyOf: [made, { type: "null" }] };
}

/** Whether every value of a written schema is an object; `defs` are those of its writer. */
export function isObjectSchema(schema: Json, defs: Json | undefined, hops = 0): boolean {
  if (schema.type === "object") return true;
  if (schema.type !== undefined || hops > 20) return false;
  const { $ref: ref } = schema;
  const target = typeof ref === "string" ? defs?.[ref.slice("#/$defs/".length)] : undefined;
  if (isJson(target)) return isObjectSchema(target, defs, hops + 1);
  const every = (list: unknown) =>
    Array.isArray(list) && list.length > 0 && list.every((one) => isJson(one) && isObjectSchema(one, defs, hops + 1));
  const some = (list: unknown) =>
    Array.isArray(list) && list.some((one) => isJson(one) && isObjectSchema(one, defs, hops + 1));
  return some(schema.allOf) || every(schema.anyOf) || every(schema.oneOf);
}
