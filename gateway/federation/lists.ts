/**
 * Merged lists: every upstream of the view is asked at once, each for its next page; items are filtered and renamed in their
 * own bytes. An upstream that fails is named in `_meta` (fail-open) or fails the list (fail-closed); it never delays the
 * others beyond the list timeout.
 */
import { type ErrorCode, Fault, fault } from "../../contract/errors.ts";
import {
  type CacheScope,
  type Continuation,
  cursorScope,
  decodeCursor,
  elements,
  encodeCursor,
  LISTS,
  type ListMethod,
  META,
  memberAt,
  prefixUri,
  type Span,
  setMember,
  splice,
  stringAt,
  toolUiEdits,
  valueAt,
} from "../mcp/index.ts";
import type { ItemKind } from "../store/index.ts";
import type { UpstreamProfile } from "../upstreams/index.ts";
import { ownRequest } from "./outbound.ts";
import { type Answer, ask, UpstreamRefusal } from "./pages.ts";
import type { FederationParts } from "./parts.ts";
import { listedName, resolve } from "./route.ts";
import type { Caller, View, ViewUpstream } from "./types.ts";
import { isShown } from "./view.ts";

const KIND_OF: Readonly<Record<ListMethod, ItemKind>> = {
  "tools/list": "tool",
  "prompts/list": "prompt",
  "resources/list": "resource",
  "resources/templates/list": "resourceTemplate",
};

export type Missing = { readonly gateway: string; readonly code: string; readonly message: string };

type Page = {
  readonly items: readonly Buffer[];
  readonly next: string | undefined;
  readonly ttlMs: number;
  readonly isPrivate: boolean;
};

const EMPTY: Page = { items: [], next: undefined, ttlMs: Number.MAX_SAFE_INTEGER, isPrivate: false };

/** The raw result object of a merged list. Throws MCPS_CURSOR, or MCPS_PARTIAL in a fail-closed view and when nobody answered. */
export async function mergedList(
  parts: FederationParts,
  view: View,
  caller: Caller,
  method: ListMethod,
  cursor: string | undefined,
): Promise<Buffer> {
  const continuations = cursor === undefined ? undefined : decodeCursor(method, cursor);
  const asked = askedUpstreams(view, continuations);
  const missing: Missing[] = [];
  const pages = await Promise.all(
    asked.map(async ({ upstream, cursor: own }) => {
      try {
        return await onePage(parts, view, caller, method, upstream, own);
      } catch (error) {
        if (cursor !== undefined && error instanceof UpstreamRefusal && error.rpc === -32602) {
          throw fault("MCPS_CURSOR", { reason: `upstream ${upstream.record.slug} no longer knows it` });
        }
        missing.push(missingOf(upstream, error));
        return EMPTY;
      }
    }),
  );
  if (missing.length > 0) reportMissing(parts, view, method, missing, asked.length);
  const firstScope = cursor === undefined ? undefined : cursorScope(cursor);
  return renderList(view, method, caller, asked, pages, missing, firstScope);
}

function askedUpstreams(
  view: View,
  continuations: readonly Continuation[] | undefined,
): { upstream: ViewUpstream; cursor: string | undefined }[] {
  if (continuations === undefined) return view.upstreams.map((upstream) => ({ upstream, cursor: undefined }));
  // Each upstream once, whatever a cursor says that a client has made up.
  return view.upstreams.flatMap((upstream) => {
    const found = continuations.find(({ upstreamId }) => upstreamId === upstream.record.id);
    return found === undefined ? [] : [{ upstream, cursor: found.cursor }];
  });
}

function missingOf(upstream: ViewUpstream, error: unknown): Missing {
  const code: ErrorCode | string =
    error instanceof Fault ? error.code : error instanceof UpstreamRefusal ? String(error.rpc) : "MCPS_INTERNAL";
  const message = error instanceof Fault || error instanceof UpstreamRefusal ? error.message : "internal error";
  return { gateway: upstream.record.slug, code, message: message.slice(0, 300) };
}

function reportMissing(
  parts: FederationParts,
  view: View,
  method: ListMethod,
  missing: Missing[],
  asked: number,
): void {
  missing.sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
  for (const { gateway, code } of missing) parts.countPartial(gateway, method, code);
  parts.log.warn("list is partial", {
    method,
    missing: missing.map(({ gateway, message }) => `${gateway}: ${message}`).join("; "),
  });
  if (view.failureMode === "closed" || missing.length === asked) {
    const failed = missing.map(({ gateway, message }) => `${gateway} (${message})`).join("; ");
    throw fault("MCPS_PARTIAL", { method, scope: view.server?.name ?? "this endpoint", failed }, { missing });
  }
}

async function onePage(
  parts: FederationParts,
  view: View,
  caller: Caller,
  method: ListMethod,
  upstream: ViewUpstream,
  cursor: string | undefined,
): Promise<Page> {
  const profile = await parts.profile(upstream, caller.era, parts.listTimeoutMs);
  if (!hasCapability(profile, LISTS[method].capability)) return EMPTY;
  const params = Buffer.from(cursor === undefined ? "{}" : JSON.stringify({ cursor }));
  const message = ownRequest(method, params, caller, profile, parts.nextId());
  try {
    const answer = await ask(parts.upstreams, upstream.target, caller.holder, message, {
      timeoutMs: parts.listTimeoutMs,
      onMessage: (raw, envelope) => parts.strayMessage(upstream, caller, raw, envelope),
    });
    parts.opened(upstream, caller, profile);
    return pageOf(parts, view, method, upstream, profile, answer);
  } catch (error) {
    if (error instanceof UpstreamRefusal && error.rpc === -32601) return EMPTY;
    throw error;
  }
}

