/**
 * Legacy upstream sessions over streamable HTTP ("lines"): one per holder and upstream, opened when first needed, shared through the
 * holdings, re-opened when the upstream has forgotten them. Never shared between holders.
 */

import { withMessageHeaders } from "./address.ts";
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
import type { Ledger } from "./ledger.ts";
import { type Line, lineKey, lineOf, sessionHeaders } from "./line.ts";
import type { OpenLines } from "./open-lines.ts";
import { isPersonal } from "./personal.ts";
import type { Holder, UpstreamTarget } from "./types.ts";
import { faultOf, type Wire } from "./wire.ts";

export type LinesOptions = {
  readonly wire: Wire;
  readonly holdings: HoldingsStore;
  readonly ledger: Ledger;
  readonly open: OpenLines;
  readonly circuits: Circuits;
  readonly now: () => number;
  readonly idSource: () => string;
  /** Called with the new line after a session was lost; streams of the old one are moved. */
  readonly onReopened: (key: string) => void;
  /** An upstream gave no session id to initialize. */
  readonly onSessionless: (target: UpstreamTarget) => void;
};

/** Other workers have to see that a session is in use. */
const MAX_RENEWAL_MS = 300_000;
const CLEANUP_MS = 5000;
/** Concurrent requests when a session is set up again. */
const REAPPLY_AT_ONCE = 8;

export class Lines {
  readonly #options: LinesOptions;
  readonly #open: OpenLines;
  /** Sessions that made room for others. */
  evicted = 0;
  readonly #fresh = new WeakSet<Line>();
  readonly #opening = new Map<string, Promise<Line | undefined>>();

  constructor(options: LinesOptions) {
    this.#options = options;
    this.#open = options.open;
  }

