/** Parameters of an operation as arguments of a tool: those of the path item and the operation's own, in all four dialects. */
import type { RestParameter } from "../../upstreams/index.ts";
import { isJson, type Json, listAt, member, resolved, textAt, type Version } from "./document.ts";
import { argumentName } from "./names.ts";
import type { SchemaWriter } from "./schemas.ts";

export type Argument = { readonly name: string; readonly schema: Json; readonly required: boolean };
export type Parameters = {
  readonly parameters: readonly RestParameter[];
  readonly arguments: readonly Argument[];
  readonly warnings: readonly string[];
  /** Why the operation cannot be a tool. */
  readonly obstacle?: string;
};

/** Left to others by OpenAPI 3.2 §4.12.1, or part of the connection. */
const IGNORED = new Set(["accept", "content-type", "authorization"]);
const UNSENDABLE = new Set(
  "host connection content-length transfer-encoding te trailer upgrade keep-alive expect accept-encoding proxy-connection cookie proxy-authorization".split(
    " ",
  ),
);
const COLLECTIONS: Readonly<Record<string, Pick<RestParameter, "style" | "explode">>> = {
  csv: { style: "form", explode: false },
  ssv: { style: "spaceDelimited", explode: false },
  pipes: { style: "pipeDelimited", explode: false },
  multi: { style: "form", explode: true },
};
const STYLES: Readonly<Record<string, readonly string[]>> = {
  path: ["simple", "label", "matrix"],
  query: ["form", "spaceDelimited", "pipeDelimited", "deepObject"],
  header: ["simple"],
  cookie: ["form"],
};
/** Of Swagger 2.0, where a parameter is its own schema. */
const NO_SCHEMA = new Set(["name", "in", "required", "collectionFormat", "allowEmptyValue", "description"]);

/** An operation's parameter stands for one of its path item with the same name and place. Resolves references; throws DocumentError. */
export function merged(document: Json, item: unknown, operation: unknown): Json[] {
  const found = new Map<string, Json>();
  for (const raw of [...listAt(item, "parameters"), ...listAt(operation, "parameters")]) {
    const parameter = resolved(document, raw);
    if (isJson(parameter)) found.set(`${String(parameter.in)} ${String(parameter.name)}`, parameter);
  }
  return [...found.values()];
}

export function readParameters(given: readonly Json[], version: Version, writer: SchemaWriter): Parameters {
  const parameters: RestParameter[] = [];
  const found: Argument[] = [];
  const warnings: string[] = [];
  const taken = new Set<string>();
  for (const parameter of given) {
    const where = textAt(parameter, "in") ?? "";
    const name = textAt(parameter, "name") ?? "";
    const required = parameter.required === true || where === "path";
    if (where === "header" && IGNORED.has(name.toLowerCase())) continue;
    const unusable = obstacleOf(where, name);
    if (unusable !== undefined) {
      if (required) return { parameters, arguments: found, warnings, obstacle: unusable };
      warnings.push(unusable);
      continue;
    }
    const place = placeOf(where);
    const argument = argumentName(name, where, taken);
    taken.add(argument);
    const { style, explode, schema } =
      version === "2.0" ? older(parameter, writer, where) : newer(parameter, writer, where);
    const reserved = parameter.allowReserved === true && where === "query" ? { allowReserved: true } : {};
    parameters.push({ argument, in: place, name, style, explode, ...reserved });
    found.push({
      name: argument,
      required,
      schema: described(schema, parameter, argument === name ? undefined : name),
    });
  }
  return { parameters, arguments: found, warnings };
}

function placeOf(where: string): RestParameter["in"] {
  return where === "path" || where === "header" || where === "cookie" ? where : "query";
}

function obstacleOf(where: string, name: string): string | undefined {
  if (!["path", "query", "header", "cookie"].includes(where)) {
    return `parameter ${name}: in ${where.slice(0, 50)} is not supported`;
  }
  if (name === "" || name.length > 256) return `a parameter in ${where} has no usable name`;
  const isHeader = where === "header";
  if (isHeader && UNSENDABLE.has(name.toLowerCase())) return `header ${name} is set by the gateway itself`;
  if (isHeader && !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) return `header ${name} is no header name`;
  return undefined;
}

type Read = { readonly schema: Json; readonly style: RestParameter["style"]; readonly explode: boolean };

function older(parameter: Json, writer: SchemaWriter, where: string): Read {
  const schema = Object.fromEntries(Object.entries(parameter).filter(([key]) => !NO_SCHEMA.has(key)));
  const isForm = where === "query" || where === "cookie";
  const plain: Pick<RestParameter, "style" | "explode"> = { style: isForm ? "form" : "simple", explode: false };
  const written = writer.write(schema);
  if (schema.type !== "array") return { ...plain, explode: isForm, schema: written };
  const collection = COLLECTIONS[textAt(parameter, "collectionFormat") ?? "csv"];
  return { ...(isForm && collection !== undefined ? collection : plain), schema: written };
}

function newer(parameter: Json, writer: SchemaWriter, where: string): Read {
  const [content] = isJson(parameter.content) ? Object.values(parameter.content) : [];
  if (content !== undefined) return { schema: writer.write(member(content, "schema")), style: "json", explode: false };
  const allowed = STYLES[where] ?? [];
  const wanted = textAt(parameter, "style");
  const style = (wanted !== undefined && allowed.includes(wanted) ? wanted : allowed[0]) as RestParameter["style"];
  const explode =
    typeof parameter.explode === "boolean" ? parameter.explode : style === "form" || style === "deepObject";
  return { schema: writer.write(parameter.schema), style, explode };
}

function described(schema: Json, parameter: Json, realName: string | undefined): Json {
  const text = [
    ...(typeof parameter.description === "string" ? [parameter.description] : []),
    ...(realName === undefined ? [] : [`Sent as ${realName}.`]),
    ...(parameter.deprecated === true ? ["Deprecated."] : []),
  ].join(" ");
  const own = typeof schema.description === "string" && realName === undefined ? schema.description : "";
  return text === "" ? schema : { ...schema, description: (text || own).slice(0, 2000) };
}
