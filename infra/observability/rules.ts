/** The rule file of a stack: everything that is recorded, and everything that somebody is told about. */
import type { Plan } from "../../contract/plan.ts";
import { backupAlerts } from "./alerts/backup.ts";
import { gatewayAlerts } from "./alerts/gateway.ts";
import { kubernetesAlerts } from "./alerts/kubernetes.ts";
import { nginxAlerts } from "./alerts/nginx.ts";
import { pgbouncerAlerts } from "./alerts/pgbouncer.ts";
import { postgresAlerts } from "./alerts/postgres.ts";
import { redisAlerts } from "./alerts/redis.ts";
import { upstreamAlerts } from "./alerts/upstreams.ts";
import { objectiveAlerts, objectiveRecords } from "./objective.ts";
import { requestRecords } from "./recording.ts";
import type { RuleFile, RuleGroup } from "./rule.ts";
import type { Watch } from "./watch.ts";

/** Only what the variant has: a tier without an exporter, or one that is somebody else's, has no rules. */
export function ruleFileOf(plan: Plan, watch: Watch): RuleFile {
  const rules: Readonly<Record<string, RuleGroup["rules"]>> = {
    requests: requestRecords(plan, watch),
    objective: [...objectiveRecords(plan, watch), ...objectiveAlerts(plan, watch)],
    gateway: gatewayAlerts(plan, watch),
    upstreams: upstreamAlerts(watch),
    nginx: nginxAlerts(plan, watch),
    pgbouncer: pgbouncerAlerts(plan, watch),
    postgres: postgresAlerts(plan, watch),
    redis: redisAlerts(plan, watch),
    kubernetes: kubernetesAlerts(plan, watch),
    backup: backupAlerts(plan, watch),
  };
  return {
    groups: Object.entries(rules)
      .filter(([, group]) => group.length > 0)
      .map(([name, group]) => ({ name: `mcp-stack-${watch.stack}-${name}`, rules: group })),
  };
}