export function hasCapability(profile: UpstreamProfile, name: string): boolean {
  return memberAt(profile.capabilities, { start: 0, end: profile.capabilities.length }, name) !== undefined;
}

function pageOf(
  parts: FederationParts,
  view: View,
  method: ListMethod,
  upstream: ViewUpstream,
  profile: UpstreamProfile,
  answer: Answer,
): Page {
  const { raw, envelope } = answer;
  const items: Buffer[] = [];
  for (const span of elements(raw, memberAt(raw, envelope.result, LISTS[method].items))) {
    const item = listedItem(parts, view, method, upstream, raw, span);
    if (item !== undefined) items.push(item);
  }
  const ttl = memberAt(raw, envelope.result, "ttlMs");
  const ttlMs = ttl === undefined ? undefined : valueAt(raw, ttl);
  return {
    items,
    next: stringAt(raw, memberAt(raw, envelope.result, "nextCursor")),
    ttlMs: profile.era === "modern" && typeof ttlMs === "number" && ttlMs >= 0 ? ttlMs : 0,
    isPrivate: profile.era === "legacy" || stringAt(raw, memberAt(raw, envelope.result, "cacheScope")) !== "public",
  };
}

/** The item's bytes under its listed name; undefined when the view does not show it or it has no name. */
function listedItem(
  parts: FederationParts,
  view: View,
  method: ListMethod,
  upstream: ViewUpstream,
  raw: Buffer,
  span: Span,
): Buffer | undefined {
  const kind = KIND_OF[method];
  const nameSpan = memberAt(raw, span, LISTS[method].key);
  const name = stringAt(raw, nameSpan);
  if (nameSpan === undefined || name === undefined || !isShown(upstream, kind, name)) return undefined;
  const item = raw.subarray(span.start, span.end);
  const isPinned = kind === "tool" && upstream.record.transport !== "BUILTIN";
  if (isPinned && parts.pinning?.mayShow(upstream.record.id, name, item) === false) return undefined;
  const listed = listedName(view, parts.separator, upstream, kind, name);
  if (!view.prefixed && view.upstreams.length > 1) {
    // Without prefixes two upstreams may use one name: only the one that a call reaches is listed.
    const owner = resolve(view, parts.separator, kind, listed);
    if (owner !== undefined && owner.upstream !== upstream) return undefined;
  }
  if (listed === name) return item;
  const at = { start: nameSpan.start - span.start, end: nameSpan.end - span.start };
  const slug = upstream.record.slug;
  const ui = kind === "tool" ? toolUiEdits(item, { start: 0, end: item.length }, (uri) => prefixUri(slug, uri)) : [];
  return splice(item, [{ ...at, text: JSON.stringify(listed) }, ...ui]);
}

function renderList(
  view: View,
  method: ListMethod,
  caller: Caller,
  asked: readonly { readonly upstream: ViewUpstream }[],
  pages: readonly Page[],
  missing: readonly Missing[],
  firstScope: CacheScope | undefined,
): Buffer {
  const scope = cacheScope(view, pages, missing.length > 0, firstScope);
  const continuations = pages.flatMap((page, index) => {
    const id = asked[index]?.upstream.record.id;
    return page.next === undefined || id === undefined ? [] : [{ upstreamId: id, cursor: page.next }];
  });
  const chunks: Buffer[] = [Buffer.from(`{"${LISTS[method].items}":[`)];
  let first = true;
  for (const item of pages.flatMap((page) => page.items)) {
    if (!first) chunks.push(COMMA);
    chunks.push(item);
    first = false;
  }
  chunks.push(Buffer.from("]"));
  if (continuations.length > 0)
    chunks.push(Buffer.from(`,"nextCursor":${JSON.stringify(encodeCursor(method, continuations, scope))}`));
  if (missing.length > 0) chunks.push(Buffer.from(`,"_meta":{"${META.missing}":${JSON.stringify(missing)}}`));
  if (caller.era === "modern") chunks.push(Buffer.from(cachingFields(pages, missing.length > 0, scope)));
  chunks.push(Buffer.from("}"));
  return Buffer.concat(chunks);
}

const COMMA = Buffer.from(",");

/**
 * Private as soon as one part is, and on `/mcp`, where what is listed depends on who asks. All pages of a list have the scope of
 * the first (MCP 2026-07-28 caching), which therefore travels in the cursor.
 */
function cacheScope(
  view: View,
  pages: readonly Page[],
  incomplete: boolean,
  first: CacheScope | undefined,
): CacheScope {
  if (first !== undefined) return first;
  const own = view.scope.kind === "all" || view.upstreams.some(({ record }) => record.visibility !== "public");
  return own || incomplete || pages.length === 0 || pages.some((page) => page.isPrivate) ? "private" : "public";
}

/** ttlMs is the shortest of all; what is incomplete is never fresh. */
function cachingFields(pages: readonly Page[], incomplete: boolean, scope: CacheScope): string {
  const shortest = Math.min(...pages.map((page) => page.ttlMs), Number.MAX_SAFE_INTEGER);
  const ttlMs = incomplete || shortest === Number.MAX_SAFE_INTEGER ? 0 : shortest;
  return `,"resultType":"complete","ttlMs":${ttlMs},"cacheScope":"${scope}"`;
}

/** Sets serverInfo in the `_meta` of a modern result that has none. */
export function withServerInfo(result: Buffer, serverInfo: Buffer): Buffer {
  const root = { start: 0, end: result.length };
  const meta = memberAt(result, root, "_meta");
  if (meta === undefined) {
    const value = Buffer.concat([Buffer.from(`{"${META.serverInfo}":`), serverInfo, Buffer.from("}")]);
    return splice(result, [setMember(result, root, "_meta", value)]);
  }
  return splice(result, [setMember(result, meta, META.serverInfo, serverInfo)]);
}
