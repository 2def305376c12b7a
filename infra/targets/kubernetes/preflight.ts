/** What a cluster would refuse, or take and never run, is found before anything is registered. */
import type { Manifest } from "./manifest.ts";
import { type Site, TargetError, tierLabels } from "./manifests/index.ts";
import {
  autoscaling,
  disruption,
  exposure,
  type Finding,
  hardening,
  hosts,
  minor,
  printFinding,
  quota,
  references,
  restricted,
  schema,
} from "./rules/index.ts";

/** Everything that the rules find in a stack's objects without knowing its secrets or where others stand. */
export function findingsOf(site: Site, manifests: readonly Manifest[]): readonly Finding[] {
  const version = { kubernetesMinor: site.minor };
  const ours = inRestrictedNamespaces(manifests);
  return [
    ...schema(manifests),
    ...minor(manifests, version),
    ...restricted(ours, version),
    ...hardening(ours, { requireDigests: site.isProduction, needsToken: [] }),
    ...references(manifests, { external: externalObjects(site), externalPods: operatedPods(site) }),
    ...hosts(manifests, hostsContext(site)),
    ...exposure(manifests, { dataTiers: ["postgres", "pgbouncer", "redis"] }),
    ...disruption(manifests),
    ...autoscaling(manifests),
    ...quota(manifests),
  ];
}

/** Throws TargetError with one sentence for each. */
export function preflight(site: Site, manifests: readonly Manifest[]): void {
  const findings = findingsOf(site, manifests);
  if (findings.length > 0) throw new TargetError(findings.map(printFinding));
}

/** All but those whose namespace says that they are privileged. */
function inRestrictedNamespaces(manifests: readonly Manifest[]): readonly Manifest[] {
  const privileged = manifests.flatMap(({ kind, metadata }) =>
    kind === "Namespace" && metadata.labels?.["pod-security.kubernetes.io/enforce"] === "privileged"
      ? [metadata.name]
      : [],
  );
  return manifests.filter(({ metadata }) => !privileged.includes(metadata.namespace ?? ""));
}

/** What the configuration names and somebody else has made. */
function externalObjects({ deployment }: Site): readonly string[] {
  const { edge, pullSecretName } = deployment.kubernetes;
  return [
    ...(edge.kind === "ingress" ? [`Secret/${edge.tlsSecretName}`] : []),
    ...(pullSecretName === undefined ? [] : [`Secret/${pullSecretName}`]),
  ];
}

/** What an operator starts with the labels that its objects tell it to. */
function operatedPods(site: Site) {
  if (site.deployment.postgres.variant !== "cloudnativepg") return [];
  return (["postgres", "pgbouncer"] as const).map((tier) => ({
    namespace: site.namespace,
    labels: tierLabels(site, tier),
  }));
}

/** Of every cluster. */
const NAME_SERVER = "kube-dns.kube-system.svc.";

/** Every name of this namespace, with its port, in what a workload is told: its files, with and without secrets, and its variables. */
function hostsContext({ topology, deployment, namespace }: Site) {
  const { clusterDomain } = deployment.kubernetes;
  const within = `${namespace}.svc.${clusterDomain}`;
  const name = new RegExp(`([a-z0-9-]+\\.${within.replaceAll(".", "\\.")}):(\\d+)`, "g");
  const named = topology.workloads.flatMap((workload) =>
    [...workload.files.map(({ text }) => text), ...Object.values(workload.environment)].flatMap((text) =>
      [...text.matchAll(name)].map(([, host = "", port]) => ({ by: workload.name, host, port: Number(port) })),
    ),
  );
  const isOperated = deployment.postgres.variant === "cloudnativepg";
  const operated = isOperated ? ["postgres-rw", "pgbouncer"].map((service) => `${service}.${within}`) : [];
  return { named, namespace, clusterDomain, external: [NAME_SERVER + clusterDomain, ...operated] };
}
