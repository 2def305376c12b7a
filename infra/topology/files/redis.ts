/** redis.conf, for Redis 7.0 and newer. Passwords live in its ACL file, never here. */
import type { Plan } from "../../../contract/plan.ts";
import type { RedisPlace } from "./place.ts";
import { addressOf, fileOf, isAtLeast, listenPortOf, PlaceError, pathOf, versionOf } from "./writing.ts";

const OLDEST = [7, 0];
const LOOPBACK = /^127\.|^::1$/;

/**
 * The file for one Redis of the plan. `maxclients` is a promise only where the process may open 32 descriptors more (redis.conf: it is
 * cut to what the kernel allows, minus 32). Throws PlaceError.
 */
export function renderRedis({ redis, timeouts }: Plan, place: RedisPlace): string {
  const { listen, aclPath } = place;
  const addresses = listen.addresses.map((address, at) => addressOf(`redis.listen.addresses[${at}]`, address));
  if (addresses.length === 0) throw new PlaceError("redis.listen.addresses", [], "at least one address");
  if (!isAtLeast(versionOf("redis.version", place.version), OLDEST))
    throw new PlaceError("redis.version", place.version, "7.0 or newer");
  if (aclPath === null && !addresses.every((address) => LOOPBACK.test(address)))
    throw new PlaceError("redis.aclPath", null, `a file, since it listens beyond loopback (${addresses.join(", ")})`);
  return fileOf([
    `bind ${addresses.join(" ")}`,
    `port ${listenPortOf("redis.listen.port", listen.port)}`,
    "protected-mode yes",
    aclPath === null ? undefined : `aclfile ${pathOf("redis.aclPath", aclPath)}`,
    "enable-debug-command no",
    "enable-module-command no",
    "enable-protected-configs no",
    "",
    `tcp-backlog ${redis.tcpBacklog}`,
    `maxclients ${redis.maxclients}`,
    "# Idle clients stay: a subscription is silent for hours. Dead ones are found by keepalive.",
    "timeout 0",
    `tcp-keepalive ${Math.max(1, Math.round(timeouts.healthIntervalS))}`,
    "",
    ...memory(redis),
    "",
    ...persistence(redis.persistence),
    `dir ${pathOf("redis.directory", place.directory)}`,
    "",
    "daemonize no",
    "always-show-logo no",
    "loglevel notice",
    'logfile ""',
  ]);
}

/** 0 would mean no limit, the opposite of a plan that keeps nothing. */
function memory({ maxmemoryMiB, policy }: Plan["redis"]): readonly string[] {
  return [`maxmemory ${Math.max(1, maxmemoryMiB)}mb`, `maxmemory-policy ${policy}`];
}

/** The append-only file loses a second at most; snapshots beside it would only fork once more. */
function persistence(isPersistent: boolean): readonly string[] {
  if (!isPersistent) return ['save ""', "appendonly no"];
  return ['save ""', "appendonly yes", "appendfsync everysec"];
}
