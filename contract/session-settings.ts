/** Settings of sessions, event streams and what of them can be resumed. */
import { count, milliseconds, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

export const sessionSettings = {
  SESSION_KEYS: {
    type: "keyring",
    default: null,
    computed: "generated in DATA_DIR on a first run",
    secret: true,
    room: "sessions",
    description: "Key ring that seals session tokens, cursors and request state; the same in every replica.",
  },
  SESSION_TTL: {
    ...seconds(60, 2592000),
    default: 86400,
    room: "sessions",
    description: "Life of a legacy session token. A day, since a client that is told 404 has to start over.",
  },
  SSE_KEEPALIVE_INTERVAL: {
    ...seconds(1, 3600),
    default: 30,
    room: "transports",
    description: "A quiet stream gets a comment this often.",
  },
  SSE_RETRY_TIMEOUT: {
    ...milliseconds(1, 600000),
    default: 1000,
    room: "transports",
    description: "How long clients are told to wait before they resume a stream.",
  },
  STREAM_AFTER: {
    ...milliseconds(0, 600000),
    default: 1000,
    room: "transports",
    description: "A legacy call not answered by then opens its event stream, so that it can be resumed.",
  },
  STREAM_LINGER: {
    ...seconds(0, 3600),
    default: 60,
    room: "transports",
    description: "How long a session's stream goes on collecting events after its client has gone away.",
  },
  REPLAY_MAX_EVENTS: {
    ...count("events", 1, 100000),
    default: 1000,
    room: "sessions",
    description: "Events kept per stream for resuming.",
  },
  REPLAY_TTL: {
    ...seconds(1, 86400),
    default: 300,
    room: "sessions",
    description: "How long after its last event a stream can be resumed.",
  },
  CLIENT_REQUEST_TIMEOUT: {
    ...seconds(1, 86400),
    default: 600,
    aliases: ["MCPGATEWAY_ELICITATION_TIMEOUT"],
    room: "sessions",
    description: "How long an elicitation, sampling or roots request waits for the client.",
  },
  WEBSOCKET_PING_INTERVAL: {
    ...seconds(1, 3600),
    default: 30,
    room: "transports",
    description: "A WebSocket is pinged this often and closed when it does not answer.",
  },
} as const satisfies Record<string, SettingDeclaration>;
