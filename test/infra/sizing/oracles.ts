/** What the programs themselves make of their settings at boot, as measured: the numbers that a plan has to agree with. */

/**
 * Clients that redis-server really takes: maxclients, cut to what its descriptors leave after the 32 that it keeps (redis.conf;
 * measured on 7.0). Never below 0.
 */
export function redisEffectiveClients(maxclients: number, nofile: number): number {
  return Math.max(0, Math.min(maxclients, nofile - 32));
}

/**
 * PgBouncer's "max expected fd use" at boot: max_client_conn + 12 + default_pool_size per database, times its users and the
 * auth_user unless the database entry names one. Reserve and max_db_connections do not enter (measured on 1.18).
 */
export function pgbouncerExpectedDescriptors(settings: {
  readonly maxClientConn: number;
  readonly defaultPoolSize: number;
  readonly databases: number;
  readonly users: number;
  readonly forcedUser: boolean;
}): number {
  const { maxClientConn, defaultPoolSize, databases, users, forcedUser } = settings;
  return maxClientConn + 12 + defaultPoolSize * databases * (forcedUser ? 1 : users + 1);
}

/**
 * Heap limit in MiB that Node gives a process by itself in a container: half of the memory within 256…2048 and three semi-spaces
 * (V8's heap.cc; measured with v8.getHeapStatistics under memory limits). Every worker of a replica takes the whole of it, which is
 * why a plan sets --max-old-space-size.
 */
export function nodeDefaultHeapMiB(memoryMiB: number, nodeMajor: number): number {
  const old = Math.min(2048, Math.max(256, memoryMiB / 2));
  return old + 3 * semiSpaceMiB(old, nodeMajor);
}

/** V8 takes a fixed share of the old generation, half as much where memory is scarce; the share grew fourfold with Node 24. */
function semiSpaceMiB(old: number, nodeMajor: number): number {
  const scarce = old <= 256 ? 2 : 1;
  return old / (nodeMajor >= 24 ? 32 : 128) / scarce;
}
