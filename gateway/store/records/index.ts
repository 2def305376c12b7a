/** Records of the store, put together. `lists` is where lists are asked: a replica of the database, where there is one. */
import type { Database } from "../pool.ts";
import type { Sql } from "../types.ts";
import { type AuditRecords, auditRecords } from "./audit.ts";
import { type CallRecords, callRecords } from "./calls.ts";
import { type EventRecords, eventRecords } from "./events.ts";
import { type CallFigures, type FigureQuery, type RecordSizes, readFigures, readSizes } from "./figures.ts";

export { AUDIT_FILTERS, type AuditFilter } from "./audit.ts";
export { LOG_FILTERS, type LogFilter, SECURITY_FILTERS, type SecurityFilter } from "./events.ts";
export type { CallFigures, FigureGroup, FigureOrder, FigureQuery, RecordSizes } from "./figures.ts";
export type * from "./types.ts";
export { RowsRefused } from "./writing.ts";

export type RecordRepository = CallRecords &
  AuditRecords &
  EventRecords & {
    figures(query: FigureQuery): Promise<readonly CallFigures[]>;
    sizes(): Promise<RecordSizes>;
  };

/** Rejects with MCPS_DATABASE, writing also with RowsRefused. */
export function recordRepository(database: Database, lists: Sql): RecordRepository {
  return {
    ...callRecords(database),
    ...auditRecords(database, lists),
    ...eventRecords(database, lists),
    figures: (query) => readFigures(lists, query),
    sizes: () => readSizes(lists),
  };
}
