/** Protocol revisions, the two wire eras, and the rule that tells which era a request belongs to (MCP versioning pages). */
export type Era = "legacy" | "modern";

/** Newest first; the order in which a legacy client is offered one. */
export const LEGACY_VERSIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] as const;
export const LATEST_LEGACY = LEGACY_VERSIONS[0];
/** What a legacy request without MCP-Protocol-Version and without session is taken for (2025-06-18 transports). */
export const ASSUMED_LEGACY = "2025-03-26";
export const MODERN_VERSIONS = ["2026-07-28"] as const;
export const LATEST_MODERN = MODERN_VERSIONS[0];

/** Keys of `_meta` in the modern era (MCP 2026-07-28 basic, §_meta). */
export const META = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  logLevel: "io.modelcontextprotocol/logLevel",
  serverInfo: "io.modelcontextprotocol/serverInfo",
  subscriptionId: "io.modelcontextprotocol/subscriptionId",
  /** Ours: upstreams whose part of a list is missing. */
  missing: "mcp-stack/missing",
} as const;

/** Methods of which a modern result carries ttlMs and cacheScope (MCP 2026-07-28 caching). */
export const CACHEABLE_METHODS: ReadonlySet<string> = new Set([
  "server/discover",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
]);

/** Methods a modern server may answer with input_required. */
export const INPUT_METHODS: ReadonlySet<string> = new Set(["tools/call", "prompts/get", "resources/read"]);

/** Methods that exist in the legacy era only; -32601 with 404 in the modern one. */
export const LEGACY_ONLY_METHODS: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "logging/setLevel",
  "resources/subscribe",
  "resources/unsubscribe",
]);

/** RFC 5424 severities, least severe first. */
export const LOG_LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"] as const;

export function isLegacyVersion(value: string | undefined): boolean {
  return value !== undefined && (LEGACY_VERSIONS as readonly string[]).includes(value);
}

export function isModernVersion(value: string | undefined): boolean {
  return value !== undefined && (MODERN_VERSIONS as readonly string[]).includes(value);
}

/** The version to answer a legacy initialize with: the asked one when we speak it, else our latest. */
export function negotiateLegacy(asked: string | undefined): string {
  return asked !== undefined && isLegacyVersion(asked) ? asked : LATEST_LEGACY;
}

/** Capability that a server→client request needs, as the key a client declares. */
export function capabilityFor(method: string): string | undefined {
  if (method === "elicitation/create") return "elicitation";
  if (method === "sampling/createMessage") return "sampling";
  if (method === "roots/list") return "roots";
  return undefined;
}
