/**
 * Sockets towards upstreams: one pool per origin for calls and one for streams that stay open, so that listeners never
 * take the connections of calls. Pools are shared by the upstreams of an origin and closed with the last of them.
 */
import { createHash } from "node:crypto";
import type { NetConnectOpts, Socket } from "node:net";
import type { buildConnector, Pool } from "undici";
import { fault } from "../../contract/errors.ts";
import type { AddressGuard, Trust } from "./guard/index.ts";
import { ConnectionPool, type IdleBudget } from "./lean/pool.ts";
import type { ClientTls } from "./types.ts";
import { undici } from "./undici.ts";

export type Connector = buildConnector.connector;

export type OriginOptions = {
  readonly connectTimeoutMs: number;
  /** Concurrent calls per origin; further ones wait in order, no longer than `connectionWaitMs`. */
  readonly connectionsPerOrigin: number;
  /** How long an idle connection is kept, ms; default 4000, for Node's servers close theirs after 5000. */
  readonly keepAliveMs?: number;
  /** Idle connections to all origins together, where plain sockets are enough; unlimited when absent. */
  readonly maxIdle?: number;
  /** Opens sockets in place of undici's connector. */
  readonly connect?: Connector;
  /** Where may be connected to; anywhere when absent. */
  readonly guard?: AddressGuard;
};

export type Address = {
  /** http(s) origin; for a Unix socket a fixed one that only fills the Host header. */
  readonly origin: string;
  readonly socketPath?: string;
  /** A user when absent. */
  readonly trust?: Trust;
  readonly tls?: ClientTls;
  /** Connections are shared by addresses that have the same. */
  readonly key: string;
};

type Place = Omit<Address, "key">;

export function addressAt(place: Place): Address {
  const { origin, socketPath, trust = "user", tls } = place;
  if (socketPath !== undefined) return { ...place, key: `unix:${socketPath}` };
  const own = tls === undefined ? "" : createHash("sha256").update(JSON.stringify(tls)).digest("base64url");
  return { ...place, key: `${trust} ${origin} ${own}` };
}

/** Calls that may wait for a connection of one origin; more are refused at once. */
const MAX_WAITING = 4096;
/** Node's servers close theirs after 5000. */
const KEEP_ALIVE_MS = 4000;
/** Streams that stay open, per origin. */
const MAX_STREAMS = 4096;

/**
 * Bytes received on a socket when it failed, by the error it failed with: a kept-alive socket has received some. undici
 * does not say with plain socket errors (ECONNRESET, EPIPE) whether the socket was a fresh one.
 */
const receivedBefore = new WeakMap<Error, number>();

/** True when the error killed a socket that had served an earlier response. */
export function wasKeptAlive(error: Error): boolean {
  const known = receivedBefore.get(error);
  if (known !== undefined) return known > 0;
  const socket: unknown = "socket" in error ? error.socket : undefined;
  if (typeof socket !== "object" || socket === null || !("bytesRead" in socket)) return false;
  return typeof socket.bytesRead === "number" && socket.bytesRead > 0;
}

function watched(connect: Connector): Connector {
  return (options, callback) =>
    connect(options, (...result) => {
      const [error, socket] = result;
      if (error !== null) return callback(error, null);
      observe(socket);
      callback(null, socket);
    });
}

function observe(socket: Socket): void {
  socket.on("error", (error) => receivedBefore.set(error, socket.bytesRead));
}

/** Where plain sockets are enough; undefined where a connection is more than that: TLS, or a connector of the caller. */
function plainPlace(
  { origin, socketPath, trust = "user" }: Place,
  { connect, guard }: OriginOptions,
): NetConnectOpts | undefined {
  if (socketPath !== undefined) return { path: socketPath };
  const url = new URL(origin);
  if (url.protocol !== "http:" || connect !== undefined) return undefined;
  const host = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname;
  const place = { host, port: url.port === "" ? 80 : Number(url.port) };
  return guard === undefined ? place : { ...place, lookup: guard.lookup(trust) };
}

/** For TLS, and for what needs undici for other reasons. */
function connectorOf({ socketPath, trust = "user", tls = {} }: Place, options: OriginOptions): Connector {
  const { connectTimeoutMs: timeout, connect, guard } = options;
  if (socketPath !== undefined) return undici().buildConnector({ timeout, allowH2: false, socketPath });
  if (connect !== undefined) return connect;
  const { ca, certificate, key } = tls;
  const build = {
    timeout,
    allowH2: false,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  };
  return guard === undefined ? undici().buildConnector(build) : guard.connector(trust, build);
}

export class PoolPair {
  readonly address: Place;
  /** The Host header of the lean client. */
  readonly host: string;
  /** True where the lean client can speak; everything else is undici's. */
  readonly isPlain: boolean;
  readonly owners = new Set<string>();
  /** Calls sent or waiting. */
  calls = 0;
  streams = 0;
  readonly #options: OriginOptions;
  readonly #connect: Connector;
  readonly #place: NetConnectOpts | undefined;
  readonly #idle: IdleBudget;
  #leanCalls: ConnectionPool | undefined;
  #leanStreams: ConnectionPool | undefined;
  #callPool: Pool | undefined;
  #streamPool: Pool | undefined;
  #destroyed = false;

