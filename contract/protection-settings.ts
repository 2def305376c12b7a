/** Settings that protect the gateway and what stands behind it: limits of callers, changed tools, compression. */
import { count } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

/** Requests a minute of one caller over the routes of one tier. */
function rate(tier: string, what: string, standard: number) {
  return {
    ...count("requests/min", 0, 10_000_000),
    default: standard,
    room: "admission",
    description: `With RATE_LIMITING_ENABLED: requests a minute of one caller to ${what} (tier ${tier}); 0 sets no limit.`,
  } as const satisfies SettingDeclaration;
}

function burst(tier: string, standard: number) {
  return {
    ...count("requests", 0, 10_000_000),
    default: standard,
    room: "admission",
    description: `With RATE_LIMITING_ENABLED: requests of tier ${tier} that one caller may send at once beyond a minute's worth.`,
  } as const satisfies SettingDeclaration;
}

export const protectionSettings = {
  RATE_LIMITING_ENABLED: {
    type: "boolean",
    default: false,
    room: "admission",
    description:
      "Limit each caller by tiers of routes (RATE_LIMIT_*). RATE_LIMITS, QUOTAS and TOOL_RATE_LIMIT hold without it.",
  },
  RATE_LIMITING_REDIS_ENABLED: {
    type: "boolean",
    default: true,
    room: "admission",
    description:
      "Limits are shared by all workers and replicas, in Redis or, without it, in PostgreSQL; with false each process has the whole of them to itself. While nobody answers each process has its part.",
  },
  RATE_LIMIT_CRITICAL_RPM: rate("critical", "what anybody may try secrets at", 10),
  RATE_LIMIT_CRITICAL_BURST: burst("critical", 0),
  RATE_LIMIT_HIGH_RPM: rate("high", "accounts and administration", 30),
  RATE_LIMIT_HIGH_BURST: burst("high", 0),
  RATE_LIMIT_MEDIUM_RPM: rate("medium", "MCP and the registry", 100),
  RATE_LIMIT_MEDIUM_BURST: burst("medium", 20),
  RATE_LIMIT_LOW_RPM: rate("low", "what the gateway tells of itself; health and readiness are never refused", 500),
  RATE_LIMIT_LOW_BURST: burst("low", 100),
  RATE_LIMITS: {
    type: "list",
    default: [],
    room: "admission",
    description:
      "Limits `<subject>[&<subject>][:<name>]=<count>/<s|min|h|d>[+<burst>]`; subjects: principal, token, team, address, upstream, tool (`<upstream>/<tool>`), a name may end in `*`. `address=20/s+100, principal&tool=60/min, tool:github/create_*=10/min`.",
  },
  QUOTAS: {
    type: "list",
    default: [],
    room: "admission",
    description:
      "Amounts of a calendar period (UTC), kept in the database: `<subject>[&<subject>][:<name>]=<count>/<day|month>`, subjects as of RATE_LIMITS. `principal=10000/day, team=1000000/month`.",
  },
  TOOL_RATE_LIMIT: {
    ...count("calls/min", 0, 10_000_000),
    default: 0,
    room: "admission",
    description: "Calls of each tool a minute by everybody together; 0 sets no limit.",
  },
  TOOL_CONCURRENT_LIMIT: {
    ...count("calls", 0, 1_000_000),
    default: 0,
    room: "admission",
    description: "Calls of each tool that run at once in one worker; 0 sets no limit.",
  },
  TRUSTED_PROXIES: {
    type: "list",
    default: [],
    room: "engine",
    description:
      "Addresses and networks (CIDR) of proxies that are believed about their clients, `unix` for a Unix socket: of X-Forwarded-For, or else Forwarded, the right-most address that is none of them is the client's, for limits, logins, tokens and records. Each of them has to write X-Forwarded-For itself. Empty: the peer of the connection is the client.",
  },
  TOOL_PIN_POLICY: {
    type: "enum",
    default: "flag",
    allowed: ["off", "flag", "quarantine"],
    room: "federation",
    description:
      "What happens to a tool whose definition is no longer the approved one (the first one seen is): nothing, a warning and an entry in GET /pins, or hidden and refused until it is approved. Single upstreams may have a policy of their own.",
  },
  TOOL_PIN_NEW: {
    type: "enum",
    default: "allow",
    allowed: ["allow", "quarantine"],
    room: "federation",
    description:
      "With the policy quarantine: tools that come up later on an upstream are approved at first sight, or wait too.",
  },
  TOOL_PIN_FLAGS: {
    type: "list",
    default: ["invisible", "bidi", "tags", "ansi", "hidden-html", "instructions"],
    room: "federation",
    description:
      "What is suspicious in a tool's definition: unseen, direction and tag characters, control characters, hidden HTML, orders to a model. Such a tool is told in the log, and with the policy quarantine it waits.",
  },
  VALIDATION_MAX_RPC_PARAM_SIZE: {
    type: "bytes",
    default: 0,
    unit: "bytes",
    min: 0,
    max: 1_073_741_824,
    room: "main",
    description: "Largest arguments of one tools/call, as JSON; 0: what MAX_BODY_BYTES lets in.",
  },
  MAX_PARAM_LENGTH: {
    ...count("characters", 0, 1_073_741_824),
    default: 0,
    room: "main",
    description: "Longest text in the arguments of a tools/call; 0 sets no limit.",
  },
  TOOL_ARGUMENTS_CHECK: {
    type: "enum",
    default: "off",
    allowed: ["off", "warn", "enforce"],
    room: "main",
    description:
      "Compare the arguments of a tools/call with the inputSchema that the registry knows, before anything is sent: log what does not fit, or refuse it.",
  },
  TOOL_RESULTS_CHECK: {
    type: "enum",
    default: "off",
    allowed: ["off", "warn", "enforce"],
    room: "main",
    description:
      "Compare structuredContent with the tool's outputSchema: log what does not fit, or answer an error in its place.",
  },
  MAX_BATCH_MESSAGES: {
    ...count("messages", 1, 10_000),
    default: 100,
    room: "transports",
    description:
      "Messages of one JSON-RPC batch. Limits by principal, token, team and address count the batch as one request; those by tool and upstream count its calls.",
  },
  COMPRESSION_ENABLED: {
    type: "boolean",
    default: true,
    room: "transports",
    description:
      "Compress whole answers for clients that ask for it (br, zstd, gzip). A plan sets it to false: there nginx compresses, and only one layer may.",
  },
  COMPRESSION_MINIMUM_SIZE: {
    ...count("bytes", 0, 1_073_741_824),
    default: 500,
    room: "transports",
    description: "Smaller answers are sent as they are.",
  },
  COMPRESSION_GZIP_LEVEL: {
    type: "integer",
    default: 6,
    min: 1,
    max: 9,
    room: "transports",
    description: "Level of gzip, 9 is the smallest and slowest.",
  },
  COMPRESSION_BROTLI_QUALITY: {
    type: "integer",
    default: 4,
    min: 0,
    max: 11,
    room: "transports",
    description: "Quality of Brotli, 11 is the smallest and slowest.",
  },
  COMPRESSION_ZSTD_LEVEL: {
    type: "integer",
    default: 3,
    min: 1,
    max: 22,
    room: "transports",
    description: "Level of Zstandard, 22 is the smallest and slowest.",
  },
} as const satisfies Record<string, SettingDeclaration>;
