/** The door of the manifests: every object of a stack as plain data, without Pulumi, without a cluster. */
import type { Deployment, Tier, Topology, Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { autoscaler, disruptionBudget } from "./autoscaling.ts";
import { edge } from "./edge.ts";
import { fileObjects } from "./files.ts";
import { monitoring } from "./monitoring.ts";
import { namespace, serviceAccounts } from "./namespace.ts";
import { connectedTiers, denyAll, tierPolicy } from "./network.ts";
import { nodeTuning } from "./node-tuning.ts";
import { operated } from "./operator.ts";
import { priorityClasses } from "./priority.ts";
import { namespaceLimits } from "./quota.ts";
import { checkSite } from "./refusal.ts";
import { service } from "./service.ts";
import { type Part, type Site, siteOf } from "./site.ts";
import { claims } from "./storage.ts";
import { controller } from "./workload.ts";

export type { Manifest, Metadata } from "../manifest.ts";
export { policiesOf } from "./network.ts";
export { startOrder } from "./order.ts";
export { refusalsOf, TargetError } from "./refusal.ts";
export { type SecretRequirement, secretRequirements, secretTexts, withoutSecrets } from "./secrets.ts";
export { type Part, type Site, siteOf, tierLabels } from "./site.ts";

/**
 * Every object, in the order of their start. Throws TargetError with every problem where the topology asks for what a cluster cannot
 * give; nothing else decides what is in it but the topology and the configuration.
 */
export function kubernetesManifests(topology: Topology, deployment: Deployment): readonly Manifest[] {
  return kubernetesParts(topology, deployment).flatMap(({ manifests }) => manifests);
}

/** The same objects, by what they belong to: what stands around the tiers first, then each tier. */
export function kubernetesParts(topology: Topology, deployment: Deployment): readonly Part[] {
  const site = siteOf(topology, deployment);
  checkSite(site);
  return [
    foundation(site),
    ...tiersOf(site).map((tier) => tierPart(site, tier)),
    { name: "edge", manifests: edge(site) },
    { name: "monitoring", manifests: monitoring(site) },
    { name: "node-tuning", manifests: nodeTuning(site) },
  ].filter(({ manifests }) => manifests.length > 0);
}

function foundation(site: Site): Part {
  return {
    name: "foundation",
    manifests: [namespace(site), ...namespaceLimits(site), ...priorityClasses(site), denyAll(site)],
  };
}

/** What an operator runs for us first, then our own in the order of their start: a tier is where its last workload is. */
function tiersOf(site: Site): readonly Tier[] {
  const own = [...new Set(site.topology.workloads.map(({ tier }) => tier).toReversed())].toReversed();
  const others = connectedTiers(site).filter((tier) => !own.includes(tier));
  // The pooler comes into the list of edges before the database that it needs.
  return [...others.toSorted((a, b) => OPERATED.indexOf(a) - OPERATED.indexOf(b)), ...own];
}

const OPERATED: readonly Tier[] = ["postgres", "pgbouncer"];

function tierPart(site: Site, tier: Tier): Part {
  const workloads = site.topology.workloads.filter((workload) => workload.tier === tier);
  const { postgres, pgbouncer } = operated(site);
  return {
    name: tier,
    manifests: [
      ...serviceAccounts(site).flatMap((account) => (account.tier === tier ? [account.manifest] : [])),
      ...(connectedTiers(site).includes(tier) ? [tierPolicy(site, tier)] : []),
      ...claims(site, tier),
      ...workloads.flatMap((workload) => workloadObjects(site, workload)),
      ...(tier === "postgres" ? postgres : []),
      ...(tier === "pgbouncer" ? pgbouncer : []),
    ],
  };
}

/** What a pod needs stands before what starts it. */
function workloadObjects(site: Site, workload: Workload): readonly Manifest[] {
  return [
    ...fileObjects(site, workload),
    ...service(site, workload),
    controller(site, workload),
    ...autoscaler(site, workload),
    ...disruptionBudget(site, workload),
  ];
}
