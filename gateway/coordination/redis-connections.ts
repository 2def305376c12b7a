/**
 * The two connections of a gateway to its Redis, whichever kind of Redis that is: one for commands, which on a cluster is one to
 * each master in use, and one that is subscribed. Nothing is connected before the first use, and nothing is queued or sent
 * twice while a connection is down.
 */
import { Cluster, Redis, type RedisOptions } from "ioredis";
import type { RedisAddress, RedisUrl } from "../../contract/redis-url.ts";
import { scripts } from "./redis-scripts.ts";

export type RedisTimes = {
  /** Longest time of one command; default 2000. */
  readonly commandTimeoutMs?: number | undefined;
  /** Longest time to open a connection; default 2000. */
  readonly connectTimeoutMs?: number;
  /** Longest pause between two attempts to connect; default 2000. */
  readonly maxRetryDelayMs?: number;
  /** How often the subscribed connection is asked whether it lives; default 5000. */
  readonly healthIntervalMs?: number;
};

/** Replies in the shapes of RESP2, the default; ioredis' types take no undefined for it. */
type ClientOptions = RedisOptions & { readonly replyMapping?: "legacy" };

export type RedisConnections = {
  readonly commands: Redis | Cluster;
  readonly subscriber: Redis;
  /** Reaches every subscriber of the channel wherever it is connected; what one caller publishes there stays in order. */
  publish(channel: string, message: string): Promise<unknown>;
  /** Before the subscriber connects: what has to be connected already. */
  readonly before: Redis | Cluster | undefined;
  /** Points the subscriber, which is not connected, to a server that it may subscribe at. */
  aim(): void;
  /** False when the server it is subscribed at is no longer known to be one of them: it may have been cut off from the others. */
  isSubscribedWithin(): boolean;
};

type Options = {
  readonly url: RedisUrl;
  /** PEM of the authorities to trust; the well-known ones by default. */
  readonly authorities: string | undefined;
} & Required<RedisTimes>;

export function redisConnections(options: Options): RedisConnections {
  const { url } = options;
  if (url.kind === "cluster") return clusterConnections(url, options);
  const place = url.kind === "server" ? serverPlace(url) : sentinelPlace(url, options);
  const commands = new Redis({ ...clientOptions(options, "commands"), ...place });
  const subscriber = new Redis({ ...clientOptions(options, "subscriptions"), ...place });
  return {
    commands,
    subscriber,
    publish: (channel, message) => commands.publish(channel, message),
    before: undefined,
    aim: () => undefined,
    isSubscribedWithin: () => true,
  };
}

/** What both connections of every kind have in common. */
function clientOptions({ url, authorities, ...times }: Options, role: string): ClientOptions {
  return {
    ...url.credentials,
    ...(url.tls ? { tls: tlsOptions(authorities) } : {}),
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: times.connectTimeoutMs,
    commandTimeout: times.commandTimeoutMs,
    // A peer that stopped answering is given up with its socket, so that later commands fail at once.
    socketTimeout: times.commandTimeoutMs,
    retryStrategy: retryIn(times.maxRetryDelayMs),
    // A master that became a replica, behind a sentinel or a name that moves on to the next: whoever answers there now is wanted.
    reconnectOnError: (error) => error.message.includes("READONLY"),
    connectionName: `mcp-stack-${role}`,
    scripts,
  };
}

/** Verified whatever NODE_TLS_REJECT_UNAUTHORIZED says: the password goes over this connection. */
function tlsOptions(authorities: string | undefined): { rejectUnauthorized: true; ca?: string } {
  return authorities === undefined ? { rejectUnauthorized: true } : { rejectUnauthorized: true, ca: authorities };
}

/** Full jitter would allow 0; a floor keeps a fleet from hammering a Redis that is starting. */
function retryIn(maxMs: number): (attempt: number) => number {
  return (attempt) => Math.min(maxMs, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
}

function serverPlace({ address, database }: Extract<RedisUrl, { kind: "server" }>): ClientOptions {
  return { host: address.host, port: address.port, db: database };
}

/** The sentinels are asked for the master before every attempt to connect, and a server that calls itself a replica is left again. */
function sentinelPlace(url: Extract<RedisUrl, { kind: "sentinel" }>, options: Options): ClientOptions {
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
    ...(url.tls ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(options.authorities) } : {}),
  };
}

/** Runs where the channel's slot is, so that one channel's messages take one way; PUBLISH alone may go through any node. */
const PUBLISH = "return redis.call('PUBLISH', KEYS[1], ARGV[1])";

/**
 * ioredis' Cluster for the commands. It has a subscribed connection of its own, which gives up silently when subscribing again
 * fails and does not notice a peer that stalls; a cluster hands classic messages to all its nodes (Redis Cluster specification,
 * "Publish/Subscribe"), so a plain connection to any of them does as well and is watched like that of a single Redis.
 */
function clusterConnections(url: Extract<RedisUrl, { kind: "cluster" }>, options: Options): RedisConnections {
  const { retryStrategy, enableOfflineQueue, scripts: _, ...nodeOptions } = clientOptions(options, "commands");
  const commands = new Cluster([...url.nodes], {
    lazyConnect: true,
    scripts,
    redisOptions: nodeOptions,
    clusterRetryStrategy: retryIn(options.maxRetryDelayMs),
    slotsRefreshTimeout: options.commandTimeoutMs,
    slotsRefreshInterval: options.healthIntervalMs,
    // A command that lost its connection may have been carried out: it is refused, not sent again.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // Names stay names, for the certificates and for addresses that change.
    dnsLookup: (address, callback) => callback(null, address),
  });
  const subscriber = new Redis({
    ...clientOptions(options, "subscriptions"),
    retryStrategy(attempt) {
      aim();
      return retryIn(options.maxRetryDelayMs)(attempt);
    },
  });
  const known = (): readonly RedisAddress[] => commands.nodes().map(({ options }) => addressOf(options));
  function aim(): void {
    const addresses = commands.status === "ready" ? known() : url.nodes;
    const address = addresses[Math.floor(Math.random() * addresses.length)];
    // The connector reads its options anew for each connection.
    if (address !== undefined) Object.assign(subscriber.options, address);
  }
  return {
    commands,
    subscriber,
    publish: (channel, message) => commands.eval(PUBLISH, 1, channel, message),
    before: commands,
    aim,
    isSubscribedWithin() {
      const { host, port } = addressOf(subscriber.options);
      return commands.status !== "ready" || known().some((one) => one.host === host && one.port === port);
    },
  };
}

function addressOf({ host = "127.0.0.1", port = 6379 }: RedisOptions): RedisAddress {
  return { host, port };
}
