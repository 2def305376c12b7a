/**
 * The HTTP+SSE connections of this process: one per holder and upstream, closed when idle, bounded in number. They cannot move to
 * another process, so only log level and subscriptions are in the shared state.
 */
import { fault } from "../../contract/errors.ts";
import { LATEST_LEGACY } from "./handshake.ts";
import type { HoldingsStore } from "./holdings.ts";
import { lineKey } from "./line.ts";
import { instructionsOf } from "./modern.ts";
import { SseConnection } from "./sse-connection.ts";
import type { Exchange, Holder, ReplySink, UpstreamProfile, UpstreamTarget } from "./types.ts";
import { faultOf, type Wire } from "./wire.ts";

export type SseConnectionsOptions = {
  readonly wire: Wire;
  readonly holdings: HoldingsStore;
  readonly idSource: () => string;
  readonly clientInfo: { readonly name: string; readonly version: string };
};

const MAX_CONNECTIONS = 2000;
/** A connection is closed after one to two of these without use. */
const IDLE_CHECK_MS = 300_000;
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;

type Entry = {
  readonly target: UpstreamTarget;
  readonly holderKey: string;
  readonly opened: Promise<SseConnection>;
  readonly connection: SseConnection;
  /** Was idle at the last check already. */
  resting: boolean;
};

export class SseConnections {
  readonly #options: SseConnectionsOptions;
  readonly #entries = new Map<string, Entry>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: SseConnectionsOptions) {
    this.#options = options;
  }

  /** The holder's connection, opened if need be. */
  open(target: UpstreamTarget, holder: Holder): Promise<SseConnection> {
    const key = lineKey(holder.key, target.id);
    const known = this.#entries.get(key);
    if (known !== undefined && known.target.revision === target.revision) {
      known.resting = false;
      return known.opened;
    }
    known?.connection.close(gone(target, "its definition has changed"));
    if (this.#entries.size >= MAX_CONNECTIONS) {
      return Promise.reject(fault("MCPS_OVERLOADED", { what: "HTTP+SSE connections", limit: MAX_CONNECTIONS }));
    }
    try {
      return this.#enter(key, target, holder);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #enter(key: string, target: UpstreamTarget, holder: Holder): Promise<SseConnection> {
    const connection = this.#make(target, holder, () => {
      if (this.#entries.get(key)?.connection === connection) this.#entries.delete(key);
    });
    const opened = this.#start(target, holder, connection);
    // It may have failed already, without a promise in between.
    if (connection.closed) return opened;
    this.#entries.set(key, { target, holderKey: holder.key, opened, connection, resting: false });
    this.#sweep ??= setInterval(() => this.#closeIdle(), IDLE_CHECK_MS).unref();
    return opened;
  }

  /** The connection, if there is one. */
  find(target: UpstreamTarget, holderKey: string): Promise<SseConnection> | undefined {
    const entry = this.#entries.get(lineKey(holderKey, target.id));
    return entry?.target.revision === target.revision ? entry.opened : undefined;
  }

  /** Ids of the upstreams to which a holder is connected. */
  openFor(holderKey: string): string[] {
    return [...this.#entries.values()].filter((entry) => entry.holderKey === holderKey).map((entry) => entry.target.id);
  }

  /** Asks as nobody in particular and leaves nothing behind. */
  async greet(target: UpstreamTarget): Promise<UpstreamProfile> {
    const { connection, profile } = await this.guest(target);
    connection.close(gone(target, "the gateway has ended the connection"));
    return profile;
  }

  /** A connection of the gateway's own, without client capabilities; whoever asked for it closes it. */
  async guest(target: UpstreamTarget): Promise<{ connection: SseConnection; profile: UpstreamProfile }> {
    const connection = this.#make(target, {}, () => undefined);
    const greeting = await connection.open({
      protocolVersion: LATEST_LEGACY,
      clientCapabilities: Buffer.from("{}"),
      clientInfo: Buffer.from(JSON.stringify(this.#options.clientInfo)),
    });
    const { protocolVersion, capabilities, serverInfo, instructions } = greeting;
    const described = instructionsOf(instructions);
    const profile = {
      era: "legacy",
      protocolVersion,
      sessionless: false,
      capabilities,
      serverInfo,
      ...described,
    } as const;
    return { connection, profile };
  }

  #make(target: UpstreamTarget, from: Pick<Holder, "passed">, onClosed: () => void): SseConnection {
    const { wire, idSource } = this.#options;
    return new SseConnection({ wire, prepared: wire.prepared(target), idSource, from, onClosed });
  }

  async #start(target: UpstreamTarget, holder: Holder, connection: SseConnection): Promise<SseConnection> {
    const { wire, holdings } = this.#options;
    await connection.open(holder);
    wire.options.metrics?.sessionOpened(target.slug);
    const { logLevel, subscriptions } = await holdings.read(holder.key).catch((error: unknown) => {
      connection.close(faultOf(target, error));
      throw error;
    });
    const commands: [string, unknown][] = logLevel === undefined ? [] : [["logging/setLevel", { level: logLevel }]];
    for (const { upstreamId, uri } of subscriptions) {
      if (upstreamId === target.id) commands.push(["resources/subscribe", { uri }]);
    }
    for (const [method, params] of commands) {
      try {
        await connection.command(method, params);
      } catch (error) {
        const { code, message } = faultOf(target, error);
        wire.options.log.debug("upstream.not_reapplied", { upstream: target.slug, code, reason: message });
      }
    }
    return connection;
  }

  #closeIdle(): void {
    for (const entry of [...this.#entries.values()]) {
      if (!entry.connection.idle) entry.resting = false;
      else if (entry.resting) entry.connection.close(gone(entry.target, "the connection was idle"));
      else entry.resting = true;
    }
  }

  listen(target: UpstreamTarget, holder: Holder, sink: ReplySink): Exchange {
    return new SseListening(this, target, holder, sink).start();
  }

  release(holderKey: string, targetId: string): void {
    const entry = this.#entries.get(lineKey(holderKey, targetId));
    entry?.connection.close(gone(entry.target, "its session was ended"));
  }

  forget(targetId: string): void {
    for (const { target, connection } of [...this.#entries.values()]) {
      if (target.id === targetId) connection.close(gone(target, "it was changed or removed"));
    }
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const { target, connection } of [...this.#entries.values()]) {
      connection.close(gone(target, "the gateway is shutting down"));
    }
  }
}

function gone(target: UpstreamTarget, reason: string) {
  return fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: target.slug, reason });
}

