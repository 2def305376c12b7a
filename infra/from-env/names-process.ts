/** Names about how the other program runs: its interpreter, its servers, its drivers, its elections. */
import { meaninglessKnobs } from "../../contract/knobs.ts";
import type { Family } from "./family.ts";

/** Knobs of the servers that the gateway warns of at its start, for the same reasons. */
export const knobFamilies: Readonly<Record<string, Family>> = Object.fromEntries(
  Object.entries(meaninglessKnobs).map(([names, because]) => [names, { verdict: "meaningless", because, names }]),
);

export const processFamilies = {
  python: {
    verdict: "meaningless",
    because: "it steers a Python process",
    names: `ANYIO_CANCEL_DELIVERY_PATCH_ENABLED ANYIO_CANCEL_DELIVERY_MAX_ITERATIONS SSE_TASK_GROUP_CLEANUP_TIMEOUT
      CLIENT_DISCONNECT_MIDDLEWARE_ENABLED RELOAD DEV_MODE DEBUG PYTHON_GIL`,
  },
  sidecar: {
    verdict: "meaningless",
    because: "there is no second program beside the gateway that could take over a part",
    prefixes: "MCP_RUST_ A2A_RUST_ RUST_MCP_ RUST_A2A_ EXPERIMENTAL_RUST_",
    names: `EXPERIMENTAL_RUST_MCP_RUNTIME_ENABLED EXPERIMENTAL_RUST_MCP_RUNTIME_URL EXPERIMENTAL_RUST_MCP_RUNTIME_UDS
      EXPERIMENTAL_RUST_MCP_RUNTIME_TIMEOUT_SECONDS EXPERIMENTAL_RUST_MCP_RUNTIME_MANAGED
      EXPERIMENTAL_RUST_MCP_SESSION_CORE_ENABLED EXPERIMENTAL_RUST_MCP_EVENT_STORE_ENABLED
      EXPERIMENTAL_RUST_MCP_RESUME_CORE_ENABLED EXPERIMENTAL_RUST_MCP_LIVE_STREAM_CORE_ENABLED
      EXPERIMENTAL_RUST_MCP_AFFINITY_CORE_ENABLED EXPERIMENTAL_RUST_MCP_SESSION_AUTH_REUSE_ENABLED MCP_RUST_INGRESS
      MCP_RUST_PUBLIC_PROXY_UPSTREAM RUST_MCP_MODE RUST_MCP_LOG RUST_MCP_SESSION_AUTH_REUSE DATAPLANE_PUBLISHER
      DATAPLANE_PUBLISHER_INTERVAL_SECONDS`,
  },
  elections: {
    verdict: "meaningless",
    because: "work that one process must do is leased in the shared state, under names of its own",
    names: `FILELOCK_NAME PRIMARY_WORKER_LOCK_PATH PRIMARY_WORKER_ELECTION_BACKEND PRIMARY_WORKER_REDIS_KEY
      PRIMARY_WORKER_LEASE_TTL PRIMARY_WORKER_HEARTBEAT_INTERVAL PRIMARY_WORKER_REDIS_UNAVAILABLE_POLICY REDIS_LEADER_KEY`,
  },
  affinity: {
    verdict: "meaningless",
    because: "a session stands in its token, so any process answers any request",
    names: `USE_STATEFUL_SESSIONS MCPGATEWAY_SESSION_AFFINITY_ENABLED MCPGATEWAY_SESSION_AFFINITY_TTL
      MCPGATEWAY_POOL_RPC_FORWARD_TIMEOUT MESSAGE_TTL POLL_INTERVAL MAX_INTERVAL BACKOFF_FACTOR`,
  },
  databaseDriver: {
    verdict: "meaningless",
    because:
      "the driver of this gateway has no such knob: it names no prepared statements and replaces a broken connection",
    names: "DB_DRIVER",
  },
  embeddedFile: {
    verdict: "meaningless",
    because: "there is no SQLite; without DATABASE_URL an embedded PostgreSQL runs",
    instead: "DATA_DIR",
    names: "DB_SQLITE_BUSY_TIMEOUT",
  },
  redisDriver: {
    verdict: "meaningless",
    because: "the Redis client of this gateway has no such knob",
    names: "REDIS_PARSER REDIS_DECODE_RESPONSES",
  },
  outboundClient: {
    verdict: "meaningless",
    because: "calls have one deadline, TOOL_TIMEOUT, and connections to an upstream are HTTP/1.1",
    instead: "TOOL_TIMEOUT",
    names: "HTTPX_WRITE_TIMEOUT HTTPX_HTTP2_ENABLED HTTPX_ADMIN_READ_TIMEOUT MAX_TOOL_RETRIES",
  },
  streamGuards: {
    verdict: "meaningless",
    because: "it guards against a fault of the Python server",
    names: "SSE_SEND_TIMEOUT SSE_RAPID_YIELD_WINDOW_MS SSE_RAPID_YIELD_MAX",
  },
  sessionPool: {
    verdict: "meaningless",
    because:
      "what tells identities apart is a setting (MCP_SESSION_POOL_IDENTITY_HEADERS), and keys without sessions are forgotten",
    names: `MCP_SESSION_POOL_CLEANUP_TIMEOUT
      MCP_SESSION_POOL_JWT_IDENTITY_EXTRACTION MCP_SESSION_POOL_MAX_TOTAL_KEYS`,
  },
} as const satisfies Record<string, Family>;
