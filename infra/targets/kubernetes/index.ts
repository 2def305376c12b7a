/** The door of the Kubernetes target: a topology becomes resources of Pulumi, which are its manifests and nothing else. */
import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Topology } from "../../topology/index.ts";
import { providerOf } from "./components/provider.ts";
import { generatedValues, givenValues } from "./components/secrets.ts";
import { Tier } from "./components/tier.ts";
import { kubernetesParts, type Part, type Site, siteOf, startOrder, TargetError } from "./manifests/index.ts";
import { preflight } from "./preflight.ts";

export { kubernetesManifests } from "./manifests/index.ts";

export type KubernetesOptions = {
  /** A secret of the stack's configuration; without it, the kubeconfig of the machine. */
  readonly kubeconfig?: pulumi.Output<string> | undefined;
  /** The secret that the configuration has under a key, `mcp-stack:databasePassword`; throws with the key where it has none. */
  readonly given: (key: string) => pulumi.Output<string>;
  /** Volumes that are kept, and the secrets they need, survive `pulumi destroy` until somebody takes the protection away; in production, if nothing is said. */
  readonly isProtected?: boolean;
};

export type KubernetesOutputs = {
  /** Where clients come in: from outside, or within the cluster where it has no edge. */
  readonly url: string;
  readonly namespace: string;
  /** By workload. */
  readonly images: Readonly<Record<string, string>>;
};

/** Registers everything. Throws RunError before the first resource where a cluster would refuse any of it: a preview shows its text. */
export function deployKubernetes(
  topology: Topology,
  deployment: Deployment,
  options: KubernetesOptions,
): KubernetesOutputs {
  const site = siteOf(topology, deployment);
  registerAll(site, acceptedParts(site), options);
  return {
    url: urlOf(site),
    namespace: site.namespace,
    images: Object.fromEntries(topology.workloads.map(({ name, image }) => [name, image.reference])),
  };
}

function acceptedParts(site: Site): readonly Part[] {
  try {
    const parts = kubernetesParts(site.topology, site.deployment);
    preflight(
      site,
      parts.flatMap(({ manifests }) => manifests),
    );
    return parts;
  } catch (error) {
    if (!(error instanceof TargetError)) throw error;
    throw new pulumi.RunError(
      `\nstack ${site.topology.stack} cannot run in a cluster:\n  ${error.problems.join("\n  ")}`,
    );
  }
}

function registerAll(site: Site, parts: readonly Part[], options: KubernetesOptions): void {
  const { secrets } = site.topology;
  const given = givenValues(secrets, options.given);
  const root = new pulumi.ComponentResource("mcp:kubernetes:Stack", site.topology.stack);
  const provider = providerOf(site, options.kubeconfig, root);
  const isProtected = options.isProtected ?? site.isProduction;
  const values = { ...given, ...generatedValues(secrets, isProtected, root) };
  const order = startOrder(site);
  const ground: pulumi.Resource[] = [];
  const started = new Map<string, pulumi.Resource>();
  for (const part of parts) {
    const tier = new Tier(
      {
        part,
        workloads: site.topology.workloads,
        values,
        ground,
        started,
        order,
        isProtected,
      },
      { parent: root, providers: { kubernetes: provider } },
    );
    if (part.name === "foundation") ground.push(...tier.objects);
    for (const [name, resource] of tier.started) started.set(name, resource);
  }
}

function urlOf({ topology, deployment, namespace }: Site): string {
  const { edge, clusterDomain } = deployment.kubernetes;
  if (edge.kind !== "none") return `https://${edge.host}`;
  const { workload, port } = topology.entry;
  return `http://${workload}.${namespace}.svc.${clusterDomain}:${port}`;
}