  /** The line as this process knows it. Renews its time to live from time to time. */
  cached(target: UpstreamTarget, holder: Holder): Line | undefined {
    const line = this.#open.get(lineKey(holder.key, target.id));
    if (line === undefined || line.session.revision !== target.revision) return undefined;
    const now = this.#options.now();
    const age = now - line.renewedAt;
    // It may have run out in the shared state; then what stands there decides.
    if (age >= holder.ttlMs) return undefined;
    line.usedAt = now;
    if (age > Math.min(holder.ttlMs / 4, MAX_RENEWAL_MS)) {
      line.renewedAt = now;
      this.#renew(target, holder, line).catch((error: unknown) => {
        this.#debug("upstream.session_not_renewed", target, error);
      });
    }
    return isPersonal(target) || target.oauth !== undefined ? this.#refitted(target, holder, line) : line;
  }

  /** The line with the credentials of now: its session outlives them. */
  #refitted(target: UpstreamTarget, holder: Holder, line: Line): Line {
    const prepared = this.#options.wire.prepared(target);
    if (line.prepared === prepared) return line;
    const fresh = {
      ...lineOf(prepared, line.session, lineKey(holder.key, target.id), line.usedAt),
      renewedAt: line.renewedAt,
    };
    this.#open.set(fresh);
    return fresh;
  }

  /** Another process may have replaced the session meanwhile: its session counts, ours must not be written over it. */
  async #renew(target: UpstreamTarget, holder: Holder, line: Line): Promise<void> {
    const { holdings, ledger } = this.#options;
    const stored = (await holdings.read(holder.key)).sessions.get(target.id);
    const replaced = stored?.revision === target.revision && stored.sessionId !== line.session.sessionId;
    if (replaced) {
      this.#adopt(target, holder, stored);
      return;
    }
    await holdings.putSession(holder, target.id, line.session, { ifAbsent: stored === undefined });
    await ledger.enter(target.id, holder, line.session);
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
    const line = lineOf(prepared, session, lineKey(holder.key, target.id), this.#options.now());
    this.#open.set(line);
    return line;
  }

  /** The holder's line, opened if need be. Undefined: the upstream has no sessions. */
  open(target: UpstreamTarget, holder: Holder): Promise<Line | undefined> {
    return this.#once(target, holder, async () => {
      const holdings = await this.#options.holdings.read(holder.key);
      const known = this.#adopt(target, holder, holdings.sessions.get(target.id));
      if (known !== undefined) return known;
      return this.#placed(target, () => this.#openNew(target, holder, holdings));
    });
  }

  async #openNew(target: UpstreamTarget, holder: Holder, holdings: Holdings): Promise<Line | undefined> {
    const fresh = await this.#greet(target, holder, holdings);
    if (fresh === undefined) return undefined;
    // A session of an older revision is no session of this target: it must not win.
    const stale = holdings.sessions.has(target.id);
    const winner = await this.#options.holdings.putSession(holder, target.id, fresh, { ifAbsent: !stale });
    if (winner.sessionId !== fresh.sessionId) {
      await this.end(target, fresh);
      await this.#options.ledger.enter(target.id, holder, winner);
    }
    return this.#adopt(target, holder, winner);
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
      return this.#placed(target, () => this.#openAgain(target, holder, before, isLost));
    });
  }

  async #openAgain(
    target: UpstreamTarget,
    holder: Holder,
    before: Holdings,
    isLost: (session: StoredSession | undefined) => boolean,
  ): Promise<Line | undefined> {
    const { holdings } = this.#options;
    const fresh = await this.#greet(target, holder, before);
    if (fresh === undefined) {
      await holdings.dropSession(holder.key, target.id);
      await this.#options.ledger.leave(target.id, holder.key);
      return undefined;
    }
    const after = (await holdings.read(holder.key)).sessions.get(target.id);
    if (after !== undefined && !isLost(after)) {
      await this.end(target, fresh);
      await this.#options.ledger.enter(target.id, holder, after);
      return this.#adopt(target, holder, after);
    }
    const line = this.#adopt(target, holder, await holdings.putSession(holder, target.id, fresh));
    if (line !== undefined) this.#fresh.add(line);
    this.#options.onReopened(lineKey(holder.key, target.id));
    return line;
  }

  /** Opened by this process in place of one that was lost, and not taken over from another. */
  isFresh(line: Line): boolean {
    return this.#fresh.has(line);
  }

  /** Drops what this process remembers; the next use asks the shared state. */
  drop(holderKey: string, targetId: string): void {
    this.#open.delete(lineKey(holderKey, targetId));
  }

  /** Drops all lines of an upstream. */
  forget(targetId: string): void {
    this.#open.forget(targetId);
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
    if (session === undefined) return undefined;
    await this.#reapply(target, session, holdings);
    // Before anything else knows it: a session that nobody finds any more can still be ended.
    await this.#options.ledger.enter(target.id, holder, session);
    return session;
  }

  /**
   * Opens with a place for one more session; where there is none, the one that was not used for longest is ended first. Rejects with
   * MCPS_UPSTREAM_BUSY.
   */
  async #placed(target: UpstreamTarget, work: () => Promise<Line | undefined>): Promise<Line | undefined> {
    const { place, victim } = this.#open.reserve(target);
    try {
      if (victim !== undefined) await this.retire(victim);
      return await work();
    } finally {
      place();
    }
  }

  /** Ends a session that this process no longer knows, unless another one has used it since. */
  async retire({ key, target, session, usedAt }: Line): Promise<void> {
    const { holdings, ledger, wire, now } = this.#options;
    const holderKey = key.slice(0, -target.id.length - 1);
    const stored = (await holdings.read(holderKey)).sessions.get(target.id);
    if (stored?.sessionId !== session.sessionId || isUsedElsewhere(session, stored, now() - usedAt)) return;
    await holdings.dropSession(holderKey, target.id);
    await ledger.leave(target.id, holderKey);
    this.evicted++;
    wire.options.metrics?.sessionEvicted?.(target.slug);
    await this.end(target, session);
  }

  /** The handshake alone; the session belongs to nobody yet. Undefined: the upstream gave no session id. */
  async greet(
    target: UpstreamTarget,
    introduction: Introduction & Pick<Holder, "passed">,
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
    introduction: Introduction & Pick<Holder, "passed">,
    timeoutMs: number,
  ): Promise<StoredSession | undefined> {
    const { wire, idSource } = this.#options;
    const prepared = wire.prepared(target);
    const id = idSource();
    const answer = await wire.ask(prepared, {
      headers: withMessageHeaders(prepared.post, prepared, introduction),
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
      await this.#send(target, session, "notifications/initialized", undefined, INITIALIZED, timeoutMs, introduction);
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
    timeoutMs = target.requestTimeoutMs,
    from: Pick<Holder, "passed"> = {},
  ): Promise<void> {
    const id = this.#options.idSource();
    const answer = await this.#send(target, session, method, id, requestBody(id, method, params), timeoutMs, from);
    if (answer?.envelope.error === undefined) return;
    throw refusedFault(target, method, answer.raw, answer.envelope);
  }

  #send(
    target: UpstreamTarget,
    session: StoredSession | undefined,
    method: string,
    id: string | undefined,
    body: Buffer,
    timeoutMs = target.requestTimeoutMs,
    from: Pick<Holder, "passed"> = {},
  ) {
    const prepared = this.#options.wire.prepared(target);
    const base = session === undefined ? prepared.post : [...prepared.post, ...sessionHeaders(session)];
    return this.#options.wire.ask(prepared, {
      headers: withMessageHeaders(base, prepared, from),
      body,
      method,
      id: id === undefined ? undefined : JSON.stringify(id),
      timeoutMs,
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

/** What we write ourselves stands there a little after we used it. */
const WRITTEN_LATER_MS = 2000;

/** Somebody has written that it is in use, later than we used it. */
function isUsedElsewhere(ours: StoredSession, stored: StoredSession, unusedMs: number): boolean {
  return (stored.usedAt ?? 0) > Math.max(ours.usedAt ?? 0, Date.now() - unusedMs) + WRITTEN_LATER_MS;
}
