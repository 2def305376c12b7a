/** The entries of one process: bounded in number and in weight. An entry that was used since it was last looked at gets a second turn. */
import type { Cached } from "./types.ts";

export type Entry<Value extends Cached> = {
  readonly value: Value | undefined;
  readonly weight: number;
  readonly freshUntil: number;
  readonly staleUntil: number;
  /** A refresh that failed is not tried again before. */
  retryAt: number;
  used: boolean;
};

/** Second chance in place of strict recency: a hit sets a flag, where strict recency would move the entry with every hit. */
export class Entries<Value extends Cached> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #maxEntries: number;
  readonly #maxWeight: number;
  readonly #evicted: () => void;
  #weight = 0;

  constructor(maxEntries: number, maxWeight: number, evicted: () => void) {
    this.#maxEntries = maxEntries;
    this.#maxWeight = maxWeight;
    this.#evicted = evicted;
  }

  get size(): number {
    return this.#entries.size;
  }

  get weight(): number {
    return this.#weight;
  }

  get(key: string): Entry<Value> | undefined {
    return this.#entries.get(key);
  }

  /** Makes room by dropping others. What weighs more than all may weigh together is not kept. */
  put(key: string, entry: Entry<Value>): void {
    this.delete(key);
    if (this.#maxEntries < 1 || entry.weight > this.#maxWeight) return;
    while (this.#entries.size >= this.#maxEntries || this.#weight + entry.weight > this.#maxWeight) this.#evictOne();
    this.#entries.set(key, entry);
    this.#weight += entry.weight;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
  }

  deleteWhere(isGone: (key: string) => boolean): void {
    for (const key of this.#entries.keys()) if (isGone(key)) this.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }

  /** Entries that get a second turn go behind all others, which ends with the first round at the latest. */
  #evictOne(): void {
    for (const [key, entry] of this.#entries) {
      if (entry.used) {
        entry.used = false;
        this.#entries.delete(key);
        this.#entries.set(key, entry);
        continue;
      }
      this.delete(key);
      this.#evicted();
      return;
    }
  }
}
