/** Settings of who may call, and of the keys behind it. */
import { minutes, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

export const accessSettings = {
  AUTH_REQUIRED: {
    type: "boolean",
    default: true,
    room: "auth",
    description:
      "Refuse requests without a valid token. Without it everyone is anonymous, and on a loopback address an administrator.",
  },
  JWT_SECRET_KEY: {
    type: "secret",
    default: null,
    computed: "generated in DATA_DIR on a first run",
    secret: true,
    min: 32,
    room: "auth",
    description: "Key of tokens with JWT_ALGORITHM=HS*: at least 32 bytes, 48 for HS384, 64 for HS512.",
  },
  TOKEN_EXPIRY: {
    ...minutes(1, 5256000),
    default: 10080,
    room: "cli",
    description: "Life of the tokens that a first run and `mcp-stack token` make.",
  },
  PLATFORM_ADMIN_EMAIL: {
    type: "string",
    default: "admin@example.com",
    min: 3,
    max: 254,
    room: "auth",
    description: "The caller with this email is an administrator.",
  },
  AUTH_CACHE_TTL: {
    ...seconds(0, 3600),
    default: 60,
    room: "auth",
    description: "How long a token that was found good is believed without being checked again, never beyond its end.",
  },
  METRICS_TOKEN: {
    type: "secret",
    default: null,
    computed: "none: only administrators read the metrics",
    secret: true,
    min: 32,
    pattern: "^[A-Za-z0-9._~+/-]+=*$",
    room: "auth",
    description:
      "Bearer token for `GET /metrics` and nothing else, at least 32 bytes, so that what collects metrics is no administrator.",
  },
  AUTH_ENCRYPTION_SECRET: {
    type: "keyring",
    default: null,
    computed: "generated in DATA_DIR on a first run",
    secret: true,
    room: "store",
    description: "Key ring that encrypts stored upstream credentials.",
  },
} as const satisfies Record<string, SettingDeclaration>;
