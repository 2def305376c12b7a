/** Settings of the sessions at upstreams: how many, for how long, and when an upstream is left alone. */
import type { SettingDeclaration } from "./setting-declaration.ts";

export const poolSettings = {
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
