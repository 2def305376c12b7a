/**
 * Shared state in Redis 6.2 or later: one connection for commands, one for subscriptions, both opened on first use. Every
 * command is bounded in time; while the connection is down commands are refused at once instead of queued. Maps and logs
 * are changed by scripts of one key each, so that a write and its time to live are one step.
 */
import { Redis, type RedisOptions } from "ioredis";
import { fault } from "../../contract/errors.ts";
import type { Log } from "../telemetry/index.ts";
import { Listeners } from "./listeners.ts";
import type { LogBounds, LogSlice, SharedState } from "./types.ts";

export type RedisStateOptions = {
  /** redis:// or rediss:// with credentials; never logged. */
  readonly url: string;
  /** Put before every key and channel, for example `mcps:`. */
  readonly prefix: string;
  readonly log: Log;
  /** Longest time of one command; default 2000. */
  readonly commandTimeoutMs?: number | undefined;
  /** Longest time to open a connection; default 2000. */
  readonly connectTimeoutMs?: number;
  /** Longest pause between two attempts to connect; default 2000. */
  readonly maxRetryDelayMs?: number;
  /** How often the subscribed connection is asked whether it lives; default 5000. */
  readonly healthIntervalMs?: number;
};

// ARGV: field, value, ttl, ifAbsent. Answers the field's value after the call.
const MAP_SET = `
if ARGV[4] == '1' then redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('HGET', KEYS[1], ARGV[1])`;

// A log is a stream whose ids are <sequence>-0. ARGV: sequence or 0, cap, ttl, entry.
const APPEND = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local newest = 0
if last[1] then newest = tonumber(string.match(last[1][1], '^%d+')) end
local sequence = tonumber(ARGV[1])
if sequence == 0 then sequence = newest + 1 elseif sequence <= newest then return sequence end
redis.call('XADD', KEYS[1], string.format('%d-0', sequence), 'e', ARGV[4])
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%d-0', math.max(1, sequence - tonumber(ARGV[2]) + 1)))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return sequence`;

// ARGV: after. Answers the oldest id or false, and the entries above.
const READ_AFTER = `
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if not first[1] then return {} end
return {first[1][1], redis.call('XRANGE', KEYS[1], string.format('%d-0', tonumber(ARGV[1]) + 1), '+')}`;

