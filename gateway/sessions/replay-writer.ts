/** The owner's side of a replay stream: a queue in front of the store that the live stream never waits for. Bounded in entries and bytes. */
import { setTimeout as pause } from "node:timers/promises";
import type { ReplayStream } from "./replay.ts";
import { eventId, type ReplaySettings, type StreamKeys } from "./replay-records.ts";

type Waiting = { readonly sequence: number; readonly message: string };

/** Text that may wait for the store, per stream, in UTF-16 units. */
const MAX_WAITING_CHARS = 4 * 1024 * 1024;

export class StreamWriter implements ReplayStream {
  readonly streamId: string;
  /** Resolves when the stream is finished and stored, or given up. */
  readonly done: Promise<void>;
  readonly #settings: ReplaySettings;
  readonly #keys: StreamKeys;
  readonly #opened: string;
  readonly #waiting: Waiting[] = [];
  readonly #settle: () => void;
  #waitingChars = 0;
  #sequence = 0;
  #announced = false;
  #registered = false;
  #finishing = false;
  #running = false;
  #settled = false;

  constructor(settings: ReplaySettings, streamId: string, keys: StreamKeys, opened: string) {
    this.#settings = settings;
    this.streamId = streamId;
    this.#keys = keys;
    this.#opened = opened;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#settle = resolve;
  }

  announce(): string {
    this.#announced = true;
    this.#run();
    return eventId(this.streamId, 0);
  }

  append(message: string): string {
    if (this.#finishing) throw new Error("an event after the end of its stream");
    this.#announced = true;
    this.#sequence++;
    this.#waiting.push({ sequence: this.#sequence, message });
    this.#waitingChars += message.length;
    // What the log would not keep either need not wait for it.
    while (
      this.#waiting.length > this.#settings.cap ||
      (this.#waitingChars > MAX_WAITING_CHARS && this.#waiting.length > 1)
    )
      this.#drop();
    this.#run();
    return eventId(this.streamId, this.#sequence);
  }

  finish(): Promise<void> {
    this.#finishing = true;
    if (this.#announced) this.#run();
    else {
      this.#settled = true;
      this.#settle();
    }
    return this.done;
  }

  /** Keeps a stream that is known to the store from expiring while it is open. */
  renew(): void {
    const { state, ttlMs } = this.#settings;
    if (!this.#registered || this.#finishing) return;
    Promise.all([this.#register(), state.renewLog(this.#keys.log, ttlMs)]).catch(() => undefined);
  }

  #drop(): void {
    this.#waitingChars -= this.#waiting.shift()?.message.length ?? 0;
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    let delayMs = this.#settings.retryMs;
    let giveUpAt = Number.POSITIVE_INFINITY;
    // The check for more and the end of running are one step: nothing can be added between them.
    for (let write = this.#next(); write !== undefined; write = this.#next()) {
      try {
        await write();
        delayMs = this.#settings.retryMs;
        giveUpAt = Number.POSITIVE_INFINITY;
      } catch (error) {
        const now = performance.now();
        if (this.#finishing) giveUpAt = Math.min(giveUpAt, now + this.#settings.giveUpMs);
        if (now >= giveUpAt) this.#giveUp(error);
        else await pause(delayMs, undefined, { ref: false });
        delayMs = Math.min(5000, delayMs * 2);
      }
    }
    this.#running = false;
  }

  /** The write that is due: the stream's record, its events in order, its end. */
  #next(): (() => Promise<void>) | undefined {
    if (this.#settled) return undefined;
    if (!this.#registered) return () => this.#register();
    const [event] = this.#waiting;
    if (event !== undefined) return () => this.#write(event);
    return this.#finishing ? () => this.#writeEnd() : undefined;
  }

  async #register(): Promise<void> {
    const { state, ttlMs } = this.#settings;
    await state.mapSet(this.#keys.meta, "opened", this.#opened, ttlMs, { ifAbsent: true });
    this.#registered = true;
  }

  async #write(event: Waiting): Promise<void> {
    const { state, cap, ttlMs } = this.#settings;
    await state.append(this.#keys.log, event.message, { cap, ttlMs, sequence: event.sequence });
    // It may have been dropped meanwhile to make room.
    if (this.#waiting[0] === event) this.#drop();
    this.#wake("event");
  }

  async #writeEnd(): Promise<void> {
    const { state, ttlMs } = this.#settings;
    // Once more, in case that the record expired while the store was away.
    await this.#register();
    await state.mapSet(this.#keys.meta, "finished", "1", ttlMs);
    this.#settled = true;
    this.#wake("end");
    this.#settle();
  }

  #giveUp(error: unknown): void {
    this.#settings.log?.warn("replay.given_up", {
      streamId: this.streamId,
      events: this.#waiting.length,
      reason: error instanceof Error ? error.message : "?",
    });
    this.#waiting.length = 0;
    this.#settled = true;
    this.#settle();
  }

  /** Followers read the log themselves; a lost message costs them a moment, nothing else. */
  #wake(message: string): void {
    this.#settings.state.publish(this.#keys.channel, message).catch(() => undefined);
  }
}
