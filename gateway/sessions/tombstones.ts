/**
 * Sessions that were ended (DELETE) before their token expires. A message ends one at every worker at once; where that message is
 * missed (the store was away, the worker is younger), the look into the store does it after `recheckMs` at the latest.
 *
 * The common path asks no store: in one process the local memory is the truth, elsewhere an answer "not ended" holds for recheckMs. While
 * the store does not answer, sessions go on: an ended session is no way around a principal, and the gateway stays up.
 */
import type { SharedState } from "../coordination/index.ts";
import type { Log } from "../telemetry/index.ts";
import { Lru } from "./lru.ts";

export interface Tombstones {
  /** Begins to listen; resolves also when the store is down, then it goes on trying. Idempotent. */
  start(): Promise<void>;
  /** Ends a session for as long as its token could still be opened. Rejects with MCPS_STATE when only this worker knows of it. */
  end(sessionId: string, ttlMs: number): Promise<void>;
  /** Synchronous whenever this worker knows; else one look into the store. Never rejects. */
  ended(sessionId: string): boolean | Promise<boolean>;
  close(): Promise<void>;
}

export type TombstoneOptions = {
  /** How long "not ended" is believed without the store; default 10 000. */
  readonly recheckMs?: number;
  /** Ended and checked sessions remembered, each; default 50 000. */
  readonly maxKnown?: number;
  /** Pause before subscribing is tried again; default 1000. */
  readonly retryMs?: number;
  /** Called once per session that ends, here or elsewhere: close its streams. */
  readonly onEnded?: (sessionId: string) => void;
  /** Monotonic or epoch milliseconds. */
  readonly now?: () => number;
  readonly log?: Log;
};

const CHANNEL = "sessions:ended";

class SharedTombstones implements Tombstones {
  readonly #state: SharedState;
  readonly #options: TombstoneOptions;
  readonly #now: () => number;
  readonly #recheckMs: number;
  /** Session id → when its token has expired anyway. */
  readonly #ended: Lru<string, number>;
  /** Session id → until when it counts as not ended. */
  readonly #checked: Lru<string, number>;
  #unsubscribe: (() => Promise<void>) | undefined;
  #retry: NodeJS.Timeout | undefined;
  #started = false;
  #closed = false;

  constructor(state: SharedState, options: TombstoneOptions) {
    this.#state = state;
    this.#options = options;
    this.#now = options.now ?? performance.now.bind(performance);
    this.#recheckMs = options.recheckMs ?? 10_000;
    this.#ended = new Lru(options.maxKnown ?? 50_000);
    this.#checked = new Lru(options.maxKnown ?? 50_000);
  }

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    await this.#listen();
  }

  async end(sessionId: string, ttlMs: number): Promise<void> {
    if (ttlMs <= 0) return;
    this.#remember(sessionId, ttlMs);
    const lasting = Math.ceil(ttlMs);
    await this.#state.set(key(sessionId), String(lasting), lasting);
    await this.#state.publish(CHANNEL, `${lasting} ${sessionId}`);
  }

  ended(sessionId: string): boolean | Promise<boolean> {
    const now = this.#now();
    if ((this.#ended.get(sessionId) ?? 0) > now) return true;
    if (this.#state.kind === "memory" || (this.#checked.get(sessionId) ?? 0) > now) return false;
    return this.#look(sessionId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#unsubscribe?.();
  }

  async #look(sessionId: string): Promise<boolean> {
    try {
      const found = await this.#state.get(key(sessionId));
      if (found !== undefined) this.#remember(sessionId, Number(found));
      else this.#checked.set(sessionId, this.#now() + this.#recheckMs);
    } catch (error) {
      this.#checked.set(sessionId, this.#now() + Math.min(1000, this.#recheckMs));
      this.#options.log?.warn("sessions.tombstones_unknown", { reason: error instanceof Error ? error.message : "?" });
    }
    // A message may have come meanwhile.
    return (this.#ended.get(sessionId) ?? 0) > this.#now();
  }

  #remember(sessionId: string, ttlMs: number): void {
    const known = (this.#ended.get(sessionId) ?? 0) > this.#now();
    this.#ended.set(sessionId, this.#now() + ttlMs);
    this.#checked.delete(sessionId);
    if (!known) this.#options.onEnded?.(sessionId);
  }

  async #listen(): Promise<void> {
    if (this.#closed) return;
    try {
      const end = await this.#state.subscribe(CHANNEL, (message) => {
        const split = message.indexOf(" ");
        this.#remember(message.slice(split + 1), Number(message.slice(0, split)));
      });
      if (this.#closed) await end();
      else this.#unsubscribe = end;
    } catch {
      this.#retry = setTimeout(() => void this.#listen(), this.#options.retryMs ?? 1000);
      this.#retry.unref();
    }
  }
}

function key(sessionId: string): string {
  return `session-ended:${sessionId}`;
}

export function createTombstones(state: SharedState, options: TombstoneOptions = {}): Tombstones {
  return new SharedTombstones(state, options);
}
