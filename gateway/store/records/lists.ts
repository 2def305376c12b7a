/** Lists of records, newest first, page by page. Column names are this program's; every value is a parameter. */
import { databaseFault } from "../failures.ts";
import type { Sql } from "../types.ts";
import type { RecordPage, RecordQuery, Stored } from "./types.ts";

/** A row as the driver brings it: `ms` and `id` besides the columns asked for. */
export type Found = { readonly id: string; readonly ms: number };

/** `columns`: field of the query → column. `select`: the columns of a row. */
export async function listRecords<Field extends string, Row extends Found, Record_>(
  sql: Sql,
  table: string,
  select: string,
  columns: Readonly<Record<Field, string>>,
  query: RecordQuery<Field>,
  read: (row: Row) => Stored<Record_>,
): Promise<RecordPage<Record_>> {
  const values: unknown[] = [];
  const parts: string[] = [];
  const add = (condition: (parameter: string) => string, value: unknown) =>
    parts.push(condition(`$${values.push(value)}`));
  if (query.before !== undefined) add((at) => `id < ${at}::bigint`, query.before);
  if (query.from !== undefined) add((at) => `at >= ${at}::timestamptz`, new Date(query.from).toISOString());
  if (query.until !== undefined) add((at) => `at < ${at}::timestamptz`, new Date(query.until).toISOString());
  for (const [field, column] of Object.entries<string>(columns)) {
    const value: unknown = Reflect.get(query.where, field);
    if (value !== undefined) add((at) => `${column} = ${at}`, value);
  }
  const where = parts.length === 0 ? "" : `where ${parts.join(" and ")}`;
  const text = `select ${select}, id::text as id, extract(epoch from at)::float8 * 1000 as ms from ${table} ${where} order by ${table}.id desc limit $${values.push(query.limit + 1)}::int`;
  try {
    const rows = await sql.query<Row>(text, values);
    const page = rows.slice(0, query.limit).map(read);
    const last = page.at(-1);
    return { rows: page, ...(rows.length > query.limit && last !== undefined ? { next: last.id } : {}) };
  } catch (error) {
    throw databaseFault(error);
  }
}

/** Deletes at most `batch` rows older than `before` (epoch ms); answers how many. */
export async function deleteOlder(sql: Sql, table: string, before: number, batch: number): Promise<number> {
  try {
    const rows = await sql.query<{ n: number }>(
      `with gone as (delete from ${table} where id in (select id from ${table} where at < $1::timestamptz order by at limit $2::int) returning 1)
       select count(*)::int as n from gone`,
      [new Date(before).toISOString(), batch],
    );
    return rows[0]?.n ?? 0;
  } catch (error) {
    throw databaseFault(error);
  }
}
