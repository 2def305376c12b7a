/**
 * Rules that carry one message from an era to the other, on bytes. Pure: who is asked, where things are kept and what
 * happens between two messages is decided in federation.
 */
import type { Envelope } from "./envelope.ts";
import { isObject, JsonError, memberAt, type Span, stringAt } from "./json.ts";
import { metaOf, type RequestMeta, readMeta } from "./meta.ts";
import { Found, Keys, scanObject } from "./scan.ts";
import { type Edit, insertMembers, removeMembers, setMember, splice } from "./splice.ts";
import { CACHEABLE_METHODS, META } from "./versions.ts";

export type ModernIdentity = {
  readonly protocolVersion: string;
  /** Raw JSON objects. */
  readonly clientCapabilities: Buffer;
  readonly clientInfo: Buffer;
  readonly logLevel?: string | undefined;
};

/** The params object with the modern `_meta` members set; `params` is raw JSON or undefined. */
export function withModernMeta(params: Buffer | undefined, identity: ModernIdentity): Buffer {
  const bytes = params ?? Buffer.from("{}");
  const root = { start: 0, end: bytes.length };
  const meta = memberAt(bytes, root, "_meta");
  return splice(bytes, metaEdits(bytes, root, meta, readMeta(bytes, meta), identity));
}

const MODERN_KEYS = [META.protocolVersion, META.clientCapabilities, META.clientInfo, META.logLevel];

/** Edits that take out of a request what only the modern era knows. An emptied `_meta` goes with it. */
export function legacyEdits(bytes: Buffer, envelope: Envelope): Edit[] {
  const { params, routing } = envelope;
  if (params === undefined) return [];
  const keys: string[] = [];
  if (routing.inputResponses !== undefined) keys.push("inputResponses");
  if (routing.requestState !== undefined) keys.push("requestState");
  const isEmptied = metaOf(bytes, envelope).isModernOnly;
  if (isEmptied) keys.push("_meta");
  const edits = keys.length === 0 ? [] : removeMembers(bytes, params, keys);
  if (routing._meta !== undefined && !isEmptied && isObject(bytes, routing._meta))
    edits.push(...removeMembers(bytes, routing._meta, MODERN_KEYS));
  return edits;
}

/** Edits that give a request the modern `_meta` members, in place of those it has. */
export function modernEdits(bytes: Buffer, envelope: Envelope, identity: ModernIdentity): Edit[] {
  const { params, routing, root } = envelope;
  if (params === undefined) return [insertMembers(bytes, root, [["params", `{"_meta":{${fieldsOf(identity)}}}`]])];
  return metaEdits(bytes, params, routing._meta, metaOf(bytes, envelope), identity);
}

/** `meta` is the `_meta` of `params`, and `found` what stands in it. */
function metaEdits(
  bytes: Buffer,
  params: Span,
  meta: Span | undefined,
  found: RequestMeta,
  identity: ModernIdentity,
): Edit[] {
  if (meta === undefined) return [insertMembers(bytes, params, [["_meta", `{${fieldsOf(identity)}}`]])];
  if (!isObject(bytes, meta)) return [{ start: meta.start, end: meta.end, text: `{${fieldsOf(identity)}}` }];
  const places = [found.protocolVersion, found.clientCapabilities, found.clientInfo, found.logLevel];
  const missing: (readonly [string, string | Uint8Array])[] = [];
  const edits: Edit[] = [];
  for (const [index, [key, value]] of fieldList(identity).entries()) {
    const place = places[index];
    if (place === undefined) missing.push([key, value]);
    else edits.push({ start: place.start, end: place.end, text: value });
  }
  if (missing.length > 0) edits.push(insertMembers(bytes, meta, missing));
  return edits;
}

function fieldList(identity: ModernIdentity): [key: string, value: string | Buffer][] {
  const fields: [string, string | Buffer][] = [
    [META.protocolVersion, JSON.stringify(identity.protocolVersion)],
    [META.clientCapabilities, identity.clientCapabilities],
    [META.clientInfo, identity.clientInfo],
  ];
  if (identity.logLevel !== undefined) fields.push([META.logLevel, JSON.stringify(identity.logLevel)]);
  return fields;
}

/** By identity: a session has the same one for all its requests. */
const fieldTexts = new WeakMap<ModernIdentity, string>();

function fieldsOf(identity: ModernIdentity): string {
  let text = fieldTexts.get(identity);
  if (text === undefined) {
    text = fieldList(identity)
      .map(([key, value]) => `${JSON.stringify(key)}:${value.toString()}`)
      .join(",");
    fieldTexts.set(identity, text);
  }
  return text;
}

const RESULT = new Keys(["resultType", "ttlMs", "cacheScope", "_meta"]);
const inResult = new Found(RESULT);

/**
 * Edits that make a legacy result a modern one: resultType, the caching fields (nothing known, so never cached), serverInfo in `_meta`
 * where it has none.
 */
export function modernResultEdits(bytes: Buffer, result: Span, method: string, serverInfo: Buffer): Edit[] {
  if (!isObject(bytes, result)) throw new JsonError("a result has to be an object", result.start);
  inResult.clear();
  scanObject(bytes, result.start, 0, RESULT, inResult);
  const isCacheable = CACHEABLE_METHODS.has(method);
  let text = inResult.has(0) ? "" : '"resultType":"complete",';
  if (isCacheable && !inResult.has(1)) text += '"ttlMs":0,';
  if (isCacheable && !inResult.has(2)) text += '"cacheScope":"private",';
  if (!inResult.has(3)) text += serverMeta(serverInfo);
  if (text === "") return [];
  const at = result.start + 1;
  return [{ start: at, end: at, text: inResult.members === 0 ? text.slice(0, -1) : text }];
}

const serverMetas = new WeakMap<Buffer, string>();

/** The member with its comma. By the bytes of a profile, which stay. */
function serverMeta(serverInfo: Buffer): string {
  let text = serverMetas.get(serverInfo);
  if (text === undefined) {
    text = `"_meta":{"${META.serverInfo}":${serverInfo.toString()}},`;
    serverMetas.set(serverInfo, text);
  }
  return text;
}

/** Edits that take out of a modern result what only the modern era knows. */
export function legacyResultEdits(bytes: Buffer, result: Span, method: string): Edit[] {
  const keys = CACHEABLE_METHODS.has(method) ? ["resultType", "ttlMs", "cacheScope"] : ["resultType"];
  return removeMembers(bytes, result, keys);
}

/** "complete", "input_required", an extension's word, or undefined when the result says nothing. */
export function resultType(bytes: Buffer, result: Span | undefined): string | undefined {
  return stringAt(bytes, memberAt(bytes, result, "resultType"));
}

/** Edits of a request on its way up: id, name or uri, progress token, which becomes the id. Values are raw JSON. */
export function requestEdits(
  bytes: Buffer,
  envelope: Envelope,
  id: string,
  target: { readonly key: "name" | "uri"; readonly text: string } | undefined,
): Edit[] {
  const edits: Edit[] = [];
  if (envelope.id !== undefined) edits.push(replaced(envelope.id, id));
  if (envelope.params === undefined) return edits;
  if (target !== undefined) {
    const span = envelope.routing[target.key];
    edits.push(
      span === undefined ? setMember(bytes, envelope.params, target.key, target.text) : replaced(span, target.text),
    );
  }
  const { progressToken } = metaOf(bytes, envelope);
  if (progressToken !== undefined) edits.push(replaced(progressToken, id));
  return edits;
}

function replaced({ start, end }: Span, text: string): Edit {
  return { start, end, text };
}
