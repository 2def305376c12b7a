/** Settings of what is kept: the database, its pool, Redis. */
import { count, milliseconds, seconds } from "./bounds.ts";
import { redisSchemes } from "./redis-url.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

export const storeSettings = {
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
    ...seconds(0, 3600),
    default: 60,
    room: "main",
    description: "How long a database or Redis that refuses connections or is starting is waited for at the start.",
  },
  MIGRATE_ON_START: {
    type: "boolean",
    default: true,
    room: "store",
    description: "Bring the schema up to date before serving; false where a job runs `mcp-stack migrate`.",
  },
  DATABASE_READ_URL: {
    type: "url",
    default: null,
    computed: "DATABASE_URL",
    schemes: ["postgresql", "postgres", "postgresql+psycopg"],
    secret: true,
    room: "store",
    description:
      "A replica of the database for lists and records. One that is behind what this process has seen, or away, is not asked.",
  },
  DB_POOL_SIZE: {
    ...count("connections", 1, 1000),
    default: 10,
    room: "store",
    description: "Database connections that this process keeps.",
  },
  DB_MAX_OVERFLOW: {
    ...count("connections", 0, 1000),
    default: 0,
    room: "store",
    description: "Connections above DB_POOL_SIZE while all are busy; each is closed when its work is done.",
  },
  DB_POOL_TIMEOUT: {
    ...seconds(0.1, 600),
    default: 30,
    room: "store",
    description: "Longest wait for a free database connection, tries included.",
  },
  DB_POOL_IDLE_TIMEOUT: {
    ...seconds(0.1, 86400),
    default: 30,
    room: "store",
    description: "A database connection that nobody needs is closed after this time.",
  },
  DB_POOL_RECYCLE: {
    ...seconds(0, 86400),
    default: 3600,
    room: "store",
    description:
      "A database connection is replaced at this age, so that connections spread over poolers that were added; 0 keeps them.",
  },
  DB_POOL_PRE_PING: {
    type: "enum",
    default: "auto",
    allowed: ["auto", "true", "false"],
    room: "store",
    description: "Ask a connection whether it lives before it is used: `auto` one that was idle for 10 s, `true` each.",
  },
  DB_POOL_CLASS: {
    type: "enum",
    default: "auto",
    allowed: ["auto", "queue", "null"],
    room: "store",
    description:
      "`null` closes a connection when its work is done. `auto` is `queue`: a pooler's clients cost it next to nothing.",
  },
  DB_MAX_RETRIES: {
    type: "integer",
    default: 3,
    min: 0,
    max: 100,
    room: "store",
    description:
      "How often work is repeated that the database did not take or rolled back, within DB_POOL_TIMEOUT; never what may have been done. At the start STARTUP_TIMEOUT counts.",
  },
  DB_RETRY_INTERVAL_MS: {
    ...milliseconds(1, 60000),
    default: 100,
    room: "store",
    description: "Pause before the first repetition; it doubles with each, less up to half by chance.",
  },
  DB_MAX_BACKOFF_SECONDS: {
    ...seconds(0.1, 600),
    default: 30,
    room: "store",
    description: "Longest pause between two repetitions.",
  },
  DB_PREPARE_THRESHOLD: {
    type: "integer",
    default: 5,
    min: 0,
    max: 100,
    room: "store",
    description: "A statement that was sent this often is prepared under a name from then on; 0 names none.",
  },
  DB_PREPARED_STATEMENTS: {
    type: "enum",
    default: "auto",
    allowed: ["auto", "on", "off"],
    room: "store",
    description:
      "`auto`: statements are named where no pooler stands between. `on`: also there (PgBouncer 1.21 or newer with max_prepared_statements).",
  },
  DB_QUERY_TIMEOUT: {
    ...seconds(0.1, 3600),
    default: 30,
    room: "store",
    description: "A database that has not answered a statement by then counts as one that does not answer.",
  },
  DB_STATEMENT_TIMEOUT: {
    ...seconds(0, 3600),
    default: 0,
    room: "store",
    description:
      "The server ends a statement that takes longer; 0 sends nothing. A pooler has to let statement_timeout pass (ignore_startup_parameters).",
  },
  DB_IDLE_TRANSACTION_TIMEOUT: {
    ...seconds(0, 3600),
    default: 0,
    room: "store",
    description:
      "The server ends a transaction in which nothing happens for this long; 0 sends nothing. Poolers as with DB_STATEMENT_TIMEOUT.",
  },
  DB_SLOW_STATEMENT_MS: {
    ...milliseconds(0, 3600000),
    default: 1000,
    room: "store",
    description: "A statement that takes this long is logged, its text without its values; 0 logs none.",
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
    aliases: ["REDIS_SSL_CA_CERTS"],
    room: "coordination",
    description: "PEM file of the authorities that sign the certificates of Redis, in place of the well-known ones.",
  },
  REDIS_COMMAND_TIMEOUT: {
    ...seconds(0.01, 60),
    default: 2,
    aliases: ["REDIS_SOCKET_TIMEOUT"],
    room: "coordination",
    description: "A Redis that has not answered a command by then counts as one that does not answer.",
  },
  REDIS_SSL_CERTFILE: {
    type: "path",
    default: null,
    computed: "no certificate is shown",
    room: "coordination",
    description: "PEM file of the certificate that this gateway shows to a Redis that asks for one.",
  },
  REDIS_SSL_KEYFILE: {
    type: "path",
    default: null,
    computed: "no certificate is shown",
    room: "coordination",
    description: "PEM file of its private key, without a passphrase.",
  },
  REDIS_SOCKET_CONNECT_TIMEOUT: {
    ...seconds(0.01, 60),
    default: 2,
    room: "coordination",
    description: "A Redis to which no connection stands by then counts as one that does not answer.",
  },
  REDIS_RETRY_ON_TIMEOUT: {
    type: "boolean",
    default: true,
    room: "coordination",
    description:
      "A command that may be carried out twice and went down with its connection is sent once more, if a new one stands soon.",
  },
  REDIS_RETRY_INTERVAL_MS: {
    ...milliseconds(10, 60000),
    default: 2000,
    room: "coordination",
    description: "Longest pause between two attempts to connect to Redis; the first ones follow sooner.",
  },
  REDIS_MAX_RETRIES: {
    type: "integer",
    default: null,
    computed: "as many as STARTUP_TIMEOUT has time for",
    min: 0,
    max: 100000,
    room: "coordination",
    description:
      "How often a shared state that does not answer is asked again at the start. Later there is no end of it.",
  },
  REDIS_HEALTH_CHECK_INTERVAL: {
    ...seconds(0, 3600),
    default: 5,
    room: "coordination",
    description:
      "How often the connection that listens is asked whether it lives, and a cluster for its nodes; 0 never: a connection that died silently stays deaf.",
  },
  REDIS_CIRCUIT_FAILURE_THRESHOLD: {
    type: "integer",
    default: 3,
    min: 1,
    max: 1000,
    room: "coordination",
    description:
      "After so many failures in a row (no answer in time, no connection) nobody waits for Redis until it answers again.",
  },
  REDIS_CIRCUIT_OPEN_DURATION: {
    ...seconds(0.1, 3600),
    default: 30,
    room: "coordination",
    description:
      "Longest pause between two looks at a Redis that nobody waits for. A connection that comes anew counts at once.",
  },
  REDIS_LEADER_TTL: {
    ...seconds(0.1, 3600),
    default: 15,
    room: "coordination",
    description:
      "A process that does what only one of the deployment does is replaced this long after it was last heard of, without Redis also.",
  },
  REDIS_LEADER_HEARTBEAT_INTERVAL: {
    ...seconds(0.02, 1200),
    default: 5,
    room: "coordination",
    description: "How often it is heard of; below nine tenths of REDIS_LEADER_TTL.",
  },
  CACHE_PREFIX: {
    type: "string",
    default: "mcpgw:",
    min: 1,
    max: 64,
    room: "coordination",
    description: "Put before every Redis key and channel; one per deployment.",
  },
} as const satisfies Record<string, SettingDeclaration>;
