/** The deadlines of all connections of an engine under one tick: setting one costs the store of a number. */

export interface Timed {
  /** In the clock's time; Infinity for none. */
  readonly deadline: number;
  /** Called once it is past, and again with every tick until it is another one. */
  expire(): void;
}

/** Ticks per shortest timeout: a deadline is late by two of them at most, and never early. */
const TICKS = 4;
const MAX_TICK_MS = 1000;

export class Deadlines {
  private readonly tickMs: number;
  private readonly all = new Set<Timed>();
  private now = performance.now();
  private timer: NodeJS.Timeout | undefined;

  /** The timeouts that will be asked for, in milliseconds. */
  constructor(timeouts: readonly number[]) {
    this.tickMs = Math.max(1, Math.min(MAX_TICK_MS, Math.floor(Math.min(...timeouts) / TICKS)));
  }

  /** When something that starts now has taken this long. */
  after(timeoutMs: number): number {
    // The time was taken with the last tick; while there is none it stands still.
    if (this.timer === undefined) this.now = performance.now();
    return this.now + this.tickMs + timeoutMs;
  }

  add(timed: Timed): void {
    this.all.add(timed);
    if (this.timer !== undefined) return;
    this.now = performance.now();
    this.timer = setInterval(() => this.tick(), this.tickMs);
    this.timer.unref();
  }

  delete(timed: Timed): void {
    this.all.delete(timed);
    if (this.all.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    this.now = performance.now();
    for (const timed of this.all) if (timed.deadline < this.now) timed.expire();
  }
}
