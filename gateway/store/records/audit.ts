/** Rows of the audit trail: only added, read in the order of their chains, and dropped from the old end with an anchor left behind. */
import type { Anchor, ChainEnd } from "../../telemetry/index.ts";
import { databaseFault } from "../failures.ts";
import type { Database } from "../pool.ts";
import type { Sql } from "../types.ts";
import { type Column, insertText, insertValues } from "./columns.ts";
import { type Found, listRecords } from "./lists.ts";
import type { AuditRow, RecordPage, RecordQuery, Stored } from "./types.ts";
import { writeFailure } from "./writing.ts";

const COLUMNS: readonly Column<AuditRow>[] = [
  { name: "writer", type: "text", of: (row) => row.writer },
  { name: "sequence", type: "bigint", of: (row) => row.sequence },
  { name: "at", type: "timestamptz", of: (row) => row.at },
  { name: "correlation_id", type: "text", of: (row) => row.correlationId },
  { name: "principal", type: "text", of: (row) => row.principal },
  { name: "principal_kind", type: "text", of: (row) => row.principalKind },
  { name: "token_id", type: "text", of: (row) => row.tokenId },
  { name: "remote", type: "text", of: (row) => row.remote },
  { name: "method", type: "text", of: (row) => row.method },
  { name: "action", type: "text", of: (row) => row.action },
  { name: "resource_type", type: "text", of: (row) => row.resourceType },
  { name: "resource_id", type: "text", of: (row) => row.resourceId },
  { name: "status", type: "integer", of: (row) => row.status },
  { name: "outcome", type: "text", of: (row) => row.outcome },
  { name: "change", type: "text", of: (row) => row.change },
  { name: "dropped", type: "integer", of: (row) => row.dropped },
  { name: "key_id", type: "text", of: (row) => row.keyId },
  { name: "previous", type: "text", of: (row) => row.previous },
  { name: "hash", type: "text", of: (row) => row.hash },
];
const SELECT = COLUMNS.map(({ name }) => name).join(", ");
// What was written already and whose answer was lost is there under the same place of the chain.
const INSERT = insertText("audit_row", COLUMNS, "on conflict (writer, sequence) do nothing");

export const AUDIT_FILTERS = {
  principal: "principal",
  action: "action",
  resourceType: "resource_type",
  resourceId: "resource_id",
  outcome: "outcome",
  correlationId: "correlation_id",
} as const;
export type AuditFilter = keyof typeof AUDIT_FILTERS;

export type ChainSummary = {
  readonly writer: string;
  readonly rows: number;
  readonly lastSequence: number;
  readonly lastAt: number;
};

export interface AuditRecords {
  /** Rows of one writer in their order; those that are there already are left as they are. */
  writeAudit(rows: readonly AuditRow[]): Promise<void>;
  listAudit(query: RecordQuery<AuditFilter>): Promise<RecordPage<AuditRow>>;
  /** Writers by name, after this one. */
  auditWriters(after: string, limit: number): Promise<readonly string[]>;
  auditChain(writer: string, after: number, limit: number): Promise<readonly AuditRow[]>;
  auditAnchor(writer: string): Promise<Anchor | undefined>;
  /**
   * Drops rows older than `before` from the old end of chains, at most about `batch`, each chain's anchor written by `sign`; answers how many.
   */
  pruneAudit(before: number, batch: number, sign: (end: ChainEnd) => Anchor): Promise<number>;
}

type Row = Found & {
  writer: string;
  sequence: string;
  correlation_id: string;
  principal: string;
  principal_kind: string;
  token_id: string | null;
  remote: string;
  method: string;
  action: string;
  resource_type: string;
  resource_id: string | null;
  status: number;
  outcome: string;
  change: string | null;
  dropped: number;
  key_id: string;
  previous: string;
  hash: string;
};

