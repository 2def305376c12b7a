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
  | "object-store"
  /** A PostgreSQL and a Redis that somebody else runs. */
  | "postgres-operator"
  | "kubernetes-api"
  | "managed-postgres"
  | "managed-redis";
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
    /** One where replicas share a name, else one for each. */
    readonly gateways: readonly number[];
    readonly pgbouncer: number;
    readonly postgres: number;
    readonly redis: number;
  };
  /** Data services that somebody else runs. */
  readonly managed: { readonly postgres: boolean; readonly redis: boolean };
  /** Of Sentinels that tell where Redis is; null without. */
  readonly sentinelPort: number | null;
  /** PostgreSQL is run by an operator within the cluster: its instances talk to each other, to the operator and to the cluster's API. */
  readonly operator: { readonly apiPort: number; readonly statusPort: number } | null;
  /** What is read for counters, and where its exporter is read. */
  readonly exporters: readonly { readonly of: "postgres" | "pgbouncer" | "redis" | "nginx"; readonly port: number }[];
  /** Somebody asks the gateway for its counters. */
  readonly isScraped: boolean;
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
  return [
    ...requestEdges(isPooled, surroundings),
    ...careEdges(surroundings),
    ...counterEdges(surroundings),
    ...nameEdges(isPooled, surroundings),
  ];
}

/** The way of a request, from outside to the data and to the servers behind the gateway. */
function requestEdges(isPooled: boolean, around: Surroundings): readonly Edge[] {
  const { ports } = around;
  const database = isPooled
    ? [
        tcp("gateway", "pgbouncer", ports.pgbouncer, "transactions of requests"),
        tcp("pgbouncer", postgresOf(around), ports.postgres, "transactions of requests"),
      ]
    : [tcp("gateway", postgresOf(around), ports.postgres, "transactions of requests")];
  return [
    tcp("ingress", "nginx", ports.nginx, "requests from outside"),
    ...ports.gateways.map((port) => tcp("nginx", "gateway", port, "requests that no cache answers, and who is asking")),
    ...database,
    tcp("gateway", redisOf(around), ports.redis, "shared state, limits and notices between replicas"),
    ...where(around.sentinelPort, (port) => tcp("gateway", redisOf(around), port, "where Redis is")),
    ...around.upstreamPorts.map((port) => tcp("gateway", "upstreams", port, "MCP servers")),
    ...where(around.identityProviderPort, (port) => tcp("gateway", "identity-provider", port, "keys and tokens")),
    ...where(around.traceCollectorPort, (port) => tcp("gateway", "trace-collector", port, "traces")),
  ];
}

/** What keeps it alive. Past the pooler: locks and snapshots of a session do not survive transaction mode. */
function careEdges(around: Surroundings): readonly Edge[] {
  const { ports, managed } = around;
  const backups = [
    tcp("backup", "postgres", ports.postgres, "a snapshot of everything"),
    ...where(around.objectStorePort, (port) => tcp("backup", "object-store", port, "backups leave the cluster")),
  ];
  return [
    tcp("migrations", postgresOf(around), ports.postgres, "changes of the schema, under a lock of the session"),
    // Whoever runs a managed database backs it up.
    ...(managed.postgres ? [] : around.operator === null ? backups : operatorEdges(around, around.operator)),
  ];
}

/** CloudNativePG, network policies of a cluster: replication, the status of an instance, and the API that every instance asks. */
function operatorEdges(
  around: Surroundings,
  { apiPort, statusPort }: NonNullable<Surroundings["operator"]>,
): readonly Edge[] {
  return [
    tcp("postgres", "postgres", around.ports.postgres, "replication"),
    tcp("postgres", "postgres", statusPort, "status of the other instances"),
    tcp("postgres-operator", "postgres", statusPort, "status of the instances"),
    tcp("postgres-operator", "postgres", around.ports.postgres, "roles and databases"),
    tcp("postgres", "kubernetes-api", apiPort, "who is the primary"),
    tcp("pgbouncer", "kubernetes-api", apiPort, "the pooler's configuration"),
    ...where(around.objectStorePort, (port) => tcp("postgres", "object-store", port, "backups leave the cluster")),
  ];
}

function counterEdges(around: Surroundings): readonly Edge[] {
  const { ports } = around;
  const read = {
    postgres: tcp("exporter", postgresOf(around), ports.postgres, "counters"),
    pgbouncer: tcp("exporter", "pgbouncer", ports.pgbouncer, "counters"),
    redis: tcp("exporter", redisOf(around), ports.redis, "counters"),
    nginx: ports.nginxStatus === null ? undefined : tcp("exporter", "nginx", ports.nginxStatus, "counters"),
  };
  return [
    ...around.exporters.flatMap(({ of }) => read[of] ?? []),
    ...(around.isScraped ? ports.gateways.map((port) => tcp("prometheus", "gateway", port, "metrics")) : []),
    ...around.exporters.map(({ of, port }) => tcp("prometheus", "exporter", port, `metrics of ${of}`)),
  ];
}

/** Answers that do not fit into a datagram are asked for again over TCP. */
function nameEdges(isPooled: boolean, around: Surroundings): readonly Edge[] {
  const asking: readonly Tier[] = [
    "nginx",
    "gateway",
    ...(isPooled ? ["pgbouncer" as const] : []),
    "migrations",
    ...(around.managed.postgres || around.operator !== null ? [] : ["backup" as const]),
    ...(around.operator === null ? [] : ["postgres" as const]),
    ...(around.exporters.length === 0 ? [] : ["exporter" as const]),
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

function postgresOf({ managed }: Surroundings): Party {
  return managed.postgres ? "managed-postgres" : "postgres";
}

function redisOf({ managed }: Surroundings): Party {
  return managed.redis ? "managed-redis" : "redis";
}

function tcp(from: Party, to: Party, port: number, why: string): Edge {
  return { from, to, port, protocol: "TCP", why };
}

function where(port: number | null, edge: (port: number) => Edge): readonly Edge[] {
  return port === null ? [] : [edge(port)];
}
