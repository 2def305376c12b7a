/**
 * Messages between workers: one-way, question and answer, and a stream of answers (to go on with a call that is parked on another
 * worker). Every worker has one channel of the shared state; what a worker sends to itself never touches the store.
 *
 * Delivery is at most once, as that of the channel is. A question ends with an answer, a fault or its timeout; a stream notices a
 * lost message by its number, a dead peer by silence, and ends with MCPS_CALL_LOST.
 */
import { randomBytes } from "node:crypto";
import { asFault, type ErrorCode, errors, Fault, fault } from "../../contract/errors.ts";
import type { SharedState, WorkerPresence } from "../coordination/index.ts";
import type { Log } from "../telemetry/index.ts";
import { IncomingStream, OutgoingStream, type OutgoingWriter } from "./mailbox-stream.ts";

export type MailboxOptions = {
  readonly log?: Log;
  /** With it, streams towards a worker that died are ended here. */
  readonly presence?: Pick<WorkerPresence, "isAlive">;
  /** Open questions, and open streams in each direction, at most; default 10 000. */
  readonly maxPending?: number;
  /** Messages of one stream that may wait for its reader; default 1000. */
  readonly maxQueued?: number;
  /** How often an idle stream says that it lives; default 5000. A reader takes three missed ones for death. */
  readonly beatMs?: number;
  /** Pause before subscribing is tried again; default 1000. */
  readonly retryMs?: number;
};

/** Answers a question; for send() the answer goes nowhere. Throw a Fault to answer with it. */
export type Handler = (payload: string, from: string) => string | Promise<string>;
/** Serves a stream: write, then end or fail, now or later. */
export type StreamHandler = (payload: string, stream: OutgoingWriter, from: string) => void;

export interface Mailbox {
  /** This worker's id; give it to others inside what they may answer to. */
  address(): string;
  /** Begins to listen; resolves also when the store is down, then it goes on trying. Idempotent. */
  start(): Promise<void>;
  /** One handler per kind; a second one is a RangeError. */
  handle(kind: string, handler: Handler): void;
  serve(kind: string, handler: StreamHandler): void;
  /** Resolves when handed to the store, not when handled. Rejects with MCPS_STATE. */
  send(workerId: string, kind: string, payload: string): Promise<void>;
  /** Rejects with the handler's Fault, MCPS_CALL_LOST after timeoutMs without an answer, MCPS_STATE, MCPS_OVERLOADED. */
  ask(workerId: string, kind: string, payload: string, timeoutMs: number): Promise<string>;
  /** Sends at once. Iterate to read; leaving the iteration cancels the other side. Throws as ask() does. */
  open(workerId: string, kind: string, payload: string): AsyncIterableIterator<string, undefined>;
  /** Fails what is open and stops listening. Idempotent. */
  close(): Promise<void>;
}

type EnvelopeType = "send" | "ask" | "answer" | "fault" | "open" | "item" | "beat" | "end" | "abort" | "cancel";
/** What travels: type, kind, sender, id of the question or stream, number of the item, payload. */
export type Envelope = {
  readonly t: EnvelopeType;
  readonly k?: string;
  readonly f: string;
  readonly i: string;
  readonly n?: number;
  readonly p?: string;
};

type Question = { readonly resolve: (answer: string) => void; readonly reject: (why: Fault) => void };

class SharedMailbox implements Mailbox {
  readonly #state: SharedState;
  readonly #workerId: string;
  readonly #options: MailboxOptions;
  readonly #maxPending: number;
  readonly #beatMs: number;
  readonly #handlers = new Map<string, Handler>();
  readonly #streamHandlers = new Map<string, StreamHandler>();
  readonly #questions = new Map<string, Question>();
  readonly #incoming = new Map<string, IncomingStream>();
  readonly #outgoing = new Map<string, OutgoingStream>();
  /** Peers without a lease at the last look; a store that comes back empty has none until they are renewed. */
  readonly #suspects = new Set<string>();
  /** Ids differ between lives of a worker with the same name. */
  readonly #life = randomBytes(6).toString("hex");
  #count = 0;
  #started = false;
  #closed = false;
  #unsubscribe: (() => Promise<void>) | undefined;
  #retry: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;

