/** The purses of one rule, by key: made when first asked for, emptied and dropped when nobody asks any more. */
import { createHash } from "node:crypto";
import { Purse, type Supply } from "./purse.ts";

/** Purses of one rule, at most; beyond, the one made first goes. What it held is lost, which lets in less and never more. */
const MAX_PURSES = 20_000;
/** Tokens that nobody took for so long go back. */
const GIVE_BACK_MS = 1000;
const DROP_MS = 60_000;
const MAX_PLAIN_CHARS = 100;

export class Purses {
  readonly supply: Supply;
  readonly #now: () => number;
  readonly #purses = new Map<string, Purse>();

  constructor(supply: Supply, now: () => number) {
    this.supply = supply;
    this.#now = now;
  }

  get size(): number {
    return this.#purses.size;
  }

  /** Only if it is there: looking makes none. */
  find(key: string): Purse | undefined {
    return this.#purses.get(key);
  }

  of(key: string): Purse {
    const known = this.#purses.get(key);
    if (known !== undefined) return known;
    const purse = new Purse(storedKey(key), this.supply, this.#now);
    this.#purses.set(key, purse);
    const [oldest] = this.#purses.size > MAX_PURSES ? this.#purses.keys() : [];
    if (oldest !== undefined) this.#purses.delete(oldest);
    return purse;
  }

  /** One look at each: `everything` when the process ends. */
  sweep(now: number, everything = false): void {
    for (const [key, purse] of this.#purses) {
      const idleMs = now - purse.lastUsed;
      if (everything || idleMs > GIVE_BACK_MS) purse.giveBack();
      if (idleMs > DROP_MS && purse.isIdle && purse.closedFor(now) === 0 && purse.own === undefined)
        this.#purses.delete(key);
    }
  }

  /** Purses that are empty at the moment, as the admin page shows them: at most `limit`. */
  closed(now: number, limit: number): { key: string; waitMs: number }[] {
    const found: { key: string; waitMs: number }[] = [];
    for (const [key, purse] of this.#purses) {
      const waitMs = purse.closedFor(now);
      if (waitMs > 0) found.push({ key, waitMs: Math.ceil(waitMs) });
      if (found.length >= limit) break;
    }
    return found;
  }
}

/** Callers choose some of what stands in keys: long ones, and ones with odd characters, are stored as digests. */
function storedKey(key: string): string {
  if (key.length <= MAX_PLAIN_CHARS && /^[\x21-\x7e]*$/.test(key)) return key;
  return `#${createHash("sha256").update(key).digest("base64url")}`;
}
