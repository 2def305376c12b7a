/**
 * Tokens that were refused, for a moment: somebody who sends the same bad token again and again pays with a digest, not with a signature.
 * Only what stays refused until keys change is kept, by digest, and few of them.
 */
import { hash } from "node:crypto";
import type { Rejection } from "./verifiers.ts";

const MAX_KEPT = 1000;
const KEPT_MS = 30_000;

export class Refusals {
  readonly #now: () => number;
  readonly #kept = new Map<string, { readonly rejection: Rejection; readonly until: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#kept.size;
  }

  of(token: string): Rejection | undefined {
    if (this.#kept.size === 0) return undefined;
    const found = this.#kept.get(hash("sha256", token));
    return found !== undefined && this.#now() < found.until ? found.rejection : undefined;
  }

  keep(token: string, rejection: Rejection): void {
    if (rejection.lasting !== true) return;
    const key = hash("sha256", token);
    this.#kept.delete(key);
    this.#kept.set(key, { rejection, until: this.#now() + KEPT_MS });
    const [oldest] = this.#kept.size > MAX_KEPT ? this.#kept.keys() : [];
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  clear(): void {
    this.#kept.clear();
  }
}