  constructor(state: SharedState, workerId: string, options: MailboxOptions) {
    this.#state = state;
    this.#workerId = workerId;
    this.#options = options;
    this.#maxPending = options.maxPending ?? 10_000;
    this.#beatMs = options.beatMs ?? 5000;
  }

  address(): string {
    return this.#workerId;
  }

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#beat = setInterval(() => this.#beatAll(), this.#beatMs);
    this.#beat.unref();
    await this.#listen();
  }

  handle(kind: string, handler: Handler): void {
    if (this.#handlers.has(kind)) throw new RangeError(`${kind} has a handler already`);
    this.#handlers.set(kind, handler);
  }

  serve(kind: string, handler: StreamHandler): void {
    if (this.#streamHandlers.has(kind)) throw new RangeError(`${kind} has a stream handler already`);
    this.#streamHandlers.set(kind, handler);
  }

  async send(workerId: string, kind: string, payload: string): Promise<void> {
    await this.#post(workerId, { t: "send", k: kind, f: this.#workerId, i: "", p: payload });
  }

  async ask(workerId: string, kind: string, payload: string, timeoutMs: number): Promise<string> {
    this.#checkRoom("questions to other workers", this.#questions.size);
    const id = this.#nextId();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(() => reject(fault("MCPS_CALL_LOST")), timeoutMs);
    timer.unref();
    this.#questions.set(id, { resolve, reject });
    this.#post(workerId, { t: "ask", k: kind, f: this.#workerId, i: id, p: payload }).catch(reject);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#questions.delete(id);
    }
  }

  open(workerId: string, kind: string, payload: string): AsyncIterableIterator<string, undefined> {
    this.#checkRoom("streams from other workers", this.#incoming.size);
    const id = this.#nextId();
    const stream = new IncomingStream({
      maxQueued: this.#options.maxQueued ?? 1000,
      onDone: (ended) => {
        this.#incoming.delete(id);
        if (!ended) this.#post(workerId, { t: "cancel", f: this.#workerId, i: id }).catch(() => undefined);
      },
    });
    this.#incoming.set(id, stream);
    const envelope: Envelope = { t: "open", k: kind, f: this.#workerId, i: id, p: payload };
    this.#post(workerId, envelope).catch((error: unknown) => stream.fail(asFault(error, id)));
    return stream;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#beat);
    clearTimeout(this.#retry);
    for (const question of this.#questions.values()) question.reject(fault("MCPS_CALL_LOST"));
    for (const stream of [...this.#incoming.values()]) stream.fail(fault("MCPS_CALL_LOST"));
    for (const stream of [...this.#outgoing.values()]) stream.fail(fault("MCPS_CALL_LOST"));
    await this.#unsubscribe?.();
  }

  #nextId(): string {
    this.#count++;
    return `${this.#life}${this.#count.toString(36)}`;
  }

  #checkRoom(what: string, count: number): void {
    if (this.#closed) throw fault("MCPS_CALL_LOST");
    if (count >= this.#maxPending) throw fault("MCPS_OVERLOADED", { what, limit: this.#maxPending });
  }

  /** To itself through the event loop, to others through the store. */
  async #post(workerId: string, envelope: Envelope): Promise<void> {
    if (workerId === this.#workerId) queueMicrotask(() => this.#receive(envelope));
    else await this.#state.publish(channelOf(workerId), JSON.stringify(envelope));
  }

  async #listen(): Promise<void> {
    if (this.#closed) return;
    try {
      const end = await this.#state.subscribe(channelOf(this.#workerId), (text) => {
        const envelope = parseEnvelope(text);
        if (envelope !== undefined) this.#receive(envelope);
      });
      if (this.#closed) await end();
      else this.#unsubscribe = end;
    } catch {
      this.#retry = setTimeout(() => void this.#listen(), this.#options.retryMs ?? 1000);
      this.#retry.unref();
    }
  }

  #receive(envelope: Envelope): void {
    const { t, i, n = 0, p = "" } = envelope;
    if (t === "send" || t === "ask") void this.#answer(envelope);
    else if (t === "open") this.#serveStream(envelope);
    else if (t === "answer") this.#questions.get(i)?.resolve(p);
    else if (t === "fault") this.#questions.get(i)?.reject(parseFault(p));
    else if (t === "item") this.#incoming.get(i)?.item(n, p);
    else if (t === "beat") this.#incoming.get(i)?.beat(n);
    else if (t === "end") this.#incoming.get(i)?.end(n);
    else if (t === "abort") this.#incoming.get(i)?.fail(parseFault(p));
    else this.#outgoing.get(`${envelope.f} ${i}`)?.cancel();
  }

  async #answer({ t, k = "", f, i, p = "" }: Envelope): Promise<void> {
    let reply: Envelope;
    try {
      const handler = this.#handlers.get(k);
      if (handler === undefined) throw fault("MCPS_CALL_LOST");
      reply = { t: "answer", f: this.#workerId, i, p: await handler(p, f) };
    } catch (error) {
      reply = { t: "fault", f: this.#workerId, i, p: this.#faultText(error, k, i) };
    }
    // Who asked runs into its timeout when the answer cannot be sent.
    if (t === "ask") await this.#post(f, reply).catch(() => undefined);
  }

  #serveStream({ k = "", f, i, p = "" }: Envelope): void {
    const key = `${f} ${i}`;
    let count = 0;
    const post = (t: "item" | "beat" | "end" | "abort", text?: string) => {
      if (t === "item") count++;
      return this.#post(f, { t, f: this.#workerId, i, n: count, ...(text === undefined ? {} : { p: text }) });
    };
    const stream = new OutgoingStream(f, {
      post,
      faultText: (error) => this.#faultText(error, k, i),
      onDone: () => this.#outgoing.delete(key),
    });
    try {
      this.#checkRoom("streams to other workers", this.#outgoing.size);
      this.#outgoing.set(key, stream);
      const handler = this.#streamHandlers.get(k);
      if (handler === undefined) throw fault("MCPS_CALL_LOST");
      handler(p, stream, f);
    } catch (error) {
      stream.fail(error);
    }
  }

  #faultText(error: unknown, kind: string, id: string): string {
    const known = asFault(error, id);
    if (known !== error)
      this.#options.log?.error("mailbox.handler_failed", {
        kind,
        correlationId: id,
        reason: error instanceof Error ? error.message : "?",
      });
    return JSON.stringify({ code: known.code, message: known.message, data: known.data });
  }

  #beatAll(): void {
    const silentSince = performance.now() - 3 * this.#beatMs;
    for (const stream of [...this.#incoming.values()]) stream.failWhenSilentSince(silentSince);
    const peers = new Set<string>();
    for (const stream of this.#outgoing.values()) {
      stream.beat();
      peers.add(stream.peer);
    }
    for (const peer of this.#suspects) if (!peers.has(peer)) this.#suspects.delete(peer);
    for (const peer of peers) void this.#cancelWhenDead(peer);
  }

  async #cancelWhenDead(peer: string): Promise<void> {
    const { presence } = this.#options;
    if (presence === undefined) return;
    const alive = await presence.isAlive(peer).catch(() => true);
    const suspected = this.#suspects.has(peer);
    if (alive) this.#suspects.delete(peer);
    else this.#suspects.add(peer);
    if (alive || !suspected) return;
    this.#suspects.delete(peer);
    for (const stream of [...this.#outgoing.values()]) if (stream.peer === peer) stream.cancel();
  }
}

function channelOf(workerId: string): string {
  return `mailbox:${workerId}`;
}

/** Only workers of this deployment write to the channel; what is no envelope is dropped all the same. */
function parseEnvelope(text: string): Envelope | undefined {
  try {
    const value = JSON.parse(text) as Envelope | null;
    return typeof value === "object" && typeof value?.t === "string" && typeof value.i === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

function parseFault(text: string): Fault {
  try {
    const { code, message, data } = JSON.parse(text) as { code: string; message: string; data?: unknown };
    if (isErrorCode(code)) return new Fault(code, String(message), data);
  } catch {
    // Falls through: an answer that cannot be read is as good as none.
  }
  return fault("MCPS_CALL_LOST");
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errors, code);
}

export function createMailbox(state: SharedState, workerId: string, options: MailboxOptions = {}): Mailbox {
  return new SharedMailbox(state, workerId, options);
}
