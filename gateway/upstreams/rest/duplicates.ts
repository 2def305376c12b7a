/** Names that stand twice in one object: readers of JSON differ in which of the two they take (RFC 8259 §4). */
import { elements, isArray, isObject, MemberWalk, type Span } from "../../mcp/index.ts";

/** The path of the first such name, as a JSON pointer; undefined when there is none. The span must come from a scan. */
export function duplicateAt(bytes: Buffer, span: Span, path = ""): string | undefined {
  if (isArray(bytes, span)) {
    for (const [at, element] of elements(bytes, span).entries()) {
      const found = duplicateAt(bytes, element, `${path}/${at}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isObject(bytes, span)) return undefined;
  const names = new Set<string>();
  const walk = new MemberWalk(bytes, span);
  while (walk.next()) {
    const { key } = walk;
    if (names.has(key)) return `${path}/${key}`;
    names.add(key);
    const found = duplicateAt(bytes, walk.value, `${path}/${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
