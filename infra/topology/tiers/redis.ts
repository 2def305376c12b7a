/** Redis of our own: the state that crosses replicas. */
import { renderRedis } from "../files/redis.ts";
import type { Probe, Workload } from "../model.ts";
import { secretMarker } from "../secret-text.ts";
import { SECRETS } from "../secrets.ts";
import { ROLES, type Site } from "../site.ts";
import { ephemeralOf, plainFile, scratch, searchPath, secretFile, withDescriptors } from "../workload.ts";

/** Twice the data: a rewrite of the append-only file stands beside the old one until it is whole. */
const FILES_PER_DATA = 2;
const MIB_PER_GIB = 1024;

/** Null where somebody else runs it. */
export function redisWorkload(site: Site): Omit<Workload, "checksum"> | null {
  const { plan, deployment, ground } = site;
  if (deployment.redis.variant !== "self-contained") return null;
  const { redis, timeouts } = plan;
  const directories = ground.directories("redis");
  const volumes = [
    redis.persistence
      ? {
          kind: "kept" as const,
          name: "redis-data",
          path: directories.data,
          sizeGiB: Math.max(1, Math.ceil((FILES_PER_DATA * redis.maxmemoryMiB) / MIB_PER_GIB)),
        }
      : scratch("data", directories.data, 16),
    scratch("temporary", directories.temporary, 16),
  ];
  const place = {
    version: deployment.images.redis.version,
    listen: { addresses: ground.listen, port: ground.ports.redis },
    directory: directories.data,
    aclPath: `${directories.secrets}/users.acl`,
  };
  const { reference, uid } = deployment.images.redis;
  return {
    name: "redis",
    tier: "redis",
    shape: { kind: "stateful" },
    image: { reference, uid },
    command: withDescriptors("redis", redis.nofile, ["redis-server", `${directories.config}/redis.conf`]),
    nofile: redis.nofile,
    environment: { PATH: searchPath(site) },
    files: [
      plainFile(directories, "redis.conf", renderRedis(plan, place)),
      secretFile(directories, "users.acl", usersOf()),
    ],
    ports: [{ name: "redis", port: ground.ports.redis }],
    addressing: "each",
    reload: null,
    resources: {
      cpuRequest: redis.cpu,
      cpuLimit: redis.cpu,
      memoryMiB: redis.memoryMiB,
      ephemeralMiB: ephemeralOf(volumes),
    },
    sysctls: {},
    probes: probesOf(site),
    volumes,
    shutdown: { signal: "SIGTERM", waitS: 0, graceS: Math.max(60, timeouts.preStopS) },
    disruption: null,
    after: [],
  };
}

/** The default user is off. The gateway does everything but administer; whoever reads counters reads nothing else. */
function usersOf(): string {
  return [
    "user default off",
    `user ${ROLES.gateway} on >${secretMarker(SECRETS.redisGateway)} ~* &* +@all -@admin -@dangerous +info`,
    `user ${ROLES.monitor} on >${secretMarker(SECRETS.redisMonitor)} resetchannels +ping +info +config|get +slowlog|get +slowlog|len +latency|latest +latency|history +client|setname +client|list +memory|usage +select`,
    "",
  ].join("\n");
}

/** PING needs a user, but an answer that says so is an answer: it lives. */
function probesOf({ plan, ground }: Site): NonNullable<Workload["probes"]> {
  const { probes, timeouts } = plan;
  const { redis: port } = ground.ports;
  const ask = `redis-cli -h 127.0.0.1 -p ${port} ping 2>&1 | grep -q -e PONG -e NOAUTH`;
  const probe = (of: (typeof probes)["readiness"]): Probe => ({
    periodS: of.periodS,
    timeoutS: timeouts.readinessS,
    failureThreshold: of.failureThreshold,
    check: { kind: "command", command: ["sh", "-c", ask] },
    inside: ["sh", "-c", ask],
  });
  return {
    startup: { ...probe(probes.startup), failureThreshold: Math.max(60, probes.startup.failureThreshold) },
    readiness: probe(probes.readiness),
    liveness: probe(probes.liveness),
  };
}
