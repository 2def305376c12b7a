/**
 * What every object of a stack shares: its namespace, its labels, its names. No name is left to a server, so that what was reviewed is
 * what runs.
 */
import type { Deployment, Tier, Topology, Workload } from "../../../topology/index.ts";
import type { Manifest, Metadata } from "../manifest.ts";

/** Plain data below a manifest. */
export type Tree = Readonly<Record<string, unknown>>;

export type Site = {
  readonly topology: Topology;
  readonly deployment: Deployment;
  /** In lower case, for names. */
  readonly stack: string;
  readonly namespace: string;
  /** 34 for Kubernetes 1.34. */
  readonly minor: number;
  readonly isProduction: boolean;
};

/** Objects that belong together: a tier, or what stands around the tiers. */
export type Part = { readonly name: string; readonly manifests: readonly Manifest[] };

export function siteOf(topology: Topology, deployment: Deployment): Site {
  return {
    topology,
    deployment,
    stack: topology.stack.toLowerCase(),
    namespace: deployment.kubernetes.namespace,
    minor: topology.plan.kernel.kubernetesMinor,
    isProduction: topology.environment === "prod",
  };
}

/** Labels that are on everything. Kubernetes documentation, recommended labels. */
export function commonLabels({ topology }: Site): Readonly<Record<string, string>> {
  return {
    "app.kubernetes.io/instance": topology.stack,
    "app.kubernetes.io/part-of": "mcp-stack",
    "app.kubernetes.io/managed-by": "mcp-stack",
  };
}

export function tierLabels(site: Site, tier: Tier): Readonly<Record<string, string>> {
  return { ...commonLabels(site), "app.kubernetes.io/component": tier };
}

export function workloadLabels(site: Site, workload: Workload): Readonly<Record<string, string>> {
  return { ...tierLabels(site, workload.tier), "app.kubernetes.io/name": workload.name };
}

/** What selects the pods of a workload. It can never be changed, so nothing stands in it that a configuration may change. */
export function workloadSelector({ topology }: Site, { name }: Workload): Readonly<Record<string, string>> {
  return { "app.kubernetes.io/name": name, "app.kubernetes.io/instance": topology.stack };
}

/** What selects every pod of a tier, for network policies. */
export function tierSelector({ topology }: Site, tier: Tier): Readonly<Record<string, string>> {
  return { "app.kubernetes.io/component": tier, "app.kubernetes.io/instance": topology.stack };
}

/** Metadata of a namespaced object. */
export function metadataOf(
  site: Site,
  name: string,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>> = {},
): Metadata {
  return {
    name,
    namespace: site.namespace,
    labels,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

/** A name for what stands outside of namespaces, where other stacks have theirs too. */
export function clusterName({ stack, namespace }: Site, what: string): string {
  return `${stack}-${namespace}-${what}`;
}

/** One ServiceAccount per tier: whatever a tier is ever granted, no other tier has it. */
export function accountName({ tier }: Workload): string {
  return tier;
}
