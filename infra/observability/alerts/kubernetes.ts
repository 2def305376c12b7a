/** Alerts about the objects around the pods, by the names of kube-state-metrics, kubelet and cert-manager. */
import type { Plan } from "../../../contract/plan.ts";
import { figure, mebibytes } from "../limits.ts";
import { type AlertRule, alert } from "../rule.ts";
import { type Series, seriesOf } from "../series.ts";
import type { Cluster, Watch } from "../watch.ts";

const DAY = 86_400;
/** cert-manager renews at two thirds of a certificate's life, 30 days before the end of one of 90. */
const CERTIFICATE_DAYS = 14;

export function kubernetesAlerts(plan: Plan, watch: Watch): readonly AlertRule[] {
  const series = seriesOf(watch);
  const { cluster, certificate } = watch;
  return [
    ...(cluster === null
      ? []
      : [
          ...scalingAlerts(plan, watch, series),
          ...podAlerts(watch, series),
          ...volumeAlerts(plan, watch, cluster, series),
        ]),
    ...(certificate === null ? [] : [certificateAlert(watch, certificate, series)]),
  ];
}

function scalingAlerts({ autoscaling }: Plan, watch: Watch, { foreign }: Series): readonly AlertRule[] {
  const { enabled, min, max } = autoscaling;
  const current = foreign("kube_horizontalpodautoscaler_status_current_replicas");
  const desired = foreign("kube_horizontalpodautoscaler_status_desired_replicas");
  const atMaximum = alert(watch, {
    name: "AutoscalerAtMaximum",
    expr: `${current} >= ${max} and ${desired} >= ${max}`,
    forS: 900,
    severity: "warning",
    summary: `${watch.stack}: the gateway cannot be scaled further`,
    description: `{{ $labels.horizontalpodautoscaler }} has wanted {{ $value }} replicas for a quarter of an hour; the plan's most are ${max}.`,
  });
  const allowed = foreign("kube_poddisruptionbudget_status_pod_disruptions_allowed");
  const expected = foreign("kube_poddisruptionbudget_status_expected_pods");
  const blocked = alert(watch, {
    name: "DisruptionBudgetBlocked",
    expr: `${allowed} == 0 and ${expected} > 0`,
    forS: 1800,
    severity: "warning",
    summary: `${watch.stack}: no pod may be evicted`,
    description: "{{ $labels.poddisruptionbudget }} allows no disruption: a node that is drained waits for it.",
  });
  return enabled && max > min ? [atMaximum, blocked] : [blocked];
}

function podAlerts(watch: Watch, { foreign }: Series): readonly AlertRule[] {
  const restarts = foreign("kube_pod_container_status_restarts_total");
  const killed = foreign("kube_pod_container_status_last_terminated_reason", { reason: "OOMKilled" });
  return [
    alert(watch, {
      name: "ContainerRestarting",
      expr: `increase(${restarts}[1h]) > 3`,
      forS: 0,
      severity: "warning",
      summary: `${watch.stack}: a container keeps restarting`,
      description:
        "{{ $labels.container }} of {{ $labels.pod }} restarted {{ $value | humanize }} times within an hour.",
    }),
    alert(watch, {
      name: "ContainerOutOfMemory",
      expr: `increase(${restarts}[10m]) > 0 and on (namespace, pod, container) ${killed} == 1`,
      forS: 0,
      severity: "warning",
      summary: `${watch.stack}: a container was killed for its memory`,
      description: "{{ $labels.container }} of {{ $labels.pod }} went over the memory limit that the plan gives it.",
    }),
  ];
}

/** PostgreSQL stops when it cannot write its log, which may grow by max_wal_size between two checkpoints, and beyond it. */
function volumeAlerts(plan: Plan, watch: Watch, { postgresClaims }: Cluster, { foreign }: Series): AlertRule[] {
  if (postgresClaims === null) return [];
  const least = 2 * plan.postgres.maxWalSizeMiB;
  const available = foreign("kubelet_volume_stats_available_bytes", {
    persistentvolumeclaim: { like: postgresClaims },
  });
  return [
    alert(watch, {
      name: "PostgresVolumeFilling",
      expr: `${available} < ${figure(mebibytes(least))} or predict_linear(${available}[6h], ${3 * DAY}) < 0`,
      forS: 900,
      severity: "critical",
      summary: `${watch.stack}: the volume of PostgreSQL is filling`,
      description: `{{ $labels.persistentvolumeclaim }} of ${figure(plan.postgres.volumeGiB)} GiB has less than twice max_wal_size (${least} MiB) left, or will be full within three days.`,
    }),
  ];
}

function certificateAlert(watch: Watch, name: string, { foreign }: Series): AlertRule {
  const expiry = foreign("certmanager_certificate_expiration_timestamp_seconds", { name });
  return alert(watch, {
    name: "CertificateExpiring",
    expr: `${expiry} - time() < ${CERTIFICATE_DAYS * DAY}`,
    forS: 3600,
    severity: "critical",
    summary: `${watch.stack}: the certificate was not renewed`,
    description: "{{ $labels.name }} ends in {{ $value | humanizeDuration }}.",
  });
}
