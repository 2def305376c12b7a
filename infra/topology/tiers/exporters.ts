/** Exporters: what reads the counters of daemons that do not speak Prometheus' format. Images of their projects, without a shell mostly. */
import { authority } from "../files/writing.ts";
import type { Workload } from "../model.ts";
import { probeOf } from "../probes.ts";
import { secretMarker } from "../secret-text.ts";
import { SECRETS } from "../secrets.ts";
import { postgresOf, ROLES, type Site } from "../site.ts";
import { scratch, secretFile, type Unsealed } from "../workload.ts";

type Subject = keyof Site["deployment"]["exporters"];
type Exporter = NonNullable<Site["deployment"]["exporters"][Subject]> & { readonly of: Subject };
type Reading = Pick<Workload, "command" | "environment" | "files">;

/** Those that the stack names and that have something to read. */
export function exportersOf(site: Site): readonly Exporter[] {
  const subjects: readonly Subject[] = ["postgres", "pgbouncer", "redis", "nginx"];
  return subjects.flatMap((of) => {
    const exporter = site.deployment.exporters[of];
    return exporter === undefined || !isReadable(of, site) ? [] : [{ of, ...exporter }];
  });
}

/** One for each. */
export function exporterWorkloads(site: Site): readonly Unsealed[] {
  return exportersOf(site).map((exporter) => workloadOf(exporter, site));
}

/** Of managed services we have no user that reads counters; their providers show them. */
function isReadable(of: Subject, { deployment, plan }: Site): boolean {
  if (of === "postgres") return deployment.postgres.variant === "self-contained";
  if (of === "pgbouncer") return plan.pgbouncer !== null && deployment.postgres.variant === "self-contained";
  if (of === "redis") return deployment.redis.variant === "self-contained";
  return true;
}

function workloadOf({ of, port, reference, uid }: Exporter, site: Site): Unsealed {
  const name = `exporter-${of}`;
  const { plan } = site;
  const probe = probeOf(plan, plan.probes.liveness, { check: { kind: "tcp", port }, inside: [] });
  return {
    name,
    tier: "exporter",
    shape: {
      kind: "replicated",
      replicas: 1,
      scaling: null,
      rollout: { order: "beside", surge: 1, minReadyS: 0, progressDeadlineS: 600 },
    },
    image: { reference, uid },
    nofile: null,
    ...READINGS[of](site, name, port),
    ports: [{ name: "metrics", port }],
    addressing: "shared",
    reload: null,
    resources: { cpuRequest: 0.05, cpuLimit: 0.5, memoryMiB: 64, ephemeralMiB: 64 },
    sysctls: {},
    probes: { startup: probe, readiness: probe, liveness: probe },
    volumes: [scratch("temporary", site.ground.directories(name).temporary, 1)],
    shutdown: { signal: "SIGTERM", waitS: 0, graceS: 10 },
    disruption: null,
    after: [of],
  };
}

const READINGS: Readonly<Record<Subject, (site: Site, name: string, port: number) => Reading>> = {
  postgres(site, name, port) {
    const directories = site.ground.directories(name);
    const { host, port: postgres } = postgresOf(site);
    return {
      command: ["/bin/postgres_exporter", `--web.listen-address=:${port}`],
      environment: {
        DATA_SOURCE_URI: `${authority(host, postgres)}/postgres?sslmode=disable`,
        DATA_SOURCE_USER: ROLES.monitor,
        DATA_SOURCE_PASS_FILE: `${directories.secrets}/password`,
      },
      files: [secretFile(directories, "password", secretMarker(SECRETS.monitor))],
    };
  },
  pgbouncer(site, name, port) {
    const directories = site.ground.directories(name);
    const pooler = authority(site.ground.host("pgbouncer"), site.ground.ports.pgbouncer);
    const url = `postgres://${ROLES.monitor}:${secretMarker(SECRETS.monitor, "url")}@${pooler}/pgbouncer?sslmode=disable`;
    // It takes the URL as an argument or from its environment only; the shell puts it there, where only it can read it.
    const start = `PGBOUNCER_EXPORTER_CONNECTION_STRING="$(cat '${directories.secrets}/url')"; export PGBOUNCER_EXPORTER_CONNECTION_STRING; exec /bin/pgbouncer_exporter --web.listen-address=:${port}`;
    return {
      command: ["sh", "-c", start],
      environment: {},
      files: [secretFile(directories, "url", url)],
    };
  },
  redis(site, name, port) {
    const directories = site.ground.directories(name);
    const redis = authority(site.ground.host("redis"), site.ground.ports.redis);
    // It looks its password up under the address with the user in it (redis_exporter, README, authenticating with Redis).
    const passwords = `${JSON.stringify({ [`redis://${ROLES.monitor}@${redis}`]: secretMarker(SECRETS.redisMonitor) })}\n`;
    return {
      command: ["/redis_exporter", `--web.listen-address=:${port}`],
      environment: {
        REDIS_ADDR: `redis://${redis}`,
        REDIS_USER: ROLES.monitor,
        REDIS_PASSWORD_FILE: `${directories.secrets}/passwords.json`,
      },
      files: [secretFile(directories, "passwords.json", passwords)],
    };
  },
  nginx(site, _name, port) {
    const status = authority(site.ground.host("nginx"), site.ground.ports.nginxStatus);
    return {
      command: [
        "/usr/bin/nginx-prometheus-exporter",
        `--nginx.scrape-uri=http://${status}/stub_status`,
        `--web.listen-address=:${port}`,
      ],
      environment: {},
      files: [],
    };
  },
};
