import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import {
  type Edge,
  type Endpoint,
  endpointsOf,
  halvesOf,
  network,
} from "../../../../../infra/targets/kubernetes/rules/index.ts";
import {
  denyAll,
  deployment,
  excluding,
  gatewayEgress,
  including,
  labelsOf,
  NAMESPACE,
  postgresIngress,
  put,
} from "./objects.ts";

const pods = endpointsOf(deployment);
const pod = (id: string): Endpoint => pods.get(id) ?? { kind: "address", address: `no ${id}` };
const gateway = pod("Deployment/gateway");
const postgres = pod("StatefulSet/postgres");
const EDGE: Edge = { from: "gateway", to: "postgres", port: 5432, protocol: "TCP" };
const outside = (address: string): Endpoint => ({ kind: "address", address });
const context = {
  parties: { gateway: [gateway], postgres: [postgres], internet: [outside("203.0.113.7"), outside("2001:db8::7")] },
  edges: [EDGE],
};

function policy(name: string, spec: Record<string, unknown>): Manifest {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace: NAMESPACE }, spec };
}

function egressTo(...to: readonly unknown[]): Manifest {
  const podSelector = { matchLabels: labelsOf("gateway") };
  return policy("upstreams", { podSelector, policyTypes: ["Egress"], egress: [{ to, ports: [{ port: 443 }] }] });
}

function sentences(manifests: readonly Manifest[], given = context): readonly string[] {
  return network(manifests, given).map(
    ({ rule, object, field, value, allowed }) => `${rule} ${object} ${field}: ${value} (${allowed})`,
  );
}

