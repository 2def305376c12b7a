/** What a request to a modern upstream (MCP 2026-07-28) looks like, and what its answers to server/discover mean. */
import { type Envelope, memberAt, pathAt, scanDocument, sliceAt, stringAt, valueAt } from "../mcp/index.ts";
import { encodeHeaderValue, type Prepared, withMessageHeaders } from "./address.ts";
import { objectAt } from "./handshake.ts";
import { repeated } from "./lean/request-head.ts";
import type { OutboundMessage, UpstreamProfile } from "./types.ts";

export const MODERN_VERSIONS: readonly string[] = ["2026-07-28"];
export const LATEST_MODERN = "2026-07-28";

const META = "io.modelcontextprotocol/";
/** Only servers of the modern era know these codes (MCP 2026-07-28 errors). */
const HEADER_MISMATCH = -32020;
const MISSING_CAPABILITY = -32021;
const UNSUPPORTED_VERSION = -32022;

/** Headers of a modern POST. */
export function modernHeaders(
  prepared: Prepared,
  version: string,
  message: Pick<OutboundMessage, "method" | "name" | "headers" | "paramHeaders">,
): readonly string[] {
  return withMessageHeaders(namingHeaders(prepared, version, message), prepared, message);
}

const naming = new WeakMap<Prepared, Map<string, readonly string[]>>();
const MAX_NAMINGS = 1000;

/** What stands in the headers of every request for the same thing. */
function namingHeaders(
  prepared: Prepared,
  version: string,
  { method, name }: Pick<OutboundMessage, "method" | "name">,
): readonly string[] {
  let known = naming.get(prepared);
  if (known === undefined || known.size >= MAX_NAMINGS) {
    known = new Map();
    naming.set(prepared, known);
  }
  const key = name === undefined ? `${version} ${method}` : `${version} ${method} ${name}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const headers = [...prepared.post, "mcp-protocol-version", version, "mcp-method", encodeHeaderValue(method)];
  if (name !== undefined) headers.push("mcp-name", encodeHeaderValue(name));
  const made = repeated(headers);
  known.set(key, made);
  return made;
}

/** Params of a modern request of the room's own. */
export function modernParams(version: string, clientInfo: unknown, params: Readonly<Record<string, unknown>> = {}) {
  const meta = {
    [`${META}protocolVersion`]: version,
    [`${META}clientInfo`]: clientInfo,
    [`${META}clientCapabilities`]: {},
  };
  return { ...params, _meta: meta };
}

export type Verdict =
  | { readonly kind: "modern"; readonly profile: UpstreamProfile }
  | { readonly kind: "legacy" }
  /** It is modern, but not to be spoken to. */
  | { readonly kind: "refused"; readonly reason: string };

/** Judges a JSON-RPC response to server/discover. */
export function judgeDiscover(raw: Buffer, envelope: Envelope): Verdict {
  if (envelope.error !== undefined) return judgeError(valueAt(raw, envelope.error));
  const versions = memberAt(raw, envelope.result, "supportedVersions");
  const supported: unknown = versions === undefined ? undefined : valueAt(raw, versions);
  const capabilities = memberAt(raw, envelope.result, "capabilities");
  if (!isTextList(supported) || capabilities === undefined) return { kind: "legacy" };
  const version = MODERN_VERSIONS.find((candidate) => supported.includes(candidate));
  if (version === undefined) return judgeVersions(supported);
  const info = pathAt(raw, envelope.result, "_meta", `${META}serverInfo`);
  const profile: UpstreamProfile = {
    era: "modern",
    protocolVersion: version,
    sessionless: false,
    capabilities: objectAt(raw, envelope, "capabilities"),
    serverInfo: info === undefined ? objectAt(raw, envelope, "serverInfo") : Buffer.from(sliceAt(raw, info)),
    ...instructionsOf(stringAt(raw, memberAt(raw, envelope.result, "instructions"))),
  };
  return { kind: "modern", profile };
}

export function instructionsOf(instructions: string | undefined): { instructions?: string } {
  return instructions === undefined ? {} : { instructions };
}

function judgeError(error: unknown): Verdict {
  if (typeof error !== "object" || error === null || !("code" in error)) return { kind: "legacy" };
  const data: unknown = "data" in error ? error.data : undefined;
  if (error.code === UNSUPPORTED_VERSION) {
    const supported: unknown =
      typeof data === "object" && data !== null && "supported" in data ? data.supported : undefined;
    return isTextList(supported) ? judgeVersions(supported) : { kind: "legacy" };
  }
  if (error.code === HEADER_MISMATCH || error.code === MISSING_CAPABILITY) {
    return { kind: "refused", reason: `it answers server/discover with error ${error.code}` };
  }
  return { kind: "legacy" };
}

/** The server named its versions and ours is not among them. Versions are dates, so the order of text is that of time. */
function judgeVersions(supported: readonly string[]): Verdict {
  const modern = supported.filter((version) => version >= LATEST_MODERN);
  if (modern.length === 0) return { kind: "legacy" };
  return { kind: "refused", reason: `it speaks protocol versions ${modern.join(", ").slice(0, 200)} only` };
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");
}

/** The JSON-RPC error of a fault that an error status gave, if it had one. */
export function discoverErrorIn(body: Buffer): unknown {
  try {
    const root = scanDocument(body);
    const error = memberAt(body, root, "error");
    return error === undefined ? undefined : valueAt(body, error);
  } catch {
    return undefined;
  }
}

/** Judges an error status in answer to server/discover; undefined when it says nothing about the era (401, 403, 5xx, redirects). */
export function judgeStatus(status: number, body: Buffer): Verdict | undefined {
  if (status === 401 || status === 403 || status >= 500 || status < 400) return undefined;
  return judgeError(discoverErrorIn(body));
}
