/** The gateway: its environment comes from the plan through the settings' own encoder, so that nothing is set that it does not read. */
import { encodeSettings } from "../../../contract/setting-values.ts";
import type { Settings } from "../../../contract/settings.ts";
import { authority } from "../files/writing.ts";
import { askedAt, tlsFiles, tlsSettings } from "../gateway-tls.ts";
import type { Directories, File, Workload } from "../model.ts";
import { probesOf } from "../probes.ts";
import { secretMarker } from "../secret-text.ts";
import { SECRETS } from "../secrets.ts";
import {
  accountOf,
  authorityOf,
  DATABASE,
  databaseOf,
  isPooledByUs,
  migratorOf,
  postgresOf,
  ROLES,
  redisAuthorityOf,
  type Site,
} from "../site.ts";
import {
  ephemeralOf,
  plainFile,
  scratch,
  searchPath,
  secretFile,
  type Unsealed,
  withDescriptors,
} from "../workload.ts";
import { callerSettings } from "./gateway-callers.ts";

/** Temporary files: what stdio servers write, and their sockets. */
const TEMPORARY_MIB = 512;

/** One workload where a name stands for all replicas; one for each where every replica has an address of its own. */
export function gatewayWorkloads(site: Site): readonly Unsealed[] {
  const { ground, plan } = site;
  const [first = 0] = ground.ports.gateways;
  if (ground.ports.gateways.length === 1) return [gatewayWorkload(site, "gateway", first, plan.gateway.replicas.min)];
  return ground.ports.gateways.map((port, at) => gatewayWorkload(site, `gateway-${at + 1}`, port, 1));
}

function gatewayWorkload(site: Site, name: string, port: number, replicas: number): Unsealed {
  const { plan, ground } = site;
  const { gateway, timeouts, autoscaling } = plan;
  const directories = ground.directories(name);
  const volumes = [scratch("temporary", directories.temporary, TEMPORARY_MIB), scratch("run", directories.run, 16)];
  const program = [
    ground.node,
    `--max-old-space-size=${gateway.maxOldSpaceMiB}`,
    `${ground.application}/cli/mcp-stack.js`,
    "serve",
  ];
  const isScaled = autoscaling.enabled && ground.target === "kubernetes";
  return {
    name,
    tier: "gateway",
    shape: {
      kind: "replicated",
      replicas,
      scaling: isScaled ? scalingOf(plan) : null,
      rollout: {
        order: "beside",
        surge: autoscaling.maxSurge,
        minReadyS: timeouts.preStopS,
        progressDeadlineS: Math.max(600, 2 * timeouts.graceS),
      },
    },
    image: gatewayImage(site),
    command: withDescriptors(name, gateway.nofile, program),
    nofile: gateway.nofile,
    environment: {
      PATH: searchPath(site),
      NODE_ENV: "production",
      ...encodeSettings(gatewaySettings(site, directories, port)),
      ...secretPaths(site, directories),
    },
    files: filesOf(site, directories),
    ports: [{ name: "http", port }],
    addressing: "each",
    reload: null,
    resources: {
      cpuRequest: gateway.cpuRequest,
      cpuLimit: gateway.cpu,
      memoryMiB: gateway.memoryMiB,
      ephemeralMiB: ephemeralOf(volumes),
    },
    sysctls: ephemeralPorts(site),
    // /health depends on nothing but the process: a database that is away must not restart the fleet.
    probes: probesOf(plan, askedAt(site, directories, port, "/health"), {
      readiness: askedAt(site, directories, port, "/ready"),
    }),
    volumes,
    shutdown: { signal: "SIGTERM", waitS: timeouts.preStopS, graceS: timeouts.graceS },
    disruption:
      gateway.replicas.min > 1 && plan.disruption.maxUnavailable !== null
        ? { maxUnavailable: plan.disruption.maxUnavailable }
        : null,
    after: [
      "migrations",
      ...(site.deployment.redis.variant === "self-contained" ? ["redis"] : []),
      ...(isPooledByUs(site) ? ["pgbouncer"] : []),
    ],
  };
}

/** The image of the gateway; the target puts in what it built where the stack names none. */
export const BUILT_IMAGE = "built-from-this-repository";

export function gatewayImage({ deployment: { images } }: Site): Workload["image"] {
  return { reference: images.gateway.reference ?? BUILT_IMAGE, uid: images.gateway.uid };
}

