/** Is everything open that is needed, and nothing else: the list of edges against the NetworkPolicies of the deployment. */
import type { Manifest } from "../manifest.ts";
import { type Cidr, isWithin, parseCidr } from "./cidr.ts";
import { type Finding, objectOf, shown } from "./finding.ts";
import { podsOf } from "./pods.ts";
import { directionsOf, type Endpoint, halvesOf, type Protocol } from "./reachability.ts";
import { elementsAt, isTree, listAt, textAt, valueAt } from "./tree.ts";

export type Edge = { readonly from: string; readonly to: string; readonly port: number; readonly protocol: Protocol };

export type NetworkContext = {
  /** Name → where it stands; an outsider may stand at several addresses, of either family. */
  readonly parties: Readonly<Record<string, readonly Endpoint[]>>;
  /** All that is needed; every other pair of parties must be closed, at every port that stands here and at port 1. */
  readonly edges: readonly Edge[];
};

/** Where clouds hand out a machine's credentials: AWS, Google and Azure, and AWS by IPv6 (their documentation of instance metadata). */
const METADATA = ["169.254.169.254", "fd00:ec2::254"];

/** Stands for every port that nobody needs. */
const ANY_OTHER_PORT = 1;

/** Findings `network/edge`, `network/closed`, `network/metadata`, `network/default-deny`, `network/ipv6`, `network/cidr`. */
export function network(manifests: readonly Manifest[], context: NetworkContext): readonly Finding[] {
  const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy");
  return [
    ...edgesOpen(policies, context),
    ...othersClosed(policies, context),
    ...metadataClosed(policies, context),
    ...defaultDeny(manifests, policies),
    ...policies.flatMap((policy) => [...blocks(policy), ...bothFamilies(policy)]),
  ];
}

const ALL = "NetworkPolicy/*";

function edgesOpen(policies: readonly Manifest[], { parties, edges }: NetworkContext): readonly Finding[] {
  return edges.flatMap((edge) =>
    pairsOf(parties, edge).flatMap(([from, to]) => {
      const halves = halvesOf(policies, { ...edge, from, to });
      const closed = [...(halves.egress ? [] : ["egress"]), ...(halves.ingress ? [] : ["ingress"])];
      if (closed.length === 0) return [];
      return [
        {
          rule: "network/edge",
          object: ALL,
          field: printEdge(edge, from, to),
          value: `closed for ${closed.join(" and ")}`,
          allowed: "open",
          why: "the deployment needs this connection",
        },
      ];
    }),
  );
}

function pairsOf(parties: NetworkContext["parties"], { from, to }: Edge): readonly (readonly [Endpoint, Endpoint])[] {
  return (parties[from] ?? []).flatMap((one) => (parties[to] ?? []).map((other) => [one, other] as const));
}

function othersClosed(policies: readonly Manifest[], { parties, edges }: NetworkContext): readonly Finding[] {
  const needed = new Set(edges.map(keyOf));
  const names = Object.keys(parties);
  const sockets = [...new Map(edges.map((edge) => [`${edge.protocol} ${edge.port}`, edge])).values()];
  const tried = [...sockets, { port: ANY_OTHER_PORT, protocol: "TCP" as const }];
  return names.flatMap((from) =>
    names.flatMap((to) =>
      tried
        .map(({ port, protocol }): Edge => ({ from, to, port, protocol }))
        .filter((edge) => !needed.has(keyOf(edge)))
        .flatMap((edge) => openPairs(policies, parties, edge)),
    ),
  );
}

/** Connections between two outsiders are nobody's business here. */
function openPairs(policies: readonly Manifest[], parties: NetworkContext["parties"], edge: Edge): readonly Finding[] {
  return pairsOf(parties, edge)
    .filter(([from, to]) => from.kind === "pod" || to.kind === "pod")
    .filter(([from, to]) => {
      const { egress, ingress } = halvesOf(policies, { ...edge, from, to });
      return egress && ingress;
    })
    .map(([from, to]) => ({
      rule: "network/closed",
      object: ALL,
      field: printEdge(edge, from, to),
      value: "open",
      allowed: "closed",
      why: "nothing in the list of edges needs this connection",
    }));
}

function metadataClosed(policies: readonly Manifest[], { parties, edges }: NetworkContext): readonly Finding[] {
  const ports = [...new Set([80, 443, ...edges.map(({ port }) => port)])];
  return Object.entries(parties).flatMap(([name, endpoints]) =>
    endpoints
      .filter(({ kind }) => kind === "pod")
      .flatMap((from) =>
        METADATA.flatMap((address) => {
          const to: Endpoint = { kind: "address", address };
          const open = ports.filter((port) => halvesOf(policies, { from, to, port, protocol: "TCP" }).egress);
          if (open.length === 0) return [];
          return [
            {
              rule: "network/metadata",
              object: ALL,
              field: `${name} → ${address}`,
              value: `open at TCP ${open.join(", ")}`,
              allowed: "closed",
              why: "whoever gets a server to ask this address gets the machine's credentials",
            },
          ];
        }),
      ),
  );
}

