/** What an HTTP operation behind a tool is: where each argument goes and how the body is written. Stored as JSON, read here. */
import * as z from "zod";

export const METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] as const;
export type RestMethod = (typeof METHODS)[number];

/** RFC 9110 §9.2.2: sending it twice asks for no more than sending it once. */
export function isIdempotent(method: RestMethod): boolean {
  return method !== "POST" && method !== "PATCH";
}

const token = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/, "has to be an HTTP token");
const name = z.string().min(1).max(256);

/** OpenAPI 3.2 §4.12.2.3; `json` is a parameter with `content: application/json`. */
export const STYLES = [
  "simple",
  "label",
  "matrix",
  "form",
  "spaceDelimited",
  "pipeDelimited",
  "deepObject",
  "json",
] as const;
export type Style = (typeof STYLES)[number];

const parameter = z.strictObject({
  /** The tool's argument. */
  argument: name,
  in: z.enum(["path", "query", "header", "cookie"]),
  /** What the server calls it. */
  name,
  style: z.enum(STYLES),
  explode: z.boolean(),
  allowReserved: z.boolean().optional(),
});
export type RestParameter = z.infer<typeof parameter>;

const field = z.strictObject({
  style: z.enum(STYLES).optional(),
  explode: z.boolean().optional(),
  /** Multipart: base64 in the argument, bytes on the wire, with this type. */
  file: z.string().max(256).optional(),
  /** Multipart: the media type of the part. */
  type: z.string().max(256).optional(),
});
export type BodyField = z.infer<typeof field>;

const body = z.strictObject({
  /** `binary` is base64 in the argument. */
  kind: z.enum(["json", "form", "multipart", "text", "binary"]),
  mediaType: z.string().regex(/^[\w.+-]{1,127}\/[\w.+*-]{1,127}(?:;[\x20-\x7e]{1,255})?$/, "has to be a media type"),
  /** The argument that is the whole body; absent = the arguments that go nowhere else are its members. */
  argument: name.optional(),
  /** Fields of a form that are written in a way of their own. */
  fields: z.record(z.string(), field).optional(),
});
export type RestBody = z.infer<typeof body>;

/** `path` begins with `/`, stands under the upstream's URL, and has `{name}` where a path parameter goes. */
export const restOperation = z.strictObject({
  method: z.enum(METHODS),
  path: z
    .string()
    .max(2048)
    .regex(/^\/[\x21-\x7e]*$/, "has to begin with / and be printable ASCII without spaces"),
  parameters: z.array(parameter).max(256),
  body: body.optional(),
  /** Arguments that are no parameter become query parameters; only where there is no body that takes them. */
  restInQuery: z.boolean().optional(),
  /** Sent with each request; a credential of the upstream with the same name goes before. */
  headers: z.record(token, z.string().max(8192)).optional(),
  /** Sent with each request, encoded already, without `?`. */
  query: z
    .string()
    .max(2048)
    .regex(/^[\x21\x22\x24-\x7e]*$/)
    .optional(),
  accept: z.string().max(256).optional(),
  timeoutMs: z.int().min(1).max(3_600_000).optional(),
  /** The answer is `{"result": …}`, because MCP's structured content was an object before 2026-07-28. */
  wrapsResult: z.boolean().optional(),
});
export type RestOperation = z.infer<typeof restOperation>;

/** A tool as the store has it: both are raw JSON, `definition` is what MCP shows. */
export type StoredRestTool = { readonly name: string; readonly definition: string; readonly operation: string };

/** Names of the template's placeholders, in order. */
export function placeholders(path: string): string[] {
  return [...path.matchAll(/\{([^{}/]+)\}/g)].map(([, inner]) => inner ?? "");
}

/** Why this operation cannot be called as it stands; empty when it can. */
export function operationProblems(operation: RestOperation): string[] {
  const wanted = placeholders(operation.path);
  const given = operation.parameters.filter((one) => one.in === "path").map((one) => one.name);
  const plain = operation.path.replaceAll(/\{[^{}/]+\}/g, "x");
  return [
    ...wanted.filter((one, at) => wanted.indexOf(one) < at).map((one) => `{${one}} stands twice in ${operation.path}`),
    ...wanted.filter((one) => !given.includes(one)).map((one) => `nothing fills {${one}} of ${operation.path}`),
    ...given.filter((one) => !wanted.includes(one)).map((one) => `${operation.path} has no place {${one}}`),
    ...(/[{}?#\\]/.test(plain) ? [`${operation.path} has one of { } ? # \\ outside of a {name}`] : []),
    ...(plain.split("/").some(isDots) ? [`${operation.path} has a . or .. segment`] : []),
    ...operation.parameters
      .filter(
        (one) => one.in === "header" && (RESERVED.has(one.name.toLowerCase()) || !token.safeParse(one.name).success),
      )
      .map((one) => `header ${one.name} is set by the gateway itself or is no header name`),
    ...Object.entries(operation.headers ?? {})
      .filter(([header, value]) => FRAMING.has(header.toLowerCase()) || !/^[\t\x20-\x7e]*$/.test(value))
      .map(([header]) => `header ${header} cannot be set, or not to this value`),
  ];
}

/** Frames a message or belongs to the connection (RFC 9110 §7.6.1). */
const FRAMING = new Set(
  "host connection content-length content-type transfer-encoding te trailer upgrade keep-alive expect accept-encoding proxy-connection cookie".split(
    " ",
  ),
);
/** OpenAPI 3.2 §4.12.1 leaves Accept, Content-Type and Authorization to others. */
const RESERVED = new Set([...FRAMING, "accept", "authorization", "proxy-authorization"]);

/** `.` and `..`, also as a URL parser sees them (WHATWG URL §4.4, dot segments) and with path parameters behind. */
export function isDots(segment: string): boolean {
  return /^(?:\.|%2e){1,2}(?:$|;|%3b)/i.test(segment);
}
