/**
 * What a process forgets, told to all others of the deployment: a message for those who listen now, an entry in a log for those who
 * missed it. Each process compares its place in the log with the log every few seconds; where the log lacks what this
 * process has seen of it (a store that came back empty, more entries than it keeps), everything is forgotten.
 */
import { randomUUID } from "node:crypto";
import type { SharedState } from "../coordination/index.ts";
import type { Forgotten } from "./types.ts";

const CHANNEL = "cache:invalidations";
const LOG = "cache:log";
const BOUNDS = { cap: 1000, ttlMs: 86_400_000 };
const CHECK_MS = 5000;
/** Keys that wait for the shared state to come back; beyond, their caches are forgotten whole. */
const MAX_PENDING = 1000;

/** A second level; rejects when it is away. */
export type Burial = { bury(what: Forgotten): Promise<void> };
/** `bury` takes it from the second level, which has to be done before others are told to look there anew. */
type Notice = { readonly entry: string; readonly bury: (() => Promise<void>) | undefined };
export type Forget = (what: Forgotten) => void;

export class Invalidations {
  readonly #state: SharedState;
  readonly #caches = new Map<string, Set<Forget>>();
  readonly #pending = new Map<string, Notice>();
  /** Whose own entries need not be applied again when they come back. */
  readonly #origin = randomUUID();
  #told = 0;
  #last = 0;
  #lastEntry = "";
  #subscription: Promise<unknown> | undefined;
  #checking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(state: SharedState) {
    this.#state = state;
  }

  /** Calls `forget` for what other processes forget of this cache; twice for the same may happen. */
  listen(cache: string, forget: Forget): void {
    const listeners = this.#caches.get(cache) ?? new Set();
    listeners.add(forget);
    this.#caches.set(cache, listeners);
    // Memory is shared with nobody.
    if (this.#state.kind === "memory" || this.#timer !== undefined || this.#closed) return;
    this.#timer = setInterval(() => void this.check(), CHECK_MS);
    this.#timer.unref();
    void this.check();
  }

  /** Resolves when others can know, or when it waits to be told. */
  async tell(cache: string, what: Forgotten, second?: Burial): Promise<void> {
    if (this.#closed) return;
    if (this.#state.kind === "memory") return this.#apply(cache, what);
    const notice = this.#noticeOf(cache, what, second);
    if (await this.#send(notice)) return;
    if (what.kind !== "all" && this.#pending.size < MAX_PENDING)
      this.#pending.set(`${cache} ${what.kind} ${what.kind === "key" ? what.key : what.group}`, notice);
    else this.#pending.set(cache, this.#noticeOf(cache, { kind: "all" }, second));
  }

  /** Tells what waits and reads what was missed; several at once are one. Never rejects. */
  check(): Promise<void> {
    this.#checking ??= this.#checkNow().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    void this.#subscription?.catch(() => undefined);
  }

  async #checkNow(): Promise<void> {
    if (this.#closed) return;
    try {
      this.#subscription ??= this.#state.subscribe(CHANNEL, (message) => this.#heard(message));
      await this.#subscription;
    } catch {
      this.#subscription = undefined;
    }
    try {
      await this.#catchUp();
      for (const [place, notice] of this.#pending) {
        if (!(await this.#send(notice))) return;
        this.#pending.delete(place);
      }
    } catch {
      // The next check begins where this one did.
    }
  }

  /** True once it stands in the log: who misses the message finds it there. */
  async #send({ entry, bury }: Notice): Promise<boolean> {
    try {
      await bury?.();
      const sequence = await this.#state.append(LOG, entry, BOUNDS);
      await this.#state.publish(CHANNEL, `${sequence} ${entry}`).catch(() => undefined);
      return true;
    } catch {
      return false;
    }
  }

  /** Told apart from every other entry, so that a place in one log is never taken for a place in another. */
  #noticeOf(cache: string, what: Forgotten, second: Burial | undefined): Notice {
    return {
      entry: JSON.stringify([this.#origin, ++this.#told, cache, what]),
      bury: second === undefined ? undefined : () => second.bury(what),
    };
  }

  #heard(message: string): void {
    const split = message.indexOf(" ");
    const sequence = Number(message.slice(0, split));
    const entry = message.slice(split + 1);
    this.#read(entry);
    if (sequence === this.#last + 1) this.#moveTo(sequence, entry);
    else if (sequence !== this.#last) void this.check();
  }

  async #catchUp(): Promise<void> {
    const [last, lastEntry] = [this.#last, this.#lastEntry];
    const { entries } = await this.#state.readAfter(LOG, Math.max(0, last - 1));
    if (last > 0 && (entries[0]?.sequence !== last || entries[0].entry !== lastEntry)) return this.#startAnew();
    for (const { sequence, entry } of entries) {
      // Messages that came meanwhile have moved the place.
      if (sequence <= this.#last) continue;
      this.#read(entry);
      this.#moveTo(sequence, entry);
    }
  }

  async #startAnew(): Promise<void> {
    this.#moveTo(0, "");
    const { entries } = await this.#state.readAfter(LOG, 0);
    const newest = entries.at(-1);
    if (newest !== undefined) this.#moveTo(newest.sequence, newest.entry);
    for (const cache of this.#caches.keys()) this.#apply(cache, { kind: "all" });
  }

  #moveTo(sequence: number, entry: string): void {
    this.#last = sequence;
    this.#lastEntry = entry;
  }

  #read(entry: string): void {
    const [origin, , cache, what] = parseEntry(entry);
    if (typeof cache !== "string" || origin === this.#origin) return;
    this.#apply(cache, forgottenOf(what));
  }

  #apply(cache: string, what: Forgotten): void {
    for (const forget of this.#caches.get(cache) ?? []) forget(what);
  }
}

/** [origin, its count, cache, what]; empty for what is none of ours. */
function parseEntry(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** What a newer version of this program may say is taken for the most that it can mean. */
function forgottenOf(value: unknown): Forgotten {
  if (typeof value !== "object" || value === null) return { kind: "all" };
  if ("key" in value && typeof value.key === "string") return { kind: "key", key: value.key };
  if ("group" in value && typeof value.group === "string") return { kind: "group", group: value.group };
  return { kind: "all" };
}

const ofStates = new WeakMap<SharedState, Invalidations>();

/** The invalidations that all caches over one shared state have in common. */
export function invalidationsOf(state: SharedState): Invalidations {
  let invalidations = ofStates.get(state);
  if (invalidations === undefined) {
    invalidations = new Invalidations(state);
    ofStates.set(state, invalidations);
  }
  return invalidations;
}
