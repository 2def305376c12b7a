/** Settings of what is asked of upstreams without a request: whether they live, and what they list. */
import type { SettingDeclaration } from "./setting-declaration.ts";

export const healthSettings = {
  HEALTH_CHECK_INTERVAL: {
    type: "duration",
    default: 60,
    unit: "s",
    min: 0,
    max: 86400,
    room: "main",
    description: "How often one worker of the deployment asks every upstream whether it lives; 0 asks never.",
  },
  GATEWAY_HEALTH_CHECK_TIMEOUT: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 0.1,
    max: 600,
    room: "upstreams",
    description: "How long an upstream may take for the handshake by which it is asked; no session is left behind.",
  },
  MCP_SESSION_POOL_EXPLICIT_HEALTH_RPC: {
    type: "boolean",
    default: false,
    room: "upstreams",
    description:
      "Ask an upstream with sessions for an answer to `ping` too, within HEALTH_CHECK_TIMEOUT; else the handshake is enough.",
  },
  HEALTH_CHECK_TIMEOUT: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 0.1,
    max: 600,
    room: "upstreams",
    description: "How long an upstream may take for that answer.",
  },
  UNHEALTHY_THRESHOLD: {
    type: "integer",
    default: 3,
    unit: "checks",
    min: 1,
    max: 1000,
    room: "main",
    description:
      "Checks in a row that an upstream may fail before it counts as unreachable: lists go without it, and calls are refused at once. It comes back by itself.",
  },
  MAX_CONCURRENT_HEALTH_CHECKS: {
    type: "integer",
    default: 10,
    unit: "upstreams",
    min: 1,
    max: 1000,
    room: "main",
    description: "How many upstreams are asked at one time.",
  },
  AUTO_REFRESH_SERVERS: {
    type: "boolean",
    default: false,
    room: "main",
    description:
      "Read the lists of every upstream that lives again from time to time; those that tell of changes need it not.",
  },
  GATEWAY_AUTO_REFRESH_INTERVAL: {
    type: "duration",
    default: 300,
    unit: "s",
    min: 60,
    max: 86400,
    room: "main",
    description: "How old the lists of an upstream may be before they are.",
  },
} as const satisfies Record<string, SettingDeclaration>;
