/**
 * Arguments of a tool that a modern client repeats in Mcp-Param-* headers (`x-mcp-header`, MCP 2026-07-28 transports). A modern
 * upstream checks them itself; in front of a legacy one, which knows no such headers, it is done here.
 */
import { fault } from "../../contract/errors.ts";
import { type Envelope, memberAt, valueAt } from "../mcp/index.ts";

/** Argument → header name as the tool spells it, without `Mcp-Param-`. */
export type HeaderParams = ReadonlyMap<string, string>;

/** The header arguments of a tool's definition; empty when it cannot be read. */
export function headerParamsOf(definition: string): HeaderParams {
  const found = new Map<string, string>();
  const properties = child(child(parsed(definition), "inputSchema"), "properties");
  if (typeof properties !== "object" || properties === null) return found;
  for (const [argument, schema] of Object.entries(properties)) {
    const header = child(schema, "x-mcp-header");
    // RFC 9110 §5.1: anything but a token is no header name, and no client may use the tool at all.
    if (typeof header === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(header)) found.set(argument, header);
  }
  return found;
}

function parsed(definition: string): unknown {
  try {
    return JSON.parse(definition);
  } catch {
    return undefined;
  }
}

function child(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/**
 * Throws MCPS_HEADER_MISMATCH when a header does not say what the argument says, is missing beside an argument, or is there
 * without one. `headers`: Mcp-Param-* in lower case.
 */
export function checkParamHeaders(
  params: HeaderParams,
  body: Buffer,
  envelope: Envelope,
  headers: Readonly<Record<string, string>>,
): void {
  const given = memberAt(body, envelope.params, "arguments");
  for (const [argument, name] of params) {
    const span = memberAt(body, given, argument);
    const wanted = span === undefined ? undefined : textOf(valueAt(body, span));
    const sent = headers[`mcp-param-${name.toLowerCase()}`];
    const value = sent === undefined ? undefined : decoded(sent.trim());
    if (value === wanted || (wanted !== undefined && value !== undefined && sameNumber(value, wanted))) continue;
    throw fault("MCPS_HEADER_MISMATCH", {
      header: `Mcp-Param-${name}`,
      value: sent === undefined ? "missing" : JSON.stringify(sent.slice(0, 200)),
      expected: wanted === undefined ? "nothing" : JSON.stringify(wanted.slice(0, 200)),
    });
  }
}

/** null and what no header can carry count as absent. */
function textOf(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}

/** 1.0 and 1 are one number in two spellings. */
function sameNumber(a: string, b: string): boolean {
  return /^-?\d/.test(a) && /^-?\d/.test(b) && Number(a) === Number(b);
}

/** Plain, or base64 in its wrapper; undefined when what is in the wrapper is no base64. Half a wrapper is plain text. */
function decoded(value: string): string | undefined {
  const inner = /^=\?base64\?(.*)\?=$/.exec(value)?.[1];
  if (inner === undefined) return value;
  const bytes = Buffer.from(inner, "base64");
  return bytes.toString("base64") === inner ? bytes.toString("utf8") : undefined;
}
