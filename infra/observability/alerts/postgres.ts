/** Alerts about PostgreSQL, by the names of postgres_exporter. */
import type { Plan } from "../../../contract/plan.ts";
import { near, openConnections } from "../limits.ts";
import { type AlertRule, alert } from "../rule.ts";
import { seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";

export function postgresAlerts(plan: Plan, watch: Watch): readonly AlertRule[] {
  if (watch.postgres.job === null) return [];
  const { foreign } = seriesOf(watch);
  const { maxConnections, reservedConnections } = plan.postgres;
  const idle = foreign("pg_stat_activity_max_tx_duration", { state: { like: "idle in transaction.*" } });
  return [
    alert(watch, {
      name: "PostgresDown",
      expr: `${foreign("pg_up")} == 0`,
      forS: 60,
      severity: "critical",
      summary: `${watch.stack}: PostgreSQL does not answer`,
      description: "The exporter cannot log in to {{ $labels.instance }}.",
    }),
    alert(watch, {
      name: "PostgresConnectionsNearLimit",
      expr: `sum by (instance) (${foreign("pg_stat_database_numbackends")}) > ${near(openConnections(plan))}`,
      forS: 300,
      severity: "warning",
      summary: `${watch.stack}: PostgreSQL has nearly no connection left`,
      description: `{{ $value }} connections of ${openConnections(plan)} (max_connections ${maxConnections}, ${reservedConnections} reserved).`,
    }),
    alert(watch, {
      name: "PostgresLimitNotAsPlanned",
      expr: `${foreign("pg_settings_max_connections")} != ${maxConnections}`,
      forS: 900,
      severity: "warning",
      summary: `${watch.stack}: PostgreSQL runs with another limit than the plan's`,
      description: `max_connections is {{ $value }}; pools were planned for ${maxConnections}.`,
    }),
    alert(watch, {
      name: "PostgresIdleInTransaction",
      expr: `max by (instance, datname) (${idle}) > ${plan.timeouts.idleInTransactionS}`,
      forS: 60,
      severity: "warning",
      summary: `${watch.stack}: a transaction does nothing and holds its locks`,
      description: `Open for {{ $value | humanizeDuration }} in {{ $labels.datname }}; PostgreSQL should have ended it after ${plan.timeouts.idleInTransactionS} s.`,
    }),
  ];
}
