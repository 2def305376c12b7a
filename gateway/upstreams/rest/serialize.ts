/**
 * Arguments as text of a request: the styles of OpenAPI 3.2 §4.12.5. Numbers keep their spelling, and nothing a caller sends can
 * end the place it was put in.
 */
import { elements, isArray, isObject, members, type Span, stringAt } from "../../mcp/index.ts";
import type { Style } from "./operation.ts";

/** An argument that cannot be sent where it should go; the text is for the caller. */
export class ArgumentError extends Error {
  readonly argument: string;
  constructor(argument: string, reason: string) {
    super(reason);
    this.argument = argument;
    this.name = "ArgumentError";
  }
}

/** A value of the caller's JSON, by position. */
export type Given = { readonly argument: string; readonly bytes: Buffer; readonly span: Span };

/** Text of a scalar; of what is deeper, its JSON. Throws ArgumentError for text that UTF-8 cannot hold. */
export function textOf({ argument, bytes, span }: Given): string {
  const text = stringAt(bytes, span) ?? bytes.toString("utf8", span.start, span.end);
  if (!text.isWellFormed()) throw new ArgumentError(argument, "holds half of a surrogate pair, which is no text");
  return text;
}

export function isNull({ bytes, span }: Given): boolean {
  return bytes[span.start] === 0x6e;
}

const CLOSED = /[!'()*]/g;
/** What RFC 3986 §2.2 reserves and still cannot end a query parameter or begin another. */
const OPEN = /%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/g;

/** Everything but RFC 3986's unreserved characters as %XX. */
export function percent(text: string, allowReserved = false): string {
  const closed = encodeURIComponent(text).replace(
    CLOSED,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return allowReserved ? closed.replace(OPEN, (code) => decodeURIComponent(code)) : closed;
}

type Parts = { readonly kind: "one" | "array" | "object"; readonly values: readonly (readonly [string, string])[] };

function partsOf(given: Given, style: Style): Parts {
  const { argument, bytes, span } = given;
  if (style === "json") return { kind: "one", values: [["", jsonOf(given)]] };
  if (isArray(bytes, span)) {
    const values = elements(bytes, span).map((one) => ["", textOf({ argument, bytes, span: one })] as const);
    return { kind: "array", values };
  }
  if (isObject(bytes, span)) {
    const seen = new Map<string, Span>();
    for (const member of members(bytes, span)) seen.set(member.key, member.value);
    const values = [...seen].map(([key, one]) => {
      if (!key.isWellFormed()) throw new ArgumentError(argument, "has a name with half of a surrogate pair");
      return [key, textOf({ argument, bytes, span: one })] as const;
    });
    return { kind: "object", values };
  }
  return { kind: "one", values: [["", textOf(given)]] };
}

function jsonOf({ argument, bytes, span }: Given): string {
  const text = bytes.toString("utf8", span.start, span.end);
  if (!text.isWellFormed()) throw new ArgumentError(argument, "is not valid UTF-8");
  return text;
}

/** Members or elements between separators; objects without explode are `key,value,key,value`. */
function listed(parts: Parts, explode: boolean, separator: string, encode: (text: string) => string): string {
  if (parts.kind !== "object") return parts.values.map(([, value]) => encode(value)).join(separator);
  const pairs = parts.values.map(([key, value]) => `${encode(key)}${explode ? "=" : ","}${encode(value)}`);
  return pairs.join(explode ? separator : ",");
}

/** What fills a placeholder. */
export function pathText(given: Given, name: string, style: Style, explode: boolean): string {
  const parts = partsOf(given, style);
  if (style === "label") return `.${listed(parts, explode, explode ? "." : ",", percent)}`;
  if (style !== "matrix") return listed(parts, explode, ",", percent);
  const key = percent(name);
  if (!explode || parts.kind === "one") return `;${key}=${listed(parts, false, ",", percent)}`;
  return parts.values.map(([one, value]) => `;${one === "" ? key : percent(one)}=${percent(value)}`).join("");
}

/** OpenAPI leaves open what is inside of members; servers that take this style read `a[b][c]` and `a[0]`. */
function deepPairs(given: Given, key: string, encode: (text: string) => string): string[] {
  const { argument, bytes, span } = given;
  const inside = (name: string, value: Span) =>
    deepPairs({ argument, bytes, span: value }, `${key}%5B${name}%5D`, encode);
  if (isArray(bytes, span)) return elements(bytes, span).flatMap((one, at) => inside(String(at), one));
  if (!isObject(bytes, span)) return isNull(given) ? [] : [`${key}=${encode(textOf(given))}`];
  return members(bytes, span).flatMap((member) => {
    if (!member.key.isWellFormed()) throw new ArgumentError(argument, "has a name with half of a surrogate pair");
    return inside(percent(member.key), member.value);
  });
}

const SEPARATORS: Partial<Record<Style, string>> = { spaceDelimited: "%20", pipeDelimited: "%7C" };

/** `name=value` pairs, encoded, in order. */
export function queryPairs(
  given: Given,
  name: string,
  style: Style,
  explode: boolean,
  allowReserved = false,
): string[] {
  const parts = partsOf(given, style);
  const key = percent(name);
  const encode = (text: string) => percent(text, allowReserved);
  if (style === "deepObject" && parts.kind !== "one") return deepPairs(given, key, encode);
  if (explode && parts.kind === "array") return parts.values.map(([, value]) => `${key}=${encode(value)}`);
  if (explode && parts.kind === "object") return parts.values.map(([one, value]) => `${percent(one)}=${encode(value)}`);
  if (parts.kind === "array" && parts.values.length === 0) return [];
  return [`${key}=${listed(parts, false, SEPARATORS[style] ?? ",", encode)}`];
}

/** A header's value. Printable ASCII without spaces around it (RFC 9110 §5.5): how the rest would arrive is not agreed upon. */
export function headerText(given: Given, style: Style, explode: boolean): string {
  const parts = partsOf(given, style);
  const text = listed(parts, explode, ",", (one) => {
    if (parts.kind === "one" || !/[,=]/.test(one)) return one;
    throw new ArgumentError(given.argument, "goes into a header as a list: no comma and no = in its parts");
  });
  if (/^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/.test(text)) return text;
  throw new ArgumentError(given.argument, "goes into a header: printable ASCII only, no space at its ends");
}

/** A cookie pair; what a cookie cannot hold (RFC 6265 §4.1.1) is percent-encoded. */
export function cookieText(given: Given, name: string, style: Style, explode: boolean): string {
  return queryPairs(given, name, style, explode).join("; ");
}
