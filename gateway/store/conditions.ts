/** Conditions of list queries with numbered parameters; nothing of a caller ever becomes SQL text. */
import type { ListQuery, Page, Viewer } from "./types.ts";

export type Conditions = { readonly text: string; readonly values: unknown[] };

/** What both every table and every list have in common; `table` is its alias in the query. */
export function listConditions(table: string, query: ListQuery, viewer: Viewer): Conditions {
  const values: unknown[] = [];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const parts = [`${table}.position > ${parameter(query.after)}::bigint`];
  if (!query.includeInactive) parts.push(`${table}.enabled`);
  if (query.tags !== undefined) parts.push(`${table}.tags && ${parameter(query.tags)}::text[]`);
  if (query.visibility !== undefined) parts.push(`${table}.visibility = ${parameter(query.visibility)}`);
  if (query.teamId !== undefined) parts.push(`${table}.team_id = ${parameter(query.teamId)}`);
  if (!viewer.admin) {
    const id = parameter(viewer.id);
    const teams = parameter(viewer.teams);
    parts.push(
      `(${table}.visibility = 'public' or ${table}.owner_email = ${id} or (${table}.visibility = 'team' and ${table}.team_id = any(${teams}::text[])))`,
    );
  }
  return { text: parts.join(" and "), values };
}

/** Asks for one row more than the page has, to know whether there is a next page. */
export function pageLimit(query: Pick<ListQuery, "limit">): string {
  return query.limit === 0 ? "" : `limit ${Math.trunc(query.limit) + 1}`;
}

export function pageOf<Row extends { position: string }, T>(
  rows: readonly Row[],
  query: Pick<ListQuery, "limit">,
  read: (row: Row) => T,
): Page<T> {
  if (query.limit === 0 || rows.length <= query.limit) return { rows: rows.map(read) };
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  return { rows: page.map(read), ...(last === undefined ? {} : { next: Number(last.position) }) };
}

export const isoTime = (value: Date): string => value.toISOString();

/** A column of type timestamptz as ISO 8601 text in UTC, under the name of a record's field. */
export const isoColumn = (column: string, name: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "${name}"`;
