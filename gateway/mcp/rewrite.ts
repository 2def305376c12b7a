/**
 * Where results and notifications carry names or URIs of an upstream, and how a prefix gets there. Only these places are
 * touched (MCP schema: ContentBlock resource_link and resource, ReadResourceResult, list items); the rest passes as it came.
 */
import { elements, memberAt, pathAt, type Span, stringAt } from "./json.ts";
import type { Edit } from "./splice.ts";

export type UriRewrite = (uri: string) => string;

function uriEdit(bytes: Buffer, object: Span | undefined, key: string, rewrite: UriRewrite): Edit[] {
  const span = memberAt(bytes, object, key);
  const uri = stringAt(bytes, span);
  return span === undefined || uri === undefined ? [] : [{ ...span, text: JSON.stringify(rewrite(uri)) }];
}

/** One content block: a link carries its uri, an embedded resource has it inside. */
function contentEdits(bytes: Buffer, block: Span, rewrite: UriRewrite): Edit[] {
  const type = stringAt(bytes, memberAt(bytes, block, "type"));
  if (type === "resource_link") return uriEdit(bytes, block, "uri", rewrite);
  if (type === "resource") return uriEdit(bytes, memberAt(bytes, block, "resource"), "uri", rewrite);
  return [];
}

/** Edits of a result of `method` that put every resource URI in it through `rewrite`. */
export function resultUriEdits(bytes: Buffer, result: Span, method: string, rewrite: UriRewrite): Edit[] {
  if (method === "tools/call") {
    return elements(bytes, memberAt(bytes, result, "content")).flatMap((block) => contentEdits(bytes, block, rewrite));
  }
  if (method === "prompts/get") {
    return elements(bytes, memberAt(bytes, result, "messages")).flatMap((message) => {
      const content = memberAt(bytes, message, "content");
      return content === undefined ? [] : contentEdits(bytes, content, rewrite);
    });
  }
  if (method === "resources/read") {
    return elements(bytes, memberAt(bytes, result, "contents")).flatMap((item) => uriEdit(bytes, item, "uri", rewrite));
  }
  return [];
}

/** Edits of notifications/resources/updated. */
export function updatedUriEdits(bytes: Buffer, params: Span | undefined, rewrite: UriRewrite): Edit[] {
  return uriEdit(bytes, params, "uri", rewrite);
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
  const nested = uriEdit(bytes, pathAt(bytes, tool, "_meta", "ui"), "resourceUri", rewrite);
  return nested.length > 0 ? nested : uriEdit(bytes, memberAt(bytes, tool, "_meta"), "ui/resourceUri", rewrite);
}
