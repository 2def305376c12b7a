/** Where everybody in the list of edges stands, for the judge of network policies. */
import type { Manifest } from "../../../../infra/targets/kubernetes/manifest.ts";
import type { Site } from "../../../../infra/targets/kubernetes/manifests/index.ts";
import {
  type Edge,
  type Endpoint,
  endpointOf,
  type Finding,
  type NetworkContext,
  podsOf,
} from "../../../../infra/targets/kubernetes/rules/index.ts";
import { isTier, type Party } from "../../../../infra/topology/index.ts";

/** Three parties are one place: the Internet, and the networks that the configuration lets in. */
const OUTSIDE: readonly Party[] = ["upstreams", "identity-provider", "object-store"];
const PUBLIC = ["198.51.100.7", "2001:db8::7"];
const TIERS: readonly string[] = [
  "nginx",
  "gateway",
  "pgbouncer",
  "postgres",
  "redis",
  "migrations",
  "backup",
  "exporter",
];
const API = ["172.31.255.1", "fd12::1"];
/** Where nobody should get through: a private network, other pods by address. */
const NOBODY = ["192.168.7.7", "10.244.3.3", "100.64.0.9", "fd99::9"];

export function networkContextOf(site: Site, manifests: readonly Manifest[]): NetworkContext {
  const names = [...new Set(site.topology.edges.flatMap(({ from, to }) => [from, to]))];
  const parties = Object.fromEntries([
    ...names.filter((name) => !OUTSIDE.includes(name)).map((name) => [name, placesOf(site, manifests, name)] as const),
    ["outside", [...PUBLIC, ...site.deployment.upstreams.networks.map(firstOf)].map(addressEnd)],
    ["nobody", NOBODY.map(addressEnd)],
    ["link-local", ["169.254.7.7", "fe80::7"].map(addressEnd)],
    ["dns-cache", [addressEnd(site.deployment.kubernetes.dns.nodeLocal)]],
  ]);
  return { parties, edges: edgesOf(site, Object.keys(parties)) };
}

/** What others' pods may do among themselves is theirs: an end of every connection is ours. */
export function ofOurs(findings: readonly Finding[]): readonly Finding[] {
  const isOurs = (end: string) => TIERS.includes(end.split(" ")[0] ?? "");
  return findings.filter(({ rule, field }) => {
    if (rule !== "network/closed" && rule !== "network/metadata") return true;
    const [from = "", to = ""] = field.split(" → ");
    return isOurs(from) || isOurs(to);
  });
}

function placesOf(site: Site, manifests: readonly Manifest[], party: Party): readonly Endpoint[] {
  const { kubernetes, postgres, redis } = site.deployment;
  if (isTier(party)) {
    const own = podsOf(manifests).filter(({ labels }) => labels["app.kubernetes.io/component"] === party);
    // The operator starts pods with the labels that its objects tell it to inherit.
    return own.length > 0
      ? own.map((pod) => endpointOf(pod, manifests))
      : [
          podEnd(site.namespace, {
            "app.kubernetes.io/component": party,
            "app.kubernetes.io/instance": site.topology.stack,
          }),
        ];
  }
  switch (party) {
    case "ingress":
      return [podEnd(edgeNamespace(site), {})];
    case "prometheus":
    case "trace-collector":
      return [podEnd(kubernetes.monitoring.namespace, {})];
    case "dns":
      return [podEnd("kube-system", { "k8s-app": "kube-dns" })];
    case "postgres-operator":
      return [podEnd("cnpg-system", { "app.kubernetes.io/name": "cloudnative-pg" })];
    case "kubernetes-api":
      return API.map(addressEnd);
    case "managed-postgres":
      return postgres.variant === "external" ? postgres.networks.map((one) => addressEnd(firstOf(one))) : [];
    case "managed-redis":
      return redis.variant === "self-contained" ? [] : redis.networks.map((one) => addressEnd(firstOf(one)));
    default:
      throw new Error(`${party} stands nowhere`);
  }
}

/** The list of edges; what is open besides is open because the configuration says so. */
function edgesOf({ topology, deployment }: Site, names: readonly string[]): readonly Edge[] {
  const placed = (party: Party) => (OUTSIDE.includes(party) ? "outside" : party);
  const edges: readonly Edge[] = topology.edges.map((edge) => ({
    ...edge,
    from: placed(edge.from),
    to: placed(edge.to),
  }));
  // The API may be anywhere, and a cluster without an edge is open to its own pods.
  const api = edges.filter(({ to }) => to === "kubernetes-api").flatMap((edge) => beside(edge, ["outside", "nobody"]));
  const within = names.filter((name) => ["dns", "prometheus", "postgres-operator"].includes(name));
  const ingress = deployment.kubernetes.edge.kind === "none" ? edges.filter(({ from }) => from === "ingress") : [];
  const cache = edges.filter(({ to }) => to === "dns").flatMap((edge) => beside(edge, ["dns-cache"]));
  return [...edges, ...cache, ...api, ...ingress.flatMap((edge) => within.map((from) => ({ ...edge, from })))];
}

function beside(edge: Edge, names: readonly string[]): readonly Edge[] {
  return names.map((to) => ({ ...edge, to }));
}

function edgeNamespace({ deployment }: Site): string {
  const { edge } = deployment.kubernetes;
  if (edge.kind === "none") return "default";
  return edge.kind === "ingress" ? edge.namespace : edge.gatewayNamespace;
}

function podEnd(namespace: string, labels: Readonly<Record<string, string>>): Endpoint {
  return { kind: "pod", namespace, namespaceLabels: { "kubernetes.io/metadata.name": namespace }, labels, ports: [] };
}

function addressEnd(address: string): Endpoint {
  return { kind: "address", address };
}

function firstOf(network: string): string {
  return network.split("/")[0] ?? network;
}
