/** What a pool can be told, and the driver's words for it. */
import type pg from "pg";
import type { Log } from "../telemetry/index.ts";

export type PoolOptions = {
  readonly url: string;
  /** Connections that are kept, ≥ 1. */
  readonly poolSize: number;
  /** Connections above that while all are busy, closed when their work is done; default 0. */
  readonly maxOverflow?: number;
  /** How long a request waits for a connection, repetitions included, ms. */
  readonly poolTimeoutMs: number;
  /** A connection that nobody needs is closed after this, ms. */
  readonly idleTimeoutMs?: number;
  /** A connection is replaced at this age, ms; 0 keeps it. */
  readonly recycleMs?: number;
  /** Asked whether it lives before it is used: one that was idle for a while, each, none. Default `auto`. */
  readonly prePing?: "auto" | "true" | "false";
  /** `null` closes a connection after its work. Default `queue`. */
  readonly poolClass?: "auto" | "queue" | "null";
  /** How often work is repeated that the database has not done; default 0. */
  readonly maxRetries?: number;
  /** Pause before the first repetition, ms; it doubles. */
  readonly retryIntervalMs?: number;
  readonly maxBackoffMs?: number;
  /** A statement sent this often is prepared under a name; 0, the default, names none. */
  readonly prepareThreshold?: number;
  /** `auto`: only where the connection is the server's own. */
  readonly preparedStatements?: "auto" | "on" | "off";
  /** A statement that takes longer counts as a database that does not answer, ms. */
  readonly queryTimeoutMs?: number;
  /** The server ends longer statements, and transactions that idle for longer, ms; 0, the default, tells it nothing. */
  readonly statementTimeoutMs?: number;
  readonly idleTransactionTimeoutMs?: number;
  /** Statements that take this long are logged, ms; 0, the default, logs none. */
  readonly slowStatementMs?: number;
  /** COPY works there: not in the embedded database. Default true. */
  readonly canCopy?: boolean;
  readonly log: Log;
};

/** URLs as the field writes them (`postgresql+psycopg://`, `postgres://`) in the one form the driver reads. */
export function driverUrl(url: string): string {
  return url.replace(/^postgres(?:ql)?(?:\+\w+)?:/, "postgresql:");
}

export function driverOptions(options: PoolOptions): pg.PoolConfig {
  const { statementTimeoutMs = 0, idleTransactionTimeoutMs = 0 } = options;
  return {
    connectionString: driverUrl(options.url),
    max: options.poolSize + (options.maxOverflow ?? 0),
    connectionTimeoutMillis: options.poolTimeoutMs,
    idleTimeoutMillis: options.idleTimeoutMs ?? 30_000,
    maxLifetimeSeconds: (options.recycleMs ?? 0) / 1000,
    query_timeout: options.queryTimeoutMs ?? 30_000,
    application_name: "mcp-stack",
    // Parameters of the start-up packet: a pooler refuses those it does not know, so none is sent unasked.
    ...(statementTimeoutMs > 0 ? { statement_timeout: statementTimeoutMs } : {}),
    ...(idleTransactionTimeoutMs > 0 ? { idle_in_transaction_session_timeout: idleTransactionTimeoutMs } : {}),
  };
}
