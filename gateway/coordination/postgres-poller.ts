/** Subscriptions on a table of messages: one poll for all channels of this process, quick while there is traffic, none without subscribers. */
import { Fault } from "../../contract/errors.ts";
import type { SharedStateRepository } from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";
import { Listeners } from "./listeners.ts";

export type PollerOptions = {
  readonly repository: SharedStateRepository;
  readonly log: Log;
  /** Pause between polls while messages come; default 20. It doubles up to pollMaxMs while none do. */
  readonly pollMinMs?: number;
  /** Default 250; also the longest delay of a message after a quiet time. */
  readonly pollMaxMs?: number;
};

/**
 * The first poll of a subscription may bring what is older than it: only ids above `from` count until then. Not for longer, as
 * ids begin anew when a crash of the server empties the table.
 */
type Start = { from: bigint | undefined };

/** Reads what others published. The position is what was visible at the last poll: whatever was not is new, in whichever order it commits. */
export class Poller {
  readonly #repository: SharedStateRepository;
  readonly #log: Log;
  readonly #listeners: Listeners;
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #starting = new Set<Start>();
  /** Where the next poll goes on; undefined while nobody listens. */
  #position: string | undefined;
  #delayMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** Settles with the poll that is on its way; never rejects. */
  #polling: Promise<void> | undefined;
  #down = false;
  #closed = false;

  constructor(options: PollerOptions) {
    this.#repository = options.repository;
    this.#log = options.log;
    this.#listeners = new Listeners(options.log);
    this.#minMs = options.pollMinMs ?? 20;
    this.#maxMs = options.pollMaxMs ?? 250;
    this.#delayMs = this.#minMs;
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>> {
    const start: Start = { from: undefined };
    const remove = this.#listeners.add(channel, (tagged) => {
      const split = tagged.indexOf(":");
      if (start.from !== undefined && BigInt(tagged.slice(0, split)) > start.from) listener(tagged.slice(split + 1));
    });
    try {
      // A poll that is on its way does not ask for this channel, but may move the position past its messages: let it end first.
      await this.#polling;
      const position = await this.#repository.messagePosition();
      start.from = position.lastId;
      this.#position ??= position.position;
    } catch (error) {
      remove();
      throw error;
    }
    if (this.#closed) throw new Error("it is closed");
    this.#starting.add(start);
    this.hurry();
    return async () => {
      remove();
      this.#starting.delete(start);
      if (this.#listeners.size === 0) this.#rest();
    };
  }

  /** Polls soon, when anybody listens. */
  hurry(): void {
    this.#delayMs = this.#minMs;
    if (this.#polling !== undefined || this.#position === undefined || this.#closed) return;
    clearTimeout(this.#timer);
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#listeners.clear();
    this.#rest();
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#position = undefined;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      if (this.#position === undefined) return;
      this.#polling = this.#poll(this.#position).finally(() => {
        this.#polling = undefined;
        if (this.#position !== undefined && !this.#closed) this.#schedule();
      });
    }, this.#delayMs);
    this.#timer.unref();
  }

  async #poll(from: string): Promise<void> {
    const starting = [...this.#starting];
    try {
      const found = await this.#repository.pollMessages(from, this.#listeners.channels());
      // The last subscriber may have gone meanwhile: then the next one brings a position of its own.
      if (this.#position === from) this.#position = found.position;
      for (const { id, channel, message } of found.messages) this.#listeners.deliver(channel, `${id}:${message}`);
      for (const start of starting) {
        start.from = -1n;
        this.#starting.delete(start);
      }
      this.#delayMs = found.messages.length > 0 ? this.#minMs : Math.min(this.#maxMs, this.#delayMs * 2);
      if (this.#down) this.#log.info("state.postgres_up");
      this.#down = false;
    } catch (error) {
      if (!this.#down) this.#log.warn("state.postgres_down", { reason: reasonOf(error) });
      this.#down = true;
      this.#delayMs = Math.min(5000, Math.max(this.#maxMs, this.#delayMs * 2));
    }
  }
}

/** Why an operation failed, for the log and the caller. */
export function reasonOf(error: unknown): string {
  if (error instanceof Fault) return error.message;
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
