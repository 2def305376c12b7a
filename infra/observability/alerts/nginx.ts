/** Alerts about nginx, by the names of nginx-prometheus-exporter. */
import type { Plan } from "../../../contract/plan.ts";
import { clientsPerNginx, near } from "../limits.ts";
import { type AlertRule, alert } from "../rule.ts";
import { seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";

export function nginxAlerts(plan: Plan, watch: Watch): readonly AlertRule[] {
  if (watch.nginx.job === null) return [];
  const { foreign } = seriesOf(watch);
  const { workerProcesses, workerConnections } = plan.nginx;
  const rate = (name: "nginx_connections_accepted" | "nginx_connections_handled") => `rate(${foreign(name)}[5m])`;
  return [
    alert(watch, {
      name: "NginxDown",
      expr: `${foreign("nginx_up")} == 0`,
      forS: 60,
      severity: "critical",
      summary: `${watch.stack}: an nginx does not answer`,
      description: "The exporter cannot read the counters of {{ $labels.instance }}.",
    }),
    alert(watch, {
      name: "NginxConnectionsNearLimit",
      expr: `${foreign("nginx_connections_active")} > ${near(clientsPerNginx(plan))}`,
      forS: 300,
      severity: "warning",
      summary: `${watch.stack}: an nginx has nearly no room for clients`,
      description: `{{ $labels.instance }} has {{ $value }} clients; ${workerProcesses} × ${workerConnections} worker_connections hold ${clientsPerNginx(plan)}, each with a connection to a gateway.`,
    }),
    alert(watch, {
      name: "NginxDroppingConnections",
      expr: `${rate("nginx_connections_accepted")} - ${rate("nginx_connections_handled")} > 0`,
      forS: 120,
      severity: "critical",
      summary: `${watch.stack}: an nginx drops connections`,
      description: "{{ $labels.instance }} closes {{ $value | humanize }} new connections per second unanswered.",
    }),
  ];
}
