/**
 * One definition in the host: its children, its sessions, and the back-off after children that ended by themselves.
 * A changed or removed definition is retired: its sessions are unknown at once, its children end when their running calls
 * have been answered, or after RETIRE_MS.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { fault } from "../../../contract/errors.ts";
import type { Log } from "../../telemetry/index.ts";
import { Lane } from "./calls.ts";
import { type Definition, redact } from "./definition.ts";
import { Link, type LinkKind } from "./link.ts";
import { type ProcessEnd, ServerProcess } from "./server-process.ts";

export type HostedOptions = {
  readonly definition: Definition;
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly maxMessageBytes: number;
  readonly graceMs: number;
  readonly idleMs: number;
  readonly log: Log;
  /** Throws MCPS_UPSTREAM_LIMIT when the host may not start another child. */
  takeSlot(upstream: string): void;
  childStarted(child: ServerProcess): void;
  childEnded(child: ServerProcess): void;
};

/** A link with its process. */
export type Child = {
  readonly link: Link;
  readonly process: ServerProcess;
  lastUsedMs: number;
  /** Modern: it has answered something in its era, so silence is slowness and no verdict. */
  proven: boolean;
};

export type Session = { readonly id: string; readonly child: Child; readonly lane: Lane; lastUsedMs: number };

/** The first end of a child costs nothing; then 250 ms, doubled each time. */
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 30_000;
/** A caller waits this long for a start; beyond it, it is told to come back. */
const BACKOFF_PATIENCE_MS = 2_000;
/** A child that ran this long ends a row of failures. */
const STABLE_MS = 30_000;
const RETIRE_MS = 30_000;
/** Sessions of one definition; only reached where they share a child. */
const MAX_SESSIONS = 10_000;

/** How long the next start waits after `failures` ends in a row, ms. */
export function backoffMs(failures: number): number {
  return failures < 2 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(failures - 2, 20));
}

export class Hosted {
  readonly definition: Definition;
  readonly sessions = new Map<string, Session>();
  readonly children = new Set<Child>();
  #options: HostedOptions;
  #shared: { child: Child; initialized: Promise<Buffer> } | undefined;
  #modern: Child | undefined;
  #retired = false;
  #failures = 0;
  #notBeforeMs = 0;
  restarts = 0;
  lastEnd: string | undefined;

  constructor(options: HostedOptions) {
    this.definition = options.definition;
    this.#options = options;
  }

  get upstream(): string {
    return this.definition.name ?? this.definition.id;
  }

  get failures(): number {
    return this.#failures;
  }

  /** A child of its own for one legacy session. */
  async openSession(): Promise<Session> {
    await this.#admit();
    return this.#join(this.#spawn("session"));
  }

