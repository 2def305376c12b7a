/** What NetworkPolicies let through: Kubernetes' semantics, evaluated for one connection at a time. */
import type { Manifest } from "../manifest.ts";
import { contains, parseCidr } from "./cidr.ts";
import { type Labels, selects } from "./label-selector.ts";
import { type Pod, podsOf } from "./pods.ts";
import { isTree, listAt, numberAt, type Tree, textAt, valueAt } from "./tree.ts";

export type Protocol = "TCP" | "UDP" | "SCTP";

/** An end of a connection: a pod, which policies select, or an address outside the cluster, which none does. */
export type Endpoint =
  | {
      readonly kind: "pod";
      readonly namespace: string;
      readonly namespaceLabels: Labels;
      readonly labels: Labels;
      /** Of the pod, where blocks of addresses are to be tried on it: network plugins differ in whether they apply to pods. */
      readonly address?: string;
      readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: Protocol }[];
    }
  | { readonly kind: "address"; readonly address: string };

export type Connection = {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly port: number;
  readonly protocol: Protocol;
};

/** Both must be open for a connection to come about. */
export type Halves = { readonly egress: boolean; readonly ingress: boolean };

/**
 * Kubernetes documentation, network policies: a pod that no policy selects for a direction is open in it, a selected one to the sum of
 * what its policies allow. Answers to an open connection pass; an end outside the cluster is always open.
 */
export function halvesOf(policies: readonly Manifest[], connection: Connection): Halves {
  const { from, to } = connection;
  return {
    egress: isOpen(policies, "Egress", from, to, connection),
    ingress: isOpen(policies, "Ingress", to, from, connection),
  };
}

type Direction = "Egress" | "Ingress";

function isOpen(policies: readonly Manifest[], way: Direction, own: Endpoint, peer: Endpoint, connection: Connection) {
  if (own.kind === "address") return true;
  const selecting = policies.filter(
    (policy) =>
      policy.kind === "NetworkPolicy" &&
      policy.metadata.namespace === own.namespace &&
      directionsOf(policy).includes(way) &&
      selects(valueAt(policy, "spec", "podSelector"), own.labels),
  );
  if (selecting.length === 0) return true;
  return selecting.some((policy) =>
    listAt(policy, "spec", way.toLowerCase()).some(
      (rule) => allowsPeer(rule, way, own.namespace, peer) && allowsPort(rule, connection),
    ),
  );
}

/** Without `policyTypes`: ingress, and egress if there are rules for it. */
export function directionsOf(policy: Manifest): readonly unknown[] {
  const named = listAt(policy, "spec", "policyTypes");
  if (named.length > 0) return named;
  return listAt(policy, "spec", "egress").length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

function allowsPeer(rule: unknown, way: Direction, namespace: string, peer: Endpoint): boolean {
  const peers = listAt(rule, way === "Ingress" ? "from" : "to");
  return peers.length === 0 || peers.some((one) => isTree(one) && isPeer(one, namespace, peer));
}

function isPeer(allowed: Tree, namespace: string, peer: Endpoint): boolean {
  if (isTree(allowed.ipBlock)) return peer.address !== undefined && isInBlock(allowed.ipBlock, peer.address);
  if (peer.kind === "address") return false;
  const isNamespace =
    allowed.namespaceSelector === undefined
      ? peer.namespace === namespace
      : selects(allowed.namespaceSelector, peer.namespaceLabels);
  return isNamespace && (allowed.podSelector === undefined || selects(allowed.podSelector, peer.labels));
}

function isInBlock(block: Tree, address: string): boolean {
  const isIn = (text: unknown) => {
    const cidr = typeof text === "string" ? parseCidr(text) : undefined;
    return cidr !== undefined && contains(cidr, address);
  };
  return isIn(block.cidr) && !listAt(block, "except").some(isIn);
}

function allowsPort(rule: unknown, { to, port, protocol }: Connection): boolean {
  const ports = listAt(rule, "ports");
  return ports.length === 0 || ports.some((allowed) => isPort(allowed, to, port, protocol));
}

function isPort(allowed: unknown, to: Endpoint, port: number, protocol: Protocol): boolean {
  if ((textAt(allowed, "protocol") ?? "TCP") !== protocol) return false;
  const from = valueAt(allowed, "port");
  if (from === undefined) return true;
  if (typeof from === "number") return port >= from && port <= (numberAt(allowed, "endPort") ?? from);
  return (
    to.kind === "pod" && to.ports.some((one) => one.name === from && one.port === port && one.protocol === protocol)
  );
}

/** A pod of the deployment as an endpoint; `address` where blocks of addresses are to be tried on it. */
export function endpointOf(pod: Pod, manifests: readonly Manifest[], address?: string): Endpoint {
  const namespace = pod.manifest.metadata.namespace ?? "default";
  const found = manifests.find((one) => one.kind === "Namespace" && one.metadata.name === namespace);
  return {
    kind: "pod",
    namespace,
    // Kubernetes sets this label itself.
    namespaceLabels: { ...found?.metadata.labels, "kubernetes.io/metadata.name": namespace },
    labels: pod.labels,
    ...(address === undefined ? {} : { address }),
    ports: pod.containers.flatMap(({ body }) =>
      listAt(body, "ports").flatMap((one) => {
        const [name, port] = [textAt(one, "name"), numberAt(one, "containerPort")];
        const protocol = protocolOf(textAt(one, "protocol"));
        return name === undefined || port === undefined ? [] : [{ name, port, protocol }];
      }),
    ),
  };
}

function protocolOf(text: string | undefined): Protocol {
  return text === "UDP" || text === "SCTP" ? text : "TCP";
}

/** `Kind/name` of a workload → its pods as an endpoint. */
export function endpointsOf(manifests: readonly Manifest[]): ReadonlyMap<string, Endpoint> {
  return new Map(
    podsOf(manifests).map((pod) => [`${pod.manifest.kind}/${pod.manifest.metadata.name}`, endpointOf(pod, manifests)]),
  );
}
