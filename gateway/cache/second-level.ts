/** What one process has loaded, kept in the shared state for the others. A shared state that is away is a miss and never a failure. */
import { createHash, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { SharedState } from "../coordination/index.ts";
import type { Cached, Forgotten } from "./types.ts";

export type Found<Value extends Cached> = { readonly value: Value | undefined; readonly leftMs: number };

/** A load that takes longer than this is not shared: what marks an invalidated key is gone by then. */
const BURIED_MS = 30_000;
/** Longer than any entry lives. */
const VERSION_MS = 7 * 86_400_000;
const BURIED = "x";
const ALL = "";
const LOOK_AGAIN_MS = 50;
/** Keys beyond this are known by their digest. */
const LONGEST_KEY = 200;

export class SecondLevel<Value extends Cached> {
  readonly #state: SharedState;
  readonly #name: string;
  readonly #origin = randomUUID();
  readonly #groupOf: ((key: string) => string) | undefined;
  readonly #encode: (value: Value) => string | undefined;
  readonly #decode: (text: string) => Value | undefined;
  /** Invalidations that could not be written yet: what stands there is not read. */
  readonly #unburied = new Map<string, Forgotten>();
  /** Epoch milliseconds, which other processes read too. */
  readonly #wallClock: () => number;
  readonly #readTimeoutMs: number | undefined;
  /** By group, and of all under ""; part of every key, so that a new one makes entries unknown. Asked for when first needed. */
  readonly #versions = new Map<string, Promise<string>>();

  constructor(
    state: SharedState,
    { name, groupOf }: { readonly name: string; readonly groupOf?: (key: string) => string },
    encode: (value: Value) => string | undefined,
    decode: (text: string) => Value | undefined,
    wallClock: () => number,
    readTimeoutMs: number | undefined,
  ) {
    this.#wallClock = wallClock;
    this.#readTimeoutMs = readTimeoutMs;
    this.#state = state;
    this.#name = name;
    this.#groupOf = groupOf;
    this.#encode = encode;
    this.#decode = decode;
  }

  async read(key: string): Promise<Found<Value> | undefined> {
    if (this.#unburied.size > 0 && this.#isUnburied(key)) return undefined;
    const asked = this.#ask(key);
    const text = this.#readTimeoutMs === undefined ? await asked : await within(this.#readTimeoutMs, asked);
    return text === undefined ? undefined : this.#parse(text);
  }

  async #ask(key: string): Promise<string | undefined> {
    try {
      return await this.#state.get(await this.#keyOf(key));
    } catch {
      return undefined;
    }
  }

  /**
   * Waits while another process loads the key: what it found, or undefined when it is this one's turn, which endTurn ends. A shared state that is
   * away keeps nobody waiting.
   */
  async waitTurn(key: string, waitMs: number): Promise<Found<Value> | undefined> {
    const end = performance.now() + waitMs;
    try {
      for (;;) {
        const { fence, leftMs } = await this.#state.acquire(this.#turnKey(key), this.#origin, waitMs);
        if (fence > 0 || performance.now() >= end) return undefined;
        await pause(Math.min(LOOK_AGAIN_MS, leftMs));
        const found = await this.read(key);
        if (found !== undefined) return found;
      }
    } catch {
      return undefined;
    }
  }

  async endTurn(key: string): Promise<void> {
    // What is not given up ends by itself.
    await this.#state.release(this.#turnKey(key), this.#origin).catch(() => undefined);
  }

  #turnKey(key: string): string {
    return `cache:${this.#name}:turn:${shortened(key)}`;
  }

  /** Never over what stands there: an invalidated key stays so for the loads that began before. */
  async write(key: string, value: Value | undefined, lifeMs: number, tookMs: number): Promise<void> {
    const ttlMs = Math.floor(lifeMs);
    if (ttlMs < 1 || tookMs >= BURIED_MS) return;
    const encoded = value === undefined ? "-" : this.#encode(value);
    if (encoded === undefined) return;
    const text = `${this.#wallClock() + lifeMs} ${value === undefined ? "" : "+"}${encoded}`;
    try {
      await this.#state.set(await this.#keyOf(key), text, ttlMs, { ifAbsent: true });
    } catch {
      // The next process loads for itself.
    }
  }

  /** Makes sure that no process finds it here any more. Rejects when the shared state is away. */
  async bury(what: Forgotten): Promise<void> {
    const place = placeOf(what);
    this.#unburied.set(place, what);
    await this.#write(what);
    if (this.#unburied.get(place) === what) this.#unburied.delete(place);
  }

  #isUnburied(key: string): boolean {
    const group = this.#groupOf?.(key);
    for (const what of this.#unburied.values())
      if (what.kind === "all" || (what.kind === "key" ? what.key === key : what.group === group)) return true;
    return false;
  }

  async #write(what: Forgotten): Promise<void> {
    if (what.kind === "key") {
      await this.#state.set(await this.#keyOf(what.key), BURIED, BURIED_MS);
      return;
    }
    const group = what.kind === "all" ? ALL : what.group;
    await this.#state.set(this.#versionKey(group), randomUUID(), VERSION_MS);
    this.forgetVersion(what.kind === "all" ? undefined : group);
  }

  /** The version is asked for again: somebody has changed it, or may have. undefined: those of all groups. */
  forgetVersion(group: string | undefined): void {
    if (group === undefined) this.#versions.clear();
    else this.#versions.delete(group);
  }

  #versionKey(group: string): string {
    return `cache:${this.#name}:version:${group}`;
  }

  async #keyOf(key: string): Promise<string> {
    const all = this.#version(ALL);
    const group = this.#groupOf?.(key);
    const version = group === undefined ? await all : `${await all}.${await this.#version(group)}`;
    return `cache:${this.#name}:${version}:${shortened(key)}`;
  }

  #version(group: string): Promise<string> {
    let version = this.#versions.get(group);
    if (version === undefined) {
      version = this.#state.get(this.#versionKey(group)).then((found) => found ?? "0");
      this.#versions.set(group, version);
      const asked = version;
      asked.catch(() => {
        if (this.#versions.get(group) === asked) this.#versions.delete(group);
      });
    }
    return version;
  }

  #parse(text: string): Found<Value> | undefined {
    const split = text.indexOf(" ");
    const leftMs = Number(text.slice(0, split)) - this.#wallClock();
    if (split < 1 || !(leftMs > 0)) return undefined;
    if (text[split + 1] === "-") return { value: undefined, leftMs };
    const value = this.#decode(text.slice(split + 2));
    return value === undefined ? undefined : { value, leftMs };
  }
}

function shortened(key: string): string {
  return key.length > LONGEST_KEY ? `#${createHash("sha256").update(key).digest("base64url")}` : key;
}

function placeOf(what: Forgotten): string {
  return what.kind === "all" ? "all" : what.kind === "key" ? `key ${what.key}` : `group ${what.group}`;
}

/** undefined when it has not come by then. */
function within<T>(ms: number, asked: Promise<T | undefined>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<T | undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  void asked.then((answer) => {
    clearTimeout(timer);
    resolve(answer);
  });
  return promise;
}
