/** What stands in the `_meta` of a request (MCP 2026-07-28 basic), found in one pass and once per message. */
import type { Envelope } from "./envelope.ts";
import { isObject, memberAt, type Span } from "./json.ts";
import { Found, Keys, scanObject } from "./scan.ts";
import { META } from "./versions.ts";

export type RequestMeta = {
  readonly protocolVersion: Span | undefined;
  readonly clientCapabilities: Span | undefined;
  readonly clientInfo: Span | undefined;
  readonly logLevel: Span | undefined;
  readonly progressToken: Span | undefined;
  /** It holds nothing but the members that only the modern era knows. */
  readonly isModernOnly: boolean;
};

const KEYS = new Keys([
  META.protocolVersion,
  META.clientCapabilities,
  META.clientInfo,
  META.logLevel,
  "progressToken",
] as const);
const TOKEN = 4;
const found = new Found(KEYS);
const NONE: RequestMeta = {
  protocolVersion: undefined,
  clientCapabilities: undefined,
  clientInfo: undefined,
  logLevel: undefined,
  progressToken: undefined,
  isModernOnly: false,
};
const known = new WeakMap<Envelope, RequestMeta>();

/** As readMeta, of a request. */
export function metaOf(bytes: Buffer, envelope: Envelope): RequestMeta {
  const { _meta: span } = envelope.routing;
  if (span === undefined) return NONE;
  let meta = known.get(envelope);
  if (meta === undefined) {
    meta = readMeta(bytes, span);
    known.set(envelope, meta);
  }
  return meta;
}

/** Nothing where there is no `_meta` or where it is no object. */
export function readMeta(bytes: Buffer, span: Span | undefined): RequestMeta {
  if (span === undefined || !isObject(bytes, span)) return NONE;
  found.clear();
  scanObject(bytes, span.start, 0, KEYS, found);
  // Of two members of one key the last counts, as with JSON.parse.
  const at = (place: number) =>
    found.twice < 0 ? found.span(place) : memberAt(bytes, span, KEYS.list[place] as string);
  const noted = KEYS.list.reduce((sum, _, place) => (found.has(place) ? sum + 1 : sum), 0);
  return {
    protocolVersion: at(0),
    clientCapabilities: at(1),
    clientInfo: at(2),
    logLevel: at(3),
    progressToken: at(TOKEN),
    isModernOnly: found.twice < 0 && !found.has(TOKEN) && noted === found.members,
  };
}
