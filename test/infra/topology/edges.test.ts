/** Who may talk to whom, and the rule that network policies leave none of it closed. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { budgetSchema, type Plan, refusalSchema } from "../../../contract/plan.ts";
import {
  checkNetworkPolicies,
  closedHalves,
  type Edge,
  isTier,
  listEdges,
  type Policy,
  type Surroundings,
} from "../../../infra/topology/index.ts";
import { plans } from "./plans.ts";

const bare: Surroundings = {
  ports: {
    nginx: 8080,
    nginxStatus: null,
    gateways: [4444],
    pgbouncer: 6432,
    postgres: 5432,
    redis: 6379,
  },
  managed: { postgres: false, redis: false },
  sentinelPort: null,
  operator: null,
  exporters: [],
  isScraped: true,
  upstreamPorts: [443],
  identityProviderPort: null,
  traceCollectorPort: null,
  objectStorePort: null,
};
const complete: Surroundings = {
  ports: { ...bare.ports, nginxStatus: 8081 },
  managed: { postgres: false, redis: false },
  sentinelPort: null,
  operator: null,
  exporters: [
    { of: "postgres", port: 9187 },
    { of: "pgbouncer", port: 9127 },
    { of: "redis", port: 9121 },
    { of: "nginx", port: 9113 },
  ],
  isScraped: true,
  upstreamPorts: [443, 8000],
  identityProviderPort: 443,
  traceCollectorPort: 4318,
  objectStorePort: 9000,
};
const direct: Pick<Plan, "database"> = { database: { ...plans.dev.database, mode: "direct" } };
const shown = ({ from, to, port, protocol }: Edge) => `${from} → ${to} ${protocol} ${port}`;
const pooled = listEdges(plans.prod, complete);

/** A policy for each half that is ours. */
function policiesFor(edges: readonly Edge[]): readonly Policy[] {
  return edges.flatMap(({ from, to, port, protocol }) => {
    const ports = [{ port, protocol }];
    const name = `${from}-${to}-${port}-${protocol}`;
    const egress = isTier(from) ? [{ name, selects: from, direction: "egress" as const, peers: [to], ports }] : [];
    const ingress = isTier(to) ? [{ name, selects: to, direction: "ingress" as const, peers: [from], ports }] : [];
    return [...egress, ...ingress];
  });
}

const denyAll: readonly Policy[] = (["egress", "ingress"] as const).map((direction) => ({
  name: "default-deny",
  selects: "all",
  direction,
  peers: [],
  ports: [],
}));

describe("edges", () => {
  it("of a plan with a pooler and everything around it", () => {
    expect(pooled.map(shown)).toEqual([
      "ingress → nginx TCP 8080",
      "nginx → gateway TCP 4444",
      "gateway → pgbouncer TCP 6432",
      "pgbouncer → postgres TCP 5432",
      "gateway → redis TCP 6379",
      "gateway → upstreams TCP 443",
      "gateway → upstreams TCP 8000",
      "gateway → identity-provider TCP 443",
      "gateway → trace-collector TCP 4318",
      "migrations → postgres TCP 5432",
      "backup → postgres TCP 5432",
      "backup → object-store TCP 9000",
      "exporter → postgres TCP 5432",
      "exporter → pgbouncer TCP 6432",
      "exporter → redis TCP 6379",
      "exporter → nginx TCP 8081",
      "prometheus → gateway TCP 4444",
      "prometheus → exporter TCP 9187",
      "prometheus → exporter TCP 9127",
      "prometheus → exporter TCP 9121",
      "prometheus → exporter TCP 9113",
      ...["nginx", "gateway", "pgbouncer", "migrations", "backup", "exporter"].flatMap((tier) => [
        `${tier} → dns UDP 53`,
        `${tier} → dns TCP 53`,
      ]),
    ]);
  });

  it("of a plan without a pooler and with little around it", () => {
    expect(listEdges(direct, bare).map(shown)).toEqual([
      "ingress → nginx TCP 8080",
      "nginx → gateway TCP 4444",
      "gateway → postgres TCP 5432",
      "gateway → redis TCP 6379",
      "gateway → upstreams TCP 443",
      "migrations → postgres TCP 5432",
      "backup → postgres TCP 5432",
      "prometheus → gateway TCP 4444",
      ...["nginx", "gateway", "migrations", "backup"].flatMap((tier) => [
        `${tier} → dns UDP 53`,
        `${tier} → dns TCP 53`,
      ]),
    ]);
  });

  it("stand in the list once", () => {
    for (const edges of [pooled, listEdges(direct, bare)]) expect(new Set(edges.map(shown)).size).toBe(edges.length);
  });
});

