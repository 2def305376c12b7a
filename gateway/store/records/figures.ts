/** Figures of calls over a time: hours that are added up, and single rows after them. */
import { databaseFault } from "../failures.ts";
import type { Sql } from "../types.ts";
import type { CallKind } from "./types.ts";

export type FigureGroup = "kind" | "item" | "server" | "hour";
export type FigureOrder = "calls" | "failures" | "errorRate" | "meanMs" | "hour";

export type FigureQuery = {
  readonly group: FigureGroup;
  /** Epoch ms; whole hours where they are added up. */
  readonly from: number;
  readonly until: number;
  readonly kind?: CallKind;
  readonly gatewayId?: string;
  readonly name?: string;
  readonly serverId?: string;
  readonly order: FigureOrder;
  readonly limit: number;
};

export type CallFigures = {
  /** Those of the group; the others are empty. */
  readonly kind: string;
  readonly gatewayId: string;
  readonly gatewaySlug: string;
  readonly name: string;
  readonly serverId: string;
  /** Epoch ms, 0 where hours are no group. */
  readonly hour: number;
  readonly calls: number;
  readonly failures: number;
  readonly totalMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** Epoch ms. */
  readonly lastAt: number;
  /** Bucket → calls. */
  readonly buckets: Readonly<Record<string, number>>;
};

const KEYS: Readonly<Record<FigureGroup, readonly string[]>> = {
  kind: ["kind"],
  item: ["kind", "gateway_id", "name"],
  server: ["server_id"],
  hour: ["hour"],
};
const ORDERS: Readonly<Record<FigureOrder, string>> = {
  calls: "calls desc",
  failures: "failures desc, calls desc",
  errorRate: "failures::float8 / calls desc, calls desc",
  meanMs: "total_ms / calls desc",
  hour: "hour",
};

/** Columns are this file's words; what a caller gives is a parameter. */
function figuresText(query: FigureQuery, values: unknown[]): string {
  const keys = KEYS[query.group].join(", ");
  const where = [
    ["kind", query.kind],
    ["gateway_id", query.gatewayId],
    ["name", query.name],
    ["server_id", query.serverId],
  ] as const;
  const conditions = where.flatMap(([column, value]) =>
    value === undefined ? [] : [` and ${column} = $${values.push(value)}`],
  );
  if (query.group === "server") conditions.push(" and server_id <> ''");
  const only = conditions.join("");
  return `
with mark as (select at from record_mark where name = 'call_metric_hour'),
raw as materialized (
  select date_trunc('hour', at, 'UTC') as hour, kind, gateway_id, max(gateway_slug) as gateway_slug, name, server_id, bucket,
    sum(calls) as calls, coalesce(sum(calls) filter (where outcome <> 'ok'), 0) as failures, sum(ms::float8 * calls) as total_ms, min(ms) as min_ms,
    max(ms) as max_ms, max(at) as last_at
  from call_metric where at >= greatest($1::timestamptz, (select at from mark)) and at < $2::timestamptz${only}
  group by 1, kind, gateway_id, name, server_id, bucket
), hours as (
  select hour, kind, gateway_id, gateway_slug, name, server_id, calls, failures, total_ms, min_ms, max_ms, last_at, buckets
  from call_metric_hour where hour >= date_trunc('hour', $1::timestamptz, 'UTC') and hour < least($2::timestamptz, (select at from mark))${only}
), totals as (
  select ${keys}, max(gateway_slug) as slug, sum(calls) as calls, sum(failures) as failures, sum(total_ms) as total_ms,
    min(min_ms) as min_ms, max(max_ms) as max_ms, max(last_at) as last_at
  from (
    select hour, kind, gateway_id, gateway_slug, name, server_id, calls, failures, total_ms, min_ms, max_ms, last_at from hours
    union all
    select hour, kind, gateway_id, gateway_slug, name, server_id, calls, failures, total_ms, min_ms, max_ms, last_at from raw
  ) both_kinds group by ${keys}
), cells as (
  select ${keys}, bucket, sum(n) as n from (
    select hour, kind, gateway_id, name, server_id, b.key::int as bucket, b.value::bigint as n
    from hours cross join lateral jsonb_each_text(buckets) b
    union all
    select hour, kind, gateway_id, name, server_id, bucket, calls from raw
  ) both_cells group by ${keys}, bucket
), spread as (select ${keys}, jsonb_object_agg(bucket, n) as buckets from cells group by ${keys})
select *, extract(epoch from last_at)::float8 * 1000 as last_ms${query.group === "hour" ? ", extract(epoch from hour)::float8 * 1000 as hour_ms" : ""}
from totals join spread using (${keys}) order by ${ORDERS[query.order]}, ${keys} limit $${values.push(query.limit)}::int`;
}

type Row = {
  kind?: string;
  gateway_id?: string;
  slug: string;
  name?: string;
  server_id?: string;
  hour_ms?: number;
  calls: string;
  failures: string;
  total_ms: number;
  min_ms: number;
  max_ms: number;
  last_ms: number;
  buckets: Record<string, number>;
};

function figuresOf(row: Row, group: FigureGroup): CallFigures {
  return {
    kind: row.kind ?? "",
    gatewayId: row.gateway_id ?? "",
    gatewaySlug: group === "item" ? row.slug : "",
    name: row.name ?? "",
    serverId: row.server_id ?? "",
    hour: row.hour_ms ?? 0,
    calls: Number(row.calls),
    failures: Number(row.failures),
    totalMs: row.total_ms,
    minMs: row.min_ms,
    maxMs: row.max_ms,
    lastAt: row.last_ms,
    buckets: row.buckets,
  };
}

/** Rejects with MCPS_DATABASE. */
export async function readFigures(sql: Sql, query: FigureQuery): Promise<readonly CallFigures[]> {
  const values: unknown[] = [new Date(query.from).toISOString(), new Date(query.until).toISOString()];
  const text = figuresText(query, values);
  try {
    return (await sql.query<Row>(text, values)).map((row) => figuresOf(row, query.group));
  } catch (error) {
    throw databaseFault(error);
  }
}

export type RecordSizes = {
  /** Estimates of the planner, exact after a vacuum. */
  readonly rows: Readonly<Record<string, number>>;
  /** Up to where hours are added up, ISO 8601. */
  readonly addedUpUntil: string | null;
};

export async function readSizes(sql: Sql): Promise<RecordSizes> {
  try {
    const rows = await sql.query<{ name: string; rows: string }>(
      `select coalesce(p.relname, c.relname) as name, sum(greatest(c.reltuples, 0))::bigint as rows
       from pg_class c left join pg_inherits i on i.inhrelid = c.oid left join pg_class p on p.oid = i.inhparent
       where c.relkind = 'r' and (c.relname in ('call_metric_hour', 'audit_row', 'security_row', 'log_row')
         or i.inhparent = 'call_metric'::regclass) group by 1 order by 1`,
    );
    const [mark] = await sql.query<{ at: Date | null }>(
      "select case when isfinite(at) then at end as at from record_mark where name = 'call_metric_hour'",
    );
    return {
      rows: Object.fromEntries(rows.map((row) => [row.name, Number(row.rows)])),
      addedUpUntil: mark?.at?.toISOString() ?? null,
    };
  } catch (error) {
    throw databaseFault(error);
  }
}
