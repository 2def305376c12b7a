/** How rows of records are written: each batch once, in one transaction, by COPY where they are many. */
import { databaseFault, errorField } from "../failures.ts";
import type { Database, TransactionSql } from "../pool.ts";
import { COPY_FROM_ROWS, type Column, copyLines, copyText, insertText, insertValues } from "./columns.ts";
import type { Batch } from "./types.ts";

// No row comes back when the batch has been written before.
const TAKE_BATCH = `
insert into record_batch as b (writer, batch) values ($1, $2)
on conflict (writer) do update set batch = excluded.batch, at = now() where b.batch < excluded.batch
returning 1 as taken`;

export async function writeRows<Row>(
  sql: TransactionSql,
  canCopy: boolean,
  table: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Promise<void> {
  if (canCopy && rows.length >= COPY_FROM_ROWS) {
    await sql.copy(copyText(table, columns), copyLines(columns, rows));
    return;
  }
  const text = insertText(table, columns);
  for (const values of insertValues(columns, rows)) await sql.query(text, values);
}

/** Rejects with MCPS_DATABASE. A batch that is there already is not written again, and that is no failure. */
export async function writeBatch<Row>(
  database: Database,
  { writer, number }: Batch,
  table: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Promise<void> {
  if (rows.length === 0) return;
  try {
    await database.transaction(async (sql) => {
      const taken = await sql.query(TAKE_BATCH, [`${table} ${writer}`, number]);
      if (taken.length > 0) await writeRows(sql, database.canCopy, table, columns, rows);
    });
  } catch (error) {
    throw writeFailure(error);
  }
}

/** Whoever keeps rows has to know which failures do not pass: SQLSTATE classes 22 and 23 blame the rows, 42 the schema and the rights. */
export function writeFailure(error: unknown): Error {
  return errorField(error, "code")?.match(/^(?:2[23]|42)/) ? new RowsRefused(error) : databaseFault(error);
}

/** The database answers, and does not take these rows: waiting does not help. */
export class RowsRefused extends Error {
  constructor(cause: unknown) {
    super(databaseFault(cause).message);
    this.name = "RowsRefused";
  }
}
