/** PostgreSQL as CloudNativePG runs it: its Cluster and its backups in place of a StatefulSet of our own. */
import { DATABASE, fractionOfDay, ROLES, renderPostgresql, SECRETS, secretMarker } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { assignmentsOf } from "./assignments.ts";
import { PORT, pooler, poolerDemand } from "./pooler.ts";
import { priorityName } from "./priority.ts";
import { cpu, gibibytes, mebibytes } from "./quantity.ts";
import type { Demand } from "./quota.ts";
import { metadataOf, type Site, type Tree, tierLabels } from "./site.ts";

/** The topology's files name the Services that the operator makes of this: `postgres-rw`. */
export const CLUSTER = "postgres";

/** Parameters that are the operator's own. CloudNativePG documentation, PostgreSQL configuration, fixed parameters. */
const FIXED = [
  "listen_addresses",
  "port",
  "unix_socket_directories",
  "hba_file",
  "shared_preload_libraries",
  "logging_collector",
  "log_destination",
];

type Operated = Extract<Site["deployment"]["postgres"], { readonly variant: "cloudnativepg" }>;

function operatedBy({ deployment }: Site): Operated | null {
  return deployment.postgres.variant === "cloudnativepg" ? deployment.postgres : null;
}

/** By tier, in the order of their start; empty where PostgreSQL is somebody else's or our own. */
export function operated(site: Site): {
  readonly postgres: readonly Manifest[];
  readonly pgbouncer: readonly Manifest[];
} {
  const settings = operatedBy(site);
  if (settings === null) return { postgres: [], pgbouncer: [] };
  return {
    postgres: [...roleSecrets(site), cluster(site, settings), ...scheduledBackup(site, settings)],
    pgbouncer: pooler(site, CLUSTER),
  };
}

/** Pods that the operator starts in our namespace: instances, a job that makes or joins one, and the pooler's. */
export function operatedDemand(site: Site): readonly Demand[] {
  const settings = operatedBy(site);
  if (settings === null) return [];
  const { postgres } = site.topology.plan;
  const instances = {
    pods: settings.instances + 1,
    cpuRequest: postgres.cpu,
    cpuLimit: postgres.cpu,
    memoryMiB: postgres.memoryMiB,
    ephemeralMiB: leastEphemeral(site),
    claimsGiB: Array.from({ length: settings.instances }, () => postgres.volumeGiB),
  };
  return [instances, ...poolerDemand(site, leastEphemeral(site))];
}

/** What the namespace gives to a container that says nothing of it. */
function leastEphemeral({ topology }: Site): number {
  return Math.min(...topology.workloads.map(({ resources }) => resources.ephemeralMiB));
}

/** CloudNativePG documentation, API reference, ClusterSpec. */
function cluster(site: Site, { instances, imageName, backup }: Operated): Manifest {
  const { plan } = site.topology;
  const { storageClass, priorityClasses } = site.deployment.kubernetes;
  const labels = tierLabels(site, "postgres");
  const limits = { cpu: cpu(plan.postgres.cpu), memory: mebibytes(plan.postgres.memoryMiB) };
  return {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    metadata: metadataOf(site, CLUSTER, labels, { "pulumi.com/waitFor": "condition=Ready" }),
    spec: {
      instances,
      imageName: imageName ?? `ghcr.io/cloudnative-pg/postgresql:${plan.postgres.version}`,
      imagePullPolicy: "IfNotPresent",
      // Network policies select its pods by these.
      inheritedMetadata: { labels },
      primaryUpdateStrategy: "unsupervised",
      primaryUpdateMethod: "switchover",
      enablePDB: instances > 1,
      enableSuperuserAccess: false,
      seccompProfile: { type: "RuntimeDefault" },
      ...(priorityClasses ? { priorityClassName: priorityName(site, "postgres") } : {}),
      resources: { requests: limits, limits },
      storage: {
        size: gibibytes(plan.postgres.volumeGiB),
        resizeInUseVolumes: true,
        ...(storageClass === undefined ? {} : { storageClass }),
      },
      affinity: {
        enablePodAntiAffinity: true,
        topologyKey: "kubernetes.io/hostname",
        podAntiAffinityType: site.isProduction ? "required" : "preferred",
      },
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: "topology.kubernetes.io/zone",
          whenUnsatisfiable: "ScheduleAnyway",
          labelSelector: { matchLabels: { "cnpg.io/cluster": CLUSTER } },
        },
      ],
      postgresql: { parameters: parametersOf(site) },
      bootstrap: { initdb: initdb(site) },
      managed: {
        roles: [
          {
            name: ROLES.gateway,
            ensure: "present",
            login: true,
            passwordSecret: { name: roleSecretName(ROLES.gateway) },
          },
        ],
      },
      ...(backup === undefined ? {} : { backup: archiveOf(backup) }),
    },
  };
}

