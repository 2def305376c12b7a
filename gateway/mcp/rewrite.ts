/**
 * Where results and notifications carry names or URIs of an upstream, and how a prefix gets there. Only these places are
 * touched (MCP schema: ContentBlock resource_link and resource, ReadResourceResult, list items); the rest passes as it came.
 */
import { BACKSLASH, QUOTE } from "./bytes.ts";
import { elements, isString, isText, memberAt, pathAt, type Span, stringAt } from "./json.ts";
import type { Edit } from "./splice.ts";

export type UriRewrite = (uri: string) => string;

function uriEdit(edits: Edit[], bytes: Buffer, object: Span | undefined, key: string, rewrite: UriRewrite): void {
  const span = memberAt(bytes, object, key);
  const uri = stringAt(bytes, span);
  if (span !== undefined && uri !== undefined) edits.push({ ...span, text: JSON.stringify(rewrite(uri)) });
}

/** One content block: a link carries its uri, an embedded resource has it inside. */
function contentEdits(edits: Edit[], bytes: Buffer, block: Span, rewrite: UriRewrite): void {
  const type = memberAt(bytes, block, "type");
  if (type === undefined || !isString(bytes, type)) return;
  if (isText(bytes, type.start, type.end, "resource_link")) uriEdit(edits, bytes, block, "uri", rewrite);
  else if (isText(bytes, type.start, type.end, "resource"))
    uriEdit(edits, bytes, memberAt(bytes, block, "resource"), "uri", rewrite);
}

/** Up to here a look at each byte is cheaper than a walk through the members. */
const SHORT_RESULT = 1024;
const SMALL_R = 0x72;

/** True where no string begins as the types of the blocks do that carry a URI, and none is written with escapes. */
function isShortAndWithoutLinks(bytes: Buffer, { start, end }: Span): boolean {
  if (end - start > SHORT_RESULT) return false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte === BACKSLASH || (byte === QUOTE && bytes[at + 1] === SMALL_R)) return false;
  }
  return true;
}

/** Edits of a result of `method` that put every resource URI in it through `rewrite`. */
export function resultUriEdits(bytes: Buffer, result: Span, method: string, rewrite: UriRewrite): Edit[] {
  const edits: Edit[] = [];
  if (method === "tools/call") {
    if (isShortAndWithoutLinks(bytes, result)) return edits;
    for (const block of elements(bytes, memberAt(bytes, result, "content"))) contentEdits(edits, bytes, block, rewrite);
  } else if (method === "prompts/get") {
    for (const message of elements(bytes, memberAt(bytes, result, "messages"))) {
      const content = memberAt(bytes, message, "content");
      if (content !== undefined) contentEdits(edits, bytes, content, rewrite);
    }
  } else if (method === "resources/read") {
    for (const item of elements(bytes, memberAt(bytes, result, "contents")))
      uriEdit(edits, bytes, item, "uri", rewrite);
  }
  return edits;
}

/** Edits of notifications/resources/updated. */
export function updatedUriEdits(bytes: Buffer, params: Span | undefined, rewrite: UriRewrite): Edit[] {
  const edits: Edit[] = [];
  uriEdit(edits, bytes, params, "uri", rewrite);
  return edits;
}

export type ListMethod = "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list";

/** The member of a list result that holds the items, and the key that names an item. */
export const LISTS: Readonly<
  Record<ListMethod, { readonly items: string; readonly key: string; readonly capability: string }>
> = {
  "tools/list": { items: "tools", key: "name", capability: "tools" },
  "prompts/list": { items: "prompts", key: "name", capability: "prompts" },
  "resources/list": { items: "resources", key: "uri", capability: "resources" },
  "resources/templates/list": { items: "resourceTemplates", key: "uriTemplate", capability: "resources" },
};

export function isListMethod(method: string): method is ListMethod {
  return Object.hasOwn(LISTS, method);
}

/** Where a tool definition carries a `ui://` resource of the MCP Apps extension. */
export function toolUiEdits(bytes: Buffer, tool: Span, rewrite: UriRewrite): Edit[] {
  const edits: Edit[] = [];
  uriEdit(edits, bytes, pathAt(bytes, tool, "_meta", "ui"), "resourceUri", rewrite);
  if (edits.length === 0) uriEdit(edits, bytes, memberAt(bytes, tool, "_meta"), "ui/resourceUri", rewrite);
  return edits;
}
