/** PgBouncer as CloudNativePG runs it. */
import { DATABASE, ROLES, renderPgbouncer } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { assignmentsOf } from "./assignments.ts";
import { priorityName } from "./priority.ts";
import { cpu, mebibytes, seconds } from "./quantity.ts";
import type { Demand } from "./quota.ts";
import { metadataOf, type Site, type Tree, tierLabels } from "./site.ts";

/** Of instances and poolers alike; the operator knows no other. */
export const PORT = 5432;
/** Its Service has the same name. */
const POOLER = "pgbouncer";
/** A quarter more during a rollout: the default of Deployments. */
const SURGE = 0.25;

/** Parameters that the operator takes. CloudNativePG documentation, connection pooling, PgBouncer configuration options. */
const TAKEN = [
  "client_idle_timeout",
  "default_pool_size",
  "idle_transaction_timeout",
  "ignore_startup_parameters",
  "listen_backlog",
  "max_client_conn",
  "max_db_connections",
  "max_prepared_statements",
  "max_user_connections",
  "min_pool_size",
  "query_timeout",
  "query_wait_timeout",
  "reserve_pool_size",
  "reserve_pool_timeout",
  "server_connect_timeout",
  "server_idle_timeout",
  "server_lifetime",
  "server_reset_query_always",
];

export function pooler(site: Site, cluster: string): readonly Manifest[] {
  const { pgbouncer, timeouts } = site.topology.plan;
  if (pgbouncer === null) return [];
  const labels = tierLabels(site, "pgbouncer");
  const limits = { cpu: cpu(pgbouncer.cpu), memory: mebibytes(pgbouncer.memoryMiB) };
  return [
    {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "Pooler",
      metadata: metadataOf(site, POOLER, labels),
      spec: {
        cluster: { name: cluster },
        instances: pgbouncer.instances,
        type: "rw",
        deploymentStrategy: {
          type: "RollingUpdate",
          rollingUpdate: { maxSurge: `${SURGE * 100}%`, maxUnavailable: 0 },
        },
        pgbouncer: { poolMode: "transaction", parameters: parametersOf(site) },
        template: {
          metadata: { labels },
          spec: {
            terminationGracePeriodSeconds: seconds(timeouts.preStopS + timeouts.idleTransactionS + 5),
            ...(site.deployment.kubernetes.priorityClasses
              ? { priorityClassName: priorityName(site, "pgbouncer") }
              : {}),
            topologySpreadConstraints: [spread("topology.kubernetes.io/zone"), spread("kubernetes.io/hostname")],
            containers: [{ name: "pgbouncer", resources: { requests: limits, limits } }],
          },
        },
      },
    },
  ];
}

export function poolerDemand({ topology }: Site, ephemeralMiB: number): readonly Demand[] {
  const { pgbouncer } = topology.plan;
  if (pgbouncer === null) return [];
  const { instances, cpu: cores, memoryMiB } = pgbouncer;
  // Those that are ending count too, and nobody waits for them.
  const pods = instances + Math.ceil(instances * SURGE) + instances;
  return [{ pods, cpuRequest: cores, cpuLimit: cores, memoryMiB, ephemeralMiB, claimsGiB: [] }];
}

function spread(topologyKey: string): Tree {
  const labelSelector = { matchLabels: { "cnpg.io/poolerName": POOLER } };
  return { maxSkew: 1, topologyKey, whenUnsatisfiable: "ScheduleAnyway", labelSelector };
}

/** The plan's numbers, by the same renderer as the file of a PgBouncer of our own. */
function parametersOf({ topology }: Site): Tree {
  const text = renderPgbouncer(topology.plan, {
    listen: { addresses: ["0.0.0.0"], port: PORT },
    socketDirectory: null,
    databases: [
      { name: DATABASE, databaseName: DATABASE, postgres: { host: "postgres-rw", port: PORT }, user: ROLES.gateway },
    ],
    userlistPath: "/controller/configs/userlist.txt",
    adminUsers: [],
    statsUsers: [],
    serverTls: null,
  });
  return Object.fromEntries(assignmentsOf(text).filter(([name]) => TAKEN.includes(name)));
}
