/** Work that was begun and that nobody waits for while all goes well: at the end it is, before what it needs is closed. Part of the composition root. */
import { setTimeout as pause } from "node:timers/promises";

export class LooseEnds {
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  /** Nothing new is to be begun: what it would write has nowhere to go. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The same promise. */
  follow<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    const done = () => void this.#running.delete(work);
    work.then(done, done);
    return work;
  }

  /** Waits for what runs, whatever becomes of it, for at most `withinMs`; the answer is how much still runs then. */
  async tie(withinMs: number): Promise<number> {
    this.#closed = true;
    const late = new AbortController();
    const over = pause(withinMs, true, { signal: late.signal }).catch(() => true);
    const all = async (): Promise<boolean> => {
      while (this.#running.size > 0) await Promise.allSettled(this.#running);
      return false;
    };
    await Promise.race([all(), over]);
    late.abort();
    return this.#running.size;
  }
}
