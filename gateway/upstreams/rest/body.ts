/** The body of a request from the arguments that go into it: JSON byte for byte, forms, multipart (RFC 7578), plain bytes. */
import { randomBytes } from "node:crypto";
import { elements, isArray, isObject, isString, members, type Span } from "../../mcp/index.ts";
import type { BodyField, RestBody } from "./operation.ts";
import { ArgumentError, type Given, isNull, percent, queryPairs, textOf } from "./serialize.ts";

export type Written = { readonly type: string; readonly bytes: Buffer };

/** Arguments by name, in the order they came. */
export type Arguments = ReadonlyMap<string, Span>;

/** Undefined when there is nothing to send. `rest` are the arguments that go nowhere else. Throws ArgumentError. */
export function bodyOf(body: RestBody, bytes: Buffer, all: Arguments, rest: Arguments): Written | undefined {
  const { argument, mediaType: type } = body;
  if (argument === undefined) {
    if (rest.size === 0 && body.kind !== "json") return undefined;
    return body.kind === "json" ? { type, bytes: jsonObject(bytes, rest) } : formOf(body, bytes, rest);
  }
  const span = all.get(argument);
  if (span === undefined) return undefined;
  const given = { argument, bytes, span };
  if (body.kind === "json") return { type, bytes: bytes.subarray(span.start, span.end) };
  if (body.kind === "text") return { type, bytes: Buffer.from(textOf(given)) };
  if (body.kind === "binary") return { type, bytes: fromBase64(given) };
  if (!isObject(bytes, span)) throw new ArgumentError(argument, "has to be an object");
  return formOf(body, bytes, new Map(members(bytes, span).map((member) => [member.key, member.value])));
}

function jsonObject(bytes: Buffer, given: Arguments): Buffer {
  const parts: Buffer[] = [];
  for (const [key, span] of given) {
    parts.push(Buffer.from(`${parts.length === 0 ? "{" : ","}${JSON.stringify(key)}:`));
    parts.push(bytes.subarray(span.start, span.end));
  }
  parts.push(Buffer.from(parts.length === 0 ? "{}" : "}"));
  return Buffer.concat(parts);
}

function formOf(body: RestBody, bytes: Buffer, given: Arguments): Written {
  if (body.kind === "multipart") return multipart(body, bytes, given);
  const pairs: string[] = [];
  for (const [name, span] of given) {
    const one = { argument: name, bytes, span };
    if (!name.isWellFormed()) throw new ArgumentError(name, "is no name of a form's field");
    if (isNull(one)) continue;
    const field = body.fields?.[name];
    if (isObject(bytes, span) && field?.style === undefined) pairs.push(`${percent(name)}=${percent(textOf(one))}`);
    else pairs.push(...queryPairs(one, name, field?.style ?? "form", field?.explode ?? true));
  }
  return { type: body.mediaType, bytes: Buffer.from(pairs.join("&")) };
}

function multipart(body: RestBody, bytes: Buffer, given: Arguments): Written {
  // 144 random bits: no content holds them by accident, and nobody knows them before.
  const boundary = `mcp-stack-${randomBytes(18).toString("base64url")}`;
  const parts: Buffer[] = [];
  for (const [name, span] of given) {
    const field = body.fields?.[name] ?? {};
    for (const one of isArray(bytes, span) ? elements(bytes, span) : [span]) {
      const item = { argument: name, bytes, span: one };
      if (!isNull(item)) parts.push(...part(boundary, item, field));
    }
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  return { type: `${body.mediaType}; boundary=${boundary}`, bytes: Buffer.concat(parts) };
}

function part(boundary: string, given: Given, field: BodyField): Buffer[] {
  const { argument, bytes, span } = given;
  const name = quoted(given, argument);
  const isFile = field.file !== undefined;
  const json = !isFile && !isString(bytes, span) && (isObject(bytes, span) || isArray(bytes, span));
  const type = field.file ?? field.type ?? (json ? "application/json" : undefined);
  const head =
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${isFile ? `; filename="${name}"` : ""}\r\n` +
    `${type === undefined ? "" : `content-type: ${type}\r\n`}\r\n`;
  return [Buffer.from(head), isFile ? fromBase64(given) : Buffer.from(textOf(given)), Buffer.from("\r\n")];
}

/** As browsers write a field's name (WHATWG HTML, multipart/form-data encoding algorithm). */
function quoted({ argument }: Given, name: string): string {
  if (!name.isWellFormed()) throw new ArgumentError(argument, "is no name of a form's field");
  return name.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll('"', "%22");
}

function fromBase64(given: Given): Buffer {
  const text = textOf(given).replaceAll(/\s/g, "");
  const bytes = Buffer.from(text, "base64");
  const plain = bytes.toString("base64").replace(/=+$/, "");
  const isBase64 = text.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "") === plain;
  if (!isString(given.bytes, given.span) || !isBase64) {
    throw new ArgumentError(given.argument, "has to be base64 (RFC 4648)");
  }
  return bytes;
}