  /** A session on the one shared child; `initialize` is called for the first of them and answers the server's raw result. */
  async joinShared(initialize: (child: Child) => Promise<Buffer>): Promise<{ session: Session; result: Buffer }> {
    if (this.#shared === undefined) {
      await this.#admit();
      // Another caller may have been first while this one waited.
      if (this.#shared === undefined) {
        const child = this.#spawn("shared");
        this.#shared = { child, initialized: initialize(child) };
      }
    }
    const shared = this.#shared;
    try {
      const result = await shared.initialized;
      return { session: this.#join(shared.child), result };
    } catch (error) {
      if (this.#shared === shared) this.#shared = undefined;
      this.endChild(shared.child, "its initialize failed");
      throw error;
    }
  }

  /** The one child that serves the modern era. */
  async modern(): Promise<Child> {
    if (this.#modern === undefined) await this.#admit();
    this.#modern ??= this.#spawn("modern");
    this.#modern.lastUsedMs = performance.now();
    return this.#modern;
  }

  session(id: string): Session | undefined {
    const session = this.sessions.get(id);
    if (session !== undefined) session.lastUsedMs = performance.now();
    return session;
  }

  endSession(session: Session, because: string): void {
    if (!this.sessions.delete(session.id)) return;
    session.child.link.leave(session.lane);
    session.child.lastUsedMs = performance.now();
    if (session.child.link.kind === "session") this.endChild(session.child, because);
  }

  endChild(child: Child, because: string): void {
    if (this.#modern === child) this.#modern = undefined;
    if (this.#shared?.child === child) this.#shared = undefined;
    child.process.end(because);
  }

  /** Ends what nobody has used for idleMs: sessions without a running call or an open stream, then children without sessions. */
  sweep(nowMs: number): void {
    const { idleMs } = this.#options;
    for (const session of this.sessions.values()) {
      const busy = session.lane.stream.listening || session.child.link.waiting(session.lane) > 0;
      if (busy) session.lastUsedMs = nowMs;
      else if (nowMs - session.lastUsedMs > idleMs) this.endSession(session, "it was idle");
    }
    for (const child of this.children) {
      if (child.link.kind === "session") continue;
      const lanes = child.link.kind === "shared" ? child.link.lanes.size : 0;
      if (lanes > 0 || child.link.waiting() > 0) child.lastUsedMs = nowMs;
      else if (nowMs - child.lastUsedMs > idleMs) this.endChild(child, "it was idle");
    }
  }

  /** No new work; children end after their running calls. `atOnce` (a removed definition) waits for none. */
  retire(because: string, atOnce: boolean): void {
    this.#retired = true;
    this.sessions.clear();
    const children = [...this.children];
    const endIdle = (deadline: boolean) => {
      for (const child of children) if (deadline || child.link.waiting() === 0) this.endChild(child, because);
    };
    endIdle(atOnce);
    const started = performance.now();
    const timer = setInterval(() => {
      endIdle(performance.now() - started > RETIRE_MS);
      if (this.children.size === 0) clearInterval(timer);
    }, 100);
    timer.unref();
  }

  #join(child: Child): Session {
    // The shared child may have ended between its initialize and this.
    if (!this.children.has(child)) {
      throw fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: this.upstream, reason: this.lastEnd ?? "it ended" });
    }
    if (this.sessions.size >= MAX_SESSIONS) {
      throw fault("MCPS_OVERLOADED", { what: `sessions of ${this.upstream}`, limit: MAX_SESSIONS });
    }
    const lane = new Lane(this.#options.maxMessageBytes);
    child.link.lanes.add(lane);
    const session = { id: randomUUID(), child, lane, lastUsedMs: performance.now() };
    this.sessions.set(session.id, session);
    return session;
  }

  async #admit(): Promise<void> {
    const waitMs = this.#notBeforeMs - performance.now();
    if (waitMs > BACKOFF_PATIENCE_MS) {
      const reason = `it ended ${this.#failures} times in a row, the next start is in ${Math.ceil(waitMs / 1000)} s; last: ${this.lastEnd}`;
      throw fault(
        "MCPS_UPSTREAM_LIMIT",
        { upstream: this.upstream, reason },
        { reason },
        {
          "retry-after": String(Math.ceil(waitMs / 1000)),
        },
      );
    }
    if (waitMs > 0) await delay(waitMs);
  }

  #spawn(kind: LinkKind): Child {
    const { definition, baseEnv, maxMessageBytes, graceMs } = this.#options;
    if (this.#retired) throw fault("MCPS_SESSION_UNKNOWN");
    this.#options.takeSlot(this.upstream);
    const log = this.#options.log.child({ upstream: this.upstream });
    // A program that cannot be found ends asynchronously; too few processes or descriptors may throw here.
    const process = this.#start(() => {
      return new ServerProcess({
        definition,
        baseEnv,
        maxMessageBytes,
        graceMs,
        log,
        onLine: (line) => child.link.receive(line),
        onEnd: (end) => this.#ended(child, end),
      });
    });
    const link = new Link({
      kind,
      wire: process,
      upstream: this.upstream,
      maxMessageBytes,
      log,
      onAnswer: (method, error) => this.#answered(child, method, error),
    });
    const child: Child = { link, process, lastUsedMs: performance.now(), proven: false };
    this.children.add(child);
    this.#options.childStarted(process);
    log.info("stdio.child_started", { pid: process.pid, kind });
    return child;
  }

  #start(spawn: () => ServerProcess): ServerProcess {
    try {
      return spawn();
    } catch (error) {
      const reason = error instanceof Error ? redact(error.message, this.definition.env) : "spawn failed";
      throw fault("MCPS_UPSTREAM_LIMIT", { upstream: this.upstream, reason }, { reason });
    }
  }

  #answered(child: Child, method: string, error: number | undefined): void {
    if (child.link.kind !== "modern" || child.proven) return;
    if (error === undefined) child.proven = true;
    // A server of the legacy era: its modern child would only sit there.
    else if (method === "server/discover" && error !== -32022) this.endChild(child, "it does not speak the modern era");
  }

  #ended(child: Child, end: ProcessEnd): void {
    this.children.delete(child);
    this.#options.childEnded(child.process);
    if (this.#modern === child) this.#modern = undefined;
    if (this.#shared?.child === child) this.#shared = undefined;
    for (const session of this.sessions.values()) if (session.child === child) this.sessions.delete(session.id);
    this.lastEnd = end.reason;
    // Servers built on some SDKs end when anything precedes initialize: on the era probe that is an answer, not a failure.
    const refusedEra = child.link.kind === "modern" && !child.proven && !end.neverRan;
    if (refusedEra) {
      child.link.fail(fault("MCPS_METHOD", { method: `server/discover (${end.reason})` }), 404);
      return;
    }
    if (end.unexpected) this.#countFailure(child);
    const code = end.neverRan ? "MCPS_UPSTREAM_LIMIT" : "MCPS_UPSTREAM_UNREACHABLE";
    const { reason } = end;
    child.link.fail(fault(code, { upstream: this.upstream, reason }, { reason }));
  }

  #countFailure(child: Child): void {
    if (performance.now() - child.process.startedMs > STABLE_MS) this.#failures = 0;
    this.#failures++;
    this.restarts++;
    this.#notBeforeMs = performance.now() + backoffMs(this.#failures);
  }
}
