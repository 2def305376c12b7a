/** Edits of JSON in place: what is not edited is copied as it stands, byte for byte. */
import { CLOSE_BRACE } from "./bytes.ts";
import { isObject, JsonError, MemberWalk, memberAt, type Span, skipSpace } from "./json.ts";

/** Replace [start, end) by `text`; start === end inserts. */
export type Edit = { readonly start: number; readonly end: number; readonly text: string | Uint8Array };

/** Applies edits that do not overlap, in any order; the rest of the bytes is copied as it stands. */
export function splice(bytes: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return bytes;
  const ordered = isOrdered(edits) ? edits : [...edits].sort((a, b) => a.start - b.start || a.end - b.end);
  let size = bytes.length;
  for (const { start, end, text } of ordered) {
    size += (typeof text === "string" ? sizeOf(text) : text.length) - (end - start);
  }
  const spliced = Buffer.allocUnsafe(size);
  let from = 0;
  let to = 0;
  for (const { start, end, text } of ordered) {
    if (start < from) throw new RangeError(`edits overlap at byte ${start}`);
    to = copy(bytes, from, start, spliced, to);
    to = typeof text === "string" ? write(text, spliced, to) : copy(text, 0, text.length, spliced, to);
    from = end;
  }
  copy(bytes, from, bytes.length, spliced, to);
  return spliced;
}

function isOrdered(edits: readonly Edit[]): boolean {
  let last = -1;
  for (const { start } of edits) {
    if (start <= last) return false;
    last = start;
  }
  return true;
}

/** Shorter pieces are moved here byte by byte: a call of native code costs more. */
const SHORT = 24;

function copy(source: Uint8Array, start: number, end: number, target: Buffer, at: number): number {
  const size = end - start;
  if (size > SHORT) {
    if (Buffer.isBuffer(source)) source.copy(target, at, start, end);
    else target.set(source.subarray(start, end), at);
    return at + size;
  }
  for (let offset = 0; offset < size; offset++) target[at + offset] = source[start + offset] as number;
  return at + size;
}

/** Bytes of UTF-8. */
function sizeOf(text: string): number {
  if (text.length > SHORT) return Buffer.byteLength(text);
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return Buffer.byteLength(text);
  return text.length;
}

function write(text: string, target: Buffer, at: number): number {
  if (text.length > SHORT) return at + target.write(text, at);
  for (let offset = 0; offset < text.length; offset++) {
    const code = text.charCodeAt(offset);
    if (code > 0x7f) return at + target.write(text, at);
    target[at + offset] = code;
  }
  return at + text.length;
}

/**
 * An edit that puts members, none of which the object has, at its front in this order. Values are raw JSON. Throws JsonError when the
 * span holds no object: a member written into anything else would be no JSON.
 */
export function insertMembers(
  bytes: Buffer,
  object: Span,
  fields: readonly (readonly [key: string, value: string | Uint8Array])[],
): Edit {
  if (!isObject(bytes, object)) throw new JsonError("members belong into an object", object.start);
  const parts: Uint8Array[] = [];
  for (const [key, value] of fields) {
    parts.push(Buffer.from(`${parts.length === 0 ? "" : ","}${JSON.stringify(key)}:`));
    parts.push(typeof value === "string" ? Buffer.from(value) : value);
  }
  const at = object.start + 1;
  const empty = bytes[skipSpace(bytes, at)] === CLOSE_BRACE;
  if (!empty && parts.length > 0) parts.push(Buffer.from(","));
  return { start: at, end: at, text: Buffer.concat(parts) };
}

/** An edit that sets `key` of an object: replaces the last value of that key, or inserts a member at the front. Throws as insertMembers does. */
export function setMember(bytes: Buffer, object: Span, key: string, value: string | Uint8Array): Edit {
  const existing = memberAt(bytes, object, key);
  if (existing !== undefined) return { start: existing.start, end: existing.end, text: value };
  return insertMembers(bytes, object, [[key, value]]);
}

/** Edits that remove every member with one of these keys, with its comma; what stays is not touched. */
export function removeMembers(bytes: Buffer, object: Span, keys: readonly string[]): Edit[] {
  const edits: Edit[] = [];
  const walk = new MemberWalk(bytes, object);
  let keptEnd = -1;
  // Members to go that stand next to each other go together.
  let runStart = -1;
  let lastEnd = -1;
  while (walk.next()) {
    lastEnd = walk.end;
    if (keys.some((key) => walk.keyIs(key))) {
      if (runStart < 0) runStart = walk.keyStart;
      continue;
    }
    if (runStart >= 0) edits.push({ start: runStart, end: walk.keyStart, text: "" });
    runStart = -1;
    keptEnd = walk.end;
  }
  if (runStart >= 0) edits.push({ start: keptEnd < 0 ? runStart : keptEnd, end: lastEnd, text: "" });
  return edits;
}
