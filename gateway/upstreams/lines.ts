/**
 * Legacy upstream sessions over streamable HTTP ("lines"): one per holder and upstream, opened when first needed, shared through the
 * holdings, re-opened when the upstream has forgotten them. Never shared between holders.
 */

import { valueAt } from "../mcp/index.ts";
import type { Prepared } from "./address.ts";
import { BoundedMap } from "./bounded.ts";
import type { Refusal } from "./call.ts";
import type { Circuits } from "./circuits.ts";
import { protocolFault } from "./failures.ts";
import {
  INITIALIZED,
  type Introduction,
  initializeBody,
  readGreeting,
  readSessionId,
  refusedFault,
  requestBody,
} from "./handshake.ts";
import type { Holdings, HoldingsStore, StoredSession } from "./holdings.ts";
import { repeated } from "./lean/request-head.ts";
import type { Holder, UpstreamTarget } from "./types.ts";
import { faultOf, type Wire } from "./wire.ts";

/** An open upstream session, ready to be sent with. */
export type Line = {
  readonly session: StoredSession;
  /** Headers of POST and of GET or DELETE, names and values in turn. */
  readonly post: readonly string[];
  readonly plain: readonly string[];
  /** Headers of GET for an event stream. */
  readonly stream: readonly string[];
  /** When the time to live was last renewed. */
  renewedAt: number;
};

export type LinesOptions = {
  readonly wire: Wire;
  readonly holdings: HoldingsStore;
  readonly circuits: Circuits;
  readonly now: () => number;
  readonly idSource: () => string;
  /** Called with the new line after a session was lost; streams of the old one are moved. */
  readonly onReopened: (key: string) => void;
  /** An upstream gave no session id to initialize. */
  readonly onSessionless: (target: UpstreamTarget) => void;
};

const MAX_LINES = 20_000;
const CLEANUP_MS = 5000;
/** Concurrent requests when a session is set up again. */
const REAPPLY_AT_ONCE = 8;

export function lineKey(holderKey: string, targetId: string): string {
  return `${holderKey}\n${targetId}`;
}

export class Lines {
  readonly #options: LinesOptions;
  readonly #open = new BoundedMap<Line>(MAX_LINES);
  readonly #opening = new Map<string, Promise<Line | undefined>>();

  constructor(options: LinesOptions) {
    this.#options = options;
  }

