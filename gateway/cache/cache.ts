/**
 * A cache of two levels: entries in this process, and behind them what other processes have loaded. A hit is synchronous; a key
 * that is asked for by many is loaded once.
 */
import { Entries, type Entry } from "./entries.ts";
import { type Invalidations, invalidationsOf } from "./invalidations.ts";
import { SecondLevel } from "./second-level.ts";
import type { Cache, Cached, CacheEvent, CacheFigures, CacheOptions, Forgotten } from "./types.ts";

/** What was loaded together shall not end together: lives are shortened by up to this share, never lengthened. */
const JITTER = 0.1;
/** After a refresh that failed. */
const RETRY_MS = 1000;

type Flight<Value extends Cached> = { promise: Promise<Value | undefined>; isWanted: boolean };

class TwoLevelCache<Value extends Cached> implements Cache<Value> {
  readonly name: string;
  readonly #options: CacheOptions<Value>;
  readonly #now: () => number;
  readonly #wallClock: () => number;
  readonly #random: () => number;
  readonly #entries: Entries<Value>;
  readonly #flights = new Map<string, Flight<Value>>();
  readonly #second: SecondLevel<Value> | undefined;
  readonly #invalidations: Invalidations | undefined;
  readonly #counts: Record<CacheEvent, number> = {
    hit: 0,
    stale: 0,
    miss: 0,
    shared: 0,
    load: 0,
    failure: 0,
    eviction: 0,
  };

  constructor(options: CacheOptions<Value>) {
    const { name, shared, weight } = options;
    this.name = name;
    this.#options = options;
    this.#now = options.now;
    this.#wallClock = shared?.wallClock ?? options.now;
    this.#random = options.random ?? Math.random;
    const keepsNothing = options.maxEntries < 1 || (options.ttlMs <= 0 && (options.negativeTtlMs ?? 0) <= 0);
    this.#entries = new Entries(keepsNothing ? 0 : options.maxEntries, weight?.max ?? Number.POSITIVE_INFINITY, () =>
      this.#count("eviction"),
    );
    if (shared === undefined || keepsNothing) return;
    // Memory is no second level to memory.
    const { encode, decode, second = shared.state } = shared;
    if (encode !== undefined && decode !== undefined && second.kind !== "memory")
      this.#second = new SecondLevel(second, options, encode, decode, this.#wallClock, shared.secondTimeoutMs);
    this.#invalidations = invalidationsOf(shared.state);
    this.#invalidations.listen(name, (what) => this.#forget(what));
  }

  get(key: string): Value | undefined | Promise<Value | undefined> {
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      const now = this.#now();
      if (now < entry.freshUntil) {
        entry.used = true;
        this.#count("hit");
        return entry.value;
      }
      if (now < entry.staleUntil) {
        entry.used = true;
        this.#count("stale");
        if (now >= entry.retryAt) this.#refresh(key, entry);
        return entry.value;
      }
    }
    this.#count("miss");
    return this.#fly(key).promise;
  }

  invalidate(key: string): Promise<void> {
    return this.#forgetEverywhere({ kind: "key", key });
  }

  invalidateGroup(group: string): Promise<void> {
    return this.#forgetEverywhere({ kind: "group", group });
  }

  invalidateAll(): Promise<void> {
    return this.#forgetEverywhere({ kind: "all" });
  }

  forgetGroupHere(group: string): void {
    this.#forget({ kind: "group", group });
  }

  figures(): CacheFigures {
    return { ...this.#counts, entries: this.#entries.size, weight: this.#entries.weight };
  }

  async #forgetEverywhere(what: Forgotten): Promise<void> {
    this.#forget(what);
    await this.#invalidations?.tell(this.name, what, this.#second);
  }

  #forget(what: Forgotten): void {
    if (what.kind === "key") {
      this.#entries.delete(what.key);
      this.#abandon(what.key);
      return;
    }
    const { groupOf } = this.#options;
    const isGone = (key: string): boolean => what.kind === "all" || groupOf?.(key) === what.group;
    this.#entries.deleteWhere(isGone);
    this.#second?.forgetVersion(what.kind === "all" ? undefined : what.group);
    for (const key of this.#flights.keys()) if (isGone(key)) this.#abandon(key);
  }

  /** Those who wait get what is loaded; it is not kept, and who asks from now on asks anew. */
  #abandon(key: string): void {
    const flight = this.#flights.get(key);
    if (flight === undefined) return;
    flight.isWanted = false;
    this.#flights.delete(key);
  }

  /** What callers get meanwhile is the old value; a failure leaves it until it ends. */
  #refresh(key: string, entry: Entry<Value>): void {
    if (this.#flights.has(key)) return;
    this.#fly(key).promise.catch(() => {
      entry.retryAt = this.#now() + RETRY_MS;
    });
  }

  #fly(key: string): Flight<Value> {
    const known = this.#flights.get(key);
    if (known !== undefined) return known;
    const flight: Flight<Value> = { promise: Promise.resolve(undefined), isWanted: true };
    this.#flights.set(key, flight);
    flight.promise = this.#find(key, flight).finally(() => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    return flight;
  }

  async #find(key: string, flight: Flight<Value>): Promise<Value | undefined> {
    const elapsed = this.#stopwatch();
    const second = this.#second;
    const waitMs = this.#options.shared?.waitForOthersMs ?? 0;
    let found = await second?.read(key);
    if (found === undefined && waitMs > 0) found = await second?.waitTurn(key, waitMs);
    if (found !== undefined) {
      this.#count("shared");
      // Clocks differ: never longer than a value of our own would live.
      const lifeMs = Math.min(found.leftMs, this.#lifeOf(found.value));
      if (flight.isWanted) this.#keep(key, found.value, lifeMs);
      return found.value;
    }
    this.#count("load");
    let value: Value | undefined;
    try {
      value = await this.#options.load(key);
    } catch (error) {
      this.#count("failure");
      if (waitMs > 0) void second?.endTurn(key);
      throw error;
    }
    const shared = this.#store(key, value, flight, elapsed);
    if (waitMs > 0) void shared.then(() => second?.endTurn(key));
    return value;
  }

  /** Keeps what was loaded, unless it was forgotten meanwhile. Resolves when others can find it; never rejects. */
  async #store(key: string, value: Value | undefined, flight: Flight<Value>, elapsed: () => number): Promise<void> {
    if (!flight.isWanted) return;
    const lifeMs = this.#lifeOf(value) * (1 - JITTER * this.#random());
    this.#keep(key, value, lifeMs);
    if (lifeMs > 0) await this.#second?.write(key, value, lifeMs, elapsed());
  }

  /** Milliseconds since it was made, by the clock that went further: a machine that slept did so for what is shared too. */
  #stopwatch(): () => number {
    const [began, wallBegan] = [this.#now(), this.#wallClock()];
    return () => Math.max(this.#now() - began, this.#wallClock() - wallBegan);
  }

  /** Unjittered, ms; 0 or less: not to be kept. */
  #lifeOf(value: Value | undefined): number {
    const { ttlMs, negativeTtlMs = 0, lifeOf } = this.#options;
    if (value === undefined) return negativeTtlMs;
    return lifeOf === undefined ? ttlMs : Math.min(ttlMs, lifeOf(value));
  }

  #keep(key: string, value: Value | undefined, lifeMs: number): void {
    if (lifeMs <= 0) {
      this.#entries.delete(key);
      return;
    }
    const { weight, staleMs = 0 } = this.#options;
    const freshUntil = this.#now() + lifeMs;
    this.#entries.put(key, {
      value,
      weight: value === undefined ? 0 : (weight?.of(value) ?? 0),
      freshUntil,
      staleUntil: value === undefined ? freshUntil : freshUntil + staleMs,
      retryAt: 0,
      used: false,
    });
  }

  #count(event: CacheEvent): void {
    this.#counts[event]++;
    this.#options.count?.(event);
  }
}

/** A cache that has loaded nothing yet. Throws RangeError for numbers that make no sense. */
export function createCache<Value extends Cached>(options: CacheOptions<Value>): Cache<Value> {
  const { name, ttlMs, negativeTtlMs = 0, staleMs = 0, maxEntries } = options;
  for (const [what, value] of Object.entries({ ttlMs, negativeTtlMs, staleMs, maxEntries }))
    if (!(value >= 0)) throw new RangeError(`${what} of the cache ${name} is ${value}, least is 0`);
  return new TwoLevelCache(options);
}

/** A key for what belongs to one principal alone: no other principal's key is equal to it, whatever the ids and keys contain. */
export function privateKey(principalId: string, key: string): string {
  return `${principalId.length}:${principalId}${key}`;
}
