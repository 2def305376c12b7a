/** Rows of calls: written, added up by the hour, dropped by the day. */
import { databaseFault, errorField } from "../failures.ts";
import type { Database } from "../pool.ts";
import type { Sql } from "../types.ts";
import type { Column } from "./columns.ts";
import type { Batch, CallRow } from "./types.ts";
import { RowsRefused, writeBatch, writeFailure } from "./writing.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const COLUMNS: readonly Column<CallRow>[] = [
  { name: "at", type: "timestamptz", of: (row) => row.at },
  { name: "kind", type: "text", of: (row) => row.kind },
  { name: "gateway_id", type: "text", of: (row) => row.gatewayId },
  { name: "gateway_slug", type: "text", of: (row) => row.gatewaySlug },
  { name: "name", type: "text", of: (row) => row.name },
  { name: "server_id", type: "text", of: (row) => row.serverId },
  { name: "outcome", type: "text", of: (row) => row.outcome },
  { name: "ms", type: "real", of: (row) => row.ms },
  { name: "bucket", type: "smallint", of: (row) => row.bucket },
  { name: "calls", type: "integer", of: (row) => row.calls ?? 1 },
];

// Added up from the rows themselves, so that doing an hour again mends it and never counts twice.
const ROLL_UP = `
with cells as (
  select date_trunc('hour', at, 'UTC') as hour, kind, gateway_id, name, server_id, outcome, bucket,
    max(gateway_slug) as gateway_slug, sum(calls) as calls, coalesce(sum(calls) filter (where outcome <> 'ok'), 0) as failures,
    sum(ms::double precision * calls) as total_ms, min(ms) as min_ms, max(ms) as max_ms, max(at) as last_at
  from call_metric where at >= $1::timestamptz and at < $2::timestamptz
  group by 1, 2, 3, 4, 5, 6, 7
), by_outcome as (
  select hour, kind, gateway_id, name, server_id, jsonb_object_agg(outcome, calls) as outcomes
  from (select hour, kind, gateway_id, name, server_id, outcome, sum(calls) as calls from cells group by 1, 2, 3, 4, 5, 6) o
  group by 1, 2, 3, 4, 5
), by_bucket as (
  select hour, kind, gateway_id, name, server_id, jsonb_object_agg(bucket, calls) as buckets
  from (select hour, kind, gateway_id, name, server_id, bucket, sum(calls) as calls from cells group by 1, 2, 3, 4, 5, 6) b
  group by 1, 2, 3, 4, 5
), whole as (
  select hour, kind, gateway_id, name, server_id, max(gateway_slug) as gateway_slug, sum(calls) as calls,
    sum(failures) as failures, sum(total_ms) as total_ms, min(min_ms) as min_ms, max(max_ms) as max_ms, max(last_at) as last_at
  from cells group by 1, 2, 3, 4, 5
)
insert into call_metric_hour (hour, kind, gateway_id, gateway_slug, name, server_id, calls, failures, total_ms, min_ms, max_ms,
  last_at, outcomes, buckets)
select w.hour, w.kind, w.gateway_id, w.gateway_slug, w.name, w.server_id, w.calls, w.failures, w.total_ms, w.min_ms, w.max_ms,
  w.last_at, o.outcomes, b.buckets
from whole w join by_outcome o using (hour, kind, gateway_id, name, server_id)
  join by_bucket b using (hour, kind, gateway_id, name, server_id)
on conflict (hour, kind, gateway_id, name, server_id) do update set gateway_slug = excluded.gateway_slug, calls = excluded.calls,
  failures = excluded.failures, total_ms = excluded.total_ms, min_ms = excluded.min_ms, max_ms = excluded.max_ms,
  last_at = excluded.last_at, outcomes = excluded.outcomes, buckets = excluded.buckets`;

export interface CallRecords {
  writeCalls(batch: Batch, rows: readonly CallRow[]): Promise<void>;
  /**
   * Adds up the whole hours before `now` that are not added up, and `lateHours` before them again; answers up to where, epoch ms. Undefined
   * when somebody else is at it.
   */
  rollUpCalls(now: number, lateHours: number): Promise<number | undefined>;
  /**
   * Drops days of single rows that ended before `before`, and where a number is given, are added up and so many hours past being added up
   * again: else a late row would stand for its whole hour. Answers their tables.
   */
  dropCalls(before: number, addedUpHours: number | undefined): Promise<readonly string[]>;
  /** Forgets what is known of all calls, or of one item's. */
  resetCalls(item?: { readonly gatewayId: string; readonly kind: string; readonly name: string }): Promise<void>;
}

