/** What shared state offers. */
import type { Bucket, Taken } from "./buckets.ts";

/**
 * State that crosses workers and replicas: bounded, with a time to live, never the only copy of anything that must last.
 * Three implementations behind one conformance suite: memory (one process), Redis, UNLOGGED tables of PostgreSQL.
 * Every key is a plain string chosen by the caller; implementations add the deployment's prefix. Values, map and log keys
 * share no name space by promise of the caller: one key is never used as two kinds of thing.
 * Text is well-formed Unicode without U+0000 (JSON and base64 are). Times to live are whole milliseconds above 0.
 * Every operation ends within the implementation's bound and rejects with MCPS_STATE when the store does not answer; a write
 * that rejected may still have been carried out.
 */
export interface SharedState {
  readonly kind: "memory" | "redis" | "postgres";

  get(key: string): Promise<string | undefined>;
  /** Stores a value for ttlMs and answers true. With `ifAbsent` a live value stays (and its time to live), the answer is false. */
  set(key: string, value: string, ttlMs: number, options?: { ifAbsent?: boolean }): Promise<boolean>;
  delete(key: string): Promise<void>;

  /** A small map under one key, one time to live for all of it (renewed by each write). Empty when unknown or expired. */
  mapGet(key: string): Promise<ReadonlyMap<string, string>>;
  /** Sets a field. With `ifAbsent` an existing field stays; answers the field's value after the call. Renews the map either way. */
  mapSet(key: string, field: string, value: string, ttlMs: number, options?: { ifAbsent?: boolean }): Promise<string>;
  mapDelete(key: string, field: string): Promise<void>;

  /**
   * Appends to a capped log and answers the entry's sequence number (1, 2, … per log, never reused while the log lives).
   * Only the newest `cap` sequence numbers are kept; the log's time to live is renewed. With `sequence` the caller, who must be the only writer of
   * this log, numbers the entries itself, ascending: a sequence not above the newest one changes nothing and is answered as
   * it is, so that a write whose answer was lost may be repeated.
   */
  append(log: string, entry: string, bounds: LogBounds): Promise<number>;
  /** Entries with a sequence above `after`, oldest first, and the oldest sequence still kept (0 when the log is unknown). */
  readAfter(log: string, after: number): Promise<LogSlice>;
  /** Renews the time to live of a log that nothing is appended to for a while; an unknown log stays unknown. */
  renewLog(log: string, ttlMs: number): Promise<void>;

  /**
   * Takes a lease that nobody holds, or renews the holder's own. `fence` is above 0 for who holds it afterwards and 0 for others: the
   * same through all renewals, higher for every later holder than for every former one, also when the store came back empty. `leftMs`
   * is how long the lease stands without a renewal.
   */
  acquire(lease: string, holder: string, ttlMs: number): Promise<LeaseAnswer>;
  /** Gives a lease up; nothing happens when another one holds it. */
  release(lease: string, holder: string): Promise<void>;
  /** Stores a map with the fields `value` and `fence`, as mapGet answers it, unless a higher fence stands there: then false. */
  putFenced(key: string, value: string, ttlMs: number, fence: number): Promise<boolean>;

  /**
   * Delivered to every subscriber whose subscribe() had resolved before; order per publisher and channel is kept. Nobody
   * receives a message twice. Messages published while a subscriber's connection to the store is down may be lost to it:
   * whoever must not miss one keeps the truth in a log or a key and takes the message as a hint.
   */
  publish(channel: string, message: string): Promise<void>;
  /**
   * Resolves once messages will be delivered; the answer ends the subscription (idempotent, nothing is delivered after it was
   * called). A listener is called from the event loop, never from inside publish(); what it throws is logged and dropped.
   */
  subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>>;

  /**
   * Takes up to `want` whole tokens from a bucket, by the clock of the store; below 0, gives them back, never above its capacity. Keys of buckets
   * are a name space of their own. Who takes for others with another capacity or rate for one key makes it the bucket's.
   */
  take(key: string, want: number, bucket: Bucket): Promise<Taken>;

  /** Rejects with MCPS_STATE when the store does not answer. */
  ping(): Promise<void>;
  /** Idempotent. Ends all subscriptions; every operation afterwards rejects with MCPS_STATE. */
  close(): Promise<void>;
}

/** Fences are whole numbers below 2^53. */
export type LeaseAnswer = { readonly fence: number; readonly leftMs: number };
export type LogBounds = { readonly cap: number; readonly ttlMs: number; readonly sequence?: number };
export type LogEntry = { readonly sequence: number; readonly entry: string };
export type LogSlice = { readonly oldest: number; readonly entries: readonly LogEntry[] };