/** What a gateway takes from its plan wherever it runs: limits and timeouts. */
export function planSettings({ gateway, timeouts, mcp, engine, shutdown, caches }: Site["plan"]): Partial<Settings> {
  return {
    HTTP_SERVER: engine.kind,
    WORKERS: gateway.workers,
    ...(gateway.workers > 1 ? { WORKER_MEMORY: workerBytes(gateway) } : {}),
    BLOCKING_THREADS: gateway.threadPool,
    KEEP_ALIVE_TIMEOUT: timeouts.gatewayKeepaliveS,
    BACKLOG: gateway.backlog,
    SSE_KEEPALIVE_INTERVAL: timeouts.sseKeepaliveS,
    WEBSOCKET_PING_INTERVAL: timeouts.sseKeepaliveS,
    TOOL_TIMEOUT: timeouts.toolS,
    UPSTREAM_CONNECTIONS: mcp.socketsPerOrigin,
    UPSTREAM_KEEP_ALIVE_TIMEOUT: timeouts.upstreamKeepaliveS,
    AUTH_CACHE_TTL: caches.jwtTtlS,
    READY_CHECK_TIMEOUT: timeouts.probeCheckS,
    HEALTH_CHECK_INTERVAL: timeouts.healthIntervalS,
    MAX_IN_FLIGHT: gateway.inFlightPerWorker,
    MAX_STREAMS: Math.max(1, mcp.streamsPerWorker),
    SHUTDOWN_GRACE: shutdown.drainS,
  };
}

/** What the plan counts for one worker: heap, base and requests in flight. A process without a supervisor has the container's limit. */
function workerBytes({
  maxOldSpaceMiB,
  workerBaseMiB,
  inFlightPerWorker,
  bytesPerRequest,
}: Site["plan"]["gateway"]): number {
  return Math.floor((maxOldSpaceMiB + workerBaseMiB) * 1024 * 1024 + inFlightPerWorker * bytesPerRequest);
}

/** Every setting that the plan has a number for, or the stack a word. */
function gatewaySettings(site: Site, directories: Directories, port: number): Partial<Settings> {
  const { plan, deployment, ground } = site;
  const { database, timeouts, probes } = plan;
  const { access, upstreams } = deployment;
  const redisAuthority = redisAuthorityOf(site);
  return {
    ...planSettings(plan),
    HOST: ground.listen[0] ?? "127.0.0.1",
    PORT: port,
    ...callerSettings(site),
    COMPRESSION_ENABLED: deployment.gateway.compression === "gateway",
    MAX_BODY_BYTES: access.maxBodyMiB * 1024 * 1024,
    DATA_DIR: directories.run,
    STARTUP_TIMEOUT: probes.startup.periodS * probes.startup.failureThreshold,
    MIGRATE_ON_START: false,
    DB_POOL_SIZE: database.poolPerWorker,
    DB_POOL_TIMEOUT: timeouts.dbAcquireS,
    DB_POOL_IDLE_TIMEOUT: timeouts.dbIdleS,
    DB_POOL_RECYCLE: database.recycleS,
    DB_QUERY_TIMEOUT: timeouts.dbQueryS,
    REDIS_COMMAND_TIMEOUT: timeouts.redisCommandS,
    PLATFORM_ADMIN_EMAIL: access.adminEmail,
    ...(Object.keys(upstreams.servers).length > 0 ? { MCP_CONFIG: `${directories.config}/${SERVERS_FILE}` } : {}),
    ...(upstreams.exampleServer ? { MCP_EXAMPLE_SERVER: true } : {}),
    ...(redisAuthority === null ? {} : { REDIS_CA_FILE: `${directories.config}/${redisAuthority.name}` }),
    PLAN_FILE: `${directories.config}/${PLAN_FILE}`,
    ...tlsSettings(site, directories),
    LOG_LEVEL: deployment.logLevel,
    LOG_FORMAT: "json",
  };
}

const SERVERS_FILE = "servers.json";
const PLAN_FILE = "plan.json";

/** Names of files instead of values: an environment can be read by whoever may look at a container. */
function secretPaths(site: Site, { secrets }: Directories): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.keys(secretTexts(site)).map((name) => [`${name}_FILE`, `${secrets}/${fileName(name)}`]),
  );
}

function fileName(setting: string): string {
  return setting.toLowerCase().replaceAll("_", "-");
}

