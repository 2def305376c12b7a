/** An OpenAPI document as plain data, within bounds; references inside of it, and nothing outside of it. */
import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import { lazily } from "../../../contract/lazily.ts";

// Loaded by the first who needs it: most gateways never do, and a start should not wait for it.
const yaml = lazily((): typeof Yaml => createRequire(import.meta.url)("yaml"));

/** A document that cannot be read, or a part of it; the text names the part. */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
}

export type Json = Readonly<Record<string, unknown>>;
/** Of Swagger 2.0 and OpenAPI 3.0, schemas are no JSON Schemas yet. */
export type Version = "2.0" | "3.0" | "3.1" | "3.2";

const MAX_DEPTH = 200;
const MAX_NODES = 3_000_000;
/** YAML: how often one anchor may be used, counted with what is inside of it. */
const MAX_ALIASES = 10_000;
const MAX_HOPS = 100;

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function member(value: unknown, key: string): unknown {
  return isJson(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

export function textAt(value: unknown, key: string): string | undefined {
  const text = member(value, key);
  return typeof text === "string" ? text : undefined;
}

export function listAt(value: unknown, key: string): readonly unknown[] {
  const list = member(value, key);
  return Array.isArray(list) ? list : [];
}

/** JSON, or YAML 1.2. Throws DocumentError. */
export function parseText(text: string): Json {
  const value = /^\s*\{/.test(text) ? jsonOf(text) : yamlOf(text);
  if (!isJson(value)) throw new DocumentError("the document has to be an object");
  checkSize(value);
  return value;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // YAML's flow style begins with a brace too.
    const reason = error instanceof Error ? error.message : String(error);
    try {
      return yamlOf(text);
    } catch {
      throw new DocumentError(`the document is no valid JSON: ${reason.slice(0, 300)}`);
    }
  }
}

function yamlOf(text: string): unknown {
  const document = yaml().parseDocument(text, { logLevel: "error", uniqueKeys: false, prettyErrors: true });
  const [wrong] = document.errors;
  if (wrong !== undefined) throw new DocumentError(`the document is no valid YAML: ${wrong.message.slice(0, 300)}`);
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw new DocumentError(`the document cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Iterative, for the depth is what is in question. An anchor that holds itself is infinitely deep. */
function checkSize(root: unknown): void {
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value: root, depth: 1 }];
  let nodes = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (++nodes > MAX_NODES) throw new DocumentError(`the document has more than ${MAX_NODES} values`);
    const { value, depth } = next;
    if (typeof value !== "object" || value === null) continue;
    if (depth > MAX_DEPTH) throw new DocumentError(`the document is nested deeper than ${MAX_DEPTH}`);
    for (const one of Object.values(value)) open.push({ value: one, depth: depth + 1 });
  }
}

/** Throws DocumentError for what is no OpenAPI document of a known version. */
export function versionOf(document: Json): Version {
  const { swagger, openapi } = document;
  if (swagger !== undefined && String(swagger).startsWith("2.0")) return "2.0";
  if (swagger === 2) return "2.0";
  const [, found] = /^(3\.[012])(?:\.|$)/.exec(String(openapi ?? "")) ?? [];
  if (found === "3.0" || found === "3.1" || found === "3.2") return found;
  const said = swagger !== undefined ? `swagger: ${String(swagger)}` : `openapi: ${String(openapi)}`;
  throw new DocumentError(`${said.slice(0, 100)}: has to be OpenAPI 3.0, 3.1 or 3.2, or Swagger 2.0`);
}

/** What a reference points to (RFC 6901 in a fragment). Throws DocumentError, naming it. */
export function pointed(document: Json, ref: string): unknown {
  if (!ref.startsWith("#")) {
    throw new DocumentError(`$ref ${ref.slice(0, 300)} leads outside of the document, and nothing is fetched for it`);
  }
  let value: unknown = document;
  for (const part of ref.slice(1).split("/").slice(1)) {
    const key = decoded(part).replaceAll("~1", "/").replaceAll("~0", "~");
    value = Array.isArray(value) ? value[Number(key)] : member(value, key);
    if (value === undefined) throw new DocumentError(`$ref ${ref.slice(0, 300)} leads nowhere`);
  }
  if (!ref.startsWith("#/") && ref !== "#") {
    throw new DocumentError(`$ref ${ref.slice(0, 300)} is no JSON pointer; anchors are not followed`);
  }
  return value;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The object itself where it is a reference object (parameter, body, response, path item). Throws DocumentError. */
export function resolved(document: Json, value: unknown): unknown {
  let found = value;
  for (let hops = 0; hops < MAX_HOPS; hops++) {
    const ref = textAt(found, "$ref");
    if (ref === undefined) return found;
    found = pointed(document, ref);
  }
  throw new DocumentError(`$ref ${textAt(value, "$ref")?.slice(0, 300)} leads in a circle`);
}
