/** A stack's configuration file, Pulumi.<stack>.yaml: which keys are ours, how they are read, and the JSON Schema that editors check them with. */
import { z } from "zod";
import { inputJsonSchema, type Problem, readInput, type SizingInput } from "./sizing/index.ts";
import { type Deployment, deploymentSchema } from "./topology/index.ts";

/** Ours among the keys of `config`. */
export const SIZING_KEY = "mcp-stack:sizing";
export const DEPLOYMENT_KEY = "mcp-stack:deployment";

/** Where the committed JSON Schema stands, from the repository's root; the stack files name it in their first line. */
export const STACK_SCHEMA_FILE = "infra/stack.schema.json";

export type StackReading =
  | { readonly ok: true; readonly input: SizingInput; readonly deployment: Deployment }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The sizing inputs within a stack file, not yet checked; undefined where `content` (what YAML gave) has none. Never throws. */
export function sizingOf(content: unknown): unknown {
  return partOf(partOf(content, "config"), SIZING_KEY);
}

/** What the stack says beside its sizing, not yet checked. */
export function deploymentOf(content: unknown): unknown {
  return partOf(partOf(content, "config"), DEPLOYMENT_KEY);
}

function partOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name) ?? undefined;
}

/** Both parts checked, with every mistake of both; each names its key, the value and what is allowed. */
export function readStack(sizing: unknown, deployment: unknown): StackReading {
  const input = readInput(sizing ?? {});
  const target = deploymentSchema.safeParse(deployment ?? {});
  const problems = [
    ...(input.ok ? [] : input.problems.map((problem) => `sizing.${sentenceOf(problem)}`)),
    ...(target.success ? [] : target.error.issues.map((issue) => deploymentProblem(issue, deployment))),
  ];
  if (!input.ok || !target.success || problems.length > 0) return { ok: false, problems };
  return { ok: true, input: input.input, deployment: target.data };
}

function sentenceOf({ path, message }: Problem): string {
  return message.startsWith(path) ? message : `${path}: ${message}`;
}

function deploymentProblem(issue: z.core.$ZodIssue, given: unknown): string {
  const path = ["deployment", ...issue.path.map(String)].join(".");
  const value = issue.path.reduce<unknown>((part, key) => partOf(part, String(key)), given);
  const shown = value === undefined ? "" : ` is ${JSON.stringify(value).slice(0, 200)}`;
  return `${path}${shown}: ${issue.message}`;
}

/** JSON Schema (2020-12) of a stack file; keys of other programs beside ours are theirs. */
export function stackJsonSchema(): Record<string, unknown> {
  const { $schema: _, ...deployment } = z.toJSONSchema(deploymentSchema, { io: "input", unrepresentable: "any" });
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A stack of mcp-stack",
    type: "object",
    required: ["config"],
    properties: {
      config: {
        type: "object",
        required: [SIZING_KEY],
        properties: { [SIZING_KEY]: inputJsonSchema(), [DEPLOYMENT_KEY]: deployment },
      },
    },
  };
}
