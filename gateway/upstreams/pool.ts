/**
 * Sessions that many clients use one after the other, at upstreams that are declared to keep nothing in them. One request at a time has a
 * session; who sends the same identity headers may get one that somebody else has had. Never for upstreams that are not so declared.
 */
import { createHash, randomUUID } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import { LATEST_LEGACY } from "./handshake.ts";
import type { Ledger } from "./ledger.ts";
import { type Line, lineOf } from "./line.ts";
import type { Lines } from "./lines.ts";
import type { OpenLines } from "./open-lines.ts";
import { type HealthMethod, isHealthy } from "./pool-health.ts";
import type { UpstreamTarget } from "./types.ts";
import { faultOf, type Wire } from "./wire.ts";

export type PoolOptions = {
  /** Sessions per upstream and identity. */
  readonly maxPerKey: number;
  /** A session is ended when it is older. */
  readonly ttlMs: number;
  /** How long a request may wait for a session. */
  readonly acquireTimeoutMs: number;
  readonly createTimeoutMs: number;
  /** A session that rested for longer is asked whether it lives. */
  readonly healthIntervalMs: number;
  readonly healthMethods: readonly HealthMethod[];
  readonly healthTimeoutMs: number;
  /** Sessions of an identity that nobody used for so long are ended. */
  readonly idleEvictionMs: number;
  /** Lower-case names of request headers that tell identities apart. */
  readonly identityHeaders: readonly string[];
};

export type PoolParts = {
  readonly wire: Wire;
  readonly lines: Lines;
  readonly open: OpenLines;
  readonly ledger: Ledger;
  readonly now: () => number;
  readonly clientInfo: { readonly name: string; readonly version: string };
};

export type PoolFigures = {
  readonly created: number;
  readonly reused: number;
  readonly waited: number;
  readonly timeouts: number;
  readonly unhealthy: number;
  readonly evicted: number;
  readonly failed: number;
  readonly keys: readonly PoolKeyFigures[];
};
/** `identity` is a digest of the headers, or `anonymous`. */
export type PoolKeyFigures = {
  readonly upstream: string;
  readonly identity: string;
  readonly active: number;
  readonly idle: number;
  readonly waiting: number;
};

type Waiting = { readonly resolve: (line: Line | undefined) => void; readonly reject: (error: unknown) => void };
type Shelf = {
  readonly target: UpstreamTarget;
  readonly identity: string;
  /** Headers that go with the handshake; secret. */
  readonly told: Readonly<Record<string, string>>;
  /** Free ones, the last used last. */
  readonly idle: Pooled[];
  readonly waiting: Set<Waiting>;
  /** Open, being opened, or being asked whether they live. */
  size: number;
  usedAt: number;
};
type Pooled = Line & {
  readonly shelf: Shelf;
  readonly openedAt: number;
  readonly holderKey: string;
  readonly place: () => void;
};

/** A call may outlast the session's own time; what is then still in the ledger belongs to a process that is gone. */
const LONGEST_CALL_MS = 86_400_000;
const MAX_SWEEP_MS = 30_000;
const NOBODY: Readonly<Record<string, string>> = {};
const NOTHING = Buffer.from("{}");

