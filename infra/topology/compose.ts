/** From a plan and what the stack says to its topology; or to everything that cannot be built, each with the key to change. */
import type { Plan } from "../../contract/plan.ts";
import type { Deployment } from "./deployment.ts";
import { listEdges, type Surroundings } from "./edges.ts";
import type { Ground, Topology } from "./model.ts";
import { refusalsOf } from "./refusals.ts";
import { declareSecrets } from "./secrets.ts";
import { databaseOf, postgresOf, type Site } from "./site.ts";
import { backupWorkloads } from "./tiers/backups.ts";
import { exportersOf, exporterWorkloads } from "./tiers/exporters.ts";
import { gatewayWorkloads } from "./tiers/gateway.ts";
import { migrationsWorkload, rolesWorkload } from "./tiers/jobs.ts";
import { nginxWorkload } from "./tiers/nginx.ts";
import { pgbouncerWorkload } from "./tiers/pgbouncer.ts";
import { postgresWorkload } from "./tiers/postgres.ts";
import { redisWorkload } from "./tiers/redis.ts";
import { sealed, type Unsealed } from "./workload.ts";

/** What a stack asks for and cannot have. */
export type DeploymentRefusal = {
  /** The key to change, as it stands in the stack file. */
  readonly key: string;
  readonly value: unknown;
  readonly allowed: string;
  readonly why: string;
};

export type Composition =
  | { readonly ok: true; readonly topology: Topology }
  | { readonly ok: false; readonly refusals: readonly DeploymentRefusal[] };

export type CompositionInput = {
  readonly stack: string;
  readonly environment: Topology["environment"];
  /** An accepted one. */
  readonly plan: Plan;
  readonly deployment: Deployment;
  readonly ground: Ground;
};

/** Pure. Throws PlaceError where a name or a path cannot stand in a file. */
export function composeTopology(input: CompositionInput): Composition {
  const { stack, environment, plan, deployment, ground } = input;
  const site: Site = { stack, plan, deployment, ground };
  const refusals = refusalsOf(site, environment);
  if (refusals.length > 0) return { ok: false, refusals };
  const secrets = declareSecrets(site);
  const versions = Object.fromEntries(secrets.map(({ name, version }) => [name, version]));
  const workloads = workloadsOf(site).map((workload) => sealed(workload, versions));
  return {
    ok: true,
    topology: {
      stack,
      environment,
      plan,
      workloads,
      edges: listEdges(plan, surroundingsOf(site)),
      secrets,
      entry: { workload: "nginx", port: ground.ports.nginx },
    },
  };
}

/** In the order of their start. */
function workloadsOf(site: Site): readonly Unsealed[] {
  const present = (workload: Unsealed | null) => (workload === null ? [] : [workload]);
  // nginx names the gateways' ports and hosts; a checksum of theirs is no part of its file.
  const gateways = gatewayWorkloads(site);
  return [
    ...present(postgresWorkload(site)),
    ...present(redisWorkload(site)),
    ...present(rolesWorkload(site)),
    migrationsWorkload(site),
    ...present(pgbouncerWorkload(site)),
    ...gateways,
    nginxWorkload(site, gateways),
    ...backupWorkloads(site),
    ...exporterWorkloads(site),
  ];
}

function surroundingsOf(site: Site): Surroundings {
  const { deployment, ground } = site;
  const { postgres, redis, kubernetes, upstreams } = deployment;
  const isScraped = kubernetes.monitoring.serviceMonitors && ground.target === "kubernetes";
  return {
    ports: {
      nginx: ground.ports.nginx,
      nginxStatus: ground.ports.nginxStatus,
      gateways: ground.ports.gateways,
      pgbouncer: databaseOf(site).port,
      postgres: postgresOf(site).port,
      redis: redis.variant === "self-contained" ? ground.ports.redis : redis.port,
    },
    managed: { postgres: postgres.variant === "external", redis: redis.variant !== "self-contained" },
    sentinelPort: redis.variant === "sentinel" ? redis.sentinelPort : null,
    operator: postgres.variant === "cloudnativepg" ? { apiPort: kubernetes.apiPort, statusPort: 8000 } : null,
    exporters: exportersOf(site).map(({ of, port }) => ({ of, port })),
    isScraped,
    upstreamPorts: upstreams.ports,
    identityProviderPort: null,
    traceCollectorPort: null,
    objectStorePort:
      postgres.variant === "cloudnativepg" && postgres.backup !== undefined ? portOf(postgres.backup.endpoint) : null,
  };
}

/** Of an object store's endpoint; without one it is a cloud's. */
function portOf(endpoint: string | undefined): number {
  const { port, protocol } = new URL(endpoint ?? "https://localhost");
  return port === "" ? (protocol === "http:" ? 80 : 443) : Number(port);
}
