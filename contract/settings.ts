/**
 * The only list of settings. Names are environment variables; where the documents this project follows have a name for the
 * same thing, it is that name or one of `aliases`. What is not declared here cannot be set, and what is declared is read.
 */
import { admissionSettings } from "./admission-settings.ts";
import { engineSettings } from "./engine-settings.ts";
import { redisSchemes } from "./redis-url.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";
import { workerSettings } from "./worker-settings.ts";

export type { DurationUnit, Knob, SettingDeclaration } from "./setting-declaration.ts";

const MIB = 1024 * 1024;

export const settings = {
  ...engineSettings,
  ...workerSettings,
  // what it keeps
  DATA_DIR: {
    type: "path",
    default: ".data",
    room: "main",
    description: "Directory of the embedded database and of generated secrets; relative to the working directory.",
  },
  DATABASE_URL: {
    type: "url",
    default: null,
    computed: "embedded PostgreSQL in DATA_DIR",
    schemes: ["postgresql", "postgres", "postgresql+psycopg"],
    secret: true,
    room: "store",
    description: "PostgreSQL to use, a pooler in transaction mode included.",
  },
  DATABASE_DIRECT_URL: {
    type: "url",
    default: null,
    computed: "DATABASE_URL",
    schemes: ["postgresql", "postgres", "postgresql+psycopg"],
    secret: true,
    room: "store",
    description: "The same database without a pooler, for migrations (they hold a session lock).",
  },
  STARTUP_TIMEOUT: {
    type: "duration",
    default: 60,
    unit: "s",
    min: 0,
    max: 3600,
    room: "main",
    description: "How long a database or Redis that refuses connections or is starting is waited for at the start.",
  },
  MIGRATE_ON_START: {
    type: "boolean",
    default: true,
    room: "store",
    description: "Bring the schema up to date before serving; false where a job runs `mcp-stack migrate`.",
  },
  DB_POOL_SIZE: {
    type: "integer",
    default: 10,
    unit: "connections",
    min: 1,
    max: 1000,
    room: "store",
    description: "Database connections of this process.",
  },
  DB_POOL_TIMEOUT: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 0.1,
    max: 600,
    room: "store",
    description: "Longest wait for a free database connection.",
  },
  DB_POOL_IDLE_TIMEOUT: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 0.1,
    max: 86400,
    room: "store",
    description: "A database connection that nobody needs is closed after this time.",
  },
  DB_POOL_RECYCLE: {
    type: "duration",
    default: 3600,
    unit: "s",
    min: 0,
    max: 86400,
    room: "store",
    description:
      "A database connection is replaced at this age, so that connections spread over poolers that were added; 0 keeps them.",
  },
  DB_QUERY_TIMEOUT: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 0.1,
    max: 3600,
    room: "store",
    description: "A database that has not answered a statement by then counts as one that does not answer.",
  },
  REDIS_URL: {
    type: "url",
    default: null,
    computed: "shared state in PostgreSQL or in memory",
    schemes: redisSchemes,
    form: "redis",
    secret: true,
    room: "coordination",
    description:
      "Redis for the state that crosses processes: one server, `redis+sentinel://host,…/master` or `redis+cluster://host,…`.",
  },
  REDIS_CA_FILE: {
    type: "path",
    default: null,
    computed: "the well-known authorities",
    room: "coordination",
    description: "PEM file of the authorities that sign the certificates of Redis, in place of the well-known ones.",
  },
  REDIS_COMMAND_TIMEOUT: {
    type: "duration",
    default: 2,
    unit: "s",
    min: 0.01,
    max: 60,
    aliases: ["REDIS_SOCKET_TIMEOUT"],
    room: "coordination",
    description: "A Redis that has not answered a command by then counts as one that does not answer.",
  },
  CACHE_PREFIX: {
    type: "string",
    default: "mcpgw:",
    min: 1,
    max: 64,
    room: "coordination",
    description: "Put before every Redis key and channel; one per deployment.",
  },
  // who may call
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
    description: "Key of HS256 tokens, at least 32 bytes.",
  },
  JWT_ALGORITHM: {
    type: "enum",
    default: "HS256",
    allowed: ["HS256"],
    room: "auth",
    description: "Signature of the tokens that are accepted and made.",
  },
  JWT_AUDIENCE: {
    type: "string",
    default: "mcpgateway-api",
    room: "auth",
    description: "`aud` that tokens must name.",
  },
  JWT_ISSUER: { type: "string", default: "mcpgateway", room: "auth", description: "`iss` that tokens must name." },
  TOKEN_EXPIRY: {
    type: "duration",
    default: 10080,
    unit: "min",
    min: 1,
    max: 5256000,
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
    type: "duration",
    default: 60,
    unit: "s",
    min: 0,
    max: 3600,
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
  // sessions and streams
  SESSION_KEYS: {
    type: "keyring",
    default: null,
    computed: "generated in DATA_DIR on a first run",
    secret: true,
    room: "sessions",
    description: "Key ring that seals session tokens, cursors and request state; the same in every replica.",
  },
  SESSION_TTL: {
    type: "duration",
    default: 86400,
    unit: "s",
    min: 60,
    max: 2592000,
    room: "sessions",
    description: "Life of a legacy session token. A day, since a client that is told 404 has to start over.",
  },
  SSE_KEEPALIVE_INTERVAL: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 1,
    max: 3600,
    room: "transports",
    description: "A quiet stream gets a comment this often.",
  },
  SSE_RETRY_TIMEOUT: {
    type: "duration",
    default: 1000,
    unit: "ms",
    min: 1,
    max: 600000,
    room: "transports",
    description: "How long clients are told to wait before they resume a stream.",
  },
  STREAM_AFTER: {
    type: "duration",
    default: 1000,
    unit: "ms",
    min: 0,
    max: 600000,
    room: "transports",
    description: "A legacy call not answered by then opens its event stream, so that it can be resumed.",
  },
  STREAM_LINGER: {
    type: "duration",
    default: 60,
    unit: "s",
    min: 0,
    max: 3600,
    room: "transports",
    description: "How long a session's stream goes on collecting events after its client has gone away.",
  },
  REPLAY_MAX_EVENTS: {
    type: "integer",
    default: 1000,
    unit: "events",
    min: 1,
    max: 100000,
    room: "sessions",
    description: "Events kept per stream for resuming.",
  },
  REPLAY_TTL: {
    type: "duration",
    default: 300,
    unit: "s",
    min: 1,
    max: 86400,
    room: "sessions",
    description: "How long after its last event a stream can be resumed.",
  },
  CLIENT_REQUEST_TIMEOUT: {
    type: "duration",
    default: 600,
    unit: "s",
    min: 1,
    max: 86400,
    aliases: ["MCPGATEWAY_ELICITATION_TIMEOUT"],
    room: "sessions",
    description: "How long an elicitation, sampling or roots request waits for the client.",
  },
  WEBSOCKET_PING_INTERVAL: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 1,
    max: 3600,
    room: "transports",
    description: "A WebSocket is pinged this often and closed when it does not answer.",
  },
  // upstreams
  GATEWAY_TOOL_NAME_SEPARATOR: {
    type: "string",
    default: "__",
    pattern: "^(?:[-_.]|__|--|\\.\\.)$",
    room: "federation",
    description:
      "Between an upstream's slug and the name of its tool or prompt: one of `__`, `_`, `-`, `--`, `.`, `..`.",
  },
  TOOL_TIMEOUT: {
    type: "duration",
    default: 60,
    unit: "s",
    min: 0.1,
    max: 86400,
    room: "federation",
    description: "Longest time from sending a call to its result; it stands still while the client is asked something.",
  },
  LIST_TIMEOUT: {
    type: "duration",
    default: 10,
    unit: "s",
    min: 0.1,
    max: 600,
    room: "federation",
    description: "Longest time a merged list waits for one upstream; the others are never held up longer.",
  },
  UPSTREAM_CONNECT_TIMEOUT: {
    type: "duration",
    default: 5,
    unit: "s",
    min: 0.1,
    max: 600,
    aliases: ["HTTPX_CONNECT_TIMEOUT"],
    room: "upstreams",
    description: "Longest time to open a connection to an upstream.",
  },
  UPSTREAM_KEEP_ALIVE_TIMEOUT: {
    type: "duration",
    default: 4,
    unit: "s",
    min: 0.1,
    max: 3600,
    aliases: ["HTTPX_KEEPALIVE_EXPIRY"],
    room: "upstreams",
    description:
      "How long an idle connection to an upstream stays open; shorter than upstreams keep it (Node 5 s), so that the gateway closes first.",
  },
  UPSTREAM_MAX_MESSAGE_BYTES: {
    type: "bytes",
    default: 16 * MIB,
    unit: "bytes",
    min: 1024,
    max: 1024 * MIB,
    room: "upstreams",
    description: "Largest single message an upstream may send.",
  },
  UPSTREAM_CONNECTIONS: {
    type: "integer",
    default: 128,
    unit: "connections",
    min: 1,
    max: 65535,
    room: "upstreams",
    description: "Concurrent calls per upstream origin; open streams have connections of their own.",
  },
  UPSTREAM_POOL_TIMEOUT: {
    type: "duration",
    default: 10,
    unit: "s",
    min: 0,
    max: 600,
    aliases: ["HTTPX_POOL_TIMEOUT"],
    room: "upstreams",
    description:
      "How long a call may wait for one of UPSTREAM_CONNECTIONS; what finds none is refused, not sent late. 0 = as long as TOOL_TIMEOUT.",
  },
  HEALTH_CHECK_INTERVAL: {
    type: "duration",
    default: 60,
    unit: "s",
    min: 0,
    max: 86400,
    room: "main",
    description: "How often every upstream is asked whether it lives; 0 asks never.",
  },
  STDIO_MAX_CHILDREN: {
    type: "integer",
    default: 64,
    unit: "processes",
    min: 1,
    max: 10000,
    room: "upstreams",
    description: "stdio servers that may run at once.",
  },
  STDIO_IDLE_TIMEOUT: {
    type: "duration",
    default: 300,
    unit: "s",
    min: 1,
    max: 86400,
    room: "upstreams",
    description: "A stdio server without a session or call ends after this time.",
  },
  MCP_CONFIG: {
    type: "path",
    default: null,
    computed: "none",
    room: "main",
    description: "Declarative upstreams: a file in the `mcpServers` form of MCP clients, read again when it changes.",
  },
  PROCESSES_FILE: {
    type: "path",
    default: null,
    computed: "processes.yaml, .yml or .json of the working directory",
    room: "settings",
    description: "Named processes, each with a server and its arguments: what `mcp-stack serve <name>` looks up.",
  },
  MCP_EXAMPLE_SERVER: {
    type: "boolean",
    default: null,
    computed: "true with --first-run, else false",
    room: "main",
    description: "Register the example server that comes with the gateway.",
  },
  // limits and life
  MAX_IN_FLIGHT: {
    type: "integer",
    default: null,
    computed: "no limit with fastify, 512 with bounded",
    unit: "requests",
    min: 0,
    max: 1000000,
    aliases: ["BACKPRESSURE", "GRANIAN_BACKPRESSURE"],
    room: "admission",
    description: "Calls that one worker serves at once; one more is refused before its body is read. 0 sets no limit.",
    knob: {
      engines: "both",
      effect: "One request more is answered with 503 before its body is read.",
      keys: ["backpressure", "limit-concurrency"],
    },
  },
  ...admissionSettings,
  SHUTDOWN_GRACE: {
    type: "duration",
    default: 30,
    unit: "s",
    min: 0,
    max: 3600,
    aliases: ["GUNICORN_GRACEFUL_TIMEOUT"],
    room: "engine",
    description: "How long requests that are running may take to end when the gateway stops.",
    knob: {
      engines: "both",
      effect: "What has not ended this long after SIGTERM is cut.",
      keys: ["graceful-timeout", "timeout-graceful-shutdown"],
    },
  },
  READY_CHECK_TIMEOUT: {
    type: "duration",
    default: 2,
    unit: "s",
    min: 0.1,
    max: 60,
    room: "main",
    description:
      "Longest time that `/ready` waits for the database and for the shared state; shorter than the probe waits for `/ready`.",
  },
  PLAN_FILE: {
    type: "path",
    default: null,
    computed: "none",
    room: "main",
    description:
      "The plan this gateway was deployed with, as `mcp-stack plan --json` prints it; its limits stand beside the load among the metrics.",
  },
  LOG_LEVEL: {
    type: "enum",
    default: "info",
    allowed: ["debug", "info", "warn", "error"],
    synonyms: { warning: "warn", critical: "error" },
    aliases: ["GRANIAN_LOG_LEVEL"],
    room: "telemetry",
    description: "The least severe lines that are written.",
    knob: { engines: "both", effect: "Less severe lines are missing from stderr.", keys: ["log-level"] },
  },
  LOG_FORMAT: {
    type: "enum",
    default: "json",
    allowed: ["json", "text"],
    room: "telemetry",
    description: "JSON lines, or text for people. Logs go to stderr.",
  },
  DISABLE_ACCESS_LOG: {
    type: "boolean",
    default: true,
    room: "main",
    description: "Write no log line per request.",
    knob: {
      engines: "both",
      effect: "With false, a line for each request stands in the log.",
      keys: ["log-access", "access-log"],
      opposite: true,
    },
  },
} as const satisfies Record<string, SettingDeclaration>;