describe("I40: every edge is open in the network policies", () => {
  it("holds where each half has a policy, beside one that denies everything else", () => {
    const outcome = checkNetworkPolicies(pooled, [...denyAll, ...policiesFor(pooled)]);
    expect(outcome).toEqual({
      budgets: [
        {
          id: "I40",
          statement: "every edge that the deployment needs is open in the network policies, in both directions",
          left: 0,
          right: 0,
          strict: false,
          unit: "closed edges",
          headroom: 0,
          severity: "refuse",
          source: "Kubernetes documentation, network policies",
          holds: true,
        },
      ],
      refusals: [],
      closed: [],
    });
    for (const budget of outcome.budgets) budgetSchema.parse(budget);
  });

  it("holds without any policy, and is broken in every half of ours by one that denies everything", () => {
    expect(closedHalves(pooled, [])).toEqual([]);
    expect(closedHalves(pooled, denyAll)).toHaveLength(policiesFor(pooled).length);
  });

  it("is broken in exactly the halves whose policies are missing", () => {
    const all = policiesFor(pooled);
    fc.assert(
      fc.property(fc.subarray([...all]), (kept) => {
        const closed = closedHalves(pooled, [...denyAll, ...kept]);
        const missing = all.filter((policy) => !kept.includes(policy));
        expect(closed.map(({ edge, direction }) => `${direction} ${shown(edge)}`)).toEqual(
          missing.map(({ name, direction }) => {
            const edge = pooled.find((one) => `${one.from}-${one.to}-${one.port}-${one.protocol}` === name);
            return `${direction} ${edge === undefined ? name : shown(edge)}`;
          }),
        );
      }),
    );
  });

  it("looks at the peer, the port and the protocol", () => {
    const edge: Edge = { from: "gateway", to: "redis", port: 6379, protocol: "TCP", why: "state" };
    const open: Policy = {
      name: "redis",
      selects: "redis",
      direction: "ingress",
      peers: ["gateway"],
      ports: [{ port: 6379, protocol: "TCP" }],
    };
    const isClosed = (changes: Partial<Policy>) => closedHalves([edge], [{ ...open, ...changes }]).length === 1;
    expect(isClosed({})).toBe(false);
    expect(isClosed({ peers: "any", ports: "any" })).toBe(false);
    expect(isClosed({ peers: ["nginx"] })).toBe(true);
    expect(isClosed({ ports: [{ port: 6380, protocol: "TCP" }] })).toBe(true);
    expect(isClosed({ ports: [{ port: 6379, protocol: "UDP" }] })).toBe(true);
    expect(isClosed({ selects: "all", peers: [] })).toBe(true);
    // Another tier's policy, or the other direction's, says nothing about this half.
    expect(isClosed({ selects: "postgres", peers: [] })).toBe(false);
    expect(isClosed({ direction: "egress", peers: [] })).toBe(false);
  });

  it("refuses the published policy of the gateway: no names, no pooler, no upstreams, no cache before it, no metrics", () => {
    const gateway = { name: "mcp-gateway-policy", selects: "gateway" } as const;
    const published: readonly Policy[] = [
      { ...gateway, direction: "ingress", peers: ["ingress"], ports: [{ port: 4444, protocol: "TCP" }] },
      { ...gateway, direction: "egress", peers: ["postgres"], ports: [{ port: 5432, protocol: "TCP" }] },
      { ...gateway, direction: "egress", peers: ["redis"], ports: [{ port: 6379, protocol: "TCP" }] },
    ];
    const { budgets, refusals } = checkNetworkPolicies(listEdges(plans.prod, bare), published);
    expect(budgets.map(({ left, right, holds, headroom }) => ({ left, right, holds, headroom }))).toEqual([
      { left: 6, right: 0, holds: false, headroom: -1 },
    ]);
    expect(refusals.map(({ statement }) => statement.split("; "))).toEqual([
      [
        "every edge that the deployment needs is open in the network policies, in both directions",
        "closed: ingress of gateway from nginx, TCP 4444 (requests that no cache answers, and who is asking)",
        "egress of gateway to pgbouncer, TCP 6432 (transactions of requests)",
        "egress of gateway to upstreams, TCP 443 (MCP servers)",
        "ingress of gateway from prometheus, TCP 4444 (metrics)",
        "egress of gateway to dns, UDP 53 (names of its neighbours)",
        "egress of gateway to dns, TCP 53 (names of its neighbours)",
      ],
    ]);
    for (const refusal of refusals) expect(refusalSchema.parse(refusal)).toEqual(refusal);
  });
});
