/** What has to be done before a gateway starts: the roles with their passwords, then the schema. */
import type { Workload } from "../model.ts";
import { secretMarker } from "../secret-text.ts";
import { SECRETS } from "../secrets.ts";
import { authorityOf, DATABASE, postgresOf, ROLES, type Site } from "../site.ts";
import { ephemeralOf, plainFile, scratch, searchPath, secretFile, TO_ITS_END, type Unsealed } from "../workload.ts";
import { gatewayImage, migrationUrl } from "./gateway.ts";
import { postgresPath } from "./postgres.ts";

const DEADLINE_S = 600;
const RETRIES = 3;
const LOGIN_ROLES = [
  [ROLES.migrator, SECRETS.migrator],
  [ROLES.gateway, SECRETS.gateway],
  [ROLES.backup, SECRETS.backup],
  [ROLES.monitor, SECRETS.monitor],
] as const;

/** Makes roles and the database, and sets their passwords: a password that was rotated in a file alone would lock everybody out. */
export function rolesWorkload(site: Site): Unsealed | null {
  const { deployment, ground, plan } = site;
  if (deployment.postgres.variant !== "self-contained") return null;
  const directories = ground.directories("roles");
  const { host, port } = postgresOf(site);
  const volumes = [scratch("temporary", directories.temporary, 16)];
  // The password goes from file to environment of psql alone; libpq refuses a password file that a group may read.
  const script = [
    "set -eu",
    `PGPASSWORD="$(cat "${directories.secrets}/superuser-password")"`,
    "export PGPASSWORD",
    `exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host=${host} --port=${port} --username=${ROLES.superuser} --dbname=postgres --file="${directories.secrets}/roles.sql"`,
    "",
  ].join("\n");
  return {
    ...jobOf("roles", volumes),
    image: deployment.images.postgres,
    command: ["sh", `${directories.config}/start`],
    environment: { PATH: postgresPath(site), PGCONNECT_TIMEOUT: "10" },
    files: [
      plainFile(directories, "start", script),
      secretFile(directories, "superuser-password", secretMarker(SECRETS.superuser)),
      secretFile(directories, "roles.sql", rolesSql(plan)),
    ],
    resources: { cpuRequest: 0.1, cpuLimit: 1, memoryMiB: 128, ephemeralMiB: ephemeralOf(volumes) },
    after: ["postgres"],
  };
}

/**
 * Can be run again and again. The first lines keep the statements, which hold passwords, out of the server's log even when one of them
 * fails.
 */
function rolesSql({ postgres, timeouts }: Site["plan"]): string {
  const reserved = postgres.version >= 16 ? ["migrator", "backup", "monitor"] : [];
  return [
    "SET log_statement = 'none';",
    "SET log_min_duration_statement = -1;",
    "SET log_min_error_statement = 'panic';",
    ...LOGIN_ROLES.flatMap(([role, secret]) => [
      `SELECT 'CREATE ROLE ${role} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') \\gexec`,
      `ALTER ROLE ${role} PASSWORD '${secretMarker(secret, "sql")}';`,
    ]),
    `GRANT pg_read_all_data TO ${ROLES.backup};`,
    `GRANT pg_monitor TO ${ROLES.monitor};`,
    ...reserved.map((role) => `GRANT pg_use_reserved_connections TO ${role};`),
    // The server's own limit is for whoever serves requests; changing a schema and copying a database take as long as they take.
    `ALTER ROLE ${ROLES.gateway} SET statement_timeout = '${Math.round(timeouts.dbStatementS * 1000)}ms';`,
    `ALTER ROLE ${ROLES.migrator} SET statement_timeout = 0;`,
    `ALTER ROLE ${ROLES.backup} SET statement_timeout = 0;`,
    `SELECT 'CREATE DATABASE ${DATABASE} OWNER ${ROLES.migrator}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '${DATABASE}') \\gexec`,
    `REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC;`,
    ...LOGIN_ROLES.map(([role]) => `GRANT CONNECT ON DATABASE ${DATABASE} TO ${role};`),
    `\\connect ${DATABASE}`,
    "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
    `GRANT USAGE, CREATE ON SCHEMA public TO ${ROLES.migrator};`,
    `GRANT USAGE ON SCHEMA public TO ${ROLES.gateway};`,
    ...grantsFor("TABLES", "SELECT, INSERT, UPDATE, DELETE"),
    ...grantsFor("SEQUENCES", "USAGE, SELECT"),
    "",
  ].join("\n");
}

/** What is there already, and what the schema's owner will make. */
function grantsFor(kind: "TABLES" | "SEQUENCES", rights: string): readonly string[] {
  return [
    `GRANT ${rights} ON ALL ${kind} IN SCHEMA public TO ${ROLES.gateway};`,
    `ALTER DEFAULT PRIVILEGES FOR ROLE ${ROLES.migrator} IN SCHEMA public GRANT ${rights} ON ${kind} TO ${ROLES.gateway};`,
  ];
}

/** `mcp-stack migrate`, as the schema's owner and past the pooler. */
export function migrationsWorkload(site: Site): Unsealed {
  const { deployment, ground } = site;
  const directories = ground.directories("migrations");
  const certificate = authorityOf(site);
  const volumes = [scratch("temporary", directories.temporary, 64)];
  return {
    ...jobOf("migrations", volumes),
    image: gatewayImage(site),
    command: [ground.node, `${ground.application}/cli/mcp-stack.js`, "migrate"],
    environment: {
      PATH: searchPath(site),
      NODE_ENV: "production",
      DATABASE_DIRECT_URL_FILE: `${directories.secrets}/database-direct-url`,
      STARTUP_TIMEOUT: "120",
      LOG_FORMAT: "json",
    },
    files: [
      ...(certificate === null ? [] : [plainFile(directories, certificate.name, certificate.text)]),
      secretFile(directories, "database-direct-url", migrationUrl(site)),
    ],
    resources: { cpuRequest: 0.25, cpuLimit: 1, memoryMiB: 384, ephemeralMiB: ephemeralOf(volumes) },
    after: deployment.postgres.variant === "self-contained" ? ["postgres", "roles"] : [],
  };
}

function jobOf(name: string, volumes: Workload["volumes"]) {
  return {
    name,
    tier: "migrations" as const,
    shape: { kind: "job" as const, deadlineS: DEADLINE_S, retries: RETRIES },
    ...TO_ITS_END,
    volumes,
  };
}
