/** What MCP shows of an HTTP operation: its definition as a tool, with annotations that follow from the method. */
import type { RestMethod } from "../upstreams/index.ts";

export type ToolText = {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
};

export type Annotations = Readonly<Record<string, unknown>>;

/** RFC 9110 §9.2: what is safe and what is idempotent. Hints that a method says nothing about are left to MCP's defaults. */
export function annotationsOf(method: RestMethod): Annotations {
  if (method === "GET" || method === "HEAD" || method === "OPTIONS")
    return { readOnlyHint: true, idempotentHint: true };
  if (method === "PUT") return { readOnlyHint: false, idempotentHint: true };
  if (method === "DELETE") return { readOnlyHint: false, destructiveHint: true, idempotentHint: true };
  return { readOnlyHint: false };
}

/** An output schema as MCP before 2026-07-28 wants it, an object; `wraps`: the answer goes into its member `result`. */
export function outputOf(schema: Readonly<Record<string, unknown>>): {
  readonly schema: Readonly<Record<string, unknown>>;
  readonly wraps: boolean;
} {
  if (schema.type === "object") return { schema, wraps: false };
  const { $defs, $schema: _, ...result } = schema;
  return {
    schema: {
      type: "object",
      properties: { result },
      required: ["result"],
      ...($defs === undefined ? {} : { $defs }),
    },
    wraps: true,
  };
}

/** The raw definition; members without a value are left out. */
export function definitionOf(
  { name, title, description }: ToolText,
  inputSchema: unknown,
  outputSchema: unknown,
  annotations: Annotations,
): string {
  return JSON.stringify({ name, title, description, inputSchema, outputSchema, annotations });
}
