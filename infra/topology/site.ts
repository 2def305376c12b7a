/** What every tier is made from: the plan, what the stack says, and the ground it stands on. */
import type { Plan } from "../../contract/plan.ts";
import type { Deployment } from "./deployment.ts";
import type { Neighbour } from "./files/place.ts";
import type { Ground } from "./model.ts";

export type Site = {
  readonly stack: string;
  readonly plan: Plan;
  readonly deployment: Deployment;
  readonly ground: Ground;
};

/** The database of the gateway, and who may do what in it. */
export const DATABASE = "mcp";
export const ROLES = {
  superuser: "postgres",
  /** Owns the schema. */
  migrator: "migrator",
  gateway: "gateway",
  /** Reads everything. */
  backup: "backup",
  /** Reads counters, of PostgreSQL, PgBouncer and Redis. */
  monitor: "monitor",
} as const;

/** Names of the services that CloudNativePG makes for the cluster `postgres` and the pooler `pgbouncer`, and the port of both. */
const OPERATOR = { cluster: "postgres-rw", pooler: "pgbouncer", port: 5432 } as const;

/** PostgreSQL itself, past any pooler. */
export function postgresOf({ deployment, ground }: Site): Neighbour {
  const { postgres } = deployment;
  if (postgres.variant === "external") return { host: postgres.host, port: postgres.port };
  if (postgres.variant === "cloudnativepg") return { host: ground.host(OPERATOR.cluster), port: OPERATOR.port };
  return { host: ground.host("postgres"), port: ground.ports.postgres };
}

/** Whom the gateway asks: the pooler where the plan has one. */
export function databaseOf(site: Site): Neighbour {
  const { deployment, ground, plan } = site;
  if (plan.pgbouncer === null) return postgresOf(site);
  const port = deployment.postgres.variant === "cloudnativepg" ? OPERATOR.port : ground.ports.pgbouncer;
  return { host: ground.host("pgbouncer"), port };
}

/** The database's name, and whom the gateway is known as in it. */
export function accountOf({ deployment: { postgres } }: Site): { readonly database: string; readonly user: string } {
  if (postgres.variant === "external") return { database: postgres.database, user: postgres.user };
  return { database: DATABASE, user: ROLES.gateway };
}

/** Who changes the schema; of a managed database we know one user only. */
export function migratorOf(site: Site): string {
  return site.deployment.postgres.variant === "external" ? accountOf(site).user : ROLES.migrator;
}

/** The file beside a workload's others with the authority of a managed PostgreSQL; null where the well-known ones do. */
export function authorityOf({
  deployment: { postgres },
}: Site): { readonly name: string; readonly text: string } | null {
  if (postgres.variant !== "external" || postgres.authority === undefined) return null;
  return { name: "postgres-authority.pem", text: `${postgres.authority.trimEnd()}\n` };
}

/** As `authorityOf`, of a Redis that somebody else runs. */
export function redisAuthorityOf({
  deployment: { redis },
}: Site): { readonly name: string; readonly text: string } | null {
  if (redis.variant === "self-contained" || redis.authority === undefined) return null;
  return { name: "redis-authority.pem", text: `${redis.authority.trimEnd()}\n` };
}