  /** The line as this process knows it. Renews its time to live from time to time. */
  cached(target: UpstreamTarget, holder: Holder): Line | undefined {
    const line = this.#open.get(lineKey(holder.key, target.id));
    if (line === undefined || line.session.revision !== target.revision) return undefined;
    const now = this.#options.now();
    const age = now - line.renewedAt;
    // It may have run out in the shared state; then what stands there decides.
    if (age >= holder.ttlMs) return undefined;
    if (age > holder.ttlMs / 4) {
      line.renewedAt = now;
      this.#renew(target, holder, line).catch((error: unknown) => {
        this.#debug("upstream.session_not_renewed", target, error);
      });
    }
    return line;
  }

  /** Another process may have replaced the session meanwhile: its session counts, ours must not be written over it. */
  async #renew(target: UpstreamTarget, holder: Holder, line: Line): Promise<void> {
    const { holdings } = this.#options;
    const stored = (await holdings.read(holder.key)).sessions.get(target.id);
    const replaced = stored?.revision === target.revision && stored.sessionId !== line.session.sessionId;
    if (replaced) this.#adopt(target, holder, stored);
    else await holdings.putSession(holder, target.id, line.session, { ifAbsent: stored === undefined });
  }

  /** The holder's line, if it has one anywhere. */
  async find(target: UpstreamTarget, holder: Holder): Promise<Line | undefined> {
    const line = this.cached(target, holder);
    if (line !== undefined) return line;
    const { sessions } = await this.#options.holdings.read(holder.key);
    return this.#adopt(target, holder, sessions.get(target.id));
  }

  #adopt(target: UpstreamTarget, holder: Holder, session: StoredSession | undefined): Line | undefined {
    if (session === undefined || session.revision !== target.revision) return undefined;
    const prepared = this.#options.wire.prepared(target);
    const line = lineOf(prepared, session, this.#options.now());
    this.#open.set(lineKey(holder.key, target.id), line);
    return line;
  }

  /** The holder's line, opened if need be. Undefined: the upstream has no sessions. */
  open(target: UpstreamTarget, holder: Holder): Promise<Line | undefined> {
    return this.#once(target, holder, async () => {
      const holdings = await this.#options.holdings.read(holder.key);
      const known = this.#adopt(target, holder, holdings.sessions.get(target.id));
      if (known !== undefined) return known;
      const fresh = await this.#greet(target, holder, holdings);
      if (fresh === undefined) return undefined;
      // A session of an older revision is no session of this target: it must not win.
      const stale = holdings.sessions.has(target.id);
      const winner = await this.#options.holdings.putSession(holder, target.id, fresh, { ifAbsent: !stale });
      if (winner.sessionId !== fresh.sessionId) await this.end(target, fresh);
      return this.#adopt(target, holder, winner);
    });
  }

  /** The upstream does not know the session of `lost` any more: the line that replaces it. */
  reopen(target: UpstreamTarget, holder: Holder, lost: Line): Promise<Line | undefined> {
    const current = this.#open.get(lineKey(holder.key, target.id));
    if (current !== undefined && current.session.sessionId !== lost.session.sessionId) return Promise.resolve(current);
    return this.#once(target, holder, async () => {
      const { holdings, wire } = this.#options;
      this.#open.delete(lineKey(holder.key, target.id));
      const isLost = (session: StoredSession | undefined) =>
        session === undefined || session.revision !== target.revision || session.sessionId === lost.session.sessionId;
      const before = await holdings.read(holder.key);
      const replaced = before.sessions.get(target.id);
      if (!isLost(replaced)) return this.#adopt(target, holder, replaced);
      wire.options.metrics?.sessionLost(target.slug);
      const fresh = await this.#greet(target, holder, before);
      if (fresh === undefined) {
        await holdings.dropSession(holder.key, target.id);
        return undefined;
      }
      const after = (await holdings.read(holder.key)).sessions.get(target.id);
      if (!isLost(after)) {
        await this.end(target, fresh);
        return this.#adopt(target, holder, after);
      }
      const line = this.#adopt(target, holder, await holdings.putSession(holder, target.id, fresh));
      this.#options.onReopened(lineKey(holder.key, target.id));
      return line;
    });
  }

  /** Drops what this process remembers; the next use asks the shared state. */
  drop(holderKey: string, targetId: string): void {
    this.#open.delete(lineKey(holderKey, targetId));
  }

  /** Drops all lines of an upstream. */
  forget(targetId: string): void {
    for (const [key] of this.#open.entries()) if (key.endsWith(`\n${targetId}`)) this.#open.delete(key);
  }

  #once(target: UpstreamTarget, holder: Holder, work: () => Promise<Line | undefined>): Promise<Line | undefined> {
    const key = `${lineKey(holder.key, target.id)}\n${target.revision}`;
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      opening = work().finally(() => this.#opening.delete(key));
      this.#opening.set(key, opening);
    }
    return opening;
  }

  /** A new session with the holder's log level and subscriptions applied. */
  async #greet(target: UpstreamTarget, holder: Holder, holdings: Holdings): Promise<StoredSession | undefined> {
    const session = await this.greet(target, holder);
    if (session !== undefined) await this.#reapply(target, session, holdings);
    return session;
  }

  /** The handshake alone; the session belongs to nobody yet. Undefined: the upstream gave no session id. */
  async greet(
    target: UpstreamTarget,
    introduction: Introduction,
    timeoutMs = target.requestTimeoutMs,
  ): Promise<StoredSession | undefined> {
    try {
      const session = await this.#handshake(target, introduction, timeoutMs);
      this.#options.circuits.settle(target);
      return session;
    } catch (error) {
      this.#options.circuits.settle(target, faultOf(target, error));
      throw error;
    }
  }

  async #handshake(
    target: UpstreamTarget,
    introduction: Introduction,
    timeoutMs: number,
  ): Promise<StoredSession | undefined> {
    const { wire, idSource } = this.#options;
    const prepared = wire.prepared(target);
    const id = idSource();
    const answer = await wire.ask(prepared, {
      headers: prepared.post,
      body: initializeBody(id, introduction),
      method: "initialize",
      id: JSON.stringify(id),
      timeoutMs,
    });
    if (answer === undefined) throw protocolFault(target, "it gave no answer to initialize");
    const greeting = readGreeting(target, answer.raw, answer.envelope);
    const sessionId = readSessionId(target, answer.headers);
    if (sessionId === undefined) {
      this.#options.onSessionless(target);
      return undefined;
    }
    const session = { sessionId, version: greeting.protocolVersion, revision: target.revision };
    wire.options.metrics?.sessionOpened(target.slug);
    try {
      await this.#send(target, session, "notifications/initialized", undefined, INITIALIZED);
    } catch (error) {
      await this.end(target, session);
      throw error;
    }
    return session;
  }

  async #reapply(target: UpstreamTarget, session: StoredSession, holdings: Holdings): Promise<void> {
    const wanted: (() => Promise<void>)[] = [];
    const { logLevel } = holdings;
    if (logLevel !== undefined)
      wanted.push(() => this.command(target, session, "logging/setLevel", { level: logLevel }));
    for (const { upstreamId, uri } of holdings.subscriptions) {
      if (upstreamId === target.id) wanted.push(() => this.command(target, session, "resources/subscribe", { uri }));
    }
    for (let start = 0; start < wanted.length; start += REAPPLY_AT_ONCE) {
      const part = wanted.slice(start, start + REAPPLY_AT_ONCE);
      await Promise.all(
        part.map((work) => work().catch((error: unknown) => this.#debug("upstream.not_reapplied", target, error))),
      );
    }
  }

  /** A request of the gateway's own within a session; rejects with MCPS_UPSTREAM_REFUSED when the upstream answers with an error. */
  async command(
    target: UpstreamTarget,
    session: StoredSession | undefined,
    method: string,
    params: unknown,
  ): Promise<void> {
    const id = this.#options.idSource();
    const answer = await this.#send(target, session, method, id, requestBody(id, method, params));
    if (answer?.envelope.error === undefined) return;
    throw refusedFault(target, method, answer.raw, answer.envelope);
  }

  #send(
    target: UpstreamTarget,
    session: StoredSession | undefined,
    method: string,
    id: string | undefined,
    body: Buffer,
  ) {
    const prepared = this.#options.wire.prepared(target);
    return this.#options.wire.ask(prepared, {
      headers: session === undefined ? prepared.post : [...prepared.post, ...sessionHeaders(session)],
      body,
      method,
      id: id === undefined ? undefined : JSON.stringify(id),
      timeoutMs: target.requestTimeoutMs,
    });
  }

  /** Ends a session at the upstream; a failure is only logged, for the upstream will forget it in time. */
  async end(target: UpstreamTarget, session: StoredSession): Promise<void> {
    const { wire } = this.#options;
    try {
      const prepared = wire.prepared(target);
      const headers = [...prepared.plain, ...sessionHeaders(session)];
      await wire.plain(prepared, { method: "DELETE", headers, timeoutMs: CLEANUP_MS });
    } catch (error) {
      this.#debug("upstream.session_not_ended", target, error);
    }
  }

  #debug(event: string, target: UpstreamTarget, error: unknown): void {
    const { code, message } = faultOf(target, error);
    this.#options.wire.options.log.debug(event, { upstream: target.slug, code, reason: message });
  }
}

