/**
 * Shared state of a gateway that is one process. Bounded by a number of keys (least recently used goes first) and by times to
 * live, which are checked on access and by a look at two further keys with every write: no timer at all.
 */
import { fault } from "../../contract/errors.ts";
import type { Log } from "../telemetry/index.ts";
import { type Bucket, type BucketLevel, fullAfterMs, type Taken, takeFrom } from "./buckets.ts";
import { Listeners } from "./listeners.ts";
import type { LeaseAnswer, LogBounds, LogEntry, LogSlice, SharedState } from "./types.ts";

type Content =
  | { readonly kind: "value"; text: string }
  | { readonly kind: "map"; readonly fields: Map<string, string> }
  | { readonly kind: "log"; newest: number; readonly entries: LogEntry[] }
  | { readonly kind: "bucket"; readonly level: BucketLevel };
type Slot = { readonly content: Content; expiresAt: number };

export type MemoryStateOptions = {
  /** Keys of all kinds together, at least 1; default 100 000. */
  readonly maxEntries?: number;
  /** Epoch or monotonic milliseconds. */
  readonly now?: () => number;
  readonly log?: Log;
};

/** The store itself: what a key holds while it lives. */
class Slots {
  readonly #slots = new Map<string, Slot>();
  readonly #maxEntries: number;
  readonly #now: () => number;
  #sweep: IterableIterator<[string, Slot]>;

  constructor(maxEntries: number, now: () => number) {
    this.#maxEntries = maxEntries;
    this.#now = now;
    this.#sweep = this.#slots.entries();
  }

  get size(): number {
    return this.#slots.size;
  }

  /** The live content of a key, which becomes the most recently used. */
  read<Kind extends Content["kind"]>(key: string, kind: Kind): Extract<Content, { kind: Kind }> | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    this.#slots.delete(key);
    if (slot.expiresAt <= this.#now()) return undefined;
    this.#slots.set(key, slot);
    return isKind(slot.content, kind) ? slot.content : undefined;
  }

  write(key: string, content: Content, ttlMs: number): void {
    this.#slots.delete(key);
    this.#slots.set(key, { content, expiresAt: this.#now() + ttlMs });
    this.#dropExpired(2);
    for (const oldest of this.#slots.keys()) {
      if (this.#slots.size <= this.#maxEntries) break;
      this.#slots.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#slots.delete(key);
  }

  clear(): void {
    this.#slots.clear();
  }

  /** Walks on through the map, so that size/2 writes have seen every key once. */
  #dropExpired(count: number): void {
    const now = this.#now();
    for (let seen = 0; seen < count; seen++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = this.#slots.entries();
        return;
      }
      const [key, slot] = next.value;
      if (slot.expiresAt <= now) this.#slots.delete(key);
    }
  }
}

function isKind<Kind extends Content["kind"]>(
  content: Content,
  kind: Kind,
): content is Extract<Content, { kind: Kind }> {
  return content.kind === kind;
}

class MemoryState implements SharedState {
  readonly kind = "memory";
  readonly #slots: Slots;
  readonly #listeners: Listeners;
  readonly #now: () => number;
  /** Of all leases: one that was dropped for want of room is not given a fence again. */
  #lastFence = 0;
  #closed = false;

  constructor(options: MemoryStateOptions) {
    const maxEntries = options.maxEntries ?? 100_000;
    if (!Number.isInteger(maxEntries) || maxEntries < 1)
      throw new RangeError(`maxEntries is ${maxEntries}, least is 1`);
    this.#now = options.now ?? performance.now.bind(performance);
    this.#slots = new Slots(maxEntries, this.#now);
    this.#listeners = new Listeners(options.log);
  }

  async get(key: string): Promise<string | undefined> {
    this.#check();
    return this.#slots.read(key, "value")?.text;
  }

