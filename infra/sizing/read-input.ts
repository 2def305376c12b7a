/** From what somebody wrote to a complete input: every finding at once, never an exception. */
import type { z } from "zod";
import { type Calibration, calibrationSchema } from "../../contract/calibration.ts";
import { nearestOf } from "../../contract/nearest.ts";
import { type Declarations, fallbackOf, isField, isGroup, listFields } from "./field.ts";
import { declarations, inputFields, type Pins, type SizingInput } from "./input.ts";
import { inputSchema } from "./input-schema.ts";
import { allowedFor, shown } from "./leaf.ts";
import { readPins } from "./pins.ts";
import type { Problem } from "./problem.ts";

export type InputReading =
  | { readonly ok: true; readonly input: SizingInput }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Parses, completes and checks; `raw` may be anything that JSON or YAML can say. */
export function readInput(raw: unknown): InputReading {
  const parsed = inputSchema.safeParse(raw);
  const problems = parsed.success ? [] : parsed.error.issues.flatMap((issue) => problemsOf(issue, raw));
  const group = isRecord(raw) ? raw : {};
  const calibration = readCalibration(group.calibration, problems);
  const mode = isRecord(group.database) ? group.database.mode : undefined;
  const given = readPins(group.given, { mode, hasPrices: group.prices !== undefined }, problems);
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
  // In YAML 1.20 without quotes is the number 1.2.
  const written = field.kind === "version" ? JSON.stringify(nearest) : nearest;
  const instead = typeof nearest === "string" ? `; nearest: ${written}` : "";
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
    message: `${path.slice(0, 200)} is not an input; nearest: ${meant}; ${group === "" ? "the input" : group} has: ${names.join(", ")}`,
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
