/** Network policies: nothing in, nothing out, then both halves of every edge. They are additive, so nothing else is open. */
import { isTier, type Party, type Policy, type Protocol, type Tier } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { anyBlocks, block, hostNetwork, outsideBlocks } from "./address.ts";
import { commonLabels, metadataOf, type Site, type Tree, tierLabels, tierSelector } from "./site.ts";

/** Every pod of the namespace, both ways. */
export function denyAll(site: Site): Manifest {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadataOf(site, "default-deny", commonLabels(site)),
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  };
}

/** The tiers that have an edge, in the order of the edges. */
export function connectedTiers({ topology }: Site): readonly Tier[] {
  return [...new Set(topology.edges.flatMap(({ from, to }) => [from, to]).filter(isTier))];
}

/** A half of edges: what one tier may do with one party. */
type Half = Omit<Policy, "peers" | "ports"> & {
  readonly selects: Tier;
  readonly party: Party;
  readonly ports: readonly { readonly port: number; readonly protocol: Protocol }[];
};

/** Each edge's two halves, ports of one pair of parties together. */
function halvesOf({ topology }: Site): readonly Half[] {
  const halves = topology.edges.flatMap(({ from, to, port, protocol }) => [
    ...(isTier(from) ? [{ selects: from, direction: "egress" as const, party: to, port: { port, protocol } }] : []),
    ...(isTier(to) ? [{ selects: to, direction: "ingress" as const, party: from, port: { port, protocol } }] : []),
  ]);
  const groups = Map.groupBy(halves, ({ selects, direction, party }) => `${selects} ${direction} ${party}`);
  return [...groups].flatMap(([name, group]) => {
    const [first] = group;
    if (first === undefined) return [];
    const { selects, direction, party } = first;
    return [{ name, selects, direction, party, ports: group.map(({ port }) => port) }];
  });
}

/** The same in the topology's words, for its proof that no half is missing. */
export function policiesOf(site: Site): readonly Policy[] {
  return halvesOf(site).map(({ party, ...policy }) => ({ ...policy, peers: [party] }));
}

/** One policy per tier. */
export function tierPolicy(site: Site, tier: Tier): Manifest {
  const own = halvesOf(site).filter(({ selects }) => selects === tier);
  const rules = (direction: Policy["direction"], key: "from" | "to") =>
    own.filter((half) => half.direction === direction).map((half) => ruleOf(site, half, key));
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadataOf(site, tier, tierLabels(site, tier)),
    spec: {
      podSelector: { matchLabels: tierSelector(site, tier) },
      policyTypes: ["Ingress", "Egress"],
      ingress: rules("ingress", "from"),
      egress: rules("egress", "to"),
    },
  };
}

function ruleOf(site: Site, { name, party, ports }: Half, key: "from" | "to"): Tree {
  const peers = peersOf(site, party);
  // No peer at all would let everybody through.
  if (peers.length === 0) throw new RangeError(`the edge ${name} leads to what the configuration does not have`);
  return { [key]: peers, ports: ports.map(({ port, protocol }) => ({ protocol, port })) };
}

/** Who a party is, in the words of a policy. */
function peersOf(site: Site, party: Party): readonly Tree[] {
  if (isTier(party)) return [{ podSelector: { matchLabels: tierSelector(site, party) } }];
  const { kubernetes, postgres, redis } = site.deployment;
  switch (party) {
    case "ingress":
      return [ingressPeer(site)];
    case "prometheus":
    case "trace-collector":
      return [inNamespace(kubernetes.monitoring.namespace)];
    case "dns":
      return [
        { ...inNamespace("kube-system"), podSelector: { matchLabels: { "k8s-app": "kube-dns" } } },
        // A cache on the node answers under its own address and under the name server's: packets to both stay on the node.
        ...[
          ...new Set([
            kubernetes.dns.nodeLocal,
            ...(kubernetes.dns.address === undefined ? [] : [kubernetes.dns.address]),
          ]),
        ].map((one) => block(hostNetwork(one))),
      ];
    case "upstreams":
    case "identity-provider":
    case "object-store":
      return outsideBlocks(site);
    case "kubernetes-api":
      return anyBlocks();
    case "postgres-operator":
      // Wherever it was installed; in another namespace than ours.
      return [{ namespaceSelector: {}, podSelector: { matchLabels: { "app.kubernetes.io/name": "cloudnative-pg" } } }];
    case "managed-postgres":
      return postgres.variant === "external" ? postgres.networks.map((cidr) => block(cidr)) : [];
    case "managed-redis":
      return redis.variant === "self-contained" ? [] : redis.networks.map((cidr) => block(cidr));
  }
}

/** Where requests come from: the pods of the edge, or, without one, the cluster's. */
function ingressPeer({ deployment }: Site): Tree {
  const { edge } = deployment.kubernetes;
  if (edge.kind === "none") return { namespaceSelector: {} };
  return inNamespace(edge.kind === "ingress" ? edge.namespace : edge.gatewayNamespace);
}

/** Kubernetes puts this label on every namespace. */
function inNamespace(name: string): Tree {
  return { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } } };
}