function secretTexts(site: Site): Readonly<Record<string, string>> {
  return {
    DATABASE_URL: databaseUrl(site),
    REDIS_URL: redisUrl(site),
    JWT_SECRET_KEY: secretMarker(SECRETS.signing),
    SESSION_KEYS: secretMarker(SECRETS.sessions),
    AUTH_ENCRYPTION_SECRET: secretMarker(SECRETS.encryption),
    METRICS_TOKEN: secretMarker(SECRETS.metrics),
  };
}

function databaseUrl(site: Site): string {
  const { host, port } = databaseOf(site);
  const { user, database } = accountOf(site);
  if (isPooledByUs(site))
    return `postgresql://${ROLES.pooled}:${secretMarker(SECRETS.pooled, "url")}@${authority(host, port)}/${DATABASE}`;
  const account = `${encodeURIComponent(user)}:${secretMarker(SECRETS.gateway, "url")}`;
  if (site.plan.pgbouncer !== null) return `postgresql://${account}@${authority(host, port)}/${DATABASE}`;
  return `postgresql://${account}@${authority(host, port)}/${encodeURIComponent(database)}${encryption(site, "gateway")}`;
}

/** For the job that changes the schema: never through a pooler, whose sessions hold no lock. */
export function migrationUrl(site: Site): string {
  const { host, port } = postgresOf(site);
  const { database } = accountOf(site);
  const user = migratorOf(site);
  const secret = user === ROLES.migrator ? SECRETS.migrator : SECRETS.gateway;
  return `postgresql://${encodeURIComponent(user)}:${secretMarker(secret, "url")}@${authority(host, port)}/${encodeURIComponent(database)}${encryption(site, "migrations")}`;
}

/** node-postgres checks certificates for `require` too; what does not check is called no-verify there. */
function encryption(site: Site, workload: string): string {
  const { postgres } = site.deployment;
  if (postgres.variant !== "external") return "";
  const file = authorityOf(site);
  const mode = postgres.tls === "require" ? "no-verify" : postgres.tls;
  const path = file === null ? "" : `&sslrootcert=${site.ground.directories(workload).config}/${file.name}`;
  return `?sslmode=${mode}${postgres.tls === "verify-full" ? path : ""}`;
}

function redisUrl({ deployment, ground }: Site): string {
  if (deployment.redis.variant !== "self-contained") return secretMarker(SECRETS.redisUrl);
  return `redis://${ROLES.gateway}:${secretMarker(SECRETS.redisGateway, "url")}@${authority(ground.host("redis"), ground.ports.redis)}/0`;
}

function filesOf(site: Site, directories: Directories): readonly File[] {
  const { servers } = site.deployment.upstreams;
  const secrets = Object.entries(secretTexts(site));
  const authorities = [site.plan.pgbouncer === null ? authorityOf(site) : null, redisAuthorityOf(site)];
  return [
    ...authorities.filter((one) => one !== null).map(({ name, text }) => plainFile(directories, name, text)),
    // A number of another tier is no reason to start every gateway again: it is read at the next start.
    plainFile(directories, PLAN_FILE, `${JSON.stringify(site.plan)}\n`, true),
    ...(Object.keys(servers).length === 0
      ? []
      : [plainFile(directories, SERVERS_FILE, `${JSON.stringify({ mcpServers: servers }, null, 2)}\n`, true)]),
    ...secrets.map(([name, text]) => secretFile(directories, fileName(name), text)),
    ...tlsFiles(site, directories),
  ];
}

function scalingOf({
  autoscaling,
}: Site["plan"]): NonNullable<Extract<Workload["shape"], { kind: "replicated" }>["scaling"]> {
  return {
    min: autoscaling.min,
    max: autoscaling.max,
    targetCpuPercent: autoscaling.targetCpuPercent,
    up: { percent: autoscaling.scaleUpPercent, pods: autoscaling.scaleUpPods, periodS: autoscaling.scaleUpPeriodS },
    down: {
      percent: autoscaling.scaleDownPercent,
      periodS: autoscaling.scaleDownPeriodS,
      stabilisationS: autoscaling.scaleDownStabilisationS,
    },
  };
}

/** The widest range that leaves the well-known ports alone has exactly as many as the plan counts. */
function ephemeralPorts({ plan, ground }: Site): Readonly<Record<string, string>> {
  const name = "net.ipv4.ip_local_port_range";
  if (ground.target === "local" || !plan.kernel.sysctls.includes(name)) return {};
  return { [name]: `${65_536 - plan.kernel.ephemeralPorts} 65535` };
}
