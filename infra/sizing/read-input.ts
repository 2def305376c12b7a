/** From what somebody wrote to a complete input: every finding at once, never an exception. */
import { z } from "zod";
import { type Calibration, calibrationSchema } from "../../contract/calibration.ts";
import { nearestOf } from "../../contract/nearest.ts";
import { type Declarations, type Field, fallbackOf, isField, isGroup, listFields } from "./field.ts";
import { declarations, inputFields, type Pins, type SizingInput } from "./input.ts";
import { allowedFor, readLeaf, shown } from "./leaf.ts";
import { readPins } from "./pins.ts";
import type { Problem } from "./problem.ts";

export type InputReading =
  | { readonly ok: true; readonly input: SizingInput }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Which field a zod type was made from, for the JSON Schema. */
const fieldOf = new Map<unknown, Field>();

function leafSchema(field: Field): z.ZodType {
  const leaf = z.unknown().transform((raw, context) => {
    const reading = readLeaf(field, raw);
    if (reading.ok) return reading.value;
    const { why, nearest } = reading;
    context.addIssue({ code: "custom", message: why, params: { raw, allowed: allowedFor(field), nearest } });
    return z.NEVER;
  });
  fieldOf.set(leaf, field);
  const mayBeMissing = field.isOptional === true || field.fallback !== undefined;
  return mayBeMissing ? leaf.optional() : leaf;
}

function groupSchema(declared: Declarations): z.ZodObject {
  return z.strictObject(
    Object.fromEntries(
      Object.entries(declared).map(([name, part]): [string, z.ZodType] => {
        if (isField(part)) return [name, leafSchema(part)];
        return [name, isGroup(part) ? groupSchema(part.group).optional() : groupSchema(part).prefault({})];
      }),
    ),
  );
}

/** The inputs as they are written, with pins and calibration beside them. */
export const inputSchema = groupSchema(declarations).extend({
  given: z.unknown().optional(),
  calibration: z.unknown().optional(),
});

/** JSON Schema (2020-12) of the inputs as they are written, for editors. */
export function inputJsonSchema(): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(inputSchema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      const field = fieldOf.get(zodSchema);
      if (field !== undefined) Object.assign(jsonSchema, jsonOf(field));
    },
  });
  const properties = schema.properties ?? {};
  properties.given = {
    description: "Numbers of the plan, pinned by path; each is proved like a derived one",
    type: "object",
    additionalProperties: { type: ["number", "string", "boolean"] },
  };
  const { $schema: __, ...calibration } = z.toJSONSchema(calibrationSchema, { io: "input" });
  properties.calibration = { description: "What mcp-stack load measured", ...calibration };
  return schema;
}

function jsonOf(field: Field): Record<string, unknown> {
  const source = field.source === undefined ? "" : ` Default from: ${field.source}.`;
  const unit = field.unit === "" ? "" : ` (${field.unit})`;
  const fallback = typeof field.fallback === "object" ? undefined : field.fallback;
  const common = {
    description: `${field.description}${unit}.${source} Allowed: ${allowedFor(field)}.`,
    ...(fallback === undefined || field.kind === "memory" ? {} : { default: fallback }),
  };
  switch (field.kind) {
    case "boolean":
      return { type: "boolean", ...common };
    case "choice":
    case "version":
      return { type: "string", enum: [...field.allowed], ...common };
    case "text":
      return { type: "string", pattern: field.pattern, ...common };
    case "memory":
      return { type: "string", pattern: "^\\s*\\d+(\\.\\d+)?\\s*([kKMGT]i?B?|B)\\s*$", ...common };
    case "cores":
      return {
        type: ["number", "string"],
        pattern: "^\\d+(\\.\\d+)?m?$",
        minimum: field.min,
        maximum: field.max,
        ...common,
      };
    case "workers":
      return { anyOf: [{ const: "auto" }, { type: "integer", minimum: field.min, maximum: field.max }], ...common };
    case "whole":
      return { type: "integer", minimum: field.min, maximum: field.max, ...common };
    case "number":
      return { type: "number", minimum: field.min, maximum: field.max, ...common };
  }
}

