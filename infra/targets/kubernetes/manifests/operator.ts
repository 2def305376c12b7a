/** PostgreSQL as CloudNativePG runs it: a Cluster, a Pooler and a ScheduledBackup in place of tiers of our own. */
import type { Demand } from "./quota.ts";
import type { Site } from "./site.ts";

/** Pods that the operator starts in our namespace. */
export function operatedDemand(_site: Site): readonly Demand[] {
  return [];
}