describe("the network", () => {
  it("lets through what the deployment needs and nothing else", () => {
    expect(network(deployment, context)).toEqual([]);
  });

  it("has both halves of every edge", () => {
    const closed = (halves: string) =>
      `network/edge NetworkPolicy/* gateway → postgres TCP 5432: closed for ${halves} (open)`;
    expect(sentences(excluding(postgresIngress))).toEqual([closed("ingress")]);
    expect(sentences(excluding(gatewayEgress))).toEqual([closed("egress")]);
    expect(sentences(excluding(gatewayEgress, postgresIngress))).toEqual([closed("egress and ingress")]);
    expect(sentences(including(put(gatewayEgress, "spec.egress[0].ports[0].protocol", "UDP")))).toEqual([
      closed("egress"),
    ]);
  });

  it("has no edge that nobody needs", () => {
    expect(sentences(deployment, { ...context, edges: [] })).toEqual([]);
    const wide = including(
      put(gatewayEgress, "spec.egress[0].ports", undefined),
      put(postgresIngress, "spec.ingress[0].ports", undefined),
    );
    expect(sentences(wide)).toEqual(["network/closed NetworkPolicy/* gateway → postgres TCP 1: open (closed)"]);
    const everybody = including(put(postgresIngress, "spec.ingress[0].from", []));
    expect(sentences(everybody)).toEqual([
      "network/closed NetworkPolicy/* internet (203.0.113.7) → postgres TCP 5432: open (closed)",
      "network/closed NetworkPolicy/* internet (2001:db8::7) → postgres TCP 5432: open (closed)",
    ]);
  });

  it("denies by default, in both directions", () => {
    const missing = (way: string) =>
      `network/default-deny Namespace/mcp NetworkPolicy of ${way}: nothing (a policy that selects every pod and allows nothing)`;
    expect(
      sentences(including(put(denyAll, "spec.policyTypes", ["Ingress"]))).filter((one) => /deny/.test(one)),
    ).toEqual([missing("Egress")]);
    const selective = put(denyAll, "spec.podSelector", { matchLabels: labelsOf("gateway") });
    expect(sentences(including(selective)).filter((one) => /deny/.test(one))).toEqual([
      missing("Ingress"),
      missing("Egress"),
    ]);
  });

  it("keeps everybody from the address where clouds hand out credentials", () => {
    const all = (...except: readonly string[]) => ({
      ipBlock: { cidr: "0.0.0.0/0", ...(except.length > 0 ? { except } : {}) },
    });
    const all6 = (...except: readonly string[]) => ({
      ipBlock: { cidr: "::/0", ...(except.length > 0 ? { except } : {}) },
    });
    const needed = [EDGE, { ...EDGE, to: "internet", port: 443 }];
    const given = { ...context, edges: needed };
    const metadata = (address: string) =>
      `network/metadata NetworkPolicy/* gateway → ${address}: open at TCP 443 (closed)`;
    const closed = egressTo(all("169.254.169.254/32"), all6("fd00:ec2::254/128"));
    expect(sentences(including(closed), given)).toEqual([]);
    expect(sentences(including(egressTo(all("10.0.0.0/8"), all6("fd00:ec2::254/128"))), given)).toEqual([
      metadata("169.254.169.254"),
    ]);
    expect(sentences(including(egressTo(all("169.254.0.0/16"), all6("fe80::/10"))), given)).toEqual([
      metadata("fd00:ec2::254"),
    ]);
  });

  it("names networks of both families", () => {
    const alone = egressTo({ ipBlock: { cidr: "198.51.100.0/24" } });
    expect(sentences(including(alone))).toEqual([
      "network/ipv6 NetworkPolicy/upstreams spec.egress[0].to[0].ipBlock: 198.51.100.0/24 (a block of IPv6 beside it)",
    ]);
    expect(sentences(including(egressTo({ ipBlock: { cidr: "169.254.20.10/32" } })))).toEqual([]);
    const without = egressTo(
      { ipBlock: { cidr: "198.51.100.0/24", except: ["198.51.100.0/25"] } },
      { ipBlock: { cidr: "2001:db8:1::/48" } },
    );
    expect(sentences(including(without))).toEqual([
      "network/ipv6 NetworkPolicy/upstreams spec.egress[0].to[0].ipBlock: 198.51.100.0/24 (a block of IPv6 beside it, with exceptions of its own)",
    ]);
  });

  it.each([
    ["10.0.0/8", "a block such as 10.0.0.0/8 or 2001:db8::/32"],
    ["10.0.0.0/33", "a block such as 10.0.0.0/8 or 2001:db8::/32"],
    ["gateway", "a block such as 10.0.0.0/8 or 2001:db8::/32"],
  ])("knows that %s is no block", (cidr, allowed) => {
    expect(sentences(including(egressTo({ ipBlock: { cidr } })))).toEqual([
      `network/cidr NetworkPolicy/upstreams spec.egress[0].to[0].ipBlock.cidr: ${JSON.stringify(cidr)} (${allowed})`,
    ]);
  });

  it.each(["11.0.0.0/8", "10.0.0.0/8", "fd00::/8"])("knows that %s is no part of 10.0.0.0/8", (except) => {
    const block = { ipBlock: { cidr: "10.0.0.0/8", except: [except] } };
    const six = { ipBlock: { cidr: "2001:db8::/32", except: ["2001:db8:1::/48"] } };
    expect(sentences(including(egressTo(block, six)))).toEqual([
      `network/cidr NetworkPolicy/upstreams spec.egress[0].to[0].ipBlock.except: "${except}" (a part of 10.0.0.0/8)`,
    ]);
  });
});

