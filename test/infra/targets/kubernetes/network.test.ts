/** Network policies as they are written; what they let through is judged elsewhere. */
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../infra/targets/kubernetes/manifest.ts";
import { kubernetesManifests } from "../../../../infra/targets/kubernetes/manifests/index.ts";
import type { Topology } from "../../../../infra/topology/index.ts";
import { deploymentOf, topology } from "./small.ts";

function policies(of: Topology = topology, more: Readonly<Record<string, unknown>> = {}) {
  const found = kubernetesManifests(of, deploymentOf(more)).filter(({ kind }) => kind === "NetworkPolicy");
  return Object.fromEntries(found.map((policy: Manifest) => [policy.metadata.name, Object(policy.spec)]));
}

const pods = (tier: string) => ({
  podSelector: {
    matchLabels: { "app.kubernetes.io/component": tier, "app.kubernetes.io/instance": "shop" },
  },
});
const inNamespace = (name: string) => ({
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } },
});
const tcp = (port: number) => ({ protocol: "TCP", port });
const withEdge = (edge: Topology["edges"][number]) => ({ ...topology, edges: [...topology.edges, edge] });

describe("network policies", () => {
  it("close everything, then open each edge at both of its ends", () => {
    const all = policies();
    expect(Object.keys(all)).toEqual(["default-deny", "postgres", "migrations", "gateway", "nginx", "backup"]);
    expect(all["default-deny"]).toEqual({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    expect(all.postgres).toEqual({
      ...pods("postgres"),
      policyTypes: ["Ingress", "Egress"],
      ingress: ["gateway", "migrations", "backup"].map((tier) => ({ from: [pods(tier)], ports: [tcp(5432)] })),
      egress: [],
    });
    expect(all.migrations).toEqual({
      ...pods("migrations"),
      policyTypes: ["Ingress", "Egress"],
      ingress: [],
      egress: [{ to: [pods("postgres")], ports: [tcp(5432)] }],
    });
  });

  it("let the gateway out to the Internet, and not to metadata, private networks and the cluster", () => {
    const metadata = ["169.254.169.254/32", "169.254.0.0/16"];
    const networks = ["10.20.0.0/16", "10.244.7.0/24", "fd20::/64"];
    const all = policies(topology, { upstreams: { networks } });
    expect(all.gateway.egress[1]).toEqual({
      to: [
        {
          ipBlock: {
            cidr: "0.0.0.0/0",
            except: [
              ...metadata,
              "10.0.0.0/8",
              "172.16.0.0/12",
              "192.168.0.0/16",
              "100.64.0.0/10",
              "10.244.0.0/16",
              "10.96.0.0/12",
            ],
          },
        },
        { ipBlock: { cidr: "::/0", except: ["fd00:ec2::254/128", "fe80::/10", "fc00::/7"] } },
        { ipBlock: { cidr: "10.20.0.0/16" } },
        { ipBlock: { cidr: "10.244.7.0/24" } },
        { ipBlock: { cidr: "fd20::/64" } },
      ],
      ports: [tcp(80), tcp(443)],
    });
  });

  it("keep the cluster out of a network that is let in and has it within", () => {
    const all = policies(topology, { upstreams: { networks: ["10.0.0.0/8"] } });
    expect(all.gateway.egress[1].to[2]).toEqual({
      ipBlock: { cidr: "10.0.0.0/8", except: ["10.244.0.0/16", "10.96.0.0/12"] },
    });
  });

  it("let names be asked for, at the server and at a node's cache, in both protocols", () => {
    expect(policies().gateway.egress[2]).toEqual({
      to: [
        { ...inNamespace("kube-system"), podSelector: { matchLabels: { "k8s-app": "kube-dns" } } },
        { ipBlock: { cidr: "169.254.20.10/32" } },
        { ipBlock: { cidr: "10.96.0.10/32" } },
      ],
      ports: [{ protocol: "UDP", port: 53 }, tcp(53)],
    });
  });

  it("let requests in from the edge, or from the cluster where it has none", () => {
    const from = (edge: unknown) => policies(topology, { kubernetes: { edge } }).nginx.ingress[0];
    expect(from({ kind: "none" })).toEqual({ from: [{ namespaceSelector: {} }], ports: [tcp(8080)] });
    const ingress = { kind: "ingress", className: "nginx", host: "mcp.example.com", tlsSecretName: "tls" };
    expect(from(ingress).from).toEqual([inNamespace("ingress-nginx")]);
    const gateway = {
      kind: "gateway-api",
      gatewayName: "public",
      gatewayNamespace: "gateways",
      host: "mcp.example.com",
    };
    expect(from(gateway).from).toEqual([inNamespace("gateways")]);
  });

  it("let Prometheus, an operator and the cluster's API be where they are", () => {
    const edge = { port: 9090, protocol: "TCP", why: "a test" } as const;
    const scraped = policies(withEdge({ ...edge, from: "prometheus", to: "gateway" }));
    expect(scraped.gateway.ingress[1].from).toEqual([inNamespace("monitoring")]);
    const operated = policies(withEdge({ ...edge, from: "postgres-operator", to: "postgres" }));
    expect(operated.postgres.ingress[3].from).toEqual([
      { namespaceSelector: {}, podSelector: { matchLabels: { "app.kubernetes.io/name": "cloudnative-pg" } } },
    ]);
    const asking = policies(withEdge({ ...edge, from: "postgres", to: "kubernetes-api" }));
    expect(asking.postgres.egress[0].to).toEqual([
      { ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.169.254/32", "169.254.0.0/16"] } },
      { ipBlock: { cidr: "::/0", except: ["fd00:ec2::254/128", "fe80::/10"] } },
    ]);
  });

  it("know where a managed PostgreSQL is, and open nothing to everybody where the configuration has none", () => {
    const edge = { from: "gateway", to: "managed-postgres", port: 5432, protocol: "TCP", why: "a test" } as const;
    const postgres = { variant: "external", host: "db.example.com", networks: ["10.50.0.0/24"] };
    expect(policies(withEdge(edge), { postgres }).gateway.egress[3].to).toEqual([
      { ipBlock: { cidr: "10.50.0.0/24" } },
    ]);
    expect(() => policies(withEdge(edge))).toThrow(
      "the edge gateway egress managed-postgres leads to what the configuration does not have",
    );
  });
});
