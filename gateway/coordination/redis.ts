/**
 * Shared state in Redis 6.2 or later: one server, the master that sentinels name, or a cluster. Every command is bounded in time;
 * while the connection is down commands are refused at once instead of queued. No command has more than one key, so that a
 * cluster takes them as they are.
 */
import type { EventEmitter } from "node:events";
import type { Cluster, Redis } from "ioredis";
import { fault } from "../../contract/errors.ts";
import { parseRedisUrl } from "../../contract/redis-url.ts";
import type { Log } from "../telemetry/index.ts";
import { type Bucket, parseTaken, type Taken } from "./buckets.ts";
import { Listeners } from "./listeners.ts";
import { type CircuitOptions, RedisCircuit } from "./redis-circuit.ts";
import { redisConnections } from "./redis-connections.ts";
import type { RedisCertificates, RedisConnections, RedisTimes } from "./redis-options.ts";
import { callScript, parseLease, parseSlice, type ScriptName } from "./redis-scripts.ts";
import type { LeaseAnswer, LogBounds, LogSlice, SharedState } from "./types.ts";

export type RedisStateOptions = RedisTimes &
  CircuitOptions & {
    /** As REDIS_URL takes it, with credentials; never logged. */
    readonly url: string;
    readonly certificates?: RedisCertificates | undefined;
    /** What can be asked twice without harm is asked a second time when its connection was lost; default true. */
    readonly asksTwice?: boolean | undefined;
    /** Put before every key and channel, for example `mcps:`. */
    readonly prefix: string;
    readonly log: Log;
  };
type Client = Redis | Cluster;

/** What ioredis calls a command that was not answered within commandTimeout. */
const TIMED_OUT = "Command timed out";
/** A connection that was cut is back by then, where Redis is there. */
const AGAIN_WITHIN_MS = 250;