export type SettingName = keyof typeof settings;

type ValueOf<D> = D extends { readonly auto: true }
  ? number | "auto"
  : D extends { readonly type: "integer" | "number" | "duration" | "bytes" }
    ? number
    : D extends { readonly type: "boolean" }
      ? boolean
      : D extends { readonly type: "enum"; readonly allowed: readonly (infer Value)[] }
        ? Value
        : D extends { readonly type: "list" }
          ? readonly string[]
          : string;

/** Parsed settings under their environment names. What has no default is undefined when not set. */
export type Settings = {
  readonly [Name in SettingName]: (typeof settings)[Name]["default"] extends null
    ? ValueOf<(typeof settings)[Name]> | undefined
    : ValueOf<(typeof settings)[Name]>;
};

export const settingNames: readonly SettingName[] = Object.keys(settings).filter(isSettingName);

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name);
}

/** The declaration in its general form. */
export function settingOf(name: SettingName): SettingDeclaration {
  return settings[name];
}

/** Settings whose value is never shown; each can be given as a file too. */
export type SecretName = {
  [Name in SettingName]: (typeof settings)[Name] extends { readonly secret: true } ? Name : never;
}[SettingName];

export const secretNames: readonly SecretName[] = settingNames.filter(isSecretName);

export function isSecretName(name: SettingName): name is SecretName {
  return settingOf(name).secret === true;
}

/** The variable that holds the absolute path of a file with the secret instead of the secret itself. */
export function secretFileName<Name extends SecretName>(name: Name): `${Name}_FILE` {
  return `${name}_FILE`;
}