  async set(key: string, value: string, ttlMs: number, options?: { ifAbsent?: boolean }): Promise<boolean> {
    this.#check();
    if (options?.ifAbsent === true && this.#slots.read(key, "value") !== undefined) return false;
    this.#slots.write(key, { kind: "value", text: value }, ttlMs);
    return true;
  }

  async delete(key: string): Promise<void> {
    this.#check();
    this.#slots.delete(key);
  }

  async mapGet(key: string): Promise<ReadonlyMap<string, string>> {
    this.#check();
    return new Map(this.#slots.read(key, "map")?.fields);
  }

  async mapSet(
    key: string,
    field: string,
    value: string,
    ttlMs: number,
    options?: { ifAbsent?: boolean },
  ): Promise<string> {
    this.#check();
    const fields = this.#slots.read(key, "map")?.fields ?? new Map<string, string>();
    const existing = options?.ifAbsent === true ? fields.get(field) : undefined;
    const after = existing ?? value;
    fields.set(field, after);
    this.#slots.write(key, { kind: "map", fields }, ttlMs);
    return after;
  }

  async mapDelete(key: string, field: string): Promise<void> {
    this.#check();
    const map = this.#slots.read(key, "map");
    map?.fields.delete(field);
    if (map?.fields.size === 0) this.#slots.delete(key);
  }

  async append(log: string, entry: string, bounds: LogBounds): Promise<number> {
    this.#check();
    const content = this.#slots.read(log, "log") ?? { kind: "log", newest: 0, entries: [] };
    const sequence = bounds.sequence ?? content.newest + 1;
    if (sequence <= content.newest) return sequence;
    content.newest = sequence;
    content.entries.push({ sequence, entry });
    const keepFrom = content.entries.findIndex((kept) => kept.sequence > sequence - bounds.cap);
    if (keepFrom > 0) content.entries.splice(0, keepFrom);
    this.#slots.write(log, content, bounds.ttlMs);
    return sequence;
  }

  async readAfter(log: string, after: number): Promise<LogSlice> {
    this.#check();
    const entries = this.#slots.read(log, "log")?.entries ?? [];
    return { oldest: entries[0]?.sequence ?? 0, entries: entries.filter((entry) => entry.sequence > after) };
  }

  async renewLog(log: string, ttlMs: number): Promise<void> {
    this.#check();
    const content = this.#slots.read(log, "log");
    if (content !== undefined) this.#slots.write(log, content, ttlMs);
  }

  async acquire(lease: string, holder: string, ttlMs: number): Promise<LeaseAnswer> {
    this.#check();
    const fields = this.#slots.read(lease, "map")?.fields;
    const leftMs = Number(fields?.get("until") ?? 0) - this.#now();
    const isLive = leftMs > 0;
    if (isLive && fields?.get("holder") !== holder) return { fence: 0, leftMs };
    const last = Number(fields?.get("fence") ?? 0);
    const fence = isLive ? last : Math.max(last + 1, ++this.#lastFence);
    this.#lastFence = fence;
    const content = { holder, fence: String(fence), until: String(this.#now() + ttlMs) };
    this.#slots.write(lease, { kind: "map", fields: new Map(Object.entries(content)) }, ttlMs);
    return { fence, leftMs: ttlMs };
  }

  async release(lease: string, holder: string): Promise<void> {
    this.#check();
    if (this.#slots.read(lease, "map")?.fields.get("holder") === holder) this.#slots.delete(lease);
  }

  async putFenced(key: string, value: string, ttlMs: number, fence: number): Promise<boolean> {
    this.#check();
    if (Number(this.#slots.read(key, "map")?.fields.get("fence") ?? 0) > fence) return false;
    const fields = new Map(Object.entries({ value, fence: String(fence) }));
    this.#slots.write(key, { kind: "map", fields }, ttlMs);
    return true;
  }

  async publish(channel: string, message: string): Promise<void> {
    this.#check();
    queueMicrotask(() => this.#listeners.deliver(channel, message));
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>> {
    this.#check();
    const remove = this.#listeners.add(channel, listener);
    return async () => {
      remove();
    };
  }

  async take(key: string, want: number, bucket: Bucket): Promise<Taken> {
    this.#check();
    const name = `bucket:${key}`;
    const { level, taken } = takeFrom(this.#slots.read(name, "bucket")?.level, want, bucket, this.#now());
    this.#slots.write(name, { kind: "bucket", level }, fullAfterMs(level.tokens, bucket));
    return taken;
  }

  async ping(): Promise<void> {
    this.#check();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#slots.clear();
    this.#listeners.clear();
  }

  #check(): void {
    if (this.#closed) throw fault("MCPS_STATE", { reason: "it is closed" });
  }
}

/** Shared state in this process's memory. Throws RangeError for a bound that makes no sense. */
export function memoryState(options: MemoryStateOptions = {}): SharedState {
  return new MemoryState(options);
}
