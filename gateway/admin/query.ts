/** From a query string to typed conditions; what is not known or not allowed is refused by name. */
import { fault } from "../../contract/errors.ts";
import type { QueryParameter } from "../../contract/rest.ts";

const MAX_VALUE = 300;

export function refused(problems: readonly string[]): Error {
  return fault("MCPS_ITEM_INVALID", { kind: "query", count: problems.length, problems: problems.join("; ") });
}

/** The query's values, in camelCase as in snake_case. Throws MCPS_ITEM_INVALID for names that are not known and for repeated ones. */
export function valuesOf(query: string, known: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const problems: string[] = [];
  for (const [raw, value] of new URLSearchParams(query)) {
    const name = raw.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (!known.includes(name)) problems.push(`?${raw.slice(0, 60)} is not one of ${known.join(", ")}`);
    else if (values.has(name)) problems.push(`?${name} is given twice`);
    else if (value.length > MAX_VALUE || value.includes("\0"))
      problems.push(`?${name} is no text of at most ${MAX_VALUE} characters`);
    values.set(name, value);
  }
  if (problems.length > 0) throw refused(problems.slice(0, 10));
  return values;
}

export function wholeOf(
  values: ReadonlyMap<string, string>,
  name: string,
  otherwise: number,
  [min, max]: readonly [number, number],
): number {
  const text = values.get(name);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value < min || value > max)
    throw refused([`?${name}=${text.slice(0, 40)} has to be a whole number from ${min} to ${max}`]);
  return value;
}

export function oneOf<Word extends string>(
  values: ReadonlyMap<string, string>,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const found = words.find((word) => word === text);
  if (found === undefined) throw refused([`?${name}=${text.slice(0, 40)} has to be one of ${words.join(", ")}`]);
  return found;
}

const TIME = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2}))?$/;

/** ISO 8601 with a time zone, or a date (UTC); epoch milliseconds. */
export function timeOf(values: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const at = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw refused([`?${name}=${text.slice(0, 40)} has to be a time as 2026-01-31T12:00:00Z`]);
  return at;
}

/** A cursor is the id of a row: digits. */
export function cursorOf(values: ReadonlyMap<string, string>): string | undefined {
  const text = values.get("cursor");
  if (text === undefined || /^\d{1,18}$/.test(text)) return text;
  throw refused([`?cursor=${text.slice(0, 40)} is no nextCursor of a page before`]);
}

export function parameter(name: string, description: string, schema: unknown = { type: "string" }): QueryParameter {
  return { name, description, schema };
}

const DATE_TIME = { type: "string", format: "date-time" };
export const TIME_PARAMETERS: readonly QueryParameter[] = [
  parameter("from", "Not older than this", DATE_TIME),
  parameter("until", "Older than this", DATE_TIME),
];
export const PAGE_PARAMETERS: readonly QueryParameter[] = [
  parameter("limit", "Rows of a page, 100 when absent", { type: "integer", minimum: 1 }),
  parameter("cursor", "Where to go on: nextCursor of the page before"),
];
