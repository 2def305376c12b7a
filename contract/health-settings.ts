/** Settings of what is asked of upstreams without a request: whether they live, and what they list. */
import { count, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

export const healthSettings = {
  HEALTH_CHECK_INTERVAL: {
    ...seconds(0, 86400),
    default: 60,
    room: "main",
    description: "How often one worker of the deployment asks every upstream whether it lives; 0 asks never.",
  },
  GATEWAY_HEALTH_CHECK_TIMEOUT: {
    ...seconds(0.1, 600),
    default: 30,
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
    ...seconds(0.1, 600),
    default: 30,
    room: "upstreams",
    description: "How long an upstream may take for that answer.",
  },
  UNHEALTHY_THRESHOLD: {
    ...count("checks", 1, 1000),
    default: 3,
    room: "main",
    description:
      "Checks in a row that an upstream may fail before it counts as unreachable: lists go without it, and calls are refused at once. It comes back by itself.",
  },
  MAX_CONCURRENT_HEALTH_CHECKS: {
    ...count("upstreams", 1, 1000),
    default: 10,
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
    ...seconds(60, 86400),
    default: 300,
    room: "main",
    description: "How old the lists of an upstream may be before they are.",
  },
} as const satisfies Record<string, SettingDeclaration>;
