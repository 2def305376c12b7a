/** What a cache is made from and what it answers. Times are milliseconds. */
import type { SharedState } from "../coordination/index.ts";

/** `shared`: another process had loaded it; `failure`: a load that rejected; `eviction`: dropped for want of room. */
export type CacheEvent = "hit" | "stale" | "miss" | "shared" | "load" | "failure" | "eviction";
export type CacheFigures = Readonly<Record<CacheEvent, number>> & { readonly entries: number; readonly weight: number };

/** A value is anything but undefined (which says that there is none) and promises. */
export type Cached = NonNullable<unknown> | null;

export type CacheOptions<Value extends Cached> = {
  /** Names the cache in metrics, shared keys and invalidations: one per kind of value, the same in every process. */
  readonly name: string;
  /** How long a value may be answered without asking again; 0 keeps nothing, and only identical loads at the same time become one. */
  readonly ttlMs: number;
  /** The same for "there is none"; default 0. */
  readonly negativeTtlMs?: number;
  /** How long after that a value may still be answered while a new one is loaded; default 0. */
  readonly staleMs?: number;
  /** Entries in this process; 0 keeps nothing, in the shared state neither. */
  readonly maxEntries: number;
  /** What an entry weighs and how much all may weigh together, for example bytes; by default only their number counts. */
  readonly weight?: { readonly of: (value: Value) => number; readonly max: number };
  /** A value's own time to live, which counts where it is less than ttlMs; 0 or less: it is not kept. */
  readonly lifeOf?: (value: Value) => number;
  /** Keys that are forgotten together by invalidateGroup; few groups, each remembered. Default: all in one. */
  readonly groupOf?: (key: string) => string;
  /** Finds the value; undefined says that there is none. What it rejects with goes to everybody who waits and is not kept. */
  readonly load: (key: string) => Promise<Value | undefined>;
  /** Where the invalidations of other processes come from and go to. */
  readonly shared?: SharedLevel<Value>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Told of everything that is counted; `figures` counts anyway. */
  readonly count?: (event: CacheEvent) => void;
  /** 0 to below 1; spreads the ends of what was loaded together. */
  readonly random?: () => number;
};

export type SharedLevel<Value extends Cached> = {
  readonly state: SharedState;
  /** Where values wait, when that is not `state`. */
  readonly second?: SharedState;
  /** A value of another process that has not come by then is loaded here; by default it is waited for as long as the state takes. */
  readonly secondTimeoutMs?: number;
  /** Epoch milliseconds as other processes have them, for the ends of lives that are told to them; default `now`. */
  readonly wallClock?: () => number;
  /**
   * For what is expensive to load: one process loads a key at a time and the others wait for what it finds, this long at most, ms. By
   * default each loads for itself.
   */
  readonly waitForOthersMs?: number;
  /**
   * With both of them loaded values wait for other processes in the shared state; without, only invalidations are shared. A value that
   * becomes undefined stays here.
   */
  readonly encode?: (value: Value) => string | undefined;
  /** undefined for a text that is none of ours: then the value is loaded. */
  readonly decode?: (text: string) => Value | undefined;
};

/** What is forgotten: one key, a group of keys, or everything. */
export type Forgotten =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "group"; readonly group: string }
  | { readonly kind: "all" };

export interface Cache<Value extends Cached> {
  readonly name: string;
  /** The value at once when it is known, fresh or stale; else a promise that every caller of that time shares. */
  get(key: string): Value | undefined | Promise<Value | undefined>;
  /**
   * Forgets an entry here at once and everywhere else soon; a load on its way is not kept. Resolves when the other processes were told; with the shared state away
   * they are told when it is back. Never rejects.
   */
  invalidate(key: string): Promise<void>;
  /** The same for all entries of a group. */
  invalidateGroup(group: string): Promise<void>;
  invalidateAll(): Promise<void>;
  /** In this process alone, for a change that others are being told of anyway. */
  forgetGroupHere(group: string): void;
  figures(): CacheFigures;
}