/** In every namespace with pods of ours, all pods are selected for both directions by a policy that allows nothing. */
function defaultDeny(manifests: readonly Manifest[], policies: readonly Manifest[]): readonly Finding[] {
  const namespaces = new Set(podsOf(manifests).map(({ manifest }) => manifest.metadata.namespace));
  return [...namespaces].flatMap((namespace) =>
    ["Ingress", "Egress"]
      .filter((way) => !policies.some((policy) => policy.metadata.namespace === namespace && denies(policy, way)))
      .map((way) => ({
        rule: "network/default-deny",
        object: `Namespace/${namespace}`,
        field: `NetworkPolicy of ${way}`,
        value: "nothing",
        allowed: "a policy that selects every pod and allows nothing",
        why: "a pod that no policy selects is open to everybody",
      })),
  );
}

function denies(policy: Manifest, way: string): boolean {
  const selector = valueAt(policy, "spec", "podSelector");
  return (
    isTree(selector) &&
    Object.keys(selector).length === 0 &&
    directionsOf(policy).includes(way) &&
    listAt(policy, "spec", way.toLowerCase()).length === 0
  );
}

type Block = { readonly at: string; readonly rule: string; readonly cidr: Cidr; readonly except: readonly unknown[] };

function rulesOf(policy: Manifest) {
  return ["ingress", "egress"].flatMap((way) =>
    elementsAt(policy, `spec.${way}`, "spec", way).map((rule) => ({
      at: rule.at,
      peers: elementsAt(
        rule.body,
        `${rule.at}.${way === "ingress" ? "from" : "to"}`,
        way === "ingress" ? "from" : "to",
      ),
    })),
  );
}

function blocksOf(policy: Manifest): readonly Block[] {
  return rulesOf(policy).flatMap(({ at: rule, peers }) =>
    peers.flatMap(({ at, body }) => {
      const cidr = parseCidr(textAt(body, "ipBlock", "cidr") ?? "");
      return cidr === undefined ? [] : [{ at: `${at}.ipBlock`, rule, cidr, except: listAt(body, "ipBlock", "except") }];
    }),
  );
}

/** Kubernetes API reference, IPBlock: an exception lies within its block. */
function blocks(policy: Manifest): readonly Finding[] {
  const object = objectOf(policy);
  const why = "an API server refuses it, or a network plugin reads it as it likes";
  const wrong = rulesOf(policy).flatMap(({ peers }) =>
    peers
      .filter(({ body }) => isTree(body.ipBlock) && parseCidr(textAt(body, "ipBlock", "cidr") ?? "") === undefined)
      .map(({ at, body }) => ({
        rule: "network/cidr",
        object,
        field: `${at}.ipBlock.cidr`,
        value: shown(valueAt(body, "ipBlock", "cidr")),
        allowed: "a block such as 10.0.0.0/8 or 2001:db8::/32",
        why,
      })),
  );
  const outside = blocksOf(policy).flatMap(({ at, cidr, except }) =>
    except
      .filter((text) => {
        const inner = typeof text === "string" ? parseCidr(text) : undefined;
        return inner === undefined || !isWithin(inner, cidr);
      })
      .map((text) => ({
        rule: "network/cidr",
        object,
        field: `${at}.except`,
        value: shown(text),
        allowed: `a part of ${cidr.address}/${cidr.prefix}`,
        why,
      })),
  );
  return [...wrong, ...outside];
}

/** Where networks (not single hosts) are named in IPv4, some are in IPv6 in the same rule, with exceptions if the others have any. */
function bothFamilies(policy: Manifest): readonly Finding[] {
  const all = blocksOf(policy);
  const networks = all.filter(({ cidr }) => cidr.family === "ipv4" && cidr.prefix < 32);
  return networks.flatMap(({ at, rule, cidr, except }) => {
    const beside = all.filter((one) => one.rule === rule && one.cidr.family === "ipv6");
    const isMatched = beside.some((one) => except.length === 0 || one.except.length > 0);
    if (isMatched) return [];
    return [
      {
        rule: "network/ipv6",
        object: objectOf(policy),
        field: at,
        value: `${cidr.address}/${cidr.prefix}`,
        allowed: `a block of IPv6 beside it${except.length === 0 ? "" : ", with exceptions of its own"}`,
        why: "in a cluster of both families the same peer has addresses of both",
      },
    ];
  });
}

function keyOf({ from, to, port, protocol }: Edge): string {
  return `${from} ${to} ${protocol} ${port}`;
}

function printEdge({ from, to, port, protocol }: Edge, one: Endpoint, other: Endpoint): string {
  const named = (name: string, end: Endpoint) => (end.kind === "address" ? `${name} (${end.address})` : name);
  return `${named(from, one)} → ${named(to, other)} ${protocol} ${port}`;
}