/** Parses, completes and checks; `raw` may be anything that JSON or YAML can say. */
export function readInput(raw: unknown): InputReading {
  const parsed = inputSchema.safeParse(raw);
  const problems = parsed.success ? [] : parsed.error.issues.flatMap((issue) => problemsOf(issue, raw));
  const group = isRecord(raw) ? raw : {};
  const calibration = readCalibration(group.calibration, problems);
  const mode = isRecord(group.database) ? group.database.mode : undefined;
  const given = readPins(group.given, mode === "direct", problems);
  if (!parsed.success || problems.length > 0) return { ok: false, problems: inOrder(problems) };
  return { ok: true, input: complete(parsed.data, given, calibration) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function complete(parsed: Record<string, unknown>, given: Pins, calibration: Calibration | undefined): SizingInput {
  const environment = parsed.environment === "dev" ? "dev" : "prod";
  const stated = new Set<string>();
  const fill = (declared: Declarations, values: Record<string, unknown>, prefix: string): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(declared).flatMap(([name, part]): [string, unknown][] => {
        const value = values[name];
        const path = `${prefix}${name}`;
        if (!isField(part)) {
          if (isGroup(part) && value === undefined) return [];
          return [[name, fill(isGroup(part) ? part.group : part, isRecord(value) ? value : {}, `${path}.`)]];
        }
        if (value !== undefined) stated.add(path);
        const filled = value ?? fallbackOf(part, environment);
        return filled === undefined ? [] : [[name, filled]];
      }),
    );
  const input = fill(declarations, parsed, "");
  // The one place where the declarations' types are believed: `fill` walked exactly them.
  return { ...input, given, stated, ...(calibration === undefined ? {} : { calibration }) } as unknown as SizingInput;
}

function readCalibration(raw: unknown, problems: Problem[]): Calibration | undefined {
  if (raw === undefined) return undefined;
  const parsed = calibrationSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) {
    const path = ["calibration", ...issue.path].join(".");
    problems.push({
      path,
      value: valueAt(raw, issue.path),
      allowed: "what mcp-stack load --calibration writes",
      message: `${path}: ${issue.message}; a calibration is what mcp-stack load --calibration writes`,
    });
  }
  return undefined;
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const key of path) value = isRecord(value) && Object.hasOwn(value, key) ? value[String(key)] : undefined;
  return value;
}

function problemsOf(issue: z.core.$ZodIssue, raw: unknown): Problem[] {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(path, key));
  const value = valueAt(raw, issue.path);
  const field = inputFields.get(path);
  if (field === undefined) {
    const where = path === "" ? "the input" : path;
    const allowed = `a group: ${namesIn(path).join(", ")}`;
    return [{ path, value, allowed, message: `${where} is ${shown(value)}; allowed: ${allowed}` }];
  }
  const allowed = allowedFor(field);
  if (value === undefined)
    return [{ path, value, allowed, message: `${path} is missing: ${field.description}; allowed: ${allowed}` }];
  const nearest = issue.code === "custom" ? issue.params?.nearest : undefined;
  const instead = typeof nearest === "string" ? `; nearest: ${nearest}` : "";
  const message = `${path}: ${issue.message}; allowed: ${allowed}${instead}`;
  return [{ path, value, allowed, message, ...(typeof nearest === "string" ? { nearest } : {}) }];
}

function unknownKey(group: string, key: string): Problem {
  const names = namesIn(group);
  const path = group === "" ? key : `${group}.${key}`;
  const nearest = nearestOf(key, names) ?? "";
  const elsewhere = [...inputFields.keys()].find((one) => one.endsWith(`.${key}`));
  const meant = elsewhere ?? (group === "" ? nearest : `${group}.${nearest}`);
  return {
    path: path.slice(0, 200),
    value: key.slice(0, 200),
    allowed: names.join(", "),
    nearest: meant,
    message: `${path.slice(0, 200)} is not an input; nearest: ${meant}; ${group === "" ? "groups" : group} has: ${names.join(", ")}`,
  };
}

/** Names of the group at a path. */
function namesIn(path: string): string[] {
  let declared: Declarations = declarations;
  for (const key of path === "" ? [] : path.split(".")) {
    const part = declared[key];
    if (part === undefined || isField(part)) return [];
    declared = isGroup(part) ? part.group : part;
  }
  return path === "" ? [...Object.keys(declared), "given", "calibration"] : Object.keys(declared);
}

/** By the order of declaration, so that a person reads them as the file is written. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const order = [...listFields(declarations).keys()];
  const rank = ({ path }: Problem) => {
    const at = order.findIndex((one) => one === path || one.startsWith(`${path}.`));
    return at < 0 ? order.length : at;
  };
  return problems.toSorted((a, b) => rank(a) - rank(b));
}
