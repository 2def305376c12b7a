/** Quotas: what of a calendar period's amount has been handed out, one statement each. */
import type { Sql } from "./types.ts";

export interface QuotaRepository {
  /** Hands out what is left of a period, up to `want`; below 0 takes back. `used` is what is handed out now. */
  takeQuota(key: string, periodStart: Date, want: number, limit: number): Promise<{ granted: number; used: number }>;
}

// Two rows of periods that nobody counts any more go with each take.
const TAKE = `
with swept as (
  delete from quota_use where (key, period_start) in (
    select key, period_start from quota_use where period_start < now() - interval '70 days'
    order by period_start limit 2 for update skip locked)
)
insert into quota_use as q (key, period_start, used, granted)
values ($1, $2, greatest(0, least($3::bigint, $4::bigint)), greatest(0, least($3::bigint, $4::bigint)))
on conflict (key, period_start) do update set
  granted = case when $3::bigint > 0 then greatest(0, least($3::bigint, $4::bigint - q.used)) else greatest($3::bigint, -q.used) end,
  used = q.used + case when $3::bigint > 0 then greatest(0, least($3::bigint, $4::bigint - q.used)) else greatest($3::bigint, -q.used) end
returning granted::text, used::text`;

export function quotaRepository(sql: Sql): QuotaRepository {
  return {
    async takeQuota(key, periodStart, want, limit) {
      const [row] = await sql.query<{ granted: string; used: string }>(TAKE, [key, periodStart, want, limit]);
      return { granted: Number(row?.granted ?? 0), used: Number(row?.used ?? 0) };
    },
  };
}
