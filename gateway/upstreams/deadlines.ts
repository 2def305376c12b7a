/** When calls run out of time: one timer for all of them. A call may outlive its limit by the time between two looks. */
import { Ring, type Ringed } from "../../contract/ring.ts";

export interface Expiring extends Ringed<Expiring> {
  /** By performance.now(); 0 while it is not watched. */
  expiresAt: number;
  expired(): void;
}

/** Short limits are looked at more often: a tenth of the shortest, within these bounds. */
const MIN_LOOK_MS = 5;
const MAX_LOOK_MS = 200;

export class Deadlines {
  readonly #watched = new Ring<Expiring>();
  #timer: NodeJS.Timeout | undefined;
  #lookAt = Infinity;

  /** `afterMs` > 0. */
  add(item: Expiring, afterMs: number): void {
    const now = performance.now();
    item.expiresAt = now + afterMs;
    this.#watched.add(item);
    this.#lookAgain(now, afterMs / 10);
  }

  delete(item: Expiring): void {
    item.expiresAt = 0;
    this.#watched.delete(item);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watched.clear();
  }

  /** Within the bounds; a look that comes sooner anyway is enough. */
  #lookAgain(now: number, wantedMs: number): void {
    const lookMs = Math.min(MAX_LOOK_MS, Math.max(MIN_LOOK_MS, wantedMs));
    if (now + lookMs >= this.#lookAt) return;
    clearTimeout(this.#timer);
    this.#lookAt = now + lookMs;
    this.#timer = setTimeout(() => this.#look(), lookMs).unref();
  }

  #look(): void {
    const now = performance.now();
    this.#lookAt = Infinity;
    let next = Infinity;
    for (const item of this.#watched.all()) {
      // One that expires may end others.
      if (item.expiresAt === 0) continue;
      if (item.expiresAt <= now) {
        this.delete(item);
        item.expired();
      } else next = Math.min(next, item.expiresAt);
    }
    if (next < Infinity) this.#lookAgain(now, next - now);
  }
}
