/**
 * Rules that carry one message from an era to the other, on bytes. Pure: who is asked, where things are kept and what
 * happens between two messages is decided in federation.
 */
import type { Envelope } from "./envelope.ts";
import { isObject, memberAt, type Span, stringAt } from "./json.ts";
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
  const fields: [string, string | Buffer][] = [
    [META.protocolVersion, JSON.stringify(identity.protocolVersion)],
    [META.clientCapabilities, identity.clientCapabilities],
    [META.clientInfo, identity.clientInfo],
  ];
  if (identity.logLevel !== undefined) fields.push([META.logLevel, JSON.stringify(identity.logLevel)]);
  const meta = memberAt(bytes, root, "_meta");
  let metaBytes: Buffer =
    meta === undefined || !isObject(bytes, meta) ? Buffer.from("{}") : bytes.subarray(meta.start, meta.end);
  for (const [key, value] of fields)
    metaBytes = splice(metaBytes, [setMember(metaBytes, whole(metaBytes), key, value)]);
  return splice(bytes, [setMember(bytes, root, "_meta", metaBytes)]);
}

/** The params object without what only the modern era knows. An emptied `_meta` goes with it. */
export function withoutModernMeta(params: Buffer): Buffer {
  const kept = splice(params, removeMembers(params, whole(params), ["inputResponses", "requestState"]));
  const meta = memberAt(kept, whole(kept), "_meta");
  if (meta === undefined || !isObject(kept, meta)) return kept;
  const inner = kept.subarray(meta.start, meta.end);
  const modernKeys = [META.protocolVersion, META.clientCapabilities, META.clientInfo, META.logLevel];
  const reduced = splice(inner, removeMembers(inner, whole(inner), modernKeys));
  if (/^\{\s*\}$/.test(reduced.toString("latin1"))) return splice(kept, removeMembers(kept, whole(kept), ["_meta"]));
  return splice(kept, [{ start: meta.start, end: meta.end, text: reduced }]);
}

/** A legacy result as a modern one: resultType, the caching fields (nothing known, so never cached), serverInfo in `_meta`. */
export function modernResult(result: Buffer, method: string, serverInfo: Buffer): Buffer {
  const missing: [string, string | Buffer][] = [];
  const root = whole(result);
  if (memberAt(result, root, "resultType") === undefined) missing.push(["resultType", '"complete"']);
  if (CACHEABLE_METHODS.has(method)) {
    if (memberAt(result, root, "ttlMs") === undefined) missing.push(["ttlMs", "0"]);
    if (memberAt(result, root, "cacheScope") === undefined) missing.push(["cacheScope", '"private"']);
  }
  const meta = memberAt(result, root, "_meta");
  if (meta === undefined)
    missing.push(["_meta", Buffer.concat([Buffer.from(`{"${META.serverInfo}":`), serverInfo, Buffer.from("}")])]);
  return splice(result, [insertMembers(result, root, missing)]);
}

/** A modern result as a legacy one: without the members that only the modern era knows. */
export function legacyResult(result: Buffer, method: string): Buffer {
  const keys = CACHEABLE_METHODS.has(method) ? ["resultType", "ttlMs", "cacheScope"] : ["resultType"];
  return splice(result, removeMembers(result, whole(result), keys));
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
  if (envelope.routing._meta !== undefined) {
    const token = memberAt(bytes, envelope.routing._meta, "progressToken");
    if (token !== undefined) edits.push(replaced(token, id));
  }
  return edits;
}

function replaced({ start, end }: Span, text: string): Edit {
  return { start, end, text };
}

function whole(bytes: Buffer): Span {
  return { start: 0, end: bytes.length };
}