/** The plan's numbers, by the same renderer as the file of a PostgreSQL of our own. */
function parametersOf({ topology }: Site): Tree {
  const text = renderPostgresql(topology.plan, {
    listen: { addresses: ["0.0.0.0"], port: PORT },
    socketDirectory: "/controller/run",
    hbaPath: "/controller/pg_hba.conf",
  });
  return Object.fromEntries(assignmentsOf(text).filter(([name]) => !FIXED.includes(name)));
}

/** Done once, before the first start: the schema's owner, and what the gateway may do in what the owner will make. */
function initdb(site: Site): Tree {
  const grants = (kind: string, rights: string) =>
    `ALTER DEFAULT PRIVILEGES FOR ROLE ${ROLES.migrator} IN SCHEMA public GRANT ${rights} ON ${kind} TO ${ROLES.gateway}`;
  return {
    database: DATABASE,
    owner: ROLES.migrator,
    secret: { name: roleSecretName(ROLES.migrator) },
    encoding: "UTF8",
    localeCollate: "C.UTF-8",
    localeCType: "C.UTF-8",
    dataChecksums: true,
    postInitApplicationSQL: [
      `CREATE ROLE ${ROLES.gateway} LOGIN`,
      ...(site.topology.plan.postgres.version >= 16 ? [`GRANT pg_use_reserved_connections TO ${ROLES.migrator}`] : []),
      `REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC`,
      `GRANT CONNECT ON DATABASE ${DATABASE} TO ${ROLES.gateway}`,
      "REVOKE ALL ON SCHEMA public FROM PUBLIC",
      `GRANT USAGE ON SCHEMA public TO ${ROLES.gateway}`,
      grants("TABLES", "SELECT, INSERT, UPDATE, DELETE"),
      grants("SEQUENCES", "USAGE, SELECT"),
    ],
  };
}

function roleSecretName(role: string): string {
  return `${CLUSTER}-role-${role}`;
}

/** The operator reads a user and a password from a Secret of this type, and again when it changes: that is how they rotate. */
function roleSecrets(site: Site): readonly Manifest[] {
  const roles = [
    [ROLES.migrator, SECRETS.migrator],
    [ROLES.gateway, SECRETS.gateway],
  ] as const;
  return roles.map(([role, secret]) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: metadataOf(site, roleSecretName(role), { ...tierLabels(site, "postgres"), "cnpg.io/reload": "true" }),
    type: "kubernetes.io/basic-auth",
    stringData: { username: role, password: secretMarker(secret) },
  }));
}

function archiveOf({ destination, endpoint, secretName, retentionDays }: NonNullable<Operated["backup"]>): Tree {
  const key = (name: string) => ({ name: secretName, key: name });
  return {
    retentionPolicy: `${retentionDays}d`,
    barmanObjectStore: {
      destinationPath: destination,
      ...(endpoint === undefined ? {} : { endpointURL: endpoint }),
      s3Credentials: { accessKeyId: key("ACCESS_KEY_ID"), secretAccessKey: key("ACCESS_SECRET_KEY") },
      wal: { compression: "gzip" },
      data: { compression: "gzip" },
    },
  };
}

/** A base backup in the plan's rhythm; WAL goes there all the time. The operator's schedules begin with seconds. */
function scheduledBackup(site: Site, { backup }: Operated): readonly Manifest[] {
  if (backup === undefined) return [];
  return [
    {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "ScheduledBackup",
      metadata: metadataOf(site, CLUSTER, tierLabels(site, "postgres")),
      spec: {
        schedule: `0 ${fractionOfDay(site.topology.plan.backup.periodH, 0)}`,
        immediate: true,
        backupOwnerReference: "self",
        method: "barmanObjectStore",
        cluster: { name: CLUSTER },
      },
    },
  ];
}
