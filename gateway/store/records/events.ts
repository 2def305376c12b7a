/** Rows of the security log and of log lines. */
import type { Database } from "../pool.ts";
import type { Sql } from "../types.ts";
import type { Column } from "./columns.ts";
import { deleteOlder, type Found, listRecords } from "./lists.ts";
import type { Batch, LogRow, RecordPage, RecordQuery, SecurityRow, Stored } from "./types.ts";
import { writeBatch } from "./writing.ts";

const SECURITY: readonly Column<SecurityRow>[] = [
  { name: "at", type: "timestamptz", of: (row) => row.at },
  { name: "kind", type: "text", of: (row) => row.kind },
  { name: "severity", type: "text", of: (row) => row.severity },
  { name: "principal", type: "text", of: (row) => row.principal },
  { name: "remote", type: "text", of: (row) => row.remote },
  { name: "detail", type: "text", of: (row) => row.detail },
  { name: "correlation_id", type: "text", of: (row) => row.correlationId },
  { name: "times", type: "integer", of: (row) => row.times },
];
const LOG: readonly Column<LogRow>[] = [
  { name: "at", type: "timestamptz", of: (row) => row.at },
  { name: "level", type: "text", of: (row) => row.level },
  { name: "event", type: "text", of: (row) => row.event },
  { name: "worker", type: "text", of: (row) => row.worker },
  { name: "correlation_id", type: "text", of: (row) => row.correlationId },
  { name: "fields", type: "text", of: (row) => row.fields },
];

export const SECURITY_FILTERS = {
  kind: "kind",
  severity: "severity",
  principal: "principal",
  remote: "remote",
} as const;
export const LOG_FILTERS = {
  level: "level",
  event: "event",
  worker: "worker",
  correlationId: "correlation_id",
} as const;
export type SecurityFilter = keyof typeof SECURITY_FILTERS;
export type LogFilter = keyof typeof LOG_FILTERS;

export interface EventRecords {
  writeSecurity(batch: Batch, rows: readonly SecurityRow[]): Promise<void>;
  writeLog(batch: Batch, rows: readonly LogRow[]): Promise<void>;
  listSecurity(query: RecordQuery<SecurityFilter>): Promise<RecordPage<SecurityRow>>;
  listLog(query: RecordQuery<LogFilter>): Promise<RecordPage<LogRow>>;
  /** Deletes at most `batch` rows of each kind that are older, epoch ms; answers how many. */
  pruneEvents(before: number, batch: number): Promise<number>;
  /** Hours older than `before`, and writers that have not written since. */
  pruneFigures(before: number, writersBefore: number, batch: number): Promise<number>;
}

type SecurityFound = Found & {
  kind: string;
  severity: SecurityRow["severity"];
  principal: string | null;
  remote: string;
  detail: string;
  correlation_id: string;
  times: number;
};
type LogFound = Found & {
  level: string;
  event: string;
  worker: string | null;
  correlation_id: string | null;
  fields: string;
};

function securityOf({ ms, correlation_id, ...row }: SecurityFound): Stored<SecurityRow> {
  return { ...row, at: ms, correlationId: correlation_id };
}
function logOf({ ms, correlation_id, ...row }: LogFound): Stored<LogRow> {
  return { ...row, at: ms, correlationId: correlation_id };
}

const PRUNE_HOURS = `
with gone as (delete from call_metric_hour where ctid in (
  select ctid from call_metric_hour where hour < $1::timestamptz order by hour limit $2::int) returning 1)
select count(*)::int as n from gone`;

export function eventRecords(database: Database, lists: Sql): EventRecords {
  const names = (columns: readonly Column<never>[]) => columns.map(({ name }) => name).join(", ");
  return {
    writeSecurity: (batch, rows) => writeBatch(database, batch, "security_row", SECURITY, rows),
    writeLog: (batch, rows) => writeBatch(database, batch, "log_row", LOG, rows),
    listSecurity: (query) =>
      listRecords<SecurityFilter, SecurityFound, SecurityRow>(
        lists,
        "security_row",
        names(SECURITY),
        SECURITY_FILTERS,
        query,
        securityOf,
      ),
    listLog: (query) =>
      listRecords<LogFilter, LogFound, LogRow>(lists, "log_row", names(LOG), LOG_FILTERS, query, logOf),
    pruneEvents: async (before, batch) =>
      (await deleteOlder(database, "security_row", before, batch)) +
      (await deleteOlder(database, "log_row", before, batch)),
    async pruneFigures(before, writersBefore, batch) {
      const hours = await database.query<{ n: number }>(PRUNE_HOURS, [new Date(before).toISOString(), batch]);
      await database.query("delete from record_batch where at < $1::timestamptz", [
        new Date(writersBefore).toISOString(),
      ]);
      return hours[0]?.n ?? 0;
    },
  };
}
