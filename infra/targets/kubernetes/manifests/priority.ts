/** Who gives way when nodes are full: data stays before the pooler, the pooler before what serves, and jobs give way first. */
import type { Tier } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { clusterName, commonLabels, type Site } from "./site.ts";

type Class = "data" | "pooler" | "serving" | "jobs";

const CLASS_OF: Readonly<Record<Tier, Class>> = {
  postgres: "data",
  redis: "data",
  pgbouncer: "pooler",
  nginx: "serving",
  gateway: "serving",
  migrations: "jobs",
  backup: "jobs",
  exporter: "jobs",
};

/** Far below the two billion of system classes; the default is 0. Kubernetes documentation, PriorityClass. */
const VALUES: Readonly<Record<Class, { readonly value: number; readonly description: string }>> = {
  data: { value: 400_000, description: "PostgreSQL and Redis: everything else is nothing without them" },
  pooler: { value: 300_000, description: "PgBouncer: the way to the data" },
  serving: { value: 200_000, description: "nginx and the gateway: there are several of them" },
  jobs: { value: 100_000, description: "Migrations, backups, exporters: they can be done later" },
};

export function priorityName(site: Site, tier: Tier): string {
  return clusterName(site, CLASS_OF[tier]);
}

/** One class per step; classes are the cluster's, so that their names hold the stack and its namespace. */
export function priorityClasses(site: Site): readonly Manifest[] {
  if (!site.deployment.kubernetes.priorityClasses) return [];
  return Object.entries(VALUES).map(([step, { value, description }]) => ({
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name: clusterName(site, step), labels: commonLabels(site) },
    value,
    globalDefault: false,
    // A job that pushes others away to run a little earlier is no help.
    preemptionPolicy: step === "jobs" ? "Never" : "PreemptLowerPriority",
    description,
  }));
}
