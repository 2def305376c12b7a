/** A stack's configuration file, Pulumi.<stack>.yaml: which keys are ours, and the JSON Schema that editors check it with. */
import { inputJsonSchema, type Problem } from "./sizing/index.ts";

/** Ours among the keys of `config`. */
export const SIZING_KEY = "mcp-stack:sizing";

/** Where the committed JSON Schema stands, from the repository's root; the stack files name it in their first line. */
export const STACK_SCHEMA_FILE = "infra/stack.schema.json";

export type StackReading =
  | { readonly ok: true; readonly sizing: unknown }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** The sizing inputs as a stack file says them, not yet checked; `raw` is what YAML gave. Never throws. */
export function readStack(raw: unknown, file: string): StackReading {
  const config = partOf(raw, "config");
  const sizing = partOf(config, SIZING_KEY);
  if (sizing !== undefined) return { ok: true, sizing };
  const path = config === undefined ? "config" : `config.${SIZING_KEY}`;
  const allowed = `config: { ${SIZING_KEY}: { environment: …, load: …, gateway: …, database: … } }`;
  return {
    ok: false,
    problems: [{ path, value: undefined, allowed, message: `${file}: ${path} is missing; allowed: ${allowed}` }],
  };
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
