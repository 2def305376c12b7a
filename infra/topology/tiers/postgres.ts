/** PostgreSQL of our own: one instance, for what fits on one machine. */
import { renderHba } from "../files/hba.ts";
import { renderPostgresql } from "../files/postgresql.ts";
import type { Probe } from "../model.ts";
import { probesOf } from "../probes.ts";
import { secretMarker } from "../secret-text.ts";
import { SECRETS } from "../secrets.ts";
import { DATABASE, ROLES, type Site } from "../site.ts";
import { plainFile, reserved, scratch, searchPath, secretFile, type Unsealed, withDescriptors } from "../workload.ts";

/** A shutdown checkpoint writes what is dirty: all shared buffers at the slowest disk that is worth running on, MiB/s, and a while besides. */
const SLOWEST_DISK = 50;
const LEAST_STOP_S = 60;

/**
 * The directory is made beside its place and moved there when it is whole: a start that is cut leaves nothing that looks finished. Sums
 * over pages find a disk that lies.
 */
const START = [
  "set -eu",
  'data="$1"; password="$2"; configuration="$3"',
  'if [ ! -s "$data/PG_VERSION" ]; then',
  '  rm -rf "$data.new"',
  '  initdb --pgdata="$data.new" --username=postgres --pwfile="$password" --auth=scram-sha-256 \\',
  "    --encoding=UTF8 --locale=C.UTF-8 --data-checksums >/dev/null",
  '  mv "$data.new" "$data"',
  "fi",
  // A volume that was restored, or given to a group, has other modes; PostgreSQL refuses to start in a directory that a group may write.
  'chmod 0700 "$data"',
  'exec postgres -D "$data" -c config_file="$configuration"',
  "",
].join("\n");

/** Null where somebody else runs the database. */
export function postgresWorkload(site: Site): Unsealed | null {
  const { plan, deployment, ground } = site;
  if (deployment.postgres.variant !== "self-contained") return null;
  const { postgres } = plan;
  const directories = ground.directories("postgres");
  const volumes = [
    { kind: "kept" as const, name: "postgres-data", path: directories.data, sizeGiB: postgres.volumeGiB },
    scratch("run", directories.run, 1),
    scratch("temporary", directories.temporary, 64),
    // Parallel queries share memory there; containers get 64 MiB of it by themselves.
    ...(ground.target === "local" ? [] : [scratch("shared-memory", "/dev/shm", postgres.shmMiB, "memory")]),
  ];
  const place = {
    listen: { addresses: ground.listen, port: ground.ports.postgres },
    socketDirectory: directories.run,
    hbaPath: `${directories.config}/pg_hba.conf`,
  };
  const arguments_ = [
    `${directories.data}/pgdata`,
    `${directories.secrets}/superuser-password`,
    `${directories.config}/postgresql.conf`,
  ];
  return {
    name: "postgres",
    tier: "postgres",
    shape: { kind: "stateful" },
    image: deployment.images.postgres,
    command: withDescriptors("postgres", postgres.nofile, ["sh", `${directories.config}/start`, ...arguments_]),
    nofile: postgres.nofile,
    environment: { PATH: postgresPath(site) },
    files: [
      plainFile(directories, "start", START),
      plainFile(directories, "postgresql.conf", renderPostgresql(plan, place)),
      plainFile(directories, "pg_hba.conf", renderHba({ localUsers: [], grants: grantsOf(site) })),
      secretFile(directories, "superuser-password", secretMarker(SECRETS.superuser)),
    ],
    ports: [{ name: "postgres", port: ground.ports.postgres }],
    addressing: "each",
    reload: null,
    resources: reserved(postgres, volumes),
    sysctls: {},
    probes: probesOf(plan, isReady(ground), { leastStartups: STARTUPS }),
    volumes,
    // INT is the fast shutdown: clients are told, nothing is recovered at the next start. TERM would wait for the last client.
    shutdown: {
      signal: "SIGINT",
      waitS: 0,
      graceS: Math.max(LEAST_STOP_S, Math.ceil((2 * postgres.sharedBuffersMiB) / SLOWEST_DISK)),
    },
    disruption: null,
    after: [],
  };
}

/** Distributions keep its programs in a directory per version. */
export function postgresPath(site: Site): string {
  return searchPath(site, [`/usr/lib/postgresql/${site.plan.postgres.version}/bin`]);
}

/** Everybody where he belongs; the superuser only where roles and databases are made. */
function grantsOf({ ground }: Site) {
  const { networks } = ground;
  const inDatabase = [ROLES.gateway, ROLES.migrator, ROLES.backup, ROLES.monitor, ROLES.superuser];
  return [
    ...inDatabase.map((user) => ({ database: DATABASE, user, networks })),
    { database: "postgres", user: ROLES.superuser, networks },
    { database: "postgres", user: ROLES.monitor, networks },
  ];
}

/** Recovery after a crash reads everything since the last checkpoint; killing it would only start that again. */
const STARTUPS = 120;

/**
 * Before it accepts connections pg_isready says no, while it recovers too; it needs no password, but a user whom the log does not
 * refuse.
 */
function isReady({ ports }: Site["ground"]): Pick<Probe, "check" | "inside"> {
  const address = ["-h", "127.0.0.1", "-p", String(ports.postgres)];
  const command = ["pg_isready", "-q", ...address, "-U", ROLES.monitor, "-d", "postgres"];
  return { check: { kind: "command", command }, inside: command };
}
