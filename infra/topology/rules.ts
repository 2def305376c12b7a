/** Rules over the topology, in the form of the plan's budgets. */
import type { Budget, Refusal } from "../../contract/plan.ts";
import { type Edge, isTier, type Party, type Protocol, type Tier } from "./edges.ts";

export type Direction = "egress" | "ingress";

/** One rule of a network policy: what it lets through for whom. Without peers or ports it lets nothing through, and still selects. */
export type Policy = {
  readonly name: string;
  readonly selects: Tier | "all";
  readonly direction: Direction;
  readonly peers: readonly Party[] | "any";
  readonly ports: readonly { readonly port: number; readonly protocol: Protocol }[] | "any";
};

/** The half of an edge that no policy lets through: egress of its start or ingress of its end. */
export type ClosedHalf = { readonly edge: Edge; readonly direction: Direction };

export type RuleOutcome = {
  readonly budgets: readonly Budget[];
  readonly refusals: readonly Refusal[];
};

/**
 * I40: every edge that the deployment needs is open in the network policies, in both directions; how many halves are closed ≤ 0. The
 * refusal lists them. Kubernetes, network policies: a pod that no policy selects for a direction is open in it; selected ones are open
 * to the sum of what the policies allow.
 */
export function checkNetworkPolicies(
  edges: readonly Edge[],
  policies: readonly Policy[],
): RuleOutcome & {
  readonly closed: readonly ClosedHalf[];
} {
  const closed = closedHalves(edges, policies);
  const holds = closed.length === 0;
  const budget: Budget = {
    id: "I40",
    statement: "every edge that the deployment needs is open in the network policies, in both directions",
    left: closed.length,
    right: 0,
    strict: false,
    unit: "closed edges",
    headroom: holds ? 0 : -1,
    severity: "refuse",
    source: "Kubernetes documentation, network policies",
    holds,
  };
  const listed = `${budget.statement}; closed: ${closed.map(sentenceOf).join("; ")}`;
  return { budgets: [budget], refusals: holds ? [] : [{ ...budget, statement: listed, repairs: [] }], closed };
}

/** In the order of the edges, egress before ingress. Halves of parties outside the deployment are not ours to open. */
export function closedHalves(edges: readonly Edge[], policies: readonly Policy[]): readonly ClosedHalf[] {
  return edges.flatMap((edge) => {
    const halves: readonly (readonly [Direction, Party, Party])[] = [
      ["egress", edge.from, edge.to],
      ["ingress", edge.to, edge.from],
    ];
    return halves
      .filter(([direction, ours, theirs]) => isTier(ours) && !isOpen(policies, direction, ours, theirs, edge))
      .map(([direction]) => ({ edge, direction }));
  });
}

function isOpen(policies: readonly Policy[], direction: Direction, ours: Tier, theirs: Party, edge: Edge): boolean {
  const selecting = policies.filter(
    (policy) => policy.direction === direction && (policy.selects === "all" || policy.selects === ours),
  );
  return selecting.length === 0 || selecting.some((policy) => allows(policy, theirs, edge));
}

function allows({ peers, ports }: Policy, theirs: Party, edge: Edge): boolean {
  const isPeer = peers === "any" || peers.includes(theirs);
  return isPeer && (ports === "any" || ports.some((one) => one.port === edge.port && one.protocol === edge.protocol));
}

function sentenceOf({ edge, direction }: ClosedHalf): string {
  const way =
    direction === "egress" ? `egress of ${edge.from} to ${edge.to}` : `ingress of ${edge.to} from ${edge.from}`;
  return `${way}, ${edge.protocol} ${edge.port} (${edge.why})`;
}
