/**
 * Work that one process of a deployment does at a time. A lease that is not renewed ends by itself; whoever holds it next has a higher
 * fence, by which what the former one still writes is refused (putFenced, raiseFence of the store).
 */
import type { Log } from "../telemetry/index.ts";
import type { SharedState } from "./types.ts";

/** Who tries for leases, and in which times. */
export type Election = {
  /** How long a holder that is gone keeps others out; above heartbeatMs. */
  readonly ttlMs: number;
  /** Pause between renewals, and between tries of those who wait. */
  readonly heartbeatMs: number;
  /** Told apart from every other process that tries. */
  readonly workerId: string;
};

export type LeaseOptions = Election & {
  /** One name per task, the same in every process. */
  readonly name: string;
  readonly log: Log;
};

export type LeaseHolder = {
  /** From now on this process holds it. The signal aborts when it no longer does or may not: work has to stop then. */
  acquired(fence: number, signal: AbortSignal): void | Promise<void>;
  /** Once for each acquired(), after the signal. */
  lost(): void;
};

export type Lease = {
  /** The fence while this process holds it, else undefined. */
  readonly fence: number | undefined;
  /** Gives it up, so that others need not wait for its end. Idempotent, never rejects. */
  close(): Promise<void>;
};

/** A clock that runs faster elsewhere: the holder stops this much before its time. */
const MARGIN = 0.05;
/** Behind the end of another's lease. */
const AFTER_END_MS = 10;

type Held = { readonly fence: number; readonly controller: AbortController; end: NodeJS.Timeout };

class HeldLease implements Lease {
  readonly #state: SharedState;
  readonly #options: LeaseOptions;
  readonly #holder: LeaseHolder;
  #held: Held | undefined;
  #timer: NodeJS.Timeout | undefined;
  #trying: Promise<void> = Promise.resolve();
  #isFailing = false;
  #closed = false;

  constructor(state: SharedState, options: LeaseOptions, holder: LeaseHolder) {
    this.#state = state;
    this.#options = options;
    this.#holder = holder;
    this.#trying = this.#try();
  }

  get fence(): number | undefined {
    return this.#held?.fence;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#lose();
    // A try on its way may still take it.
    await this.#trying;
    await this.#state.release(keyOf(this.#options.name), this.#options.workerId).catch(() => undefined);
  }

  async #try(): Promise<void> {
    const { name, ttlMs, heartbeatMs, workerId, log } = this.#options;
    let nextMs = heartbeatMs;
    const askedAt = performance.now();
    try {
      const { fence, leftMs } = await this.#state.acquire(keyOf(name), workerId, ttlMs);
      if (this.#isFailing) log.info("lease.store_back", { lease: name });
      this.#isFailing = false;
      if (this.#closed) return;
      if (fence > 0) this.#hold(fence, askedAt);
      else {
        this.#lose();
        nextMs = Math.min(heartbeatMs, leftMs + AFTER_END_MS);
      }
    } catch (error) {
      if (!this.#isFailing && !this.#closed) log.warn("lease.store_away", { lease: name, reason: reasonOf(error) });
      this.#isFailing = true;
    }
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#trying = this.#try();
    }, nextMs);
    this.#timer.unref();
  }

  /** Time counts from before the store was asked: it may have answered late. */
  #hold(fence: number, askedAt: number): void {
    const { name, ttlMs, log } = this.#options;
    const held = this.#held;
    const leftMs = ttlMs * (1 - MARGIN) - (performance.now() - askedAt);
    if (held?.fence === fence && leftMs > 0) {
      clearTimeout(held.end);
      held.end = this.#endIn(leftMs);
      return;
    }
    // It was gone in between, or the answer took longer than it stands.
    this.#lose();
    if (leftMs <= 0) return;
    const controller = new AbortController();
    this.#held = { fence, controller, end: this.#endIn(leftMs) };
    log.info("lease.acquired", { lease: name, fence });
    try {
      const working = this.#holder.acquired(fence, controller.signal);
      working?.catch((error: unknown) => this.#failed(error, controller.signal));
    } catch (error) {
      this.#failed(error, controller.signal);
    }
  }

  #endIn(ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => this.#lose(), ms);
    timer.unref();
    return timer;
  }

  #lose(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    clearTimeout(held.end);
    held.controller.abort();
    if (!this.#closed) this.#options.log.warn("lease.lost", { lease: this.#options.name, fence: held.fence });
    this.#holder.lost();
  }

  #failed(error: unknown, signal: AbortSignal): void {
    // What ends because it was told to is no failure.
    if (signal.aborted) return;
    this.#options.log.error("lease.work_failed", { lease: this.#options.name, reason: reasonOf(error) });
  }
}

function keyOf(name: string): string {
  return `lease:${name}`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Tries for the lease from now on, holds it while it can and goes on trying when it was lost. Throws RangeError when a heartbeat could not
 * renew in time.
 */
export function holdLease(state: SharedState, options: LeaseOptions, holder: LeaseHolder): Lease {
  const { name, ttlMs, heartbeatMs } = options;
  if (!(heartbeatMs > 0 && heartbeatMs < ttlMs * (1 - MARGIN)))
    throw new RangeError(
      `the heartbeat of the lease ${name} is ${heartbeatMs} ms, it has to be above 0 and below ${ttlMs * (1 - MARGIN)} (its time to live is ${ttlMs})`,
    );
  return new HeldLease(state, options, holder);
}
