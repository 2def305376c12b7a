/** Request bodies and answers of an operation: which media type is spoken, and what the argument and the result look like. */
import type { BodyField, RestBody } from "../../upstreams/index.ts";
import { DocumentError, isJson, type Json, listAt, member, resolved, textAt, type Version } from "./document.ts";
import type { SchemaWriter } from "./schemas.ts";

export type Body = {
  readonly body: RestBody;
  readonly schema: Json;
  readonly required: boolean;
};

const JSON_TYPE = /^application\/(?:json|[\w.-]+\+json)(?:;|$)/i;
const FORM = "application/x-www-form-urlencoded";
const MULTIPART = "multipart/form-data";
const BASE64 = { type: "string", contentEncoding: "base64" };
const MEDIA_TYPE = /^[\w.+-]{1,127}\/[\w.+-]{1,127}(?:;[\x20-\x7e]{1,255})?$/;

/** The best known media type: JSON before forms before text before bytes. */
function chosenType(types: readonly string[]): string | undefined {
  const plain = (type: string) => type.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return (
    types.find((type) => plain(type) === "application/json") ??
    types.find((type) => JSON_TYPE.test(type)) ??
    types.find((type) => plain(type) === FORM) ??
    types.find((type) => plain(type) === MULTIPART) ??
    types.find((type) => plain(type).startsWith("text/")) ??
    types[0]
  );
}

function bodyFor(type: string, schema: unknown, encoding: unknown, document: Json, writer: SchemaWriter) {
  const plain = type.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type.includes("*") || JSON_TYPE.test(type)) {
    return {
      kind: "json" as const,
      mediaType: type.includes("*") ? "application/json" : type,
      schema: writer.root(schema),
    };
  }
  if (plain === FORM || plain === MULTIPART) {
    const isMultipart = plain === MULTIPART;
    const fields = fieldsOf(document, schema, encoding, isMultipart);
    const written = writer.root(schema);
    const shown = isMultipart ? withFiles(written, fields) : written;
    return { kind: isMultipart ? ("multipart" as const) : ("form" as const), mediaType: plain, schema: shown, fields };
  }
  if (plain.startsWith("text/") || plain.endsWith("xml") || plain.endsWith("yaml")) {
    return { kind: "text" as const, mediaType: type, schema: { type: "string" } };
  }
  return { kind: "binary" as const, mediaType: type, schema: { ...BASE64, contentMediaType: plain } };
}

/** The body of an operation of OpenAPI 3; undefined when it has none. Throws DocumentError. */
export function readBody(document: Json, operation: Json, argument: string, writer: SchemaWriter): Body | undefined {
  const request = resolved(document, operation.requestBody);
  const content = member(request, "content");
  if (!isJson(content)) return undefined;
  const type = chosenType(Object.keys(content));
  if (type === undefined) return undefined;
  const media = resolved(document, content[type]);
  const made = bodyFor(type, member(media, "schema"), member(media, "encoding"), document, writer);
  return finished(made, argument, textAt(request, "description"), member(request, "required") === true);
}

/** The body of an operation of Swagger 2.0, from its body or formData parameters. */
export function readOlderBody(
  document: Json,
  operation: Json,
  parameters: readonly Json[],
  argument: string,
  writer: SchemaWriter,
): Body | undefined {
  const own = listAt(operation, "consumes");
  const types = (own.length > 0 ? own : listAt(document, "consumes")).filter((type) => typeof type === "string");
  const whole = parameters.find((one) => one.in === "body");
  if (whole !== undefined) {
    const type = chosenType(types.filter((one) => one !== FORM && one !== MULTIPART)) ?? "application/json";
    const made = bodyFor(type, whole.schema, undefined, document, writer);
    return finished(made, argument, textAt(whole, "description"), whole.required === true);
  }
  const form = parameters.filter((one) => one.in === "formData");
  if (form.length === 0) return undefined;
  const hasFile = form.some((one) => one.type === "file");
  const schema = {
    type: "object",
    properties: Object.fromEntries(form.map(({ in: _, required: __, ...one }) => [String(one.name), one])),
    required: form.filter((one) => one.required === true).map((one) => String(one.name)),
  };
  const type = hasFile || (types.includes(MULTIPART) && !types.includes(FORM)) ? MULTIPART : FORM;
  const made = bodyFor(type, schema, undefined, document, writer);
  return finished(made, argument, undefined, schema.required.length > 0);
}

