/** Token buckets of the shared state (coordination room), one statement each; times are the server's. */
import type { Sql } from "./types.ts";

export interface BucketRepository {
  /** Takes up to `want` whole tokens, or gives -`want` back; answers what was taken and what is left. */
  takeTokens(key: string, want: number, capacity: number, perMs: number): Promise<{ taken: number; left: number }>;
}

// Two buckets that are full again are dropped with each take. Rows that others hold are left to them, so that nobody waits.
const TAKE = `
with swept as (
  delete from shared_buckets where key in (
    select key from shared_buckets where expires_at <= now() and key <> $1 order by expires_at limit 2 for update skip locked)
), clock as (select clock_timestamp() as at)
insert into shared_buckets as b (key, tokens, taken, at, expires_at)
select $1, least($3::float8, $3::float8 - taken), taken, at, at + (1000 + greatest(taken, 0) / $4::float8) * interval '1 millisecond'
from clock, lateral (select case when $2::float8 > 0 then least($2::float8, $3::float8) else $2::float8 end as taken) t
on conflict (key) do update set (tokens, taken, at, expires_at) = (
  select left_over, got, moment, moment + (1000 + ($3::float8 - left_over) / $4::float8) * interval '1 millisecond'
  from (select clock_timestamp() as moment) m,
  lateral (select least($3::float8, b.tokens + greatest(0, extract(epoch from moment - b.at)::float8 * 1000) * $4::float8) as filled) f,
  lateral (select case when $2::float8 > 0 then greatest(0, least($2::float8, floor(filled + 1e-6))) else $2::float8 end as got) g,
  lateral (select greatest(0, least($3::float8, filled - got)) as left_over) l)
returning taken, tokens`;

export function bucketRepository(sql: Sql): BucketRepository {
  return {
    async takeTokens(key, want, capacity, perMs) {
      const [row] = await sql.query<{ taken: number; tokens: number }>(TAKE, [key, want, capacity, perMs]);
      return { taken: Number(row?.taken ?? 0), left: Number(row?.tokens ?? 0) };
    },
  };
}