function rowOf(row: Row): Stored<AuditRow> {
  return {
    id: row.id,
    writer: row.writer,
    sequence: Number(row.sequence),
    at: row.ms,
    correlationId: row.correlation_id,
    principal: row.principal,
    principalKind: row.principal_kind,
    tokenId: row.token_id,
    remote: row.remote,
    method: row.method,
    action: row.action,
    resourceType: row.resource_type,
    resourceId: row.resource_id,
    status: row.status,
    outcome: row.outcome,
    change: row.change,
    dropped: row.dropped,
    keyId: row.key_id,
    previous: row.previous,
    hash: row.hash,
  };
}

const SAVE_ANCHOR = `
insert into audit_anchor (writer, sequence, hash, key_id, mac) values ($1, $2, $3, $4, $5)
on conflict (writer) do update set sequence = excluded.sequence, hash = excluded.hash, key_id = excluded.key_id, mac = excluded.mac, at = now()`;

export function auditRecords(database: Database, lists: Sql): AuditRecords {
  const rows = async <Found_ extends Record<string, unknown>>(text: string, values: readonly unknown[]) => {
    try {
      return await database.query<Found_>(text, values);
    } catch (error) {
      throw databaseFault(error);
    }
  };
  return {
    async writeAudit(written) {
      try {
        await database.transaction(async (sql) => {
          for (const values of insertValues(COLUMNS, written)) await sql.query(INSERT, values);
        });
      } catch (error) {
        throw writeFailure(error);
      }
    },
    listAudit: (query) =>
      listRecords<AuditFilter, Row, AuditRow>(lists, "audit_row", SELECT, AUDIT_FILTERS, query, rowOf),
    // A step from writer to writer along the index: the rows between are not read.
    async auditWriters(after, limit) {
      const found = await rows<{ writer: string }>(
        `with recursive w as (
           (select writer from audit_row where writer > $1 order by writer limit 1)
           union all
           select (select a.writer from audit_row a where a.writer > w.writer order by a.writer limit 1) from w where w.writer is not null
         ) select writer from w where writer is not null limit $2::int`,
        [after, limit],
      );
      return found.map(({ writer }) => writer);
    },
    async auditChain(writer, after, limit) {
      const found = await rows<Row>(
        `select ${SELECT}, id::text as id, extract(epoch from at)::float8 * 1000 as ms from audit_row
         where writer = $1 and sequence > $2 order by sequence limit $3::int`,
        [writer, after, limit],
      );
      return found.map(rowOf);
    },
    async auditAnchor(writer) {
      const [found] = await rows<{ sequence: string; hash: string; key_id: string; mac: string }>(
        "select sequence::text as sequence, hash, key_id, mac from audit_anchor where writer = $1",
        [writer],
      );
      if (found === undefined) return undefined;
      return { writer, sequence: Number(found.sequence), hash: found.hash, keyId: found.key_id, mac: found.mac };
    },
    async pruneAudit(before, batch, sign) {
      try {
        return await database.transaction(async (sql) => {
          const cuts = await sql.query<{ writer: string; sequence: string; hash: string }>(
            `select a.writer, a.sequence::text as sequence, a.hash from audit_row a join (
               select writer, max(sequence) as sequence from (
                 select writer, sequence from audit_row where at < $1::timestamptz order by at limit $2::int) old group by writer
             ) cut using (writer, sequence)`,
            [new Date(before).toISOString(), batch],
          );
          let gone = 0;
          for (const { writer, sequence, hash } of cuts) {
            const anchor = sign({ writer, sequence: Number(sequence), hash });
            await sql.query(SAVE_ANCHOR, [writer, sequence, hash, anchor.keyId, anchor.mac]);
            const deleted = await sql.query<{ n: number }>(
              "with gone as (delete from audit_row where writer = $1 and sequence <= $2 returning 1) select count(*)::int as n from gone",
              [writer, sequence],
            );
            gone += deleted[0]?.n ?? 0;
          }
          return gone;
        });
      } catch (error) {
        throw databaseFault(error);
      }
    },
  };
}
