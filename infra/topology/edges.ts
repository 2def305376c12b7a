/**
 * Who may talk to whom: one list, from which network policies, their proof and the pictures come. Whatever is not in it is not needed,
 * and should not be reachable.
 */
import type { Plan } from "../../contract/plan.ts";

/** What the deployment consists of; its network policies are ours to write. */
export type Tier = "nginx" | "gateway" | "pgbouncer" | "postgres" | "redis" | "migrations" | "backup" | "exporter";
/** Whom it talks to; their policies are somebody else's. */
export type Outsider =
  | "ingress"
  | "prometheus"
  | "dns"
  | "upstreams"
  | "identity-provider"
  | "trace-collector"
  | "object-store";
export type Party = Tier | Outsider;

export type Protocol = "TCP" | "UDP";

export type Edge = {
  /** Who opens the connection. */
  readonly from: Party;
  readonly to: Party;
  readonly port: number;
  readonly protocol: Protocol;
  readonly why: string;
};

/** The ports, and what of the outside is there; null where it is not. */
export type Surroundings = {
  readonly ports: {
    readonly nginx: number;
    /** Its counters. */
    readonly nginxStatus: number | null;
    readonly gateway: number;
    readonly pgbouncer: number;
    readonly postgres: number;
    readonly redis: number;
    /** Where the exporter is read. */
    readonly exporter: number;
  };
  /** Of the MCP servers behind the gateway. */
  readonly upstreamPorts: readonly number[];
  readonly identityProviderPort: number | null;
  readonly traceCollectorPort: number | null;
  readonly objectStorePort: number | null;
};

const TIERS: Readonly<Record<Tier, true>> = {
  nginx: true,
  gateway: true,
  pgbouncer: true,
  postgres: true,
  redis: true,
  migrations: true,
  backup: true,
  exporter: true,
};

export function isTier(party: Party): party is Tier {
  return Object.hasOwn(TIERS, party);
}

/** Every edge of the plan's variant, each once, in the order of a request's way. */
export function listEdges(plan: Pick<Plan, "database">, surroundings: Surroundings): readonly Edge[] {
  const isPooled = plan.database.mode === "pgbouncer";
  return [...requestEdges(isPooled, surroundings), ...careEdges(isPooled, surroundings), ...nameEdges(isPooled)];
}

/** The way of a request, from outside to the data and to the servers behind the gateway. */
function requestEdges(isPooled: boolean, around: Surroundings): readonly Edge[] {
  const { ports } = around;
  const database = isPooled
    ? [
        tcp("gateway", "pgbouncer", ports.pgbouncer, "transactions of requests"),
        tcp("pgbouncer", "postgres", ports.postgres, "transactions of requests"),
      ]
    : [tcp("gateway", "postgres", ports.postgres, "transactions of requests")];
  return [
    tcp("ingress", "nginx", ports.nginx, "requests from outside"),
    tcp("nginx", "gateway", ports.gateway, "requests that no cache answers, and who is asking"),
    ...database,
    tcp("gateway", "redis", ports.redis, "shared state, limits and notices between replicas"),
    ...around.upstreamPorts.map((port) => tcp("gateway", "upstreams", port, "MCP servers")),
    ...where(around.identityProviderPort, (port) => tcp("gateway", "identity-provider", port, "keys and tokens")),
    ...where(around.traceCollectorPort, (port) => tcp("gateway", "trace-collector", port, "traces")),
  ];
}

/** What keeps it alive. Past the pooler: locks, snapshots and counters of a session do not survive transaction mode. */
function careEdges(isPooled: boolean, around: Surroundings): readonly Edge[] {
  const { ports } = around;
  return [
    tcp("migrations", "postgres", ports.postgres, "changes of the schema, under a lock of the session"),
    tcp("backup", "postgres", ports.postgres, "a snapshot of everything"),
    ...where(around.objectStorePort, (port) => tcp("backup", "object-store", port, "backups leave the cluster")),
    tcp("exporter", "postgres", ports.postgres, "counters"),
    ...(isPooled ? [tcp("exporter", "pgbouncer", ports.pgbouncer, "counters")] : []),
    tcp("exporter", "redis", ports.redis, "counters"),
    ...where(ports.nginxStatus, (port) => tcp("exporter", "nginx", port, "counters")),
    tcp("prometheus", "gateway", ports.gateway, "metrics"),
    tcp("prometheus", "exporter", ports.exporter, "metrics"),
  ];
}

/** Answers that do not fit into a datagram are asked for again over TCP. */
function nameEdges(isPooled: boolean): readonly Edge[] {
  const asking: readonly Tier[] = [
    "nginx",
    "gateway",
    ...(isPooled ? ["pgbouncer" as const] : []),
    "migrations",
    "backup",
    "exporter",
  ];
  return asking.flatMap((from) =>
    (["UDP", "TCP"] as const).map((protocol) => ({
      from,
      to: "dns" as const,
      port: 53,
      protocol,
      why: "names of its neighbours",
    })),
  );
}

function tcp(from: Party, to: Party, port: number, why: string): Edge {
  return { from, to, port, protocol: "TCP", why };
}

function where(port: number | null, edge: (port: number) => Edge): readonly Edge[] {
  return port === null ? [] : [edge(port)];
}
