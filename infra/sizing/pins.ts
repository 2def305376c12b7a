/** Pinned numbers: any number of the plan, by its path, checked against the plan's own schema. */
import { z } from "zod";
import { nearestOf } from "../../contract/nearest.ts";
import { POOLER_VERSIONS, planSchema } from "../../contract/plan.ts";
import type { Pins } from "./input.ts";
import { shown } from "./leaf.ts";
import type { Problem } from "./problem.ts";

/** Every number, word and switch of the plan by path; lists and maps cannot be pinned. */
export const planLeaves: ReadonlyMap<string, z.core.$ZodType> = new Map(leavesOf(planSchema, ""));

function leavesOf(type: z.core.$ZodType, path: string): [string, z.core.$ZodType][] {
  if (type instanceof z.ZodNullable) return leavesOf(type.def.innerType, path);
  if (type instanceof z.ZodObject)
    return Object.entries(type.def.shape).flatMap(([name, part]) =>
      leavesOf(part, path === "" ? name : `${path}.${name}`),
    );
  if (type instanceof z.ZodArray || type instanceof z.ZodRecord) return [];
  return [[path, type]];
}

const GREATEST = 2 ** 31;

/**
 * What a number of the plan may be pinned to, and the smallest change of it that means anything: a whole one where whole numbers are
 * legal or `current` is one.
 */
export function pinRange(
  path: string,
  current: number,
): { readonly min: number; readonly max: number; readonly step: number } {
  const leaf = planLeaves.get(path);
  const accepts = (value: number) => leaf !== undefined && z.safeParse(leaf, value).success;
  const step = Number.isInteger(current) && accepts(GREATEST) ? 1 : 0.001;
  return { min: [0, step].find(accepts) ?? 1, max: accepts(GREATEST) ? GREATEST : 1, step };
}

/** What decides whether a part of the plan is there at all. */
export type Variant = { readonly mode: unknown; readonly hasPrices: boolean };

/** Paths may be written dotted or nested; findings are added to `problems`. */
export function readPins(raw: unknown, variant: Variant, problems: Problem[]): Pins {
  const pins: Record<string, number | string | boolean> = {};
  if (raw === undefined || raw === null) return pins;
  const entries = new Map(flatten(raw, "", 0));
  const isThere = { ...variant, mode: entries.get("database.mode") ?? variant.mode };
  for (const [path, written] of entries) {
    const value = path === VERSION && typeof written === "number" ? String(written) : written;
    const problem = problemWith(path, value, isThere) ?? contradiction(path, value, entries);
    if (problem !== undefined) problems.push(problem);
    else if (typeof value === "number" || typeof value === "string" || typeof value === "boolean") pins[path] = value;
  }
  return pins;
}

/** YAML reads 1.25 as a number. */
const VERSION = "pgbouncer.version";

/** Kubernetes takes one of the two. */
function contradiction(path: string, value: unknown, entries: ReadonlyMap<string, unknown>): Problem | undefined {
  if (path !== "disruption.minAvailable" || !entries.has("disruption.maxUnavailable")) return undefined;
  const allowed = "one of disruption.minAvailable and disruption.maxUnavailable";
  const at = `given.${path}`;
  return {
    path: at,
    value,
    allowed,
    message: `${at} and given.disruption.maxUnavailable exclude each other; allowed: ${allowed}`,
  };
}

/** Deeper than the plan is nothing that could be legal. */
const DEEPEST = 6;

function flatten(raw: unknown, prefix: string, depth: number): [string, unknown][] {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw) || depth > DEEPEST) return [[prefix, raw]];
  return Object.entries(raw).flatMap(([name, value]) =>
    flatten(value, prefix === "" ? name : `${prefix}.${name}`, depth + 1),
  );
}

function problemWith(path: string, value: unknown, { mode, hasPrices }: Variant): Problem | undefined {
  const at = `given.${path}`.slice(0, 200);
  const leaf = planLeaves.get(path);
  if (leaf === undefined) {
    const nearest = nearestOf(path, [...planLeaves.keys()]) ?? "";
    const allowed = "paths of the plan, as mcp-stack plan --json prints them";
    return { path: at, value, allowed, nearest, message: `${at} is no number of the plan; nearest: given.${nearest}` };
  }
  if (mode === "direct" && path.startsWith("pgbouncer.")) {
    const allowed = "only where database.mode is pgbouncer";
    return { path: at, value, allowed, message: `${at} is pinned, but database.mode is direct; allowed: ${allowed}` };
  }
  if (!hasPrices && path.startsWith("cost.")) {
    const allowed = "only where there are prices";
    return { path: at, value, allowed, message: `${at} is pinned, but there are no prices; allowed: ${allowed}` };
  }
  const parsed = z.safeParse(path === VERSION ? z.enum(POOLER_VERSIONS) : leaf, value);
  if (parsed.success) return undefined;
  const allowed = allowedBy(path === VERSION ? z.enum(POOLER_VERSIONS) : leaf);
  return { path: at, value, allowed, message: `${at}: ${shown(value)} cannot be pinned; allowed: ${allowed}` };
}

function allowedBy(leaf: z.core.$ZodType): string {
  const schema: Record<string, unknown> = z.toJSONSchema(leaf, { io: "input" });
  if (Array.isArray(schema.enum)) return schema.enum.join(", ");
  const kind = schema.type === "integer" ? "a whole number" : `a ${schema.type}`;
  const least = schema.minimum ?? schema.exclusiveMinimum;
  const isOpen = schema.minimum === undefined && schema.exclusiveMinimum !== undefined;
  const isBounded = typeof least === "number" && least > Number.MIN_SAFE_INTEGER;
  return isBounded ? `${kind} ${isOpen ? "above" : "of at least"} ${least}` : kind;
}
