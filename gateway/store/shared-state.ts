/**
 * The tables of the shared state (coordination room) as operations. Each is one statement, so that it works through a pooler in
 * transaction mode and needs no session state. Times are the server's, so that the clocks of the replicas do not matter.
 */
import { type BucketRepository, bucketRepository } from "./buckets.ts";
import { type LeaseRepository, leaseOperations } from "./leases.ts";
import type { Sql } from "./types.ts";

export type PolledMessage = { readonly channel: string; readonly message: string; readonly id: bigint };

export interface SharedStateRepository extends LeaseRepository, BucketRepository {
  getValue(key: string): Promise<string | undefined>;
  /** False when `ifAbsent` found a live value. */
  setValue(key: string, value: string, ttlMs: number, ifAbsent: boolean): Promise<boolean>;
  deleteValue(key: string): Promise<void>;
  getMap(key: string): Promise<ReadonlyMap<string, string>>;
  /** Answers the field's value after the call. */
  setField(key: string, field: string, value: string, ttlMs: number, ifAbsent: boolean): Promise<string>;
  deleteField(key: string, field: string): Promise<void>;
  /** Without a sequence the next one is taken; answers the entry's sequence. A sequence not above the newest changes nothing. */
  appendEntry(log: string, entry: string, cap: number, ttlMs: number, sequence: number | undefined): Promise<number>;
  readEntries(
    log: string,
    after: number,
  ): Promise<{ oldest: number; entries: readonly { sequence: number; entry: string }[] }>;
  renewLog(log: string, ttlMs: number): Promise<void>;
  /** Stores messages in the order given; their ids grow in that order. */
  insertMessages(messages: readonly { channel: string; message: string }[]): Promise<void>;
  /** Where a reader begins: an opaque position, and an id that every message stored from now on exceeds. */
  messagePosition(): Promise<{ position: string; lastId: bigint }>;
  /** Messages of these channels that came after the position, by id, and the position to go on from. */
  pollMessages(position: string, channels: readonly string[]): Promise<{ position: string; messages: PolledMessage[] }>;
  /** Deletes at most `batch` rows per table of what has expired, and messages older than the retention; answers how many. */
  sweep(batch: number, messageRetentionMs: number): Promise<number>;
  ping(): Promise<void>;
}

const EXPIRY = (parameter: string) => `now() + ${parameter}::float8 * interval '1 millisecond'`;

const SET_VALUE = `
insert into shared_values as v (key, value, expires_at) values ($1, $2, ${EXPIRY("$3")})
on conflict (key) do update set value = excluded.value, expires_at = excluded.expires_at
where not $4::boolean or v.expires_at <= now()
returning 1 as done`;

const SET_FIELD = `
insert into shared_maps as m (key, fields, expires_at) values ($1, jsonb_build_object($2::text, $3::text), ${EXPIRY("$4")})
on conflict (key) do update set expires_at = excluded.expires_at, fields = case
  when m.expires_at <= now() then excluded.fields
  when $5::boolean then excluded.fields || m.fields
  else m.fields || excluded.fields end
returning fields ->> $2 as value`;

// No row when the given sequence is not above the newest. `former` clears what an expired log left behind; it waits for `head`, so
// that every statement locks the log before its entries. It still sees the log as it was when the statement began.
const APPEND_ENTRY = `
with head as (
  insert into shared_logs as l (log, generation, newest, dropped, expires_at)
  values ($1, nextval('shared_log_generation'), coalesce($5::bigint, 1), coalesce($5::bigint, 1) - $3::bigint, ${EXPIRY("$4")})
  on conflict (log) do update set
    expires_at = excluded.expires_at,
    generation = case when l.expires_at <= now() then excluded.generation else l.generation end,
    newest = case when l.expires_at <= now() then excluded.newest else coalesce($5::bigint, l.newest + 1) end,
    dropped = case when l.expires_at <= now() then excluded.newest else coalesce($5::bigint, l.newest + 1) end - $3::bigint
  where l.expires_at <= now() or $5::bigint is null or $5::bigint > l.newest
  returning generation, newest, dropped
), former as (
  delete from shared_log_entries where (select count(*) from head) = 1
    and generation = (select generation from shared_logs where log = $1 and expires_at <= now())
), added as (
  insert into shared_log_entries (generation, sequence, entry) select generation, newest, $2 from head
), trimmed as (
  delete from shared_log_entries e using head where e.generation = head.generation and e.sequence <= head.dropped
)
select newest::text as sequence from head`;

const READ_ENTRIES = `
select first.oldest::text as oldest, e.sequence::text as sequence, e.entry as entry
from shared_logs l
cross join lateral (
  select min(sequence) as oldest from shared_log_entries where generation = l.generation and sequence > l.dropped) first
left join shared_log_entries e on e.generation = l.generation and e.sequence > greatest($2::bigint, l.dropped)
where l.log = $1 and l.expires_at > now()
order by e.sequence`;

// The sort is done before the identity is drawn, so ids follow the order of the arrays.
const INSERT_MESSAGES = `
insert into shared_messages (channel, message)
select channel, message from unnest($1::text[], $2::text[]) with ordinality as given (channel, message, position)
order by position`;

const POSITION = `
select pg_current_snapshot()::text as snapshot, clock_timestamp()::text as at, coalesce(max(id), 0)::text as last_id
from shared_messages`;