/** Listens on the holder's connection, and on its successors. */
class SseListening implements Exchange {
  readonly #connections: SseConnections;
  readonly #target: UpstreamTarget;
  readonly #holder: Holder;
  readonly #sink: ReplySink;
  #leave: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #over = false;

  constructor(connections: SseConnections, target: UpstreamTarget, holder: Holder, sink: ReplySink) {
    this.#connections = connections;
    this.#target = target;
    this.#holder = holder;
    this.#sink = sink;
  }

  start(): this {
    this.#connections.open(this.#target, this.#holder).then(
      (connection) => {
        if (this.#over) return;
        this.#failures = 0;
        this.#leave = connection.listen({
          message: (raw, status, envelope) => this.#sink.message(raw, status, envelope),
          end: () => undefined,
          fail: () => this.#again(),
        });
        if (connection.closed) this.#again();
      },
      (error: unknown) => this.#refused(error),
    );
    return this;
  }

  /** What will not change by waiting is reported; everything else is tried again. */
  #refused(error: unknown): void {
    const reason = faultOf(this.#target, error);
    if (reason.code === "MCPS_UPSTREAM_UNREACHABLE" || reason.code === "MCPS_UPSTREAM_TIMEOUT") {
      this.#again();
    } else if (!this.#over) {
      this.#over = true;
      this.#sink.fail(reason);
    }
  }

  #again(): void {
    if (this.#over) return;
    const wait = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures++, 10), MAX_RETRY_MS);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.start(), wait * (0.5 + Math.random() / 2)).unref();
  }

  cancel(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#leave?.();
  }
}