class RedisState implements SharedState {
  readonly kind = "redis";
  readonly #prefix: string;
  readonly #log: Log;
  readonly #commands: Redis;
  readonly #subscriber: Redis;
  readonly #listeners: Listeners;
  readonly #healthIntervalMs: number;
  readonly #opening = new Map<Redis, Promise<void>>();
  #health: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RedisStateOptions) {
    this.#prefix = options.prefix;
    this.#log = options.log;
    this.#healthIntervalMs = options.healthIntervalMs ?? 5000;
    this.#listeners = new Listeners(options.log);
    this.#commands = this.#client(options, "commands");
    this.#subscriber = this.#client(options, "subscriptions");
    this.#subscriber.on("message", (channel: string, message: string) => {
      this.#listeners.deliver(channel.slice(this.#prefix.length), message);
    });
    this.#subscriber.on("ready", () => this.#resubscribe());
  }

  async get(key: string): Promise<string | undefined> {
    const value = await this.#run((redis) => redis.get(this.#prefix + key));
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
    await this.#run((redis) => redis.del(this.#prefix + key));
  }

  async mapGet(key: string): Promise<ReadonlyMap<string, string>> {
    return new Map(Object.entries(await this.#run((redis) => redis.hgetall(this.#prefix + key))));
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
    await this.#run((redis) => redis.hdel(this.#prefix + key, field));
  }

  async append(log: string, entry: string, bounds: LogBounds): Promise<number> {
    return Number(await this.#script("mcpsAppend", log, [bounds.sequence ?? 0, bounds.cap, bounds.ttlMs, entry]));
  }

  async readAfter(log: string, after: number): Promise<LogSlice> {
    return parseSlice(await this.#script("mcpsReadAfter", log, [after]));
  }

  async renewLog(log: string, ttlMs: number): Promise<void> {
    await this.#run((redis) => redis.pexpire(this.#prefix + log, ttlMs));
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#run((redis) => redis.publish(this.#prefix + channel, message));
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>> {
    const remove = this.#listeners.add(channel, listener);
    try {
      // Also when the channel is subscribed already: that SUBSCRIBE may still be on its way.
      await this.#run((redis) => redis.subscribe(this.#prefix + channel), this.#subscriber);
    } catch (error) {
      remove();
      throw error;
    }
    this.#watchSubscriber();
    return async () => {
      if (!remove() || this.#closed || this.#subscriber.status !== "ready") return;
      // A message that still comes finds no listener; a lost UNSUBSCRIBE ends with the connection.
      await this.#subscriber.unsubscribe(this.#prefix + channel).catch(() => undefined);
    };
  }

  async ping(): Promise<void> {
    await this.#run((redis) => redis.ping());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#health);
    this.#listeners.clear();
    this.#commands.disconnect();
    this.#subscriber.disconnect();
  }

  #script(name: "mcpsMapSet" | "mcpsAppend" | "mcpsReadAfter", key: string, values: (string | number)[]) {
    return this.#run((redis) => callScript(redis, name, this.#prefix + key, values));
  }

  /** Runs one command on a ready connection, opening it on first use. */
  async #run<T>(command: (redis: Redis) => Promise<T>, redis: Redis = this.#commands): Promise<T> {
    try {
      if (redis.status !== "ready") await this.#ready(redis);
      return await command(redis);
    } catch (error) {
      throw fault("MCPS_STATE", { reason: this.#closed ? "it is closed" : reasonOf(error) });
    }
  }

  /** All who wait for the first connection wait for one promise, so that they go on in the order in which they came. */
  #ready(redis: Redis): Promise<void> {
    if (this.#closed) throw new Error("it is closed");
    const opening = this.#opening.get(redis);
    if (opening !== undefined) return opening;
    if (redis.status !== "wait") throw new Error("no connection to Redis");
    const connecting = redis.connect().finally(() => this.#opening.delete(redis));
    this.#opening.set(redis, connecting);
    return connecting;
  }

  #client(options: RedisStateOptions, role: string): Redis {
    const commandTimeoutMs = options.commandTimeoutMs ?? 2000;
    const maxRetryDelayMs = options.maxRetryDelayMs ?? 2000;
    const settings: RedisOptions & { replyMapping?: "legacy" } = {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: options.connectTimeoutMs ?? 2000,
      commandTimeout: commandTimeoutMs,
      // A peer that stopped answering is given up with its socket, so that later commands fail at once.
      socketTimeout: commandTimeoutMs,
      // Full jitter would allow 0; a floor keeps a fleet from hammering a Redis that is starting.
      retryStrategy: (attempt) =>
        Math.min(maxRetryDelayMs, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2),
      connectionName: `mcp-stack-${role}`,
      scripts: {
        mcpsMapSet: { lua: MAP_SET, numberOfKeys: 1 },
        mcpsAppend: { lua: APPEND, numberOfKeys: 1 },
        mcpsReadAfter: { lua: READ_AFTER, numberOfKeys: 1 },
      },
    };
    const redis = new Redis(options.url, settings);
    // One line per outage, not per attempt.
    let down = false;
    redis.on("error", (error: Error) => {
      if (!down && !this.#closed) this.#log.warn("state.redis_down", { role, reason: reasonOf(error) });
      down = true;
    });
    redis.on("close", () => {
      if (!down && !this.#closed) this.#log.warn("state.redis_down", { role, reason: "connection closed" });
      down = true;
    });
    redis.on("ready", () => {
      if (down) this.#log.info("state.redis_up", { role });
      down = false;
    });
    return redis;
  }

  #resubscribe(): void {
    const channels = this.#listeners.channels().map((channel) => this.#prefix + channel);
    if (channels.length === 0) return;
    this.#subscriber.subscribe(...channels).catch(() => {
      // Without its subscriptions a connection that looks well would stay deaf: take a new one.
      if (!this.#closed) this.#subscriber.disconnect(true);
    });
  }

  /** Only commands that go out show a dead peer, and a subscribed connection sends none by itself. */
  #watchSubscriber(): void {
    if (this.#health !== undefined || this.#closed) return;
    this.#health = setInterval(() => {
      if (this.#subscriber.status !== "ready" || this.#listeners.size === 0) return;
      this.#subscriber.ping().catch(() => {
        if (!this.#closed) this.#subscriber.disconnect(true);
      });
    }, this.#healthIntervalMs);
    this.#health.unref();
  }
}

type Script = (key: string, ...values: (string | number)[]) => Promise<unknown>;

/** ioredis adds scripts to the client at run time, unknown to its types. */
function callScript(redis: Redis, name: string, key: string, values: (string | number)[]): Promise<unknown> {
  const script = (redis as unknown as Readonly<Record<string, Script>>)[name];
  if (script === undefined) throw new Error(`script ${name} is not defined`);
  return script.call(redis, key, ...values);
}

/** What the READ_AFTER script answers: [] or [oldest id, [id, [field, entry]][]]. */
function parseSlice(raw: unknown): LogSlice {
  const [oldest, rows] = raw as [string?, [string, [string, string]][]?];
  if (oldest === undefined) return { oldest: 0, entries: [] };
  return {
    oldest: Number.parseInt(oldest, 10),
    entries: (rows ?? []).map(([id, [, entry]]) => ({ sequence: Number.parseInt(id, 10), entry })),
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

/** Shared state in Redis. Nothing is connected before the first operation; it never throws for a Redis that is down. */
export function redisState(options: RedisStateOptions): SharedState {
  return new RedisState(options);
}
