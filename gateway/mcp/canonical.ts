/** JSON in one form for one value, and the part of a tool's definition that a model is led by. */
import { createHash } from "node:crypto";

/**
 * RFC 8785: members sorted by the UTF-16 code units of their names, numbers as ECMAScript writes them, no white space. Numbers that no double
 * holds are rounded as any JavaScript reader rounds them.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(",")}}`;
}

/** What a model reads of a tool, and what it may send. Icons and `_meta` of others say nothing to it. */
const LEADING = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"] as const;

export type ToolForm = {
  /** SHA-256 of `definition`, base64url. */
  readonly digest: string;
  /** Canonical JSON of the members that lead a model. */
  readonly definition: string;
};

/** Of a tool as it was listed; undefined for what is no JSON object. */
export function toolForm(raw: Uint8Array | string): ToolForm | undefined {
  let value: unknown;
  try {
    value = JSON.parse(typeof raw === "string" ? raw : Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString());
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const members: Readonly<Record<string, unknown>> = { ...value };
  const definition = canonicalJson(Object.fromEntries(LEADING.map((name) => [name, members[name]])));
  return { digest: createHash("sha256").update(definition).digest("base64url"), definition };
}
