/** Settings of the sessions at upstreams: how many, for how long, and when an upstream is left alone. */
import type { SettingDeclaration } from "./setting-declaration.ts";

const HEALTH_METHODS = ["ping", "list_tools", "list_prompts", "list_resources", "skip"];

export const poolSettings = {
  MCP_SESSION_POOL_ENABLED: {
    type: "boolean",
    default: false,
    room: "main",
    description:
      'Let clients use upstream sessions one after the other, at upstreams declared to keep nothing in them (isolation "shared"). At all others every client session has its own, always.',
  },
  MCP_SESSION_POOL_MAX_PER_KEY: {
    type: "integer",
    default: 10,
    unit: "sessions",
    min: 1,
    max: 10000,
    room: "upstreams",
    description: "Pooled sessions of one worker per upstream and identity; each carries one request at a time.",
  },
  MCP_SESSION_POOL_IDENTITY_HEADERS: {
    type: "list",
    default: ["authorization", "x-tenant-id", "x-user-id", "x-api-key", "cookie"],
    room: "upstreams",
    description:
      "Request headers handed on to the upstream that tell identities apart; pooled sessions are shared within one.",
  },
  MCP_SESSION_POOL_TTL: {
    type: "duration",
    default: 300,
    unit: "s",
    min: 1,
    max: 86400,
    room: "upstreams",
    description: "A pooled session that is older is ended, once its request is over.",
  },
  MCP_SESSION_POOL_ACQUIRE_TIMEOUT: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 0.1,
    max: 600,
    room: "upstreams",
    description: "How long a request may wait for a pooled session; then it is refused with 503.",
  },
  MCP_SESSION_POOL_CREATE_TIMEOUT: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 0.1,
    max: 600,
    room: "upstreams",
    description: "Longest time to open a pooled session.",
  },
  MCP_SESSION_POOL_HEALTH_CHECK_INTERVAL: {
    type: "duration",
    default: 60,
    unit: "s",
    min: 0,
    max: 86400,
    room: "upstreams",
    description: "A pooled session that rested for longer is asked whether it lives before it is used again.",
  },
  MCP_SESSION_POOL_HEALTH_CHECK_METHODS: {
    type: "list",
    default: ["ping", "skip"],
    room: "upstreams",
    description: `How it is asked, one after the other until one is answered: ${HEALTH_METHODS.join(", ")}. \`skip\` asks nothing.`,
  },
  MCP_SESSION_POOL_HEALTH_CHECK_TIMEOUT: {
    type: "duration",
    default: 5,
    unit: "s",
    min: 0.1,
    max: 600,
    room: "upstreams",
    description: "How long each of these may take.",
  },
  MCP_SESSION_POOL_IDLE_EVICTION: {
    type: "duration",
    default: 600,
    unit: "s",
    min: 1,
    max: 86400,
    room: "upstreams",
    description: "Pooled sessions of an identity that nobody used for so long are ended.",
  },
  MCP_SESSION_POOL_MAX_TOTAL_SESSIONS: {
    type: "integer",
    default: 10000,
    unit: "sessions",
    min: 1,
    max: 1000000,
    room: "upstreams",
    description:
      "Upstream sessions that one worker knows, of clients and pooled; for one more, the one that was not used for longest is ended, and opened again when its client comes back.",
  },
  MCP_SESSION_POOL_MAX_PER_UPSTREAM: {
    type: "integer",
    default: 5000,
    unit: "sessions",
    min: 1,
    max: 1000000,
    room: "upstreams",
    description: "The same for the sessions of one upstream.",
  },
  SESSION_CLEANUP_INTERVAL: {
    type: "duration",
    default: 300,
    unit: "s",
    min: 1,
    max: 86400,
    room: "main",
    description: "How often one worker of the deployment ends the upstream sessions of clients that are gone.",
  },
  SESSION_CLEANUP_CONCURRENCY: {
    type: "integer",
    default: 20,
    unit: "sessions",
    min: 1,
    max: 1000,
    room: "main",
    description: "How many of them it ends at one time.",
  },
  MCP_SESSION_POOL_CIRCUIT_BREAKER_THRESHOLD: {
    type: "integer",
    default: 5,
    unit: "failures",
    min: 0,
    max: 1000,
    room: "upstreams",
    description:
      "Connections, handshakes and sessions that an upstream may fail in a row before it is left alone; failed calls do not count. 0 = it never is.",
  },
  MCP_SESSION_POOL_CIRCUIT_BREAKER_RESET: {
    type: "duration",
    default: 60,
    unit: "s",
    min: 0.1,
    max: 3600,
    room: "upstreams",
    description:
      "How long such an upstream is left alone; callers get 503 with Retry-After meanwhile, and then one of them tries it.",
  },
  MCP_SESSION_POOL_CIRCUIT_BREAKER_SHARED: {
    type: "boolean",
    default: true,
    room: "main",
    description:
      "Tell the other workers and replicas which upstreams are left alone, so that each need not find it out.",
  },
} as const satisfies Record<string, SettingDeclaration>;
