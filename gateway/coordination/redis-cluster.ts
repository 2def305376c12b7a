/**
 * The connections to a Redis Cluster. Commands go through ioredis' Cluster, each to the master of its key. Its own subscribed connection
 * gives up silently when subscribing again fails and does not notice a peer that stalls; as a cluster hands classic messages
 * to all its nodes (Redis Cluster specification, "Publish/Subscribe"), a plain connection to any of them does as well.
 */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { RedisAddress } from "../../contract/redis-url.ts";
import { ioredis } from "./ioredis.ts";
import { type ConnectionOptions, clientOptions, type RedisConnections, retryIn } from "./redis-options.ts";
import { scripts } from "./redis-scripts.ts";

/** Runs at the master of KEYS[1], so that what is published under one key takes one way; PUBLISH alone goes through any node. */
const PUBLISH = "return redis.call('PUBLISH', ARGV[1], ARGV[2])";

export function clusterConnections(nodes: readonly RedisAddress[], options: ConnectionOptions): RedisConnections {
  const { retryStrategy, enableOfflineQueue, scripts: _, ...nodeOptions } = clientOptions(options, "commands");
  const commands = new (ioredis().Cluster)([...nodes], {
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
  const retryDelay = retryIn(options.maxRetryDelayMs);
  const subscriber = new (ioredis().Redis)({
    ...clientOptions(options, "subscriptions"),
    retryStrategy(attempt) {
      aim();
      return retryDelay(attempt);
    },
  });
  /** Any node; the connector reads its options anew for each connection. */
  function aim(): void {
    const known = commands.status === "ready" ? commands.nodes().map((node) => node.options) : nodes;
    const { host, port } = known[Math.floor(Math.random() * known.length)] ?? {};
    if (host !== undefined && port !== undefined) Object.assign(subscriber.options, { host, port });
  }
  const publishAt = (key: string, channel: string, message: string) => commands.eval(PUBLISH, 1, key, channel, message);
  const echoes = new Echoes(subscriber, `${options.prefix}echo:${randomUUID()}`, options.commandTimeoutMs);
  return {
    commands,
    subscriber,
    publish: (channel, message) => publishAt(channel, channel, message),
    aim,
    async caughtUp(channel) {
      const isHeard = await echoes.hear((id) => publishAt(channel, echoes.channel, id));
      if (!isHeard) throw new Error("the node that is subscribed at hears nothing");
    },
    async isDeaf() {
      let isSubscribed = false;
      try {
        return !(await echoes.hear((id) => {
          isSubscribed = true;
          return publishAt(echoes.channel, echoes.channel, id);
        }));
      } catch {
        // Where the message could not be sent, nothing is known of who would have heard it.
        return !isSubscribed;
      }
    },
  };
}

/**
 * Messages to oneself. A cluster answers who publishes before it has passed the message on to its other nodes: what was published
 * before a subscription may arrive after it began, and a node that was cut off takes subscriptions and hears nothing. A message
 * that goes the same way (same master, same node) arrives after all before it, or it does not.
 */
class Echoes {
  readonly channel: string;
  readonly #subscriber: Redis;
  readonly #withinMs: number;
  readonly #waiting = new Map<string, (isHeard: boolean) => void>();
  #sent = 0;

  constructor(subscriber: Redis, channel: string, withinMs: number) {
    this.channel = channel;
    this.#subscriber = subscriber;
    this.#withinMs = withinMs;
    subscriber.on("message", (from: string, id: string) => {
      if (from === channel) this.#waiting.get(id)?.(true);
    });
  }

  /** `send` publishes the id on `channel`. False when it does not arrive in time; rejects when it could not be sent. */
  async hear(send: (id: string) => Promise<unknown>): Promise<boolean> {
    await this.#subscriber.subscribe(this.channel);
    const id = String(++this.#sent);
    const heard = new Promise<boolean>((resolve) => this.#waiting.set(id, resolve));
    let timer: NodeJS.Timeout | undefined;
    try {
      await send(id);
      timer = setTimeout(() => this.#waiting.get(id)?.(false), this.#withinMs);
      return await heard;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }
}