class RedisState implements SharedState {
  readonly kind = "redis";
  readonly #prefix: string;
  readonly #log: Log;
  readonly #connections: RedisConnections;
  readonly #subscriber: Redis;
  readonly #listeners: Listeners;
  readonly #healthIntervalMs: number;
  readonly #openWithinMs: number;
  readonly #asksTwice: boolean;
  readonly #circuit: RedisCircuit;
  readonly #opening = new Map<Client, Promise<void>>();
  #health: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RedisStateOptions) {
    const {
      commandTimeoutMs = 2000,
      connectTimeoutMs = 2000,
      maxRetryDelayMs = 2000,
      healthIntervalMs = 5000,
    } = options;
    const parsed = parseRedisUrl(options.url);
    if ("problem" in parsed) throw new RangeError(`the URL of Redis has to be ${parsed.problem}`);
    this.#prefix = options.prefix;
    this.#log = options.log;
    this.#healthIntervalMs = healthIntervalMs;
    this.#openWithinMs = connectTimeoutMs + commandTimeoutMs;
    this.#listeners = new Listeners(options.log);
    this.#connections = redisConnections({
      url: parsed.url,
      certificates: options.certificates ?? {},
      prefix: options.prefix,
      commandTimeoutMs,
      connectTimeoutMs,
      maxRetryDelayMs,
      healthIntervalMs,
    });
    this.#subscriber = this.#connections.subscriber;
    this.#logOutages(this.#connections.commands, "commands");
    this.#logOutages(this.#subscriber, "subscriptions");
    this.#subscriber.on("message", (channel: string, message: string) => {
      this.#listeners.deliver(channel.slice(this.#prefix.length), message);
    });
    this.#subscriber.on("ready", () => this.#resubscribe());
    this.#asksTwice = options.asksTwice ?? true;
    this.#circuit = new RedisCircuit(options, () => this.#connections.commands.ping(), options.log);
    // It has answered: a client is ready when the server said that it is. An attempt to connect that failed ends with "close".
    this.#connections.commands.on("ready", () => this.#circuit.answered());
    this.#connections.commands.on("close", () => this.#closed || this.#circuit.failed());
  }

  async get(key: string): Promise<string | undefined> {
    const value = await this.#ask((redis) => redis.get(this.#prefix + key));
    return value ?? undefined;
  }

  async set(key: string, value: string, ttlMs: number, options?: { ifAbsent?: boolean }): Promise<boolean> {
    const name = this.#prefix + key;
    const answer = await this.#run((redis) =>
      options?.ifAbsent === true ? redis.set(name, value, "PX", ttlMs, "NX") : redis.set(name, value, "PX", ttlMs),
    );
    return answer === "OK";
  }

  async delete(key: string): Promise<void> {
    await this.#ask((redis) => redis.del(this.#prefix + key));
  }

  async mapGet(key: string): Promise<ReadonlyMap<string, string>> {
    return new Map(Object.entries(await this.#ask((redis) => redis.hgetall(this.#prefix + key))));
  }

  async mapSet(
    key: string,
    field: string,
    value: string,
    ttlMs: number,
    options?: { ifAbsent?: boolean },
  ): Promise<string> {
    return String(await this.#script("mcpsMapSet", key, [field, value, ttlMs, options?.ifAbsent === true ? 1 : 0]));
  }

  async mapDelete(key: string, field: string): Promise<void> {
    await this.#ask((redis) => redis.hdel(this.#prefix + key, field));
  }

  async append(log: string, entry: string, bounds: LogBounds): Promise<number> {
    return Number(await this.#script("mcpsAppend", log, [bounds.sequence ?? 0, bounds.cap, bounds.ttlMs, entry]));
  }

  async readAfter(log: string, after: number): Promise<LogSlice> {
    return parseSlice(await this.#ask((redis) => callScript(redis, "mcpsReadAfter", this.#prefix + log, [after])));
  }

  async renewLog(log: string, ttlMs: number): Promise<void> {
    await this.#ask((redis) => redis.pexpire(this.#prefix + log, ttlMs));
  }

  async acquire(lease: string, holder: string, ttlMs: number): Promise<LeaseAnswer> {
    return parseLease(await this.#script("mcpsAcquire", lease, [holder, ttlMs]));
  }

  async release(lease: string, holder: string): Promise<void> {
    await this.#script("mcpsRelease", lease, [holder]);
  }

  async putFenced(key: string, value: string, ttlMs: number, fence: number): Promise<boolean> {
    return (await this.#script("mcpsPutFenced", key, [value, ttlMs, fence])) === 1;
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#run(() => this.#connections.publish(this.#prefix + channel, message));
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>> {
    const name = this.#prefix + channel;
    let isCaughtUp = false;
    // From now on, as a connection that comes anew subscribes to what has listeners.
    const remove = this.#listeners.add(channel, (message) => {
      if (isCaughtUp) listener(message);
    });
    try {
      await this.#run(async () => {
        // Also when the channel is subscribed already: that SUBSCRIBE may still be on its way.
        await this.#subscriber.subscribe(name);
        await this.#connections.caughtUp(name);
      }, this.#subscriber);
    } catch (error) {
      remove();
      throw error;
    }
    isCaughtUp = true;
    this.#watchSubscriber();
    return async () => {
      if (!remove() || this.#closed || this.#subscriber.status !== "ready") return;
      // A message that still comes finds no listener; a lost UNSUBSCRIBE ends with the connection.
      await this.#subscriber.unsubscribe(name).catch(() => undefined);
    };
  }

  async take(key: string, want: number, { capacity, perMs }: Bucket): Promise<Taken> {
    return parseTaken(await this.#script("mcpsTake", `bucket:${key}`, [want, capacity, perMs]));
  }

  async ping(): Promise<void> {
    await this.#run((redis) => redis.ping());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#health);
    this.#circuit.close();
    this.#listeners.clear();
    this.#connections.commands.disconnect();
    this.#subscriber.disconnect();
  }

  #script(name: ScriptName, key: string, values: (string | number)[]) {
    return this.#run((redis) => callScript(redis, name, this.#prefix + key, values));
  }

  /** Runs one command once `client` is ready, opening it on first use; refuses at once while Redis is left alone. */
  async #run<T>(command: (redis: Client) => Promise<T>, client: Client = this.#connections.commands): Promise<T> {
    if (this.#circuit.isOpen && !this.#closed) throw fault("MCPS_STATE", { reason: "Redis does not answer" });
    // What a connection that is not there refuses at once says nothing new: its attempts are counted.
    const wasReady = client.status === "ready";
    try {
      if (!wasReady) await this.#ready(client);
      const answer = await command(this.#connections.commands);
      this.#circuit.answered();
      return answer;
    } catch (error) {
      if (client === this.#connections.commands && wasReady) this.#judge(error);
      throw fault("MCPS_STATE", { reason: this.#closed ? "it is closed" : reasonOf(error) });
    }
  }

  /** A command that may be carried out twice: one that went down with its connection is sent again over the next, if that comes soon. */
  async #ask<T>(command: (redis: Client) => Promise<T>): Promise<T> {
    const { commands } = this.#connections;
    const wasReady = commands.status === "ready";
    try {
      return await this.#run(command);
    } catch (error) {
      if (!this.#asksTwice || !wasReady || this.#closed || this.#circuit.isOpen || commands.status === "ready")
        throw error;
      if (!(await readyWithin(commands, AGAIN_WITHIN_MS))) throw error;
      return this.#run(command);
    }
  }

  /** An error that Redis answers shows that it answers; what goes down with a connection is counted once, with it. */
  #judge(error: unknown): void {
    if (this.#closed || !(error instanceof Error)) return;
    if (error.name === "ReplyError") this.#circuit.answered();
    else if (error.message === TIMED_OUT) this.#circuit.failed();
  }

  /** All who wait for the first connection wait for one promise, so that they go on in the order in which they came. */
  #ready(client: Client): Promise<void> {
    if (this.#closed) throw new Error("it is closed");
    const opening = this.#opening.get(client);
    if (opening !== undefined) return opening;
    if (client.status !== "wait") throw new Error("no connection to Redis");
    const connecting = this.#open(client).finally(() => this.#opening.delete(client));
    this.#opening.set(client, connecting);
    return connecting;
  }

  async #open(client: Client): Promise<void> {
    if (client === this.#subscriber) {
      // A cluster's nodes are known once it is connected for commands.
      const { commands, aim } = this.#connections;
      if (commands.status !== "ready") await this.#ready(commands);
      aim();
    }
    await firstAnswer(client, this.#openWithinMs);
  }

  /** One line per outage, not per attempt. */
  #logOutages(client: EventEmitter, role: string): void {
    let down = false;
    const fell = (reason: string) => {
      if (!down && !this.#closed) this.#log.warn("state.redis_down", { role, reason });
      down = true;
    };
    client.on("error", (error: unknown) => fell(reasonOf(error)));
    client.on("close", () => fell("connection closed"));
    client.on("ready", () => {
      if (down) this.#log.info("state.redis_up", { role });
      down = false;
    });
  }

  #resubscribe(): void {
    const channels = this.#listeners.channels().map((channel) => this.#prefix + channel);
    if (channels.length === 0) return;
    // Without its subscriptions a connection that looks well would stay deaf: take a new one.
    this.#subscriber.subscribe(...channels).catch(() => this.#replaceSubscriber());
  }

  /** Only commands that go out show a dead peer, and a subscribed connection sends none by itself. */
  #watchSubscriber(): void {
    if (this.#health !== undefined || this.#closed || this.#healthIntervalMs === 0) return;
    let isAsking = false;
    this.#health = setInterval(async () => {
      if (isAsking || this.#subscriber.status !== "ready" || this.#listeners.size === 0) return;
      isAsking = true;
      if (await this.#connections.isDeaf()) this.#replaceSubscriber();
      isAsking = false;
    }, this.#healthIntervalMs);
    this.#health.unref();
  }

  /** One that is connecting anyway is let alone: told to disconnect while it asks sentinels, it would end for good. */
  #replaceSubscriber(): void {
    if (!this.#closed && this.#subscriber.status === "ready") this.#subscriber.disconnect(true);
  }
}

/** Resolves when the client is ready; rejects with its first error, while the client goes on trying. */
function firstAnswer(client: Client, withinMs: number): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const events: EventEmitter = client;
    const timer = setTimeout(() => settle(() => reject(new Error(`no answer within ${withinMs} ms`))), withinMs);
    const fail = (error: unknown): void => settle(() => reject(error));
    function settle(how: () => void): void {
      clearTimeout(timer);
      events.off("error", fail);
      how();
    }
    events.once("error", fail);
    client.connect().then(() => settle(resolve), fail);
  });
}

/** Whether the client, which is connecting anew, is ready by then. */
function readyWithin(client: Client, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const events: EventEmitter = client;
    const settle = (isReady: boolean): void => {
      clearTimeout(timer);
      events.off("ready", isBack);
      resolve(isReady);
    };
    const isBack = (): void => settle(true);
    const timer = setTimeout(() => settle(false), ms);
    events.once("ready", isBack);
  });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  // What ioredis says of a cluster is that no node answered; why is what the last one said.
  if ("lastNodeError" in error && error.lastNodeError instanceof Error) return reasonOf(error.lastNodeError);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

/** Shared state in Redis. Nothing is connected before the first operation; it never throws for a Redis that is down. Throws RangeError for a URL that is none. */
export function redisState(options: RedisStateOptions): SharedState {
  return new RedisState(options);
}
