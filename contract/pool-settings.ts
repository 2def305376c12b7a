/** Settings of the sessions at upstreams: how many, for how long, and when an upstream is left alone. */
import { count, seconds } from "./bounds.ts";
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
    ...count("sessions", 1, 10000),
    default: 10,
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
    ...seconds(1, 86400),
    default: 300,
    room: "upstreams",
    description: "A pooled session that is older is ended, once its request is over.",
  },
  MCP_SESSION_POOL_ACQUIRE_TIMEOUT: {
    ...seconds(0.1, 600),
    default: 30,
    room: "upstreams",
    description: "How long a request may wait for a pooled session; then it is refused with 503.",
  },
  MCP_SESSION_POOL_CREATE_TIMEOUT: {
    ...seconds(0.1, 600),
    default: 30,
    room: "upstreams",
    description: "Longest time to open a pooled session.",
  },
  MCP_SESSION_POOL_HEALTH_CHECK_INTERVAL: {
    ...seconds(0, 86400),
    default: 60,
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
    ...seconds(0.1, 600),
    default: 5,
    room: "upstreams",
    description: "How long each of these may take.",
  },
  MCP_SESSION_POOL_IDLE_EVICTION: {
    ...seconds(1, 86400),
    default: 600,
    room: "upstreams",
    description: "Pooled sessions of an identity that nobody used for so long are ended.",
  },
  MCP_SESSION_POOL_MAX_TOTAL_SESSIONS: {
    ...count("sessions", 1, 1000000),
    default: 10000,
    room: "upstreams",
    description:
      "Upstream sessions that one worker knows, of clients and pooled; for one more, the one that was not used for longest is ended, and opened again when its client comes back.",
  },
  MCP_SESSION_POOL_MAX_PER_UPSTREAM: {
    ...count("sessions", 1, 1000000),
    default: 5000,
    room: "upstreams",
    description: "The same for the sessions of one upstream.",
  },
  SESSION_CLEANUP_INTERVAL: {
    ...seconds(1, 86400),
    default: 300,
    room: "main",
    description: "How often one worker of the deployment ends the upstream sessions of clients that are gone.",
  },
  SESSION_CLEANUP_CONCURRENCY: {
    ...count("sessions", 1, 1000),
    default: 20,
    room: "main",
    description: "How many of them it ends at one time.",
  },
  MCP_SESSION_POOL_CIRCUIT_BREAKER_THRESHOLD: {
    ...count("failures", 0, 1000),
    default: 5,
    room: "upstreams",
    description:
      "Connections, handshakes and sessions that an upstream may fail in a row before it is left alone; failed calls do not count. 0 = it never is.",
  },
  MCP_SESSION_POOL_CIRCUIT_BREAKER_RESET: {
    ...seconds(0.1, 3600),
    default: 60,
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
