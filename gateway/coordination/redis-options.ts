/** What the connections to every kind of Redis have in common: nothing is queued or sent twice while a connection is down. */
import type { Cluster, Redis, RedisOptions } from "ioredis";
import type { RedisUrl } from "../../contract/redis-url.ts";
import { scripts } from "./redis-scripts.ts";

export type RedisTimes = {
  /** Longest time of one command; default 2000. */
  readonly commandTimeoutMs?: number | undefined;
  /** Longest time to open a connection; default 2000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Longest pause between two attempts to connect; default 2000. */
  readonly maxRetryDelayMs?: number | undefined;
  /** How often the subscribed connection is asked whether it lives; 0: never. Default 5000. */
  readonly healthIntervalMs?: number | undefined;
};

/** The files' contents, PEM. */
export type RedisCertificates = {
  /** Of the authorities to trust; the well-known ones by default. */
  readonly authorities?: string | undefined;
  /** What this gateway shows to a Redis that asks for a certificate. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
};

export type ConnectionOptions = { readonly [Name in keyof RedisTimes]-?: number } & {
  readonly url: RedisUrl;
  readonly certificates: RedisCertificates;
  /** Stands before the channels that are used here. */
  readonly prefix: string;
};

/** The two connections of a gateway, neither of them connected: one for commands, one that is subscribed. */
export type RedisConnections = {
  readonly commands: Redis | Cluster;
  readonly subscriber: Redis;
  /** Reaches every subscriber of the channel wherever it is connected; what one caller publishes there stays in order. */
  publish(channel: string, message: string): Promise<unknown>;
  /** To be called before the subscriber connects for the first time. */
  aim(): void;
  /** Resolves when what was published to the channel before has arrived at the subscriber, which is subscribed to it. */
  caughtUp(channel: string): Promise<void>;
  /** True when the subscriber, though connected, hears nothing. */
  isDeaf(): Promise<boolean>;
};

/** A fail-over takes longer; until then every look at another connection costs those who wait on the present one their answers. */
const LEAVE_AGAIN_MS = 2000;

/** Replies in the shapes of RESP2, the default; ioredis' types take no undefined for it. */
export type ClientOptions = RedisOptions & { readonly replyMapping?: "legacy" };

export function clientOptions({ url, certificates, ...times }: ConnectionOptions, role: string): ClientOptions {
  return {
    ...url.credentials,
    ...(url.tls ? { tls: tlsOptions(certificates) } : {}),
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
    reconnectOnError: leavesReadOnly(),
    connectionName: `mcp-stack-${role}`,
    scripts,
  };
}

/** Verified whatever NODE_TLS_REJECT_UNAUTHORIZED says: the password goes over this connection. */
export function tlsOptions(certificates: RedisCertificates): TlsOptions {
  const { authorities, certificate, key } = certificates;
  return {
    rejectUnauthorized: true,
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  };
}

type TlsOptions = { rejectUnauthorized: true; ca?: string; cert?: string; key?: string };

/**
 * A master that became a replica, behind a sentinel or a name that moves on to the next: whoever answers there now is wanted. Where that is
 * the same one it can still be read from, so it is not left with every write.
 */
function leavesReadOnly(): (error: Error) => boolean {
  let leftAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    const now = performance.now();
    if (!error.message.includes("READONLY") || now - leftAt < LEAVE_AGAIN_MS) return false;
    leftAt = now;
    return true;
  };
}

/** Full jitter would allow 0; a floor keeps a fleet from hammering a Redis that is starting. */
export function retryIn(maxMs: number): (attempt: number) => number {
  return (attempt) => Math.min(maxMs, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
}
