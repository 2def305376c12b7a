/** Principals that were found, for as long as they may be believed. Bounded; the least recently used makes room. */
import type { Principal } from "../../contract/principal.ts";
import type { DirectoryChange, Identity } from "./directory.ts";

export type Remembered = {
  readonly principal: Principal;
  readonly identity: Identity;
  /** When it was found, epoch milliseconds: a clock that shows less was set back, and says nothing of how long ago that is. */
  readonly since: number;
  /** Epoch milliseconds: believed without a question before, and with nobody to ask before the second. */
  readonly until: number;
  readonly staleUntil: number;
};

export class PrincipalMemory {
  readonly #max: number;
  readonly #now: () => number;
  /** The order of insertion is the order of use. */
  readonly #entries = new Map<string, Remembered>();

  constructor(max: number, now: () => number) {
    this.#max = max;
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Undefined for who has to be looked up. */
  recall(key: string): Remembered | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = this.#now();
    if (now >= entry.until || now < entry.since) {
      if (now >= entry.staleUntil || now < entry.since) this.#entries.delete(key);
      return undefined;
    }
    // A map that is half empty need not keep the order of use.
    if (this.#entries.size > this.#max / 2) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /** Who was known a while ago, for when nobody can say better. */
  recallStale(key: string): Remembered | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = this.#now();
    return now < entry.staleUntil && now >= entry.since ? entry : undefined;
  }

  keep(key: string, entry: Remembered): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.size > this.#max ? this.#entries.keys() : [];
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  forget({ subject, tokenId }: DirectoryChange): void {
    if (subject === undefined && tokenId === undefined) {
      this.#entries.clear();
      return;
    }
    for (const [key, { identity }] of this.#entries) {
      const isMeant =
        (subject === undefined || identity.subject === subject) &&
        (tokenId === undefined || identity.tokenId === tokenId);
      if (isMeant) this.#entries.delete(key);
    }
  }
}