function finished(
  made: ReturnType<typeof bodyFor>,
  argument: string,
  description: string | undefined,
  required: boolean,
): Body {
  const { kind, mediaType, schema } = made;
  if (!MEDIA_TYPE.test(mediaType)) throw new DocumentError(`media type ${mediaType.slice(0, 100)} is none`);
  const fields = "fields" in made && Object.keys(made.fields).length > 0 ? { fields: made.fields } : {};
  return {
    body: { kind, mediaType, argument, ...fields },
    schema: description === undefined ? schema : { ...schema, description: description.slice(0, 2000) },
    required,
  };
}

/** How single fields of a form are written (OpenAPI 3.2 §4.15); files among them. */
function fieldsOf(document: Json, schema: unknown, encoding: unknown, isMultipart: boolean): Record<string, BodyField> {
  const properties = member(resolved(document, schema), "properties");
  const fields: Record<string, BodyField> = {};
  for (const [name, raw] of isJson(properties) ? Object.entries(properties) : []) {
    const one = member(encoding, name);
    const type = textAt(one, "contentType")?.split(",", 1)[0]?.trim();
    const property = resolved(document, raw);
    const inner = member(property, "type") === "array" ? resolved(document, member(property, "items")) : property;
    const style = textAt(one, "style");
    const known = style === "form" || style === "spaceDelimited" || style === "pipeDelimited" || style === "deepObject";
    const explode = member(one, "explode");
    const field: BodyField = {
      ...(known ? { style } : {}),
      ...(typeof explode === "boolean" ? { explode } : {}),
      ...(isMultipart && isFile(inner)
        ? { file: type ?? textAt(inner, "contentMediaType") ?? "application/octet-stream" }
        : isMultipart && type !== undefined
          ? { type }
          : {}),
    };
    if (Object.keys(field).length > 0) fields[name] = field;
  }
  return fields;
}

function isFile(schema: unknown): boolean {
  const format = member(schema, "format");
  if (member(schema, "type") === "file" || format === "binary") return true;
  return textAt(schema, "contentMediaType") !== undefined && member(schema, "contentEncoding") === undefined;
}

function withFiles(schema: Json, fields: Readonly<Record<string, BodyField>>): Json {
  const { properties } = schema;
  if (!isJson(properties)) return schema;
  const shown = Object.entries(properties).map(([name, one]) => {
    if (fields[name]?.file === undefined || !isJson(one)) return [name, one] as const;
    const { format: _, contentMediaType: __, items, ...rest } = one;
    const file = { ...rest, ...BASE64 };
    return [name, items === undefined ? file : { ...rest, type: "array", items: BASE64 }] as const;
  });
  return { ...schema, properties: Object.fromEntries(shown) };
}

/** The answer that means success, where there is exactly one. */
function goodAnswer(document: Json, { responses }: Json): unknown {
  if (!isJson(responses)) return undefined;
  const good = Object.entries(responses).filter(([code]) => /^2(?:\d\d|XX)$/i.test(code));
  const [only] = good;
  return only === undefined || good.length > 1 ? undefined : resolved(document, only[1]);
}

function olderTypes(document: Json, operation: Json): string[] {
  const own = listAt(operation, "produces");
  return (own.length > 0 ? own : listAt(document, "produces")).filter((type) => typeof type === "string");
}

/** What is asked for: JSON where the answer may be JSON. */
export function acceptedType(document: Json, operation: Json, version: Version): string | undefined {
  const content = member(goodAnswer(document, operation), "content");
  const types = version === "2.0" ? olderTypes(document, operation) : isJson(content) ? Object.keys(content) : [];
  const type = types.find((one) => JSON_TYPE.test(one)) ?? types[0];
  return type !== undefined && /^[\w.+*-]+\/[\w.+*-]+$/.test(type) && type.length <= 100
    ? `${type}, */*;q=0.1`
    : undefined;
}

/** The schema of the one answer that means success, where it may be JSON; undefined otherwise. Throws DocumentError. */
export function answerSchema(document: Json, operation: Json, version: Version): unknown {
  const response = goodAnswer(document, operation);
  if (version === "2.0") {
    const types = olderTypes(document, operation);
    return types.length === 0 || types.some((type) => JSON_TYPE.test(type)) ? member(response, "schema") : undefined;
  }
  const content = member(response, "content");
  const type = isJson(content) ? Object.keys(content).find((one) => JSON_TYPE.test(one)) : undefined;
  return type === undefined ? undefined : member(resolved(document, member(content, type)), "schema");
}
