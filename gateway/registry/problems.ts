/** Problems of an input, all at once: where, what stands there, what is allowed. Values of secrets are never repeated. */
import type * as z from "zod";
import { type Fault, fault } from "../../contract/errors.ts";
import { editDistance } from "../../contract/nearest.ts";

export type Problem = { readonly path: string; readonly value?: unknown; readonly allowed: string };

const SECRET = /password|token|secret|header|env|auth|key/i;
const MAX_PROBLEMS = 100;
const MAX_VALUE = 200;

export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known.map((one) => ({ one, far: editDistance(word.toLowerCase(), one.toLowerCase()) }));
  const best = ranked.sort((a, b) => a.far - b.far)[0];
  return best !== undefined && best.far <= Math.max(2, word.length / 3) ? best.one : undefined;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) value = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  return value;
}

function shown(value: unknown): unknown {
  const text = JSON.stringify(value);
  return text !== undefined && text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : value;
}

/** Zod's issues as problems; `known` are the keys that may stand at the top. */
export function problemsOf(error: z.ZodError, input: unknown, known: readonly string[]): Problem[] {
  const found: Problem[] = [];
  for (const issue of error.issues) {
    if (issue.code === "unrecognized_keys") {
      const top = issue.path.length === 0;
      for (const key of issue.keys) {
        const near = top ? nearest(key, known) : undefined;
        const path = [...issue.path, key].join(".").slice(0, MAX_VALUE);
        found.push({ path, allowed: near === undefined ? "this field does not exist" : `did you mean ${near}?` });
      }
      continue;
    }
    const path = issue.path.join(".");
    const value = SECRET.test(path) ? undefined : shown(valueAt(input, issue.path));
    found.push({ path, ...(value === undefined ? {} : { value }), allowed: issue.message });
  }
  return found.slice(0, MAX_PROBLEMS);
}

/** Deeper values are no input that anybody means. */
const MAX_DEPTH = 256;

/** Where a value holds U+0000, which PostgreSQL's text cannot keep: the caller's mistake, not the database's. */
export function nulProblems(value: unknown, path: readonly string[] = []): Problem[] {
  if (path.length > MAX_DEPTH) return [{ path: path[0] ?? "", allowed: `nested no deeper than ${MAX_DEPTH}` }];
  if (typeof value === "string")
    return value.includes("\0") ? [{ path: path.join("."), allowed: "no NUL character" }] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => nulProblems(one, [...path, key]));
}

export function invalid(kind: string, problems: readonly Problem[]): Fault {
  const text = problems.map(({ path, allowed }) => (path === "" ? allowed : `${path}: ${allowed}`)).join("; ");
  return fault("MCPS_ITEM_INVALID", { count: problems.length, kind, problems: text }, { problems });
}

/** Throws MCPS_FORBIDDEN where imports are switched off. */
export function importsOf<Parts>({ imports }: { readonly imports?: Parts }): Parts {
  if (imports !== undefined) return imports;
  throw fault("MCPS_FORBIDDEN", { principal: "Nobody", action: "import (MCPGATEWAY_BULK_IMPORT_ENABLED is false)" });
}