describe("reachability", () => {
  const halves = (spec: Record<string, unknown>, to: Endpoint, port = 5432, protocol: "TCP" | "UDP" = "TCP") =>
    halvesOf([policy("one", spec)], { from: gateway, to, port, protocol });
  const egress = (rules: readonly unknown[]) => ({ podSelector: {}, policyTypes: ["Egress"], egress: rules });
  const namespaced = (namespace: string, labels: Record<string, string>): Endpoint => ({
    kind: "pod",
    namespace,
    namespaceLabels: { "kubernetes.io/metadata.name": namespace },
    labels,
    address: "10.1.2.3",
    ports: [{ name: "dns", port: 53, protocol: "UDP" }],
  });
  const dns = namespaced("kube-system", { "k8s-app": "kube-dns" });

  it("leaves pods alone that no policy selects, and addresses outside always", () => {
    expect(halvesOf([], { from: gateway, to: postgres, port: 1, protocol: "TCP" })).toEqual({
      egress: true,
      ingress: true,
    });
    expect(halvesOf([denyAll], { from: outside("192.0.2.1"), to: postgres, port: 1, protocol: "TCP" })).toEqual({
      egress: true,
      ingress: false,
    });
    expect(halvesOf([denyAll], { from: dns, to: outside("192.0.2.1"), port: 1, protocol: "TCP" })).toEqual({
      egress: true,
      ingress: true,
    });
  });

  it("takes policies without types for ingress, and for egress where they have rules for it", () => {
    expect(halves({ podSelector: {} }, postgres)).toEqual({ egress: true, ingress: false });
    expect(
      halves({ podSelector: {}, egress: [{ to: [{ podSelector: {} }], ports: [{ port: 1 }] }] }, postgres),
    ).toEqual({
      egress: false,
      ingress: false,
    });
  });

  it("needs namespace and pod where both are named, and means its own namespace where none is", () => {
    const system = { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } };
    const isOpen = (...to: readonly unknown[]) => halves(egress([{ to }]), dns, 53, "UDP").egress;
    expect(isOpen({ namespaceSelector: system, podSelector: { matchLabels: { "k8s-app": "kube-dns" } } })).toBe(true);
    expect(isOpen({ namespaceSelector: system, podSelector: { matchLabels: { "k8s-app": "other" } } })).toBe(false);
    expect(isOpen({ namespaceSelector: system })).toBe(true);
    expect(isOpen({ namespaceSelector: {} })).toBe(true);
    expect(isOpen({ podSelector: { matchLabels: { "k8s-app": "kube-dns" } } })).toBe(false);
    expect(isOpen({ podSelector: {} }, { namespaceSelector: system })).toBe(true);
  });

  it("knows protocols, names and ranges of ports", () => {
    const isOpen = (port: unknown, number: number, protocol: "TCP" | "UDP" = "UDP") =>
      halves(egress([{ ports: [port] }]), dns, number, protocol).egress;
    expect([isOpen({ port: 53, protocol: "UDP" }, 53), isOpen({ port: 53 }, 53)]).toEqual([true, false]);
    expect([isOpen({ port: "dns", protocol: "UDP" }, 53), isOpen({ port: "dns" }, 53, "TCP")]).toEqual([true, false]);
    expect(isOpen({ protocol: "UDP" }, 4000)).toBe(true);
    const range = { port: 100, endPort: 200, protocol: "UDP" };
    expect([99, 100, 150, 200, 201].map((port) => isOpen(range, port))).toEqual([false, true, true, true, false]);
  });

  it("tries blocks of addresses on pods whose address is given", () => {
    const block = egress([{ to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.2.0.0/16"] } }] }]);
    expect(halves(block, dns).egress).toBe(true);
    expect(halves(block, postgres).egress).toBe(false);
    expect([outside("10.1.0.1"), outside("10.2.0.1"), outside("::1")].map((to) => halves(block, to).egress)).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("agrees with the list of edges that policies were made from, and misses any half that is taken away", () => {
    const names = ["nginx", "gateway", "pgbouncer", "postgres"];
    const parties: Readonly<Record<string, readonly Endpoint[]>> = Object.fromEntries(
      names.map((name) => [name, [{ ...namespaced(NAMESPACE, labelsOf(name)), ports: [] }]]),
    );
    const edges = fc.uniqueArray(
      fc.record({
        from: fc.constantFrom(...names),
        to: fc.constantFrom(...names),
        port: fc.constantFrom(4444, 5432, 6432),
        protocol: fc.constantFrom<"TCP" | "UDP">("TCP", "UDP"),
      }),
      { selector: (edge) => JSON.stringify(edge), maxLength: 12 },
    );
    fc.assert(
      fc.property(edges, fc.nat(), (needed, picked) => {
        const made = needed.flatMap(policiesOf);
        expect(network([denyAll, ...made], { parties, edges: needed })).toEqual([]);
        if (made.length === 0) return;
        const index = picked % made.length;
        const found = network([denyAll, ...made.toSpliced(index, 1)], { parties, edges: needed });
        const edge = needed[Math.floor(index / 2)];
        expect(found.map(({ rule, field, value }) => [rule, field, value])).toEqual([
          [
            "network/edge",
            `${edge?.from} → ${edge?.to} ${edge?.protocol} ${edge?.port}`,
            `closed for ${index % 2 === 0 ? "egress" : "ingress"}`,
          ],
        ]);
      }),
    );
  });
});

function policiesOf({ from, to, port, protocol }: Edge): readonly Manifest[] {
  const selector = (name: string) => ({ podSelector: { matchLabels: labelsOf(name) } });
  const ports = [{ port, protocol }];
  return [
    policy("a", { ...selector(from), policyTypes: ["Egress"], egress: [{ to: [selector(to)], ports }] }),
    policy("b", { ...selector(to), policyTypes: ["Ingress"], ingress: [{ from: [selector(from)], ports }] }),
  ];
}