export const ACCEPT_STREAM: readonly string[] = ["accept", "text/event-stream"];

export function sessionHeaders(session: StoredSession): string[] {
  return ["mcp-protocol-version", session.version, "mcp-session-id", session.sessionId];
}

type SessionlessHeaders = { readonly post: readonly string[]; readonly stream: readonly string[] };
const sessionless = new WeakMap<Prepared, Map<string, SessionlessHeaders>>();

/** Headers towards an upstream without sessions: of POST, and of GET for an event stream. */
export function sessionlessHeaders(prepared: Prepared, version: string): SessionlessHeaders {
  const byVersion = sessionless.get(prepared) ?? new Map<string, SessionlessHeaders>();
  const known = byVersion.get(version);
  if (known !== undefined) return known;
  const headers = ["mcp-protocol-version", version];
  const made = {
    post: repeated([...prepared.post, ...headers]),
    stream: [...prepared.plain, ...headers, ...ACCEPT_STREAM],
  };
  sessionless.set(prepared, byVersion.set(version, made));
  return made;
}

function lineOf(prepared: Prepared, session: StoredSession, now: number): Line {
  const headers = sessionHeaders(session);
  const plain = [...prepared.plain, ...headers];
  const post = repeated([...prepared.post, ...headers]);
  return { session, post, plain, stream: [...plain, ...ACCEPT_STREAM], renewedAt: now };
}

/**
 * True when an error status says that the session is gone. 404 by MCP 2025-03-26 transports, session management; servers made
 * after the older SDK examples say 400 with an error that names the session and has no id.
 */
export function isSessionLost({ status, body, envelope }: Refusal): boolean {
  if (status === 404) {
    if (envelope?.error === undefined || envelope.id === undefined) return true;
    return errorCode(valueAt(body, envelope.error)) !== -32601;
  }
  if (status !== 400 || envelope?.error === undefined || envelope.id !== undefined) return false;
  const error: unknown = valueAt(body, envelope.error);
  return typeof error === "object" && error !== null && "message" in error && /session/i.test(String(error.message));
}

function errorCode(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}
