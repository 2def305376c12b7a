/** Alerts about Redis, by the names of redis_exporter. */
import type { Plan } from "../../../contract/plan.ts";
import { mebibytes, near } from "../limits.ts";
import { type AlertRule, alert } from "../rule.ts";
import { type Series, seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";

export function redisAlerts(plan: Plan, watch: Watch): readonly AlertRule[] {
  if (watch.redis.job === null) return [];
  const series = seriesOf(watch);
  const { maxclients } = plan.redis;
  return [
    alert(watch, {
      name: "RedisDown",
      expr: `${series.foreign("redis_up")} == 0`,
      forS: 60,
      severity: "critical",
      summary: `${watch.stack}: Redis does not answer`,
      description: "The exporter cannot log in to {{ $labels.instance }}.",
    }),
    alert(watch, {
      name: "RedisRejectingConnections",
      expr: `increase(${series.foreign("redis_rejected_connections_total")}[5m]) > 0`,
      forS: 0,
      severity: "critical",
      summary: `${watch.stack}: Redis turns connections away`,
      description: `{{ $value | humanize }} connections were rejected within five minutes; maxclients is ${maxclients}.`,
    }),
    alert(watch, {
      name: "RedisConnectionsNearLimit",
      expr: `${series.foreign("redis_connected_clients")} > ${near(maxclients)}`,
      forS: 300,
      severity: "warning",
      summary: `${watch.stack}: Redis has nearly no connection left`,
      description: `{{ $value }} clients; maxclients is ${maxclients}, ${plan.redis.connections} are planned.`,
    }),
    ...stateAlerts(plan, watch, series),
  ];
}

/** A cache is meant to be full and to forget; state is not. */
function stateAlerts({ redis }: Plan, watch: Watch, { foreign }: Series): readonly AlertRule[] {
  if (redis.role === "cache") return [];
  return [
    alert(watch, {
      name: "RedisMemoryNearLimit",
      expr: `${foreign("redis_memory_used_bytes")} > ${near(mebibytes(redis.maxmemoryMiB))}`,
      forS: 300,
      severity: "critical",
      summary: `${watch.stack}: Redis has nearly used its memory`,
      description: `{{ $value | humanize1024 }}B of ${redis.maxmemoryMiB} MiB; beyond it, ${redis.policy === "noeviction" ? "writes fail" : `keys are evicted (${redis.policy})`}.`,
    }),
    alert(watch, {
      name: "RedisEvicting",
      expr: `increase(${foreign("redis_evicted_keys_total")}[5m]) > 0`,
      forS: 0,
      severity: "critical",
      summary: `${watch.stack}: Redis forgets state`,
      description: `{{ $value | humanize }} keys were evicted within five minutes; the plan's policy is ${redis.policy}.`,
    }),
  ];
}
