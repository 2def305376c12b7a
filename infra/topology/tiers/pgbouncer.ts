/** PgBouncer: one pool in transaction mode between all replicas of the gateway and PostgreSQL. */
import { renderPgbouncer, renderUserlist } from "../files/pgbouncer.ts";
import type { PgbouncerPlace } from "../files/place.ts";
import type { Directories } from "../model.ts";
import { listensOn, probesOf } from "../probes.ts";
import { secretMarker } from "../secret-text.ts";
import { SECRETS } from "../secrets.ts";
import { accountOf, authorityOf, DATABASE, isPooledByUs, postgresOf, ROLES, type Site } from "../site.ts";
import { plainFile, reserved, scratch, searchPath, secretFile, type Unsealed, withDescriptors } from "../workload.ts";

/** Where Debian, Alpine and Red Hat keep the certificates that everybody trusts is not one place; Debian's and Alpine's is. */
const AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt";

/** Null where the plan speaks to PostgreSQL directly. */
export function pgbouncerWorkload(site: Site): Unsealed | null {
  const { plan, deployment, ground } = site;
  const { pgbouncer, timeouts, disruption } = plan;
  if (pgbouncer === null || !isPooledByUs(site)) return null;
  const directories = ground.directories("pgbouncer");
  const { pgbouncer: port } = ground.ports;
  const place = placeOf(site, directories);
  const volumes = [scratch("run", directories.run, 1), scratch("temporary", directories.temporary, 16)];
  const authority = authorityOf(site);
  const isOurs = deployment.postgres.variant === "self-contained";
  const users = [
    // Whom it becomes, and who comes: the password of the database changes without a word to the gateways.
    { name: accountOf(site).user, secret: secretMarker(SECRETS.gateway) },
    { name: ROLES.pooled, secret: secretMarker(SECRETS.pooled) },
    ...(isOurs ? [{ name: ROLES.monitor, secret: secretMarker(SECRETS.monitor) }] : []),
  ];
  return {
    name: "pgbouncer",
    tier: "pgbouncer",
    shape: {
      kind: "replicated",
      replicas: pgbouncer.instances,
      scaling: null,
      // max_connections counts so many poolers: one that starts beside one that ends would take slots that nobody planned.
      rollout: { order: "after", minReadyS: timeouts.preStopS },
    },
    image: deployment.images.pgbouncer,
    command: withDescriptors("pgbouncer", pgbouncer.nofile, ["pgbouncer", `${directories.config}/pgbouncer.ini`]),
    nofile: pgbouncer.nofile,
    environment: { PATH: searchPath(site) },
    files: [
      plainFile(directories, "pgbouncer.ini", renderPgbouncer(plan, place)),
      ...(authority === null ? [] : [plainFile(directories, authority.name, authority.text)]),
      secretFile(directories, "userlist.txt", renderUserlist(plan, place, users)),
    ],
    ports: [{ name: "postgres", port }],
    addressing: "shared",
    reload: "SIGHUP",
    resources: reserved(pgbouncer, volumes),
    sysctls: {},
    // It answers as soon as it listens, whether PostgreSQL does or not: the gateway's readiness tells that. Its images have no client.
    probes: probesOf(plan, { check: { kind: "tcp", port }, inside: ["sh", "-c", listensOn(port)] }),
    volumes,
    // INT lets transactions end in every version; what TERM does changed in 1.23.
    shutdown: {
      signal: "SIGINT",
      waitS: timeouts.preStopS,
      graceS: timeouts.preStopS + Math.ceil(timeouts.idleTransactionS) + 5,
    },
    disruption: pgbouncer.instances > 1 ? { maxUnavailable: disruption.maxUnavailable ?? 1 } : null,
    after: isOurs ? ["postgres", "roles"] : [],
  };
}

function placeOf(site: Site, directories: Directories): PgbouncerPlace {
  const { deployment, ground } = site;
  const { postgres } = deployment;
  const { database, user } = accountOf(site);
  const authority = authorityOf(site);
  const caPath = authority === null ? AUTHORITIES : `${directories.config}/${authority.name}`;
  const tls = postgres.variant === "external" ? postgres.tls : "disable";
  return {
    listen: { addresses: ground.listen, port: ground.ports.pgbouncer },
    socketDirectory: null,
    // Clients name it as the pooler may write it; PostgreSQL's own name may have blanks.
    databases: [{ name: DATABASE, databaseName: database, postgres: postgresOf(site), user }],
    serverTls: tls === "disable" ? null : tls === "require" ? { mode: tls } : { mode: tls, caPath },
    userlistPath: `${directories.secrets}/userlist.txt`,
    adminUsers: [],
    statsUsers: postgres.variant === "self-contained" ? [ROLES.monitor] : [],
  };
}
