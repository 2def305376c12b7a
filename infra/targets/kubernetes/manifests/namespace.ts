/** The namespace and the identities in it. */
import type { Tier } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { accountName, commonLabels, metadataOf, type Site, tierLabels } from "./site.ts";

/** Admission enforces the restricted profile, in the version that the plan was made for; Kubernetes documentation, Pod Security. */
export function namespace(site: Site): Manifest {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: site.namespace,
      labels: { ...commonLabels(site), ...podSecurityLabels("restricted", site.minor) },
    },
  };
}

export function podSecurityLabels(level: "restricted" | "privileged", minor: number): Record<string, string> {
  const modes = ["enforce", "audit", "warn"];
  return Object.fromEntries(
    modes.flatMap((mode) => [
      [`pod-security.kubernetes.io/${mode}`, level],
      [`pod-security.kubernetes.io/${mode}-version`, `v1.${minor}`],
    ]),
  );
}

/** Nobody here asks the API server anything: no account hands out its token. */
export function serviceAccounts(site: Site): readonly { readonly tier: Tier; readonly manifest: Manifest }[] {
  const first = site.topology.workloads.filter(
    (workload, index, all) => all.findIndex(({ tier }) => tier === workload.tier) === index,
  );
  return first.map((workload) => ({
    tier: workload.tier,
    manifest: {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadataOf(site, accountName(workload), tierLabels(site, workload.tier)),
      automountServiceAccountToken: false,
    },
  }));
}
