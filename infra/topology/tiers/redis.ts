/** Redis of our own: the state that crosses replicas. */
import { renderRedis } from "../files/redis.ts";
import type { Probe } from "../model.ts";
import { probesOf } from "../probes.ts";
import { secretMarker } from "../secret-text.ts";
import { SECRETS } from "../secrets.ts";
import { ROLES, type Site } from "../site.ts";
import { plainFile, reserved, scratch, searchPath, secretFile, type Unsealed, withDescriptors } from "../workload.ts";

/** Twice the data: a rewrite of the append-only file stands beside the old one until it is whole. */
const FILES_PER_DATA = 2;
const MIB_PER_GIB = 1024;

/** Null where somebody else runs it. */
export function redisWorkload(site: Site): Unsealed | null {
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
    resources: reserved(redis, volumes),
    sysctls: {},
    probes: probesOf(plan, answers(ground), { leastStartups: STARTUPS }),
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

/** An append-only file is read whole before it answers anything but that it is loading. */
const STARTUPS = 60;

/** PING needs a user, but an answer that says so is an answer: it lives. */
function answers({ ports }: Site["ground"]): Pick<Probe, "check" | "inside"> {
  const command = ["sh", "-c", `redis-cli -h 127.0.0.1 -p ${ports.redis} ping 2>&1 | grep -q -e PONG -e NOAUTH`];
  return { check: { kind: "command", command }, inside: command };
}