export class SessionPool {
  readonly #options: PoolOptions;
  readonly #parts: PoolParts;
  readonly #shelves = new Map<string, Shelf>();
  readonly #lent = new Map<Line, Pooled>();
  readonly #counts = { created: 0, reused: 0, waited: 0, timeouts: 0, unhealthy: 0, evicted: 0, failed: 0 };
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: PoolOptions, parts: PoolParts) {
    this.#options = options;
    this.#parts = parts;
    const everyMs = Math.min(MAX_SWEEP_MS, options.ttlMs, options.idleEvictionMs);
    this.#sweeper = setInterval(() => this.sweep(), everyMs).unref();
  }

  /** A session for one request, at once where one is free; undefined: the upstream has no sessions. Rejects with a Fault. */
  take(target: UpstreamTarget, passed: Readonly<Record<string, string>> | undefined): Line | Promise<Line | undefined> {
    const told = toldOf(target, passed, this.#options.identityHeaders);
    const shelf = this.#shelf(target, told);
    const now = this.#parts.now();
    shelf.usedAt = now;
    for (let line = shelf.idle.pop(); line !== undefined; line = shelf.idle.pop()) {
      if (this.#isOver(line, now)) this.#end(line);
      else if (now - line.usedAt > this.#options.healthIntervalMs) return this.#asked(shelf, line);
      else return this.#lend(line);
    }
    return shelf.size < this.#options.maxPerKey ? this.#create(shelf) : this.#wait(shelf);
  }

  /** The request is over. `lost`: the upstream does not know the session any more. */
  give(line: Line, lost = false): void {
    const pooled = this.#lent.get(line);
    if (pooled === undefined) return;
    this.#lent.delete(line);
    const { shelf } = pooled;
    const now = this.#parts.now();
    pooled.usedAt = now;
    shelf.usedAt = now;
    const isCurrent = this.#shelves.get(keyOf(shelf.target, shelf.identity)) === shelf;
    if (lost || !isCurrent || this.#isOver(pooled, now)) this.#end(pooled, lost);
    else if (shelf.waiting.size > 0) this.#handOver(shelf, this.#lend(pooled));
    else shelf.idle.push(pooled);
  }

  owns(line: Line): boolean {
    return this.#lent.has(line);
  }

  forget(targetId: string): void {
    for (const [key, shelf] of this.#shelves) if (shelf.target.id === targetId) this.#close(key, shelf);
  }

  /** Ends what is too old and what nobody uses. */
  sweep(): void {
    const now = this.#parts.now();
    for (const [key, shelf] of this.#shelves) {
      const isUnused = now - shelf.usedAt > this.#options.idleEvictionMs;
      for (const line of shelf.idle.splice(0)) {
        if (!isUnused && !this.#isOver(line, now)) shelf.idle.push(line);
        else {
          this.#counts.evicted++;
          this.#end(line);
        }
      }
      if (isUnused && shelf.size === 0) this.#shelves.delete(key);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    const idle = [...this.#shelves.values()].flatMap((shelf) => shelf.idle.splice(0));
    for (const [key, shelf] of this.#shelves) this.#close(key, shelf);
    await Promise.all(idle.map((line) => this.#end(line)));
  }

  figures(): PoolFigures {
    const keys = [...this.#shelves.values()].map(({ target, identity, idle, waiting, size }) => ({
      upstream: target.slug,
      identity,
      active: size - idle.length,
      idle: idle.length,
      waiting: waiting.size,
    }));
    return { ...this.#counts, keys };
  }

  #shelf(target: UpstreamTarget, told: Readonly<Record<string, string>>): Shelf {
    const identity = identityOf(told);
    const key = keyOf(target, identity);
    let shelf = this.#shelves.get(key);
    if (shelf === undefined) {
      shelf = { target, identity, told, idle: [], waiting: new Set(), size: 0, usedAt: this.#parts.now() };
      this.#shelves.set(key, shelf);
    }
    return shelf;
  }

  #close(key: string, shelf: Shelf): void {
    this.#shelves.delete(key);
    for (const line of shelf.idle.splice(0)) void this.#end(line);
    const reason = fault("MCPS_UPSTREAM_UNREACHABLE", {
      upstream: shelf.target.slug,
      reason: "it was changed or removed",
    });
    for (const { reject } of shelf.waiting) reject(reason);
    shelf.waiting.clear();
  }

  #isOver(line: Pooled, now: number): boolean {
    return now - line.openedAt > this.#options.ttlMs;
  }

  #lend(line: Pooled, isNew = false): Line {
    if (!isNew) this.#counts.reused++;
    this.#lent.set(line, line);
    return line;
  }

  async #asked(shelf: Shelf, line: Pooled): Promise<Line | undefined> {
    const { healthMethods, healthTimeoutMs } = this.#options;
    const { lines } = this.#parts;
    const ask = (method: string) =>
      lines.command(shelf.target, line.session, method, {}, healthTimeoutMs, { passed: shelf.told });
    if (await isHealthy(healthMethods, ask)) return this.#lend(line);
    this.#counts.unhealthy++;
    void this.#end(line);
    return this.#create(shelf);
  }

  async #create(shelf: Shelf): Promise<Line | undefined> {
    const { lines, open, ledger, wire, now } = this.#parts;
    const { target } = shelf;
    shelf.size++;
    let place: (() => void) | undefined;
    try {
      const reserved = open.reserve(target);
      place = reserved.place;
      if (reserved.victim !== undefined) await lines.retire(reserved.victim);
      const session = await lines.greet(
        target,
        { ...this.#introduction(), passed: shelf.told },
        this.#options.createTimeoutMs,
      );
      if (session === undefined) {
        this.#vacate(shelf, place);
        return undefined;
      }
      const holderKey = `pool:${randomUUID()}`;
      await ledger.enter(target.id, { key: holderKey, ttlMs: this.#options.ttlMs + LONGEST_CALL_MS }, session);
      this.#counts.created++;
      const line = lineOf(wire.prepared(target), session, holderKey, now());
      return this.#lend(Object.assign(line, { shelf, openedAt: line.usedAt, holderKey, place }), true);
    } catch (error) {
      this.#counts.failed++;
      this.#vacate(shelf, place);
      throw error;
    }
  }

  /** A session of nobody's: the upstream cannot ask anybody anything in it. */
  #introduction() {
    const clientInfo = Buffer.from(JSON.stringify(this.#parts.clientInfo));
    return { protocolVersion: LATEST_LEGACY, clientCapabilities: NOTHING, clientInfo };
  }

  #wait(shelf: Shelf): Promise<Line | undefined> {
    const { acquireTimeoutMs, maxPerKey } = this.#options;
    this.#counts.waited++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        shelf.waiting.delete(waiting);
        this.#counts.timeouts++;
        const reason = `none of its ${maxPerKey} sessions was free within ${acquireTimeoutMs} ms (MCP_SESSION_POOL_ACQUIRE_TIMEOUT)`;
        const values = { upstream: shelf.target.slug, reason };
        reject(fault("MCPS_UPSTREAM_BUSY", values, { retryAfterSeconds: 1 }, { "retry-after": "1" }));
      }, acquireTimeoutMs);
      const waiting: Waiting = {
        resolve: (line) => {
          clearTimeout(timer);
          resolve(line);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      shelf.waiting.add(waiting);
    });
  }

  #handOver(shelf: Shelf, line: Line | undefined): void {
    const next = shelf.waiting.values().next().value;
    if (next === undefined) return;
    shelf.waiting.delete(next);
    next.resolve(line);
  }

  /** One session less: who waits for one may open another. */
  #vacate(shelf: Shelf, place: (() => void) | undefined): void {
    shelf.size--;
    place?.();
    const next = shelf.waiting.values().next().value;
    if (next === undefined) return;
    shelf.waiting.delete(next);
    this.#create(shelf).then(next.resolve, next.reject);
  }

  async #end(line: Pooled, lost = false): Promise<void> {
    const { lines, ledger, wire } = this.#parts;
    const { shelf, session, holderKey, place } = line;
    try {
      if (!lost) await lines.end(shelf.target, session);
      await ledger.leave(shelf.target.id, holderKey);
    } catch (error) {
      const { code } = faultOf(shelf.target, error);
      wire.options.log.debug("upstream.session_not_ended", { upstream: shelf.target.slug, code });
    }
    this.#vacate(shelf, place);
  }
}

function keyOf(target: UpstreamTarget, identity: string): string {
  return `${target.id}\n${target.revision}\n${identity}`;
}

/** Headers of the upstream itself are the same for all; what a request brings along and the upstream takes tells its user. */
function toldOf(
  { passes }: UpstreamTarget,
  passed: Readonly<Record<string, string>> | undefined,
  names: readonly string[],
): Readonly<Record<string, string>> {
  if (passes === undefined || passed === undefined) return NOBODY;
  const tells = (name: string): boolean => {
    const sentAs = passes.get(name);
    return sentAs !== undefined && (names.includes(name) || names.includes(sentAs.toLowerCase()));
  };
  return Object.fromEntries(Object.entries(passed).filter(([name]) => tells(name)));
}

/** Credentials are told apart by a digest. */
function identityOf(told: Readonly<Record<string, string>>): string {
  const entries = Object.entries(told).sort();
  if (entries.length === 0) return "anonymous";
  return createHash("sha256").update(JSON.stringify(entries)).digest("base64url").slice(0, 16);
}
