/** What a cluster would refuse, or take and never run, is found before anything is registered. */
import type { Manifest } from "./manifest.ts";
import { type Site, TargetError, tierLabels } from "./manifests/index.ts";
import { type Finding, printFinding, references, restricted, schema } from "./rules/index.ts";

/** Everything that the rules find in a stack's objects. */
export function findingsOf(site: Site, manifests: readonly Manifest[]): readonly Finding[] {
  const beyond = { external: externalObjects(site), externalPods: externalPods(site) };
  return [
    ...schema(manifests),
    ...restricted(manifests, { kubernetesMinor: site.minor }),
    ...references(manifests, beyond),
  ];
}

/** Throws TargetError with one sentence for each. */
export function preflight(site: Site, manifests: readonly Manifest[]): void {
  const findings = findingsOf(site, manifests);
  if (findings.length > 0) throw new TargetError(findings.map(printFinding));
}

/** What the configuration names and somebody else has made. */
export function externalObjects({ deployment }: Site): readonly string[] {
  const { edge } = deployment.kubernetes;
  return edge.kind === "ingress" ? [`Secret/${edge.tlsSecretName}`] : [];
}

/** What the operator starts with the labels that its objects tell it to. */
function externalPods(
  site: Site,
): readonly { readonly namespace: string; readonly labels: Readonly<Record<string, string>> }[] {
  if (site.deployment.postgres.variant !== "cloudnativepg") return [];
  return (["postgres", "pgbouncer"] as const).map((tier) => ({
    namespace: site.namespace,
    labels: tierLabels(site, tier),
  }));
}
