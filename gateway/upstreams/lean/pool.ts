/**
 * The connections of one place. A request takes the connection that became free last, opens one while there may be more, or waits its
 * turn. Idle connections are closed by one timer for all of them.
 */
import type { NetConnectOpts } from "node:net";
import { Connection, type ConnectionOwner, type Transfer } from "./connection.ts";
import { ConnectionError } from "./errors.ts";

export type PoolOptions = {
  readonly place: NetConnectOpts;
  /** Connections at one time, those being opened included. */
  readonly limit: number;
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept where the server says nothing of it, ms. */
  readonly keepAliveMs: number;
  /** Idle connections of all pools together; unlimited when absent. */
  readonly idle?: IdleBudget;
};

/** What pools share: how many connections may be idle, and how many are. */
export type IdleBudget = { readonly limit: number; count: number };

/** What the way to the server may take of the time that it says it keeps a connection. */
const HINT_MARGIN_MS = 2000;
const MAX_HINT_MS = 600_000;
const MAX_SWEEP_MS = 500;

export class ConnectionPool implements ConnectionOwner {
  readonly place: NetConnectOpts;
  readonly connectTimeoutMs: number;
  readonly #limit: number;
  readonly #keepAliveMs: number;
  readonly #sweepMs: number;
  readonly #all = new Set<Connection>();
  /** By the time they became free, the newest last. */
  readonly #idle: Connection[] = [];
  readonly #budget: IdleBudget;
  readonly #waiting = new Set<Transfer>();
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: PoolOptions) {
    this.place = options.place;
    this.connectTimeoutMs = options.connectTimeoutMs;
    this.#limit = options.limit;
    this.#budget = options.idle ?? { limit: Infinity, count: 0 };
    this.#keepAliveMs = options.keepAliveMs;
    this.#sweepMs = Math.min(MAX_SWEEP_MS, Math.max(options.keepAliveMs / 2, 1));
  }

  /** Sends a request, or keeps it until a connection is free. `now`: performance.now(). */
  send(transfer: Transfer, now: number): void {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      this.#budget.count--;
      if (now - idle.idleSince < this.#lifetime(idle)) {
        idle.carry(transfer, now);
        return;
      }
      idle.close();
    }
    if (this.#all.size < this.#limit) this.#all.add(new Connection(this, transfer));
    else this.#waiting.add(transfer);
  }

  /** Sends a request on a connection of its own making, for the free ones may all have been closed by the server. */
  sendAfresh(transfer: Transfer): void {
    if (this.#all.size >= this.#limit) this.#idle[0]?.close();
    if (this.#all.size < this.#limit) this.#all.add(new Connection(this, transfer));
    else this.#waiting.add(transfer);
  }

  /** Gives a request up, wherever it is. */
  abandon(transfer: Transfer): void {
    if (transfer.connection === undefined) this.#waiting.delete(transfer);
    else transfer.connection.abandon();
  }

  /** Closes what is idle now and whatever becomes idle; requests under way and waiting are finished. */
  retire(): void {
    this.#closed = true;
    for (const connection of [...this.#idle]) connection.close();
  }

  /** Fails every request and closes every connection. */
  destroy(): void {
    this.#closed = true;
    const error = new ConnectionError("the client is closed", "UND_ERR_DESTROYED");
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const connection of [...this.#all]) connection.destroy(error);
    for (const transfer of waiting) transfer.responseFailed(error, false, undefined, false);
  }

  free(connection: Connection): void {
    const now = performance.now();
    const next = this.next();
    if (next !== undefined) {
      connection.carry(next, now);
      return;
    }
    if (this.#closed || this.#lifetime(connection) <= 0 || this.#budget.count >= this.#budget.limit) {
      connection.close();
      return;
    }
    connection.idleSince = now;
    this.#idle.push(connection);
    this.#budget.count++;
    this.#sweeper ??= setTimeout(sweep, this.#sweepMs, this).unref();
  }

  gone(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at === -1) return;
    this.#idle.splice(at, 1);
    this.#budget.count--;
  }

  advance(): void {
    while (this.#waiting.size > 0 && this.#all.size < this.#limit) {
      const next = this.next();
      if (next !== undefined) this.#all.add(new Connection(this, next));
    }
  }

  /** Closes connections that have been idle for long enough. */
  sweep(): void {
    const now = performance.now();
    this.#sweeper = undefined;
    for (const connection of [...this.#idle]) {
      if (now - connection.idleSince >= this.#lifetime(connection)) connection.close();
    }
    if (this.#idle.length > 0) this.#sweeper = setTimeout(sweep, this.#sweepMs, this).unref();
  }

  next(): Transfer | undefined {
    if (this.#waiting.size === 0) return undefined;
    const { value } = this.#waiting.values().next();
    if (value !== undefined) this.#waiting.delete(value);
    return value;
  }

  #lifetime({ keepAliveMs }: Connection): number {
    return keepAliveMs === undefined ? this.#keepAliveMs : Math.min(keepAliveMs - HINT_MARGIN_MS, MAX_HINT_MS);
  }
}

function sweep(pool: ConnectionPool): void {
  pool.sweep();
}
