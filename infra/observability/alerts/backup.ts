/** Alerts about backups and the test that they can be restored, by the names of kube-state-metrics. */
import type { Plan } from "../../../contract/plan.ts";
import { figure } from "../limits.ts";
import { type AlertRule, alert } from "../rule.ts";
import { type Series, seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";

const HOUR = 3600;

export function backupAlerts({ backup }: Plan, watch: Watch): readonly AlertRule[] {
  if (watch.backup === null) return [];
  const series = seriesOf(watch);
  const { cronJob, restoreTest } = watch.backup;
  const { periodH, windowH } = backup;
  const backups = [
    alert(watch, {
      name: "BackupTooOld",
      expr: `${ageOf(series, cronJob)} > ${figure((periodH + windowH) * HOUR)}`,
      forS: 300,
      severity: "critical",
      summary: `${watch.stack}: the last backup is too old`,
      description: `The last one that succeeded is {{ $value | humanizeDuration }} old; one is planned every ${periodH} h and may take ${windowH} h.`,
    }),
    alert(watch, {
      name: "BackupFailed",
      expr: lastRunFailed(series, cronJob),
      forS: 0,
      severity: "warning",
      summary: `${watch.stack}: a backup failed`,
      description: "A run of the backup failed, and none has succeeded since.",
    }),
  ];
  if (restoreTest === null) return backups;
  return [
    ...backups,
    alert(watch, {
      name: "RestoreTestTooOld",
      expr: `${ageOf(series, restoreTest.cronJob)} > ${figure((restoreTest.periodH + windowH) * HOUR)}`,
      forS: 300,
      severity: "warning",
      summary: `${watch.stack}: no backup has been restored for too long`,
      description: `The last test that succeeded was {{ $value | humanizeDuration }} ago; one is planned every ${figure(restoreTest.periodH)} h.`,
    }),
    alert(watch, {
      name: "RestoreTestFailed",
      expr: lastRunFailed(series, restoreTest.cronJob),
      forS: 0,
      severity: "critical",
      summary: `${watch.stack}: a backup could not be restored`,
      description: "A run of the restore test failed, and none has succeeded since: there may be no usable backup.",
    }),
  ];
}

/** Seconds since the last success, since the CronJob was made where there was none. */
function ageOf({ foreign }: Series, cronJob: string): string {
  return `time() - (${lastSuccess(foreign, cronJob)} or max(${foreign("kube_cronjob_created", { cronjob: { like: cronJob } })}))`;
}

/** A failed Job is kept for a while after others have succeeded, so the times have to be compared. */
function lastRunFailed({ foreign }: Series, cronJob: string): string {
  const name = { job_name: { like: `${cronJob}-[0-9]+` } };
  const failed = `${foreign("kube_job_failed", { ...name, condition: "true" })} == 1`;
  const made = `max(${foreign("kube_job_created", name)} and on (namespace, job_name) ${failed})`;
  return `${made} > (${lastSuccess(foreign, cronJob)} or vector(0))`;
}

function lastSuccess(foreign: Series["foreign"], cronJob: string): string {
  return `max(${foreign("kube_cronjob_status_last_successful_time", { cronjob: { like: cronJob } })})`;
}
