/**
 * Shared state in PostgreSQL, for several processes without Redis. Works through a pooler in transaction mode: no LISTEN, no
 * session state. Messages are polled, quickly while there is traffic and rarely while there is none, and only while someone
 * is subscribed.
 */
import { fault } from "../../contract/errors.ts";
import type { SharedStateRepository } from "../store/index.ts";
import type { Bucket, Taken } from "./buckets.ts";
import { Poller, type PollerOptions, reasonOf } from "./postgres-poller.ts";
import type { LeaseAnswer, LogBounds, LogSlice, SharedState } from "./types.ts";

export type PostgresStateOptions = PollerOptions & {
  /** Pause between sweeps of what has expired; default 10 000. */
  readonly sweepMs?: number;
  /** Rows deleted per table and sweep, at most; default 1000. */
  readonly sweepBatch?: number;
  /** How long messages stay; a process that cannot poll for longer misses some. Default 60 000. */
  readonly messageRetentionMs?: number;
};

type Outgoing = { readonly channel: string; readonly message: string };
type Waiting = Outgoing & { readonly resolve: () => void; readonly reject: (reason: unknown) => void };

/** Messages per statement, and messages that may wait for one. */
const PUBLISH_BATCH = 200;
const PUBLISH_WAITING = 10_000;

class PostgresState implements SharedState {
  readonly kind = "postgres";
  readonly #repository: SharedStateRepository;
  readonly #publisher: Publisher;
  readonly #poller: Poller;
  readonly #sweeper: Sweeper;
  #closed = false;

  constructor(options: PostgresStateOptions) {
    this.#repository = options.repository;
    this.#publisher = new Publisher(options.repository);
    this.#poller = new Poller(options);
    this.#sweeper = new Sweeper(options);
  }

  get(key: string): Promise<string | undefined> {
    return this.#run(() => this.#repository.getValue(key));
  }

  set(key: string, value: string, ttlMs: number, options?: { ifAbsent?: boolean }): Promise<boolean> {
    return this.#write(() => this.#repository.setValue(key, value, ttlMs, options?.ifAbsent === true));
  }

  delete(key: string): Promise<void> {
    return this.#run(() => this.#repository.deleteValue(key));
  }

  mapGet(key: string): Promise<ReadonlyMap<string, string>> {
    return this.#run(() => this.#repository.getMap(key));
  }

  mapSet(key: string, field: string, value: string, ttlMs: number, options?: { ifAbsent?: boolean }): Promise<string> {
    return this.#write(() => this.#repository.setField(key, field, value, ttlMs, options?.ifAbsent === true));
  }

  mapDelete(key: string, field: string): Promise<void> {
    return this.#run(() => this.#repository.deleteField(key, field));
  }

  append(log: string, entry: string, bounds: LogBounds): Promise<number> {
    return this.#write(() => this.#repository.appendEntry(log, entry, bounds.cap, bounds.ttlMs, bounds.sequence));
  }

  readAfter(log: string, after: number): Promise<LogSlice> {
    return this.#run(() => this.#repository.readEntries(log, after));
  }

  renewLog(log: string, ttlMs: number): Promise<void> {
    return this.#run(() => this.#repository.renewLog(log, ttlMs));
  }

  acquire(lease: string, holder: string, ttlMs: number): Promise<LeaseAnswer> {
    return this.#write(() => this.#repository.acquireLease(lease, holder, ttlMs));
  }

  release(lease: string, holder: string): Promise<void> {
    return this.#run(() => this.#repository.releaseLease(lease, holder));
  }

  putFenced(key: string, value: string, ttlMs: number, fence: number): Promise<boolean> {
    return this.#write(() => this.#repository.putFenced(key, value, ttlMs, fence));
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#write(() => this.#publisher.publish({ channel, message }));
    // An answer is likely: look for it soon.
    this.#poller.hurry();
  }

  subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>> {
    return this.#run(() => this.#poller.subscribe(channel, listener));
  }

  take(key: string, want: number, { capacity, perMs }: Bucket): Promise<Taken> {
    return this.#run(() => this.#repository.takeTokens(key, want, capacity, perMs));
  }

  ping(): Promise<void> {
    return this.#run(() => this.#repository.ping());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#poller.close();
    this.#sweeper.close();
  }

  #write<T>(operation: () => Promise<T>): Promise<T> {
    return this.#run(() => {
      this.#sweeper.wanted();
      return operation();
    });
  }

  async #run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#closed) throw fault("MCPS_STATE", { reason: "it is closed" });
    try {
      return await operation();
    } catch (error) {
      throw fault("MCPS_STATE", { reason: reasonOf(error) });
    }
  }
}

/** One statement at a time, so that ids follow the order of the calls although every statement may take another connection. */
class Publisher {
  readonly #repository: SharedStateRepository;
  readonly #waiting: Waiting[] = [];
  #busy = false;

  constructor(repository: SharedStateRepository) {
    this.#repository = repository;
  }

  publish(outgoing: Outgoing): Promise<void> {
    if (this.#waiting.length >= PUBLISH_WAITING) throw new Error("too many messages wait to be published");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ ...outgoing, resolve, reject });
    if (!this.#busy) void this.#drain();
    return promise;
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, PUBLISH_BATCH);
      try {
        await this.#repository.insertMessages(batch);
        for (const one of batch) one.resolve();
      } catch (error) {
        for (const one of batch) one.reject(error);
      }
    }
    this.#busy = false;
  }
}

/** Deletes what has expired, in small bites, for as long as this process writes. Several processes do not wait for each other. */
class Sweeper {
  readonly #options: PostgresStateOptions;
  readonly #batch: number;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #sweeping = false;
  #closed = false;
  /** Sweeps left: what was written last expires only after a while, later sweeps of any process take it. */
  #left = 0;

  constructor(options: PostgresStateOptions) {
    this.#options = options;
    this.#batch = options.sweepBatch ?? 1000;
    this.#everyMs = options.sweepMs ?? 10_000;
  }

  wanted(): void {
    this.#left = 100;
    if (this.#timer === undefined && !this.#sweeping && !this.#closed) this.#schedule(this.#everyMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => void this.#sweep(), delayMs);
    this.#timer.unref();
  }

  async #sweep(): Promise<void> {
    let swept = 0;
    this.#timer = undefined;
    this.#sweeping = true;
    try {
      const { repository, messageRetentionMs = 60_000 } = this.#options;
      swept = (await repository.sweep(this.#batch, messageRetentionMs)) + (await repository.sweepLeases(this.#batch));
    } catch (error) {
      this.#options.log.debug("state.sweep_failed", { reason: reasonOf(error) });
    }
    this.#sweeping = false;
    if (swept > 0) this.#left = 100;
    else this.#left--;
    // A full bite means that more is waiting.
    if (this.#left > 0 && !this.#closed) this.#schedule(swept >= this.#batch ? this.#everyMs / 50 : this.#everyMs);
  }
}

/** Shared state in PostgreSQL; the repository's tables must exist. Throws nothing by itself; a database that is down shows per operation. */
export function postgresState(options: PostgresStateOptions): SharedState {
  return new PostgresState(options);
}
