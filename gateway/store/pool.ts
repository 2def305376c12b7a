/**
 * Connections to PostgreSQL. Everything works through a pooler in transaction mode: no session settings, no LISTEN, no named
 * statements; a transaction holds one connection and nothing else does. No failure of a connection ends the process.
 */
import pg from "pg";
import { Fault, fault } from "../../contract/errors.ts";
import type { Log } from "../telemetry/index.ts";
import type { Sql } from "./types.ts";

export interface Database extends Sql {
  /** Runs `work` in one transaction; rolled back when it rejects. */
  transaction<T>(work: (sql: Sql) => Promise<T>, mode?: "read write" | "snapshot"): Promise<T>;
  gauges(): { readonly total: number; readonly idle: number; readonly waiting: number };
  /**
   * From now on a connection is closed soon after its work is done, those without work at once: the replica that takes over needs them.
   * What still has to be asked is asked as before.
   */
  releaseIdle(): void;
  close(): Promise<void>;
}

/** How long a connection waits for more work once idle ones are released, ms. */
const LINGER_MS = 100;

/** URLs as the field writes them (`postgresql+psycopg://`, `postgres://`) in the one form the driver reads. */
export function driverUrl(url: string): string {
  return url.replace(/^postgres(?:ql)?(?:\+\w+)?:/, "postgresql:");
}

/** A failure of the driver as MCPS_DATABASE; its text holds no values of statements and no password. */
export function databaseFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const code = errorField(error, "code");
  const message = error instanceof Error && error.message !== "" ? error.message : "no connection";
  return fault("MCPS_DATABASE", { reason: code === undefined ? message : `${message} (${code})` });
}

/** Fields of the driver's errors: `code` (SQLSTATE or errno) and `constraint`. */
export function errorField(error: unknown, name: "code" | "constraint"): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === "string" ? value : undefined;
}

export type PoolOptions = {
  readonly url: string;
  /** Connections at most, ≥ 1. */
  readonly poolSize: number;
  /** How long a request waits for a connection, ms. */
  readonly poolTimeoutMs: number;
  /** A connection that nobody needs is closed after this, ms. */
  readonly idleTimeoutMs?: number;
  /** A connection is replaced at this age, ms; 0 keeps it. */
  readonly recycleMs?: number;
  /** A statement that takes longer counts as a database that does not answer, ms. */
  readonly queryTimeoutMs?: number;
  readonly log: Log;
};

/** Opens no connection by itself. Rejections are the driver's; repositories turn them into Faults. */
export function openPool(options: PoolOptions): Database {
  const { url, poolSize, poolTimeoutMs, idleTimeoutMs = 30_000, recycleMs = 0, queryTimeoutMs = 30_000, log } = options;
  const pool = new pg.Pool({
    connectionString: driverUrl(url),
    max: poolSize,
    connectionTimeoutMillis: poolTimeoutMs,
    idleTimeoutMillis: idleTimeoutMs,
    maxLifetimeSeconds: recycleMs / 1000,
    query_timeout: queryTimeoutMs,
    application_name: "mcp-stack",
  });
  // Without a listener the loss of an idle connection would end the process.
  pool.on("error", (error) => log.warn("database.connection_lost", { reason: error.message }));
  let closing: Promise<void> | undefined;

  return {
    async query<Row extends Record<string, unknown>>(text: string, values: readonly unknown[] = []) {
      return (await pool.query<Row>(text, [...values])).rows;
    },
    async transaction(work, mode = "read write") {
      const client = await pool.connect();
      // Between two statements nobody else listens: the loss of the connection shows with the next statement.
      const ignore = () => undefined;
      client.on("error", ignore);
      const release = (error?: Error) => {
        client.off("error", ignore);
        client.release(error);
      };
      const sql: Sql = {
        async query<Row extends Record<string, unknown>>(text: string, values: readonly unknown[] = []) {
          return (await client.query<Row>(text, [...values])).rows;
        },
      };
      try {
        await client.query(mode === "snapshot" ? "begin isolation level repeatable read read only" : "begin");
        const result = await work(sql);
        await client.query("commit");
        release();
        return result;
      } catch (error) {
        const broken = await client.query("rollback").then(
          () => undefined,
          (failure: unknown) => (failure instanceof Error ? failure : new Error(String(failure))),
        );
        release(broken);
        throw error;
      }
    },
    gauges: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    releaseIdle() {
      pool.options.idleTimeoutMillis = LINGER_MS;
      const release = (client: pg.PoolClient) => client.release(true);
      for (let count = pool.idleCount; count > 0; count--) pool.connect().then(release, () => undefined);
    },
    close() {
      closing ??= pool.end();
      return closing;
    },
  };
}
