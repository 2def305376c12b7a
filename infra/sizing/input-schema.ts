/** The inputs' declarations as a zod schema, and as a JSON Schema for editors. */
import { z } from "zod";
import { calibrationSchema } from "../../contract/calibration.ts";
import { type Declarations, type Field, fallbackOf, isField, isGroup } from "./field.ts";
import { declarations } from "./input.ts";
import { allowedFor, readLeaf, written } from "./leaf.ts";

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
  const unit = field.unit === "" ? "" : ` (${field.unit})`;
  const isSized = field.kind === "memory" || field.kind === "cores";
  const form = isSized ? ` Allowed: ${allowedFor(field)}.` : "";
  const common = { description: `${field.description}${unit}.${form}${defaultIn(field)}` };
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

function defaultIn(field: Field): string {
  const [dev, prod] = [fallbackOf(field, "dev"), fallbackOf(field, "prod")];
  if (dev === undefined || prod === undefined) return "";
  const value = dev === prod ? written(field, dev) : `${written(field, dev)} in dev, ${written(field, prod)} in prod`;
  return ` Default: ${value} (${field.source ?? "this project"}).`;
}
