/** The connections of a gateway to its Redis, whichever kind of Redis that is. */

import type { RedisUrl } from "../../contract/redis-url.ts";
import { ioredis } from "./ioredis.ts";
import { clusterConnections } from "./redis-cluster.ts";
import {
  type ClientOptions,
  type ConnectionOptions,
  clientOptions,
  type RedisConnections,
  retryIn,
  tlsOptions,
} from "./redis-options.ts";

export function redisConnections(options: ConnectionOptions): RedisConnections {
  const { url } = options;
  if (url.kind === "cluster") return clusterConnections(url.nodes, options);
  const place = url.kind === "server" ? serverPlace(url) : sentinelPlace(url, options);
  const commands = new (ioredis().Redis)({ ...clientOptions(options, "commands"), ...place });
  const subscriber = new (ioredis().Redis)({ ...clientOptions(options, "subscriptions"), ...place });
  return {
    commands,
    subscriber,
    publish: (channel, message) => commands.publish(channel, message),
    aim: () => undefined,
    // One server delivers before it answers the publisher, and answers SUBSCRIBE before it delivers.
    caughtUp: () => Promise.resolve(),
    isDeaf: () =>
      subscriber.ping().then(
        () => false,
        () => true,
      ),
  };
}

function serverPlace({ address, database }: Extract<RedisUrl, { kind: "server" }>): ClientOptions {
  return { host: address.host, port: address.port, db: database };
}

/** The sentinels are asked for the master before every attempt to connect, and a server that calls itself a replica is left again. */
function sentinelPlace(url: Extract<RedisUrl, { kind: "sentinel" }>, options: ConnectionOptions): ClientOptions {
  const { sentinelCredentials } = url;
  return {
    sentinels: [...url.sentinels],
    name: url.master,
    role: "master",
    db: url.database,
    ...(sentinelCredentials?.username === undefined ? {} : { sentinelUsername: sentinelCredentials.username }),
    ...(sentinelCredentials === undefined ? {} : { sentinelPassword: sentinelCredentials.password }),
    // Without a pause to go on with, ioredis ends the client for good once no sentinel answers.
    sentinelRetryStrategy: retryIn(options.maxRetryDelayMs),
    sentinelCommandTimeout: options.commandTimeoutMs,
    ...(url.tls ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(options.certificates) } : {}),
  };
}
