/** A stack's configuration file, Pulumi.<stack>.yaml: which keys are ours, and the JSON Schema that editors check it with. */
import { inputJsonSchema } from "./sizing/index.ts";

/** Ours among the keys of `config`. */
export const SIZING_KEY = "mcp-stack:sizing";

/** Where the committed JSON Schema stands, from the repository's root; the stack files name it in their first line. */
export const STACK_SCHEMA_FILE = "infra/stack.schema.json";

/** The sizing inputs within a stack file, not yet checked; undefined where `content` (what YAML gave) has none. Never throws. */
export function sizingOf(content: unknown): unknown {
  return partOf(partOf(content, "config"), SIZING_KEY);
}

function partOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name) ?? undefined;
}

/** JSON Schema (2020-12) of a stack file; keys of other programs beside ours are theirs. */
export function stackJsonSchema(): Record<string, unknown> {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A stack of mcp-stack",
    type: "object",
    required: ["config"],
    properties: {
      config: {
        type: "object",
        required: [SIZING_KEY],
        properties: { [SIZING_KEY]: inputJsonSchema() },
      },
    },
  };
}
