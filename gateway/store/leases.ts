/** Leases in the database, and the fence that keeps a former holder from writing. Each operation is one statement; times are the server's. */
import type { Sql } from "./types.ts";

/** `fence`: the holder's, 0 when another one holds it; `leftMs`: how long it stands from now without a renewal. */
export type LeaseRow = { readonly fence: number; readonly leftMs: number };

export interface LeaseRepository {
  /** Takes a lease that nobody holds or renews one's own. */
  acquireLease(name: string, holder: string, ttlMs: number): Promise<LeaseRow>;
  releaseLease(name: string, holder: string): Promise<void>;
  /** False when the key was written with a higher fence. */
  putFenced(key: string, value: string, ttlMs: number, fence: number): Promise<boolean>;
  /** Deletes at most `batch` leases that ended more than a day ago; answers how many. */
  sweepLeases(batch: number): Promise<number>;
}

// Microseconds of the clock are above every fence of the past although the row may be gone; one more than the last where the clock went back.
// A lease that stands for a minute longer than is asked is from before the clock went back.
const ACQUIRE = `
with given as (
  select $1::text as name, $2::text as holder, (extract(epoch from clock_timestamp()) * 1000000)::bigint as fence,
    $3::float8 * interval '1 millisecond' as ttl
), taken as (
  insert into shared_leases as l (name, holder, fence, expires_at)
  select name, holder, fence, clock_timestamp() + ttl from given
  on conflict (name) do update set
    holder = excluded.holder,
    fence = case when l.holder = excluded.holder and l.expires_at > clock_timestamp() then l.fence
      else greatest(l.fence + 1, excluded.fence) end,
    expires_at = excluded.expires_at
  where l.holder = excluded.holder or l.expires_at <= clock_timestamp()
    or l.expires_at > clock_timestamp() + ($3::float8 + 60000) * interval '1 millisecond'
  returning fence
)
select coalesce((select fence from taken), 0)::text as fence,
  case when exists (select from taken) then $3::float8 else coalesce(
    (select extract(epoch from expires_at - clock_timestamp()) * 1000 from shared_leases where name = $1), 0) end::float8 as left_ms`;

const PUT_FENCED = `
insert into shared_maps as m (key, fields, expires_at)
values ($1, jsonb_build_object('value', $2::text, 'fence', $4::text), now() + $3::float8 * interval '1 millisecond')
on conflict (key) do update set fields = excluded.fields, expires_at = excluded.expires_at
where m.expires_at <= now() or coalesce((m.fields ->> 'fence')::bigint, 0) <= $4::bigint
returning 1 as done`;

const SWEEP = `
with swept as (
  delete from shared_leases where name in (
    select name from shared_leases where expires_at < now() - interval '1 day' order by expires_at limit $1::int
    for update skip locked)
  returning 1)
select count(*)::int as swept from swept`;

const RAISE_FENCE = `
insert into write_fences as f (name, fence) values ($1, $2::bigint)
on conflict (name) do update set fence = excluded.fence where f.fence <= excluded.fence
returning 1 as done`;

export function leaseOperations(sql: Sql): LeaseRepository {
  return {
    async acquireLease(name, holder, ttlMs) {
      const rows = await sql.query<{ fence: string; left_ms: number }>(ACQUIRE, [name, holder, ttlMs]);
      return { fence: Number(rows[0]?.fence ?? 0), leftMs: Math.max(0, Math.ceil(rows[0]?.left_ms ?? 0)) };
    },
    async releaseLease(name, holder) {
      await sql.query("update shared_leases set expires_at = now() where name = $1 and holder = $2", [name, holder]);
    },
    async putFenced(key, value, ttlMs, fence) {
      const rows = await sql.query(PUT_FENCED, [key, value, ttlMs, fence]);
      return rows.length === 1;
    },
    async sweepLeases(batch) {
      const rows = await sql.query<{ swept: number }>(SWEEP, [batch]);
      return rows[0]?.swept ?? 0;
    },
  };
}

/**
 * First statement of a transaction that writes on behalf of a lease: false when somebody wrote with a higher fence, and then the
 * transaction has to be rolled back. The row stays locked until its end, so that two holders cannot interleave.
 */
export async function raiseFence(sql: Sql, name: string, fence: number): Promise<boolean> {
  return (await sql.query(RAISE_FENCE, [name, fence])).length === 1;
}
