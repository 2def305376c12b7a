/**
 * The database as the store uses it. Everything works through a pooler in transaction mode: no session settings, no LISTEN, names of
 * statements only where they are kept; a connection is held for SQL and for nothing else, by construction: nobody outside gets one.
 */
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { openConnections } from "./connections.ts";
import { leavesConnection } from "./failures.ts";
import type { PoolOptions } from "./pool-options.ts";
import { type RepeatOptions, repeating } from "./repeat.ts";
import { type Purpose, type StatementCounts, Statements } from "./statements.ts";
import type { Sql } from "./types.ts";

/** Within one transaction. */
export interface TransactionSql extends Sql {
  /** `text` is a `copy … from stdin` in text format; `chunks` are its lines, in pieces of any size. */
  copy(text: string, chunks: Iterable<string>): Promise<void>;
}

export interface Database extends Sql {
  /** Runs `work` in one transaction; rolled back when it rejects. Repeated when the server says that it rolled it back. */
  transaction<T>(work: (sql: TransactionSql) => Promise<T>, mode?: "read write" | "snapshot"): Promise<T>;
  /** The same connections; statements are counted as sent for this. */
  as(purpose: Purpose): Database;
  readonly canCopy: boolean;
  gauges(): { readonly total: number; readonly idle: number; readonly waiting: number };
  figures(): StoreFigures;
  /**
   * From now on a connection is closed soon after its work is done, those without work at once: the replica that takes over needs them.
   * What still has to be asked is asked as before.
   */
  releaseIdle(): void;
  close(): Promise<void>;
}

/** Since the start. */
export type StoreFigures = { readonly statements: StatementCounts; readonly repeated: number };

/** Opens no connection by itself. Rejections are the driver's; repositories turn them into Faults. */
export function openPool(options: PoolOptions): Database {
  const statements = new Statements(options);
  const connections = openConnections(options, () => void statements.counts.ping++);
  let repeated = 0;
  const repeat: RepeatOptions = {
    maxRetries: options.maxRetries ?? 0,
    intervalMs: options.retryIntervalMs ?? 100,
    maxPauseMs: options.maxBackoffMs ?? 30_000,
    withinMs: options.poolTimeoutMs,
    random: Math.random,
    repeated: () => repeated++,
  };

  function databaseFor(purpose: Purpose): Database {
    return {
      query: (text, values = []) =>
        repeating(repeat, async (reach) => {
          const { client, release } = await connections.take();
          reach.stage = isRead(text) ? "reading" : "writing";
          try {
            const rows = await statements.send<never>(client, purpose, text, values, "named");
            release("fine");
            return rows;
          } catch (error) {
            release(leavesConnection(error) ? "fine" : "broken");
            throw error;
          }
        }),
      transaction: (work, mode = "read write") =>
        repeating(repeat, async (reach) => {
          const { client, release } = await connections.take();
          const sql = transactionSql(client, purpose);
          try {
            await sql.query(mode === "snapshot" ? "begin isolation level repeatable read read only" : "begin");
            reach.stage = mode === "snapshot" ? "reading" : "writing";
            const result = await work(sql);
            await sql.query("commit");
            release("fine");
            return result;
          } catch (error) {
            release(await rolledBack(client));
            throw error;
          }
        }),
      as: databaseFor,
      canCopy: options.canCopy ?? true,
      gauges: () => connections.gauges(),
      figures: () => ({ statements: { ...statements.counts }, repeated }),
      releaseIdle: () => connections.releaseIdle(),
      close: () => connections.close(),
    };
  }

  function transactionSql(client: pg.PoolClient, purpose: Purpose): TransactionSql {
    return {
      query: (text, values = []) => statements.send<never>(client, purpose, text, values, "unnamed"),
      async copy(text, chunks) {
        statements.counts[purpose]++;
        await pipeline(chunks, client.query(copyFrom(text)));
      },
    };
  }

  return databaseFor("registry");
}

/** Of the statements in this program: none of them calls a function that changes something. */
function isRead(text: string): boolean {
  return /^\s*select\b/i.test(text);
}

async function rolledBack(client: pg.PoolClient): Promise<"fine" | "broken"> {
  return await client.query("rollback").then(
    () => "fine",
    () => "broken",
  );
}
