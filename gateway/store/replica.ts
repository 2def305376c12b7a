/**
 * Reads that may go to a replica of the database. One that is behind what this process has seen of the registry, or away, is not asked:
 * what somebody has just changed is in the next list.
 */
import type { Log } from "../telemetry/index.ts";
import type { Database } from "./pool.ts";
import type { Sql } from "./types.ts";

/** After a failure the replica is left alone for so long, ms. */
const LEAVE_ALONE_MS = 5000;

/** The newest version of the registry that this process has seen or made. */
export type SeenVersion = { version: number };

export interface Reads {
  /** Of the registry: as new as what this process has seen. */
  registry<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Of records, which come some time after what they are about anyway. */
  readonly records: Sql;
  /** Reads that a replica answered, and those it could not answer although it was asked. */
  figures(): { readonly answered: number; readonly behind: number; readonly failed: number };
}

export function primaryReads(primary: Database): Reads {
  return {
    registry: (work) => work(primary),
    records: primary.as("records"),
    figures: () => ({ answered: 0, behind: 0, failed: 0 }),
  };
}

export function replicaReads(
  primary: Database,
  replica: Database,
  seen: SeenVersion,
  log: Log,
  now: () => number = () => performance.now(),
): Reads {
  let [answered, behind, failed] = [0, 0, 0];
  let leftAloneUntil = Number.NEGATIVE_INFINITY;

  /** Undefined when somebody else has to answer. */
  async function ask<T>(
    work: () => Promise<{ readonly value: T } | undefined>,
  ): Promise<{ readonly value: T } | undefined> {
    if (now() < leftAloneUntil) return undefined;
    try {
      const found = await work();
      if (found === undefined) behind++;
      else answered++;
      return found;
    } catch (error) {
      failed++;
      leftAloneUntil = now() + LEAVE_ALONE_MS;
      log.warn("database.replica_failed", { reason: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }

  return {
    async registry(work) {
      // One snapshot for both: what the version says is true of what is read.
      const found = await ask(() =>
        replica.transaction(async (sql) => {
          const [row] = await sql.query<{ version: string }>("select version from catalogue");
          return Number(row?.version ?? 0) < seen.version ? undefined : { value: await work(sql) };
        }, "snapshot"),
      );
      return found === undefined ? await work(primary) : found.value;
    },
    records: {
      async query<Row extends Record<string, unknown>>(text: string, values?: readonly unknown[]) {
        const found = await ask(async () => ({ value: await replica.as("records").query<Row>(text, values) }));
        return found === undefined ? await primary.as("records").query<Row>(text, values) : found.value;
      },
    },
    figures: () => ({ answered, behind, failed }),
  };
}
