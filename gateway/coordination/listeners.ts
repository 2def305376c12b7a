/** Who listens to which channel in this process. Delivery never throws and never re-enters the publisher. */
import type { Log } from "../telemetry/index.ts";

export type Listener = (message: string) => void;
type Entry = { readonly listener: Listener; active: boolean };

export class Listeners {
  readonly #byChannel = new Map<string, Set<Entry>>();
  readonly #log: Log | undefined;

  constructor(log: Log | undefined) {
    this.#log = log;
  }

  get size(): number {
    return this.#byChannel.size;
  }

  channels(): string[] {
    return [...this.#byChannel.keys()];
  }

  has(channel: string): boolean {
    return this.#byChannel.has(channel);
  }

  /** Adds a listener; the answer removes it and says whether it was the channel's last one (false when called again). */
  add(channel: string, listener: Listener): () => boolean {
    const entry: Entry = { listener, active: true };
    const entries = this.#byChannel.get(channel) ?? new Set<Entry>();
    entries.add(entry);
    this.#byChannel.set(channel, entries);
    return () => {
      if (!entry.active) return false;
      entry.active = false;
      entries.delete(entry);
      if (entries.size > 0 || this.#byChannel.get(channel) !== entries) return false;
      return this.#byChannel.delete(channel);
    };
  }

  /** Calls the listeners of now, in the order in which they came. */
  deliver(channel: string, message: string): void {
    const entries = this.#byChannel.get(channel);
    if (entries === undefined) return;
    for (const entry of [...entries]) {
      if (!entry.active) continue;
      try {
        entry.listener(message);
      } catch (error) {
        this.#log?.error("state.listener_failed", { channel, reason: error instanceof Error ? error.message : "?" });
      }
    }
  }

  clear(): void {
    for (const entries of this.#byChannel.values()) for (const entry of entries) entry.active = false;
    this.#byChannel.clear();
  }
}
