/** What one process has loaded, kept in the shared state for the others. A shared state that is away is a miss and never a failure. */
import { createHash, randomUUID } from "node:crypto";
import type { SharedState } from "../coordination/index.ts";
import type { Cached } from "./types.ts";

export type Found<Value extends Cached> = { readonly value: Value | undefined; readonly freshUntil: number };

/** A load that takes longer than this is not shared: what marks an invalidated key is gone by then. */
const BURIED_MS = 30_000;
/** Longer than any entry lives. */
const VERSION_MS = 7 * 86_400_000;
const BURIED = "x";
/** Keys beyond this are known by their digest. */
const LONGEST_KEY = 200;

export class SecondLevel<Value extends Cached> {
  readonly #state: SharedState;
  readonly #name: string;
  readonly #encode: (value: Value) => string;
  readonly #decode: (text: string) => Value | undefined;
  /** Part of every key, so that a new one makes all entries unknown; undefined until it is asked for. */
  #version: Promise<string> | undefined;

  constructor(
    state: SharedState,
    name: string,
    encode: (value: Value) => string,
    decode: (text: string) => Value | undefined,
  ) {
    this.#state = state;
    this.#name = name;
    this.#encode = encode;
    this.#decode = decode;
  }

  async read(key: string, now: number): Promise<Found<Value> | undefined> {
    try {
      const text = await this.#state.get(await this.#keyOf(key));
      return text === undefined ? undefined : this.#parse(text, now);
    } catch {
      return undefined;
    }
  }

  /** Never over what stands there: an invalidated key stays so for the loads that began before. */
  async write(key: string, value: Value | undefined, freshUntil: number, now: number, beganAt: number): Promise<void> {
    const ttlMs = Math.floor(freshUntil - now);
    if (ttlMs < 1 || now - beganAt >= BURIED_MS) return;
    const text = value === undefined ? `${freshUntil} -` : `${freshUntil} +${this.#encode(value)}`;
    try {
      await this.#state.set(await this.#keyOf(key), text, ttlMs, { ifAbsent: true });
    } catch {
      // The next process loads for itself.
    }
  }

  /** Rejects when the shared state is away. */
  async bury(key: string): Promise<void> {
    await this.#state.set(await this.#keyOf(key), BURIED, BURIED_MS);
  }

  /** Rejects when the shared state is away. */
  async buryAll(): Promise<void> {
    await this.#state.set(this.#versionKey, randomUUID(), VERSION_MS);
    this.forgetVersion();
  }

  /** The version is asked for again: somebody has changed it, or may have. */
  forgetVersion(): void {
    this.#version = undefined;
  }

  get #versionKey(): string {
    return `cache:${this.#name}:version`;
  }

  async #keyOf(key: string): Promise<string> {
    this.#version ??= this.#askVersion();
    const short = key.length > LONGEST_KEY ? `#${createHash("sha256").update(key).digest("base64url")}` : key;
    return `cache:${this.#name}:${await this.#version}:${short}`;
  }

  async #askVersion(): Promise<string> {
    try {
      return (await this.#state.get(this.#versionKey)) ?? "0";
    } catch (error) {
      this.#version = undefined;
      throw error;
    }
  }

  #parse(text: string, now: number): Found<Value> | undefined {
    const split = text.indexOf(" ");
    const freshUntil = Number(text.slice(0, split));
    if (split < 1 || !(freshUntil > now)) return undefined;
    if (text[split + 1] === "-") return { value: undefined, freshUntil };
    const value = this.#decode(text.slice(split + 2));
    return value === undefined ? undefined : { value, freshUntil };
  }
}
