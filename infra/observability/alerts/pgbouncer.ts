/** Alerts about PgBouncer, by the names of pgbouncer_exporter. */
import type { Plan } from "../../../contract/plan.ts";
import { figure, near } from "../limits.ts";
import { type AlertRule, alert } from "../rule.ts";
import { seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";

/** None where the gateway speaks to PostgreSQL itself. */
export function pgbouncerAlerts({ pgbouncer }: Plan, watch: Watch): readonly AlertRule[] {
  if (pgbouncer === null || watch.pgbouncer.job === null) return [];
  const { foreign } = seriesOf(watch);
  const [active, waiting] = [
    foreign("pgbouncer_pools_client_active_connections"),
    foreign("pgbouncer_pools_client_waiting_connections"),
  ];
  const { queryWaitTimeoutS, maxClientConn, maxDbConnections } = pgbouncer;
  return [
    alert(watch, {
      name: "PgbouncerDown",
      expr: `${foreign("pgbouncer_up")} == 0`,
      forS: 60,
      severity: "critical",
      summary: `${watch.stack}: PgBouncer does not answer`,
      description: "The exporter of {{ $labels.instance }} cannot log in; the gateway's queries go the same way.",
    }),
    alert(watch, {
      name: "PgbouncerClientsWaiting",
      expr: `sum by (instance, database) (${waiting}) > 0`,
      forS: 300,
      severity: "warning",
      summary: `${watch.stack}: clients of PgBouncer wait for a server connection`,
      description: `{{ $value }} clients of {{ $labels.database }} wait (cl_waiting); ${maxDbConnections} server connections are planned.`,
    }),
    alert(watch, {
      name: "PgbouncerWaitNearTimeout",
      expr: `max by (instance, database) (${foreign("pgbouncer_pools_client_maxwait_seconds")}) > ${figure(queryWaitTimeoutS / 2)}`,
      forS: 60,
      severity: "critical",
      summary: `${watch.stack}: clients of PgBouncer are about to be disconnected`,
      description: `A client of {{ $labels.database }} waits for {{ $value | humanizeDuration }}; query_wait_timeout is ${queryWaitTimeoutS} s.`,
    }),
    alert(watch, {
      name: "PgbouncerClientsNearLimit",
      expr: `sum by (instance) (${active} + ${waiting}) > ${near(maxClientConn)}`,
      forS: 300,
      severity: "warning",
      summary: `${watch.stack}: PgBouncer has nearly no room for clients`,
      description: `{{ $labels.instance }} has {{ $value }} clients; max_client_conn is ${maxClientConn}.`,
    }),
  ];
}