/** Tables of a day are named by it: call_metric_20261121. */
function partitionOf(day: number): { readonly name: string; readonly from: string; readonly to: string } {
  const iso = (ms: number) => new Date(ms).toISOString();
  const name = `call_metric_${iso(day).slice(0, 10).replaceAll("-", "")}`;
  return { name, from: iso(day), to: iso(day + DAY_MS) };
}

const dayOf = (at: number) => Math.floor(at / DAY_MS) * DAY_MS;
const hourOf = (at: number) => Math.floor(at / HOUR_MS) * HOUR_MS;

/** The text holds nothing but a date. Somebody may make the same one at the same moment (42P07, 23505). */
async function makePartition(sql: Sql, day: number): Promise<void> {
  const { name, from, to } = partitionOf(day);
  try {
    await sql.query(
      `create table if not exists ${name} partition of call_metric for values from ('${from}') to ('${to}')`,
    );
  } catch (error) {
    if (!["42P07", "23505"].includes(errorField(error, "code") ?? "")) throw error;
  }
}

export function callRecords(database: Database): CallRecords {
  const made = new Set<number>();

  async function makePartitions(rows: readonly CallRow[]): Promise<void> {
    const days = new Set(rows.map(({ at }) => dayOf(at)));
    for (const day of days) {
      if (made.has(day)) continue;
      await makePartition(database, day);
      if (made.size > 10) made.clear();
      made.add(day);
    }
  }

  return {
    async writeCalls(batch, rows) {
      try {
        await makePartitions(rows);
        await writeBatch(database, batch, "call_metric", COLUMNS, rows);
      } catch (error) {
        // A day that was dropped is made again with the next try.
        made.clear();
        throw error instanceof RowsRefused ? error : writeFailure(error);
      }
    },
    rollUpCalls: (now, lateHours) =>
      faulty(
        database.transaction(async (sql) => {
          const [mark] = await sql.query<{ at: string | null }>(
            "select case when isfinite(at) then at end as at from record_mark where name = 'call_metric_hour' for update skip locked",
          );
          if (mark === undefined) return undefined;
          const until = hourOf(now);
          const done = mark.at === null ? undefined : new Date(mark.at).getTime();
          const from = done === undefined ? "-infinity" : new Date(done - lateHours * HOUR_MS).toISOString();
          if (done !== undefined && done > until) return done;
          await sql.query(ROLL_UP, [from, new Date(until).toISOString()]);
          await sql.query("update record_mark set at = $1 where name = 'call_metric_hour'", [
            new Date(until).toISOString(),
          ]);
          return until;
        }),
      ),
    dropCalls: (wanted, addedUpHours) =>
      faulty(
        (async () => {
          const tables = await database.query<{ name: string }>(
            "select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'call_metric'::regclass order by 1",
          );
          const [mark] = await database.query<{ ms: number | null }>(
            "select case when isfinite(at) then extract(epoch from at)::float8 * 1000 end as ms from record_mark where name = 'call_metric_hour'",
          );
          const before =
            addedUpHours === undefined ? wanted : Math.min(wanted, (mark?.ms ?? 0) - addedUpHours * HOUR_MS);
          const gone = tables.map(({ name }) => name).filter((name) => endOf(name) <= before);
          for (const name of gone) await database.query(`drop table if exists ${name}`);
          if (gone.length > 0) made.clear();
          return gone;
        })(),
      ),
    resetCalls: (item) =>
      faulty(
        database.transaction(async (sql) => {
          const values = item === undefined ? [] : [item.gatewayId, item.kind, item.name];
          const where = item === undefined ? "" : " where gateway_id = $1 and kind = $2 and name = $3";
          await sql.query(`delete from call_metric${where}`, values);
          await sql.query(`delete from call_metric_hour${where}`, values);
        }),
      ),
  };
}

/** When the day of such a table ends, epoch ms; never for any other name. */
function endOf(table: string): number {
  const digits = /^call_metric_(\d{4})(\d{2})(\d{2})$/.exec(table);
  if (digits === null) return Infinity;
  const [, year, month, day] = digits;
  return Date.UTC(Number(year), Number(month) - 1, Number(day)) + DAY_MS;
}

async function faulty<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw databaseFault(error);
  }
}
