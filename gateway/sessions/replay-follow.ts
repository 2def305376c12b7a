/**
 * Follows a stream that another worker writes. The log is the truth, messages only wake: subscribe first, then read what is
 * above the last event delivered, and read again whenever woken. So nothing is missed and nothing comes twice.
 */
import {
  eventId,
  type ReplaySettings,
  readMeta,
  type StreamKeys,
  type StreamMeta,
  workerOf,
} from "./replay-records.ts";

export type FollowEnd = "finished" | "ownerLost" | "forgotten";

export type FollowListener = {
  event(id: string, message: string): void;
  /**
   * Called once, last. `finished`: all events were delivered. `ownerLost`: the owner is dead and the stream has no end; claim() decides
   * who writes it. `forgotten`: the store no longer knows the stream, and nobody will write to it.
   */
  end(how: FollowEnd): void;
};

/** `position.last` is moved along, so that a later follower of the same resumption goes on there. */
export type FollowedStream = {
  readonly keys: StreamKeys;
  readonly streamId: string;
  readonly position: { last: number };
  readonly owner: string;
};

/** Starts at once; the answer stops it, after which nothing is called any more. */
export function followStream(settings: ReplaySettings, stream: FollowedStream, listener: FollowListener): () => void {
  const follower = new Follower(settings, stream, listener);
  follower.start();
  return () => follower.stop();
}

class Follower {
  readonly #settings: ReplaySettings;
  readonly #stream: FollowedStream;
  readonly #listener: FollowListener;
  #owner: string;
  #unsubscribe: (() => Promise<void>) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checking = false;
  /** Death is believed when seen twice: a store that comes back empty has no leases until they are renewed. */
  #suspected: string | undefined;
  /** Since when the store does not know the stream; an owner that lives makes it known again. */
  #unknownSince: number | undefined;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #stopped = false;

  constructor(settings: ReplaySettings, stream: FollowedStream, listener: FollowListener) {
    this.#settings = settings;
    this.#stream = stream;
    this.#listener = listener;
    this.#owner = stream.owner;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#check(), this.#settings.recheckMs);
    this.#timer.unref();
    void this.#check();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#unsubscribe?.().catch(() => undefined);
    this.#unsubscribe = undefined;
  }

  /** Subscribes where that is still to be done, reads, and looks whether the owner lives. A store that is down is asked again later. */
  async #check(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      await this.#subscribe();
      const owner = this.#owner;
      const alive = await this.#isAlive(owner);
      // Read after the look: what the owner wrote before its death is then delivered before the end.
      await this.#read();
      this.#judge(owner, alive);
    } catch (error) {
      this.#settings.log?.debug("replay.follow_failed", { reason: error instanceof Error ? error.message : "?" });
    } finally {
      this.#checking = false;
    }
  }

  #judge(owner: string, alive: boolean): void {
    const dead = !alive && owner === this.#owner && owner === this.#suspected;
    this.#suspected = alive ? undefined : owner;
    if (this.#unknownSince === undefined) {
      if (dead) this.#end("ownerLost");
    } else if (dead || performance.now() - this.#unknownSince > this.#settings.ttlMs) this.#end("forgotten");
  }

  async #subscribe(): Promise<void> {
    if (this.#unsubscribe !== undefined || this.#stopped) return;
    const wake = () => {
      // Failures are left to the next check.
      this.#read().catch(() => undefined);
    };
    const unsubscribe = await this.#settings.state.subscribe(this.#stream.keys.channel, wake);
    if (this.#stopped) await unsubscribe();
    else this.#unsubscribe = unsubscribe;
  }

  async #isAlive(owner: string): Promise<boolean> {
    const { presence } = this.#settings;
    // While the store cannot tell, nobody is dead.
    return presence === undefined || presence.isAlive(workerOf(owner)).catch(() => true);
  }

  /** One reader at a time; who comes meanwhile makes it read once more, and waits for that. */
  #read(): Promise<void> {
    this.#readAgain = true;
    this.#reading ??= this.#readAll();
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    try {
      while (this.#readAgain && !this.#stopped) {
        this.#readAgain = false;
        await this.#readOnce();
      }
    } finally {
      this.#reading = undefined;
    }
  }

  async #readOnce(): Promise<void> {
    const { state } = this.#settings;
    const { keys, position } = this.#stream;
    // The record first: its end is written after the last event, so who sees the end then sees every event.
    const meta = readMeta(await state.mapGet(keys.meta));
    const { entries } = await state.readAfter(keys.log, position.last);
    for (const { sequence, entry } of entries) {
      if (this.#stopped) return;
      position.last = sequence;
      this.#deliver(eventId(this.#stream.streamId, sequence), entry);
    }
    this.#settle(meta);
  }

  #settle(meta: StreamMeta | undefined): void {
    if (meta === undefined) {
      this.#unknownSince ??= performance.now();
      return;
    }
    this.#unknownSince = undefined;
    if (meta.finished) this.#end("finished");
    else this.#owner = meta.owner;
  }

  #deliver(id: string, message: string): void {
    try {
      this.#listener.event(id, message);
    } catch (error) {
      this.#settings.log?.error("replay.listener_failed", { reason: error instanceof Error ? error.message : "?" });
      this.stop();
    }
  }

  #end(how: FollowEnd): void {
    if (this.#stopped) return;
    this.stop();
    this.#listener.end(how);
  }
}
