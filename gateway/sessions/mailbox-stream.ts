/** The two ends of a stream between workers: numbered items, an end that says how many there were, beats while it is idle. */
import { type Fault, fault } from "../../contract/errors.ts";

/** What a stream handler writes to. After the end, a failure or a cancellation everything is ignored. */
export interface OutgoingWriter {
  readonly closed: boolean;
  write(message: string): void;
  end(): void;
  /** Ends it with a fault; anything but a Fault arrives as MCPS_INTERNAL. */
  fail(error: unknown): void;
  /** Called once when the reader has gone, or can no longer be reached. */
  onCancel(listener: () => void): void;
}

type OutgoingHooks = {
  post(type: "item" | "beat" | "end" | "abort", text?: string): Promise<void>;
  faultText(error: unknown): string;
  onDone(): void;
};

export class OutgoingStream implements OutgoingWriter {
  readonly peer: string;
  readonly #hooks: OutgoingHooks;
  #closed = false;
  #cancelled = false;
  #onCancel: (() => void) | undefined;

  constructor(peer: string, hooks: OutgoingHooks) {
    this.peer = peer;
    this.#hooks = hooks;
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(message: string): void {
    if (!this.#closed) this.#post("item", message);
  }

  beat(): void {
    if (!this.#closed) this.#post("beat");
  }

  end(): void {
    this.#finish("end");
  }

  fail(error: unknown): void {
    this.#finish("abort", this.#hooks.faultText(error));
  }

  onCancel(listener: () => void): void {
    if (this.#cancelled) queueMicrotask(listener);
    else this.#onCancel = listener;
  }

  cancel(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelled = true;
    this.#hooks.onDone();
    this.#onCancel?.();
  }

  /** A reader that lost one message has lost the stream: stop working for it. */
  #post(type: "item" | "beat", text?: string): void {
    this.#hooks.post(type, text).catch(() => this.cancel());
  }

  #finish(type: "end" | "abort", text?: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#hooks.onDone();
    this.#hooks.post(type, text).catch(() => undefined);
  }
}

type IncomingHooks = {
  readonly maxQueued: number;
  /** `ended` tells whether the other side knows that it is over. */
  onDone(ended: boolean): void;
};

type Waiting = {
  readonly resolve: (result: IteratorResult<string, undefined>) => void;
  readonly reject: (why: Fault) => void;
};
const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class IncomingStream implements AsyncIterableIterator<string, undefined> {
  readonly #hooks: IncomingHooks;
  readonly #queue: string[] = [];
  readonly #waiting: Waiting[] = [];
  #count = 0;
  #heardAt = performance.now();
  #done = false;
  #fault: Fault | undefined;

  constructor(hooks: IncomingHooks) {
    this.#hooks = hooks;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<string, undefined>> {
    const message = this.#queue.shift();
    if (message !== undefined) return { done: false, value: message };
    const why = this.#fault;
    if (why !== undefined) {
      this.#fault = undefined;
      throw why;
    }
    if (this.#done) return DONE;
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<string, undefined>>();
    this.#waiting.push({ resolve, reject });
    return promise;
  }

  /** The reader leaves. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#queue.length = 0;
    this.#fault = undefined;
    this.#close(false);
    return DONE;
  }

  item(number: number, message: string): void {
    if (this.#done || !this.#follows(number, this.#count + 1)) return;
    this.#count++;
    const reader = this.#waiting.shift();
    if (reader !== undefined) reader.resolve({ done: false, value: message });
    else if (this.#queue.length < this.#hooks.maxQueued) this.#queue.push(message);
    else
      this.#failWith(fault("MCPS_OVERLOADED", { what: "messages of a stream", limit: this.#hooks.maxQueued }), false);
  }

  beat(count: number): void {
    if (!this.#done) this.#follows(count, this.#count);
  }

  end(count: number): void {
    if (!this.#done && this.#follows(count, this.#count)) this.#close(true);
  }

  /** The other side failed, or was never reached. */
  fail(why: Fault): void {
    this.#failWith(why, true);
  }

  failWhenSilentSince(time: number): void {
    if (this.#heardAt <= time) this.#failWith(fault("MCPS_CALL_LOST"), false);
  }

  #follows(number: number, expected: number): boolean {
    this.#heardAt = performance.now();
    if (number === expected) return true;
    this.#failWith(fault("MCPS_CALL_LOST"), false);
    return false;
  }

  #failWith(why: Fault, ended: boolean): void {
    if (this.#done) return;
    const reader = this.#waiting.shift();
    if (reader !== undefined) reader.reject(why);
    else this.#fault = why;
    this.#close(ended);
  }

  #close(ended: boolean): void {
    if (this.#done) return;
    this.#done = true;
    for (const reader of this.#waiting.splice(0)) reader.resolve(DONE);
    this.#hooks.onDone(ended);
  }
}
