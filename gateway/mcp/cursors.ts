/**
 * Cursors of merged lists. One carries, per upstream that has more, that upstream's own cursor; so a page needs no state in
 * the gateway. Opaque to clients: base64url of a versioned JSON array with a checksum, so that a cut or altered cursor is
 * refused as such (-32602) and never reaches an upstream as somebody else's cursor.
 */
import { createHash } from "node:crypto";
import { fault } from "../../contract/errors.ts";

export type Continuation = { readonly upstreamId: string; readonly cursor: string };

export type CacheScope = "public" | "private";

/** Longest cursor accepted: a thousand upstreams with cursors of some 150 characters each. */
const MAX_CURSOR = 262_144;
const VERSIONS: Readonly<Record<CacheScope, string>> = { private: "1", public: "1p" };

function checksum(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 8);
}

/**
 * `list` (the method) is part of the checksum: a cursor of tools/list is no cursor of prompts/list. `scope` is the cacheScope of
 * the first page, which all others repeat.
 */
export function encodeCursor(
  list: string,
  continuations: readonly Continuation[],
  scope: CacheScope = "private",
): string {
  const text = JSON.stringify(continuations.map(({ upstreamId, cursor }) => [upstreamId, cursor]));
  return `${VERSIONS[scope]}.${checksum(list + VERSIONS[scope] + text)}.${Buffer.from(text).toString("base64url")}`;
}

/** Throws MCPS_CURSOR for anything encodeCursor has not made for this list. */
export function decodeCursor(list: string, cursor: string): Continuation[] {
  if (cursor.length > MAX_CURSOR) throw fault("MCPS_CURSOR", { reason: `longer than ${MAX_CURSOR} characters` });
  const [version, sum, body, ...rest] = cursor.split(".");
  if (version !== VERSIONS[cursorScope(cursor)] || sum === undefined || body === undefined || rest.length > 0) {
    throw fault("MCPS_CURSOR", { reason: "not one of this gateway" });
  }
  const text = Buffer.from(body, "base64url").toString("utf8");
  if (Buffer.from(text).toString("base64url") !== body || checksum(list + version + text) !== sum) {
    throw fault("MCPS_CURSOR", { reason: `altered, cut, or of another list than ${list}` });
  }
  const value: unknown = JSON.parse(text);
  const found: Continuation[] = [];
  for (const entry of Array.isArray(value) ? value : []) {
    const [upstreamId, inner] = Array.isArray(entry) ? entry : [];
    if (typeof upstreamId === "string" && typeof inner === "string") found.push({ upstreamId, cursor: inner });
  }
  return found;
}

/** The cacheScope that a cursor which decodeCursor has accepted carries. */
export function cursorScope(cursor: string): CacheScope {
  return cursor.startsWith(`${VERSIONS.public}.`) ? "public" : "private";
}