// One statement has one snapshot: what it answers as snapshot is exactly what the join has seen. New is also what was stored
// after the last poll: a crash of the server may use transaction ids anew, since commits to unlogged tables are not flushed.
const POLL_MESSAGES = `
select pg_current_snapshot()::text as snapshot, m.id::text as id, m.channel, m.message,
  greatest($3::timestamptz, clock_timestamp(), max(m.sent_at) over ())::text as at
from (select 1) as always left join shared_messages m
  on m.channel = any($2::text[]) and (m.sent_at > $3::timestamptz
    or m.writer >= pg_snapshot_xmin($1::pg_snapshot) and not pg_visible_in_snapshot(m.writer, $1::pg_snapshot))
order by m.id`;

const EXPIRED = (table: string, key: string) => `
  delete from ${table} where ${key} in (
    select ${key} from ${table} where expires_at <= now() order by expires_at limit $1::int for update skip locked)`;

const SWEEP = `
with swept_values as (${EXPIRED("shared_values", "key")} returning 1),
swept_maps as (${EXPIRED("shared_maps", "key")} returning 1),
swept_logs as (${EXPIRED("shared_logs", "log")} returning generation),
swept_entries as (delete from shared_log_entries where generation in (select generation from swept_logs)),
swept_messages as (
  delete from shared_messages where id in (
    select id from shared_messages where sent_at < now() - $2::float8 * interval '1 millisecond'
    order by sent_at limit $1::int for update skip locked)
  returning 1)
select ((select count(*) from swept_values) + (select count(*) from swept_maps) + (select count(*) from swept_logs)
  + (select count(*) from swept_messages))::int as swept`;

/** The shared state's tables behind plain operations; failures of the database are the `Sql`'s. */
export function sharedStateRepository(sql: Sql): SharedStateRepository {
  return {
    ...valueOperations(sql),
    ...mapOperations(sql),
    ...logOperations(sql),
    ...messageOperations(sql),
    ...bucketRepository(sql),
    ...leaseOperations(sql),
  };
}

type Part<Names extends keyof SharedStateRepository> = Pick<SharedStateRepository, Names>;

function valueOperations(sql: Sql): Part<"getValue" | "setValue" | "deleteValue" | "sweep" | "ping"> {
  return {
    async getValue(key) {
      const rows = await sql.query<{ value: string }>(
        "select value from shared_values where key = $1 and expires_at > now()",
        [key],
      );
      return rows[0]?.value;
    },
    async setValue(key, value, ttlMs, ifAbsent) {
      const rows = await sql.query(SET_VALUE, [key, value, ttlMs, ifAbsent]);
      return rows.length === 1;
    },
    async deleteValue(key) {
      await sql.query("delete from shared_values where key = $1", [key]);
    },
    async sweep(batch, messageRetentionMs) {
      const rows = await sql.query<{ swept: number }>(SWEEP, [batch, messageRetentionMs]);
      return rows[0]?.swept ?? 0;
    },
    async ping() {
      await sql.query("select 1");
    },
  };
}

function mapOperations(sql: Sql): Part<"getMap" | "setField" | "deleteField"> {
  return {
    async getMap(key) {
      const rows = await sql.query<{ field: string; value: string }>(
        "select f.key as field, f.value from shared_maps m, jsonb_each_text(m.fields) f where m.key = $1 and m.expires_at > now()",
        [key],
      );
      return new Map(rows.map((row) => [row.field, row.value]));
    },
    async setField(key, field, value, ttlMs, ifAbsent) {
      const rows = await sql.query<{ value: string }>(SET_FIELD, [key, field, value, ttlMs, ifAbsent]);
      return rows[0]?.value ?? value;
    },
    async deleteField(key, field) {
      await sql.query("update shared_maps set fields = fields - $2::text where key = $1", [key, field]);
    },
  };
}

function logOperations(sql: Sql): Part<"appendEntry" | "readEntries" | "renewLog"> {
  return {
    async appendEntry(log, entry, cap, ttlMs, sequence) {
      const rows = await sql.query<{ sequence: string }>(APPEND_ENTRY, [log, entry, cap, ttlMs, sequence ?? null]);
      return Number(rows[0]?.sequence ?? sequence);
    },
    async readEntries(log, after) {
      const rows = await sql.query<{ oldest: string | null; sequence: string | null; entry: string | null }>(
        READ_ENTRIES,
        [log, after],
      );
      const entries = rows.flatMap(({ sequence, entry }) =>
        sequence === null || entry === null ? [] : [{ sequence: Number(sequence), entry }],
      );
      return { oldest: Number(rows[0]?.oldest ?? 0), entries };
    },
    async renewLog(log, ttlMs) {
      await sql.query(`update shared_logs set expires_at = ${EXPIRY("$2")} where log = $1 and expires_at > now()`, [
        log,
        ttlMs,
      ]);
    },
  };
}

function messageOperations(sql: Sql): Part<"insertMessages" | "messagePosition" | "pollMessages"> {
  return {
    async insertMessages(messages) {
      await sql.query(INSERT_MESSAGES, [messages.map((one) => one.channel), messages.map((one) => one.message)]);
    },
    async messagePosition() {
      const [row] = await sql.query<{ snapshot: string; at: string; last_id: string }>(POSITION);
      return { position: `${row?.snapshot} ${row?.at}`, lastId: BigInt(row?.last_id ?? 0) };
    },
    async pollMessages(position, channels) {
      const split = position.indexOf(" ");
      const rows = await sql.query<{
        snapshot: string;
        at: string;
        id: string | null;
        channel: string;
        message: string;
      }>(POLL_MESSAGES, [position.slice(0, split), channels, position.slice(split + 1)]);
      const [first] = rows;
      const messages = rows.flatMap((row) =>
        row.id === null ? [] : [{ id: BigInt(row.id), channel: row.channel, message: row.message }],
      );
      return { position: first === undefined ? position : `${first.snapshot} ${first.at}`, messages };
    },
  };
}