  constructor(address: Place, options: OriginOptions, idle: IdleBudget) {
    this.#idle = idle;
    this.address = address;
    this.host = new URL(address.origin).host;
    this.#place = plainPlace(address, options);
    this.isPlain = this.#place !== undefined;
    this.#options = options;
    this.#connect = watched(connectorOf(address, options));
  }

  /** One more call waits for a connection. */
  get isBusy(): boolean {
    return this.calls >= this.#options.connectionsPerOrigin;
  }

  /** undici's pool to send with; throws as enterPlain. */
  enter(stream: boolean): Pool {
    this.#count(stream);
    if (stream) {
      this.#streamPool ??= this.#open(MAX_STREAMS);
      return this.#streamPool;
    }
    this.#callPool ??= this.#open(this.#options.connectionsPerOrigin);
    return this.#callPool;
  }

  /** The lean client's pool to send with where isPlain; throws MCPS_OVERLOADED when too much waits already. */
  enterPlain(stream: boolean): ConnectionPool {
    this.#count(stream);
    if (stream) {
      this.#leanStreams ??= this.#openPlain(MAX_STREAMS);
      return this.#leanStreams;
    }
    this.#leanCalls ??= this.#openPlain(this.#options.connectionsPerOrigin);
    return this.#leanCalls;
  }

  #count(stream: boolean): void {
    if (this.#destroyed) throw fault("MCPS_DRAINING");
    const limit = stream ? MAX_STREAMS : this.#options.connectionsPerOrigin + MAX_WAITING;
    if ((stream ? this.streams : this.calls) >= limit) {
      throw fault("MCPS_OVERLOADED", { what: `${stream ? "streams" : "calls"} to ${this.address.origin}`, limit });
    }
    if (stream) this.streams++;
    else this.calls++;
  }

  leave(stream: boolean): void {
    if (stream) this.streams--;
    else this.calls--;
  }

  #open(connections: number): Pool {
    return new (undici().Pool)(this.address.origin, {
      connections,
      connect: this.#connect,
      allowH2: false,
      pipelining: 1,
      // Time limits are the callers': one for the whole exchange.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: this.#options.keepAliveMs ?? KEEP_ALIVE_MS,
    });
  }

  #openPlain(limit: number): ConnectionPool {
    if (this.#place === undefined) throw new Error(`${this.address.origin} needs more than a plain socket`);
    const { connectTimeoutMs, keepAliveMs = KEEP_ALIVE_MS } = this.#options;
    return new ConnectionPool({ place: this.#place, limit, connectTimeoutMs, keepAliveMs, idle: this.#idle });
  }

  /** Lets requests under way finish and closes what is idle. */
  retire(): void {
    this.#leanCalls?.retire();
    this.#leanStreams?.retire();
    this.#leanCalls = undefined;
    this.#leanStreams = undefined;
    void this.#callPool?.close().catch(() => undefined);
    void this.#streamPool?.close().catch(() => undefined);
    this.#callPool = undefined;
    this.#streamPool = undefined;
  }

  async destroy(): Promise<void> {
    this.#destroyed = true;
    this.#leanCalls?.destroy();
    this.#leanStreams?.destroy();
    const pools = [this.#callPool, this.#streamPool];
    await Promise.all(pools.map((pool) => pool?.destroy()));
  }
}

export class Origins {
  readonly #options: OriginOptions;
  readonly #pairs = new Map<string, PoolPair>();
  readonly #idle: IdleBudget;
  #closed = false;

  constructor(options: OriginOptions) {
    this.#options = options;
    this.#idle = { limit: options.maxIdle ?? Infinity, count: 0 };
  }

  /** Calls without a connection, over all origins. */
  get waiting(): number {
    let sum = 0;
    for (const { calls } of this.#pairs.values()) sum += Math.max(0, calls - this.#options.connectionsPerOrigin);
    return sum;
  }

  /** The pools of an address, remembered as used by this upstream. */
  pair(address: Address, upstreamId: string): PoolPair {
    const key = address.key;
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      if (this.#closed) throw fault("MCPS_DRAINING");
      pair = new PoolPair(address, this.#options, this.#idle);
      this.#pairs.set(key, pair);
    }
    pair.owners.add(upstreamId);
    return pair;
  }

  /** An upstream no longer uses any origin; pools without a user are closed. */
  forget(upstreamId: string): void {
    for (const [key, pair] of this.#pairs) {
      if (!pair.owners.delete(upstreamId) || pair.owners.size > 0) continue;
      this.#pairs.delete(key);
      pair.retire();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const pairs = [...this.#pairs.values()];
    await Promise.all(pairs.map((pair) => pair.destroy()));
  }
}
