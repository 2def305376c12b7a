/**
 * Values of fields that many requests of many connections have in common: one string for all of them. What is looked up by such a value, a
 * token first of all, is then found by comparing two references instead of hundreds of characters.
 */

/** What is kept is as much as callers can make up, and no more than this. */
const MAX_VALUES = 4096;
const MAX_CHARS = 4096;

/** Those that the gateway itself compares with. */
const KNOWN: readonly string[] = [
  "application/json",
  "application/json, text/event-stream",
  "text/event-stream",
  "2025-11-25",
  "2025-06-18",
  "2025-03-26",
  "2026-07-28",
  "tools/call",
];

const values = new Map<string, string>(KNOWN.map((value) => [value, value]));

/** Fields whose values come again and again. */
export const SHARED: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "authorization",
  "content-type",
  "host",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "origin",
  "user-agent",
]);

/** The same text; the same string as the last time. */
export function shared(value: string): string {
  const known = values.get(value);
  if (known !== undefined) return known;
  if (value.length > MAX_CHARS) return value;
  if (values.size >= MAX_VALUES) {
    values.clear();
    for (const one of KNOWN) values.set(one, one);
  }
  values.set(value, value);
  return value;
}
