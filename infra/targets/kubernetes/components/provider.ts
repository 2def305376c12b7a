/** The one provider: of which cluster, and how it changes things. Pulumi's default one is never used. */
import * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Site } from "../manifests/index.ts";

/**
 * `kubeconfig` as a secret: a plain one would stand readable in the state and in its history. The cluster's identity is the stack's name,
 * so that another kubeconfig for the same cluster replaces nothing. ConfigMaps and Secrets are changed in place: pods are replaced by
 * their checksums, and a replacement would be a new object under a name that pods still mount. pulumi-kubernetes, provider settings.
 */
export function providerOf(
  { topology, deployment }: Site,
  kubeconfig: pulumi.Output<string> | undefined,
  parent: pulumi.Resource | undefined,
): kubernetes.Provider {
  const { context } = deployment.kubernetes;
  return new kubernetes.Provider(
    "kubernetes",
    {
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
      clusterIdentifier: topology.stack,
      enableServerSideApply: true,
      enableConfigMapMutable: true,
      enableSecretMutable: true,
    },
    parent === undefined ? {} : { parent },
  );
}
