/** The upstreams room: moves JSON-RPC messages to and from MCP servers and keeps what that takes. */
import { fault } from "../../contract/errors.ts";
import { memberAt, scanMessage, sliceAt } from "../mcp/index.ts";
import { withMessageHeaders } from "./address.ts";
import { mayBeKept } from "./asked.ts";
import { askBuiltin, type BuiltinContext, builtinServer, silentStream } from "./builtin.ts";
import { type CircuitListener, Circuits, type CircuitView } from "./circuits.ts";
import { type CleanUpOptions, endExpired } from "./clean-up.ts";
import { Dispatch, type DispatchContext } from "./dispatch.ts";
import { isOpeningFailure } from "./failures.ts";
import { type Introduction, LATEST_LEGACY } from "./handshake.ts";
import { HoldingsStore, heldState } from "./holdings.ts";
import { inspectUpstream } from "./inspect.ts";
import { KeptAnswers } from "./kept-answers.ts";
import { Ledger } from "./ledger.ts";
import { type Line, lineKey } from "./line.ts";
import { Lines } from "./lines.ts";
import { Listening } from "./listening.ts";
import { OpenLines } from "./open-lines.ts";
import type { UpstreamsOptions } from "./options.ts";
import { isPersonal, Personal } from "./personal.ts";
import { PersonalExchange, withToken } from "./personal-exchange.ts";
import { SessionPool } from "./pool.ts";
import { Profiles } from "./profiles.ts";
import { Recovery } from "./recovery.ts";
import { RestServers } from "./rest/server.ts";
import { Retries } from "./retries.ts";
import { SseConnections } from "./sse-connections.ts";
import type {
  Exchange,
  HeldState,
  Holder,
  Inspection,
  OutboundMessage,
  ReplySink,
  SessionFigures,
  UpstreamProfile,
  Upstreams,
  UpstreamTarget,
} from "./types.ts";
import { faultOf, Wire } from "./wire.ts";

/** Subscriptions a holder may have at one time; they are kept in the shared state. */
const MAX_SUBSCRIPTIONS = 1000;

const NO_RETRIES = { attempts: 1, baseMs: 0, maxMs: 0, jitter: 0, budget: 0 };

/** Opens no connection by itself. */
export function createUpstreams(options: UpstreamsOptions): Upstreams {
  return new Room(options);
}

class Room implements Upstreams {
  readonly #wire: Wire;
  readonly #holdings: HoldingsStore;
  readonly #profiles: Profiles;
  readonly #lines: Lines;
  readonly #connections: SseConnections;
  readonly #context: DispatchContext;
  readonly #circuits: Circuits;
  readonly #recovery: Recovery | undefined;
  readonly #answers: KeptAnswers | undefined;
  readonly #ledger: Ledger;
  readonly #open: OpenLines;
  readonly #pool: SessionPool | undefined;
  readonly #options: UpstreamsOptions;
  readonly #builtin: BuiltinContext;
  readonly #rest: RestServers;
  readonly #listeners = new Map<string, Set<Listening>>();
  readonly #personal: Personal;

  constructor(options: UpstreamsOptions) {
    const { log, metrics, now, idSource, clientName, clientVersion, stdioSocket = () => undefined } = options;
    this.#options = options;
    this.#answers = options.answers === undefined ? undefined : new KeptAnswers(options.answers);
    this.#builtin = { server: options.builtin, log, metrics, now };
    const { identity, tokens } = options;
    this.#personal = new Personal({
      now,
      ...(identity === undefined ? {} : { identity }),
      ...(tokens === undefined ? {} : { tokens }),
    });
    this.#wire = new Wire({ ...options, log, metrics, stdioSocket });
    this.#holdings = new HoldingsStore(options.state);
    this.#ledger = new Ledger(options.state, options.clock ?? Date.now);
    this.#open = new OpenLines(options.sessionCaps ?? { maxTotal: 20_000, maxPerUpstream: 20_000 });
    this.#circuits = new Circuits({ ...(options.circuits ?? { threshold: 0, resetMs: 0 }), now });
    const clientInfo = { name: clientName, version: clientVersion };
    this.#connections = new SseConnections({ wire: this.#wire, holdings: this.#holdings, idSource, clientInfo });
    this.#profiles = new Profiles({
      wire: this.#wire,
      circuits: this.#circuits,
      now,
      idSource,
      clientInfo,
      greetSse: (target) => this.#connections.greet(target),
    });
    this.#recovery = options.recovers === true ? new Recovery(this.#circuits, this.#profiles) : undefined;
    this.#lines = new Lines({
      wire: this.#wire,
      holdings: this.#holdings,
      ledger: this.#ledger,
      open: this.#open,
      circuits: this.#circuits,
      now,
      idSource,
      onReopened: (key) => {
        for (const listening of this.#listeners.get(key) ?? []) listening.moved();
      },
      onSessionless: (target) => {
        for (const prefer of ["legacy", "modern"] as const) {
          const profile = this.#profiles.remembered(target, prefer);
          if (profile?.era === "legacy") this.#profiles.remember(target, { ...profile, sessionless: true }, prefer);
        }
      },
    });
    const { lines, ledger, open } = { lines: this.#lines, ledger: this.#ledger, open: this.#open };
    const parts = { wire: this.#wire, lines, ledger, open, now, clientInfo };
    this.#pool = options.pool === undefined ? undefined : new SessionPool(options.pool, parts);
    this.#context = {
      wire: this.#wire,
      profiles: this.#profiles,
      lines: this.#lines,
      connections: this.#connections,
      circuits: this.#circuits,
      pool: this.#pool,
      sharing: new Map(),
      retries: new Retries(options.retries ?? NO_RETRIES),
      now,
    };
    this.#rest = new RestServers(options.rest, this.#context, clientInfo);
  }

  get waiting(): number {
    return this.#wire.waiting;
  }

  async profile(target: UpstreamTarget, prefer: "legacy" | "modern" = "modern"): Promise<UpstreamProfile> {
    if (target.transport === "builtin") return builtinServer(this.#options.builtin, target).profile;
    if (target.transport === "rest") return this.#rest.profile;
    return withToken(this.#personal, target, (fitted) => this.#profiles.get(fitted, prefer));
  }

  async probe(target: UpstreamTarget, timeoutMs: number, pingMs?: number): Promise<void> {
    // There is no handshake with what speaks no MCP.
    if (target.transport === "builtin" || target.transport === "rest") return;
    try {
      await withToken(this.#personal, { ...target, requestTimeoutMs: timeoutMs }, async (fitted) => {
        const profile = await this.#profiles.renew(fitted);
        if (pingMs !== undefined && profile.era === "legacy" && !profile.sessionless && target.transport !== "sse")
          await this.#ping(fitted, pingMs);
      });
    } catch (error) {
      const failure = faultOf(target, error);
      if (isOpeningFailure(failure)) throw failure;
    }
  }

  async #ping(target: UpstreamTarget, timeoutMs: number): Promise<void> {
    const session = await this.#lines.greet(target, this.#introduction());
    if (session === undefined) return;
    try {
      await this.#lines.command(target, session, "ping", {}, timeoutMs);
    } finally {
      await this.#lines.end(target, session);
    }
  }

  /** As nobody in particular. */
  #introduction(): Introduction {
    const { clientName: name, clientVersion: version } = this.#options;
    const clientInfo = Buffer.from(JSON.stringify({ name, version }));
    return { protocolVersion: LATEST_LEGACY, clientCapabilities: Buffer.from("{}"), clientInfo };
  }

  request(target: UpstreamTarget, holder: Holder, message: OutboundMessage, sink: ReplySink): Exchange {
    const answers = this.#answers;
    if (answers !== undefined && message.method !== "tools/call") {
      if (message.method === "subscriptions/listen")
        return this.#send(target, holder, message, answers.hearing(target, sink));
      if (mayBeKept(message.method))
        return answers.request(target, holder, message, sink, (own) => this.#send(target, holder, message, own));
    }
    return this.#send(target, holder, message, sink);
  }

  #send(target: UpstreamTarget, holder: Holder, message: OutboundMessage, sink: ReplySink): Exchange {
    if (target.transport === "builtin") return askBuiltin(this.#builtin, target, message, sink);
    if (target.oauth === undefined && target.identity === undefined) return this.#ask(target, holder, message, sink);
    return new PersonalExchange(this.#personal, actedFor(target, holder), sink, (fitted, inner) =>
      this.#ask(fitted, holder, message, inner),
    ).start();
  }

  #ask(target: UpstreamTarget, holder: Holder, message: OutboundMessage, sink: ReplySink): Exchange {
    if (target.transport === "rest") return this.#rest.request(target, message, sink);
    return new Dispatch(this.#context, target, holder, message, sink).start();
  }

  async notify(given: UpstreamTarget, holder: Holder, message: OutboundMessage): Promise<void> {
    if (given.transport === "builtin" || given.transport === "rest") return;
    const target = await this.#personal.fit(actedFor(given, holder));
    const prepared = this.#wire.prepared(target);
    if (target.transport === "sse") {
      const connection = await this.#connections.find(target, holder.key);
      return connection?.post(message.body, withMessageHeaders(prepared.post, prepared, message), message.method);
    }
    const profile = await this.#profiles.get(target, "legacy");
    if (profile.era === "modern") return;
    const line = profile.sessionless
      ? undefined
      : (this.#sharedLine(message) ?? (await this.#lines.find(target, holder)));
    if (line === undefined && !profile.sessionless) return;
    const base = line?.post ?? [...prepared.post, "mcp-protocol-version", profile.protocolVersion];
    let lost = false;
    try {
      await this.#wire.ask(prepared, {
        headers: withMessageHeaders(base, prepared, message),
        body: message.body,
        method: message.method,
        id: undefined,
        timeoutMs: message.timeoutMs ?? target.requestTimeoutMs,
        onRefused: ({ status }) => {
          lost = line !== undefined && status === 404;
          return false;
        },
      });
    } catch (error) {
      // With the session went what the notification was about.
      if (!lost) throw error;
    }
  }

  /** A cancellation belongs to the session that its request is in. */
  #sharedLine({ body, method }: OutboundMessage): Line | undefined {
    if (method !== "notifications/cancelled" || this.#context.sharing.size === 0) return undefined;
    const envelope = scanMessage(body);
    const id = memberAt(body, envelope.params, "requestId");
    return id === undefined ? undefined : this.#context.sharing.get(sliceAt(body, id).toString());
  }

  listen(target: UpstreamTarget, holder: Holder, sink: ReplySink): Exchange {
    if (target.oauth === undefined && target.identity === undefined) return this.#listen(target, holder, sink);
    return new PersonalExchange(this.#personal, actedFor(target, holder), sink, (fitted, inner) =>
      this.#listen(fitted, holder, inner),
    ).start();
  }

  #listen(target: UpstreamTarget, holder: Holder, sink: ReplySink): Exchange {
    if (target.transport === "sse") return this.#connections.listen(target, holder, sink);
    if (target.transport === "builtin" || target.transport === "rest") return silentStream(sink);
    const key = lineKey(holder.key, target.id);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners);
    const listening = new Listening(this.#context, target, holder, sink, () => {
      listeners.delete(listening);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) this.#listeners.delete(key);
    });
    listeners.add(listening);
    return listening.start();
  }

  async setLogLevel(holder: Holder, level: string, targets: readonly UpstreamTarget[]): Promise<void> {
    await this.#holdings.putLogLevel(holder, level);
    const { sessions } = await this.#holdings.read(holder.key);
    const work = targets.map(async (given) => {
      const target = await this.#personal.fit(actedFor(given, holder));
      const connection = await this.#connections.find(target, holder.key);
      if (connection !== undefined) return connection.command("logging/setLevel", { level });
      const session = sessions.get(target.id);
      if (session === undefined || session.revision !== target.revision) return;
      await this.#lines.command(target, session, "logging/setLevel", { level });
    });
    for (const [index, result] of (await Promise.allSettled(work)).entries()) {
      const target = targets[index];
      if (result.status === "fulfilled" || target === undefined) continue;
      const { code, message } = faultOf(target, result.reason);
      this.#options.log.debug("upstream.log_level_not_set", { upstream: target.slug, code, reason: message });
    }
  }

  async setSubscription(given: UpstreamTarget, holder: Holder, uri: string, wanted: boolean): Promise<void> {
    if (given.transport === "builtin" || given.transport === "rest") {
      throw fault("MCPS_METHOD", { method: "resources/subscribe" });
    }
    const target = await this.#personal.fit(actedFor(given, holder));
    const profile = target.transport === "sse" ? undefined : await this.#profiles.get(target, "legacy");
    if (profile?.era === "modern") throw fault("MCPS_METHOD", { method: "resources/subscribe" });
    const method = wanted ? "resources/subscribe" : "resources/unsubscribe";
    if (!wanted) await this.#holdings.dropSubscription(holder.key, target.id, uri);
    else if ((await this.#holdings.read(holder.key)).subscriptions.length >= MAX_SUBSCRIPTIONS) {
      throw fault("MCPS_OVERLOADED", { what: "subscriptions of one session", limit: MAX_SUBSCRIPTIONS });
    }
    if (profile === undefined) {
      const connections = this.#connections;
      const connection = await (wanted ? connections.open(target, holder) : connections.find(target, holder.key));
      await connection?.command(method, { uri });
    } else if (profile.sessionless) await this.#lines.command(target, undefined, method, { uri });
    else {
      const line = await (wanted ? this.#lines.open(target, holder) : this.#lines.find(target, holder));
      if (line !== undefined || wanted) await this.#lines.command(target, line?.session, method, { uri });
    }
    if (wanted) await this.#holdings.putSubscription(holder, target.id, uri);
  }

  async held(holderKey: string): Promise<HeldState> {
    return heldState(await this.#holdings.read(holderKey), this.#connections.openFor(holderKey));
  }

  async release(holderKey: string, targets: readonly UpstreamTarget[]): Promise<void> {
    const { sessions } = await this.#holdings.read(holderKey);
    await this.#holdings.drop(holderKey);
    const work = targets.map(async (given) => {
      // Without a token its session can only be forgotten here.
      const target = await fitted(this.#personal, given);
      this.#lines.drop(holderKey, target.id);
      this.#connections.release(holderKey, target.id);
      for (const listening of this.#listeners.get(lineKey(holderKey, target.id)) ?? []) listening.cancel();
      const session = sessions.get(target.id);
      if (session === undefined) return;
      await this.#ledger.leave(target.id, holderKey);
      if (session.revision === target.revision) await this.#lines.end(target, session);
    });
    await Promise.all(work);
  }

  endExpired(options: CleanUpOptions): Promise<number> {
    return endExpired({ ledger: this.#ledger, holdings: this.#holdings, lines: this.#lines }, options);
  }

  inspect(target: UpstreamTarget): Promise<Inspection> {
    const { idSource, clientName, clientVersion } = this.#options;
    const context = { ...this.#context, idSource, clientInfo: { name: clientName, version: clientVersion } };
    return withToken(this.#personal, target, (fitted) =>
      fitted.transport === "rest" ? this.#rest.inspect(fitted) : inspectUpstream(context, fitted),
    ).then(
      (inspection) => {
        this.#circuits.settle(target);
        return inspection;
      },
      (error: unknown) => {
        this.#circuits.settle(target, faultOf(target, error));
        throw error;
      },
    );
  }

  sessionFigures(): SessionFigures {
    return { open: this.#open.total, evicted: this.#lines.evicted, pool: this.#pool?.figures() };
  }

  circuits(): readonly CircuitView[] {
    return this.#circuits.views();
  }

  onCircuit(listener: CircuitListener): () => void {
    return this.#circuits.onChange(listener);
  }

  hintCircuit(target: UpstreamTarget, state: "closed" | "open"): void {
    this.#circuits.hint(target, state);
  }

  fetchDocument(url: string, maxBytes: number, timeoutMs: number): Promise<Buffer> {
    return this.#rest.fetchDocument(url, maxBytes, timeoutMs);
  }

  forget(targetId: string): void {
    this.#profiles.forget(targetId);
    this.#answers?.forget(targetId);
    this.#pool?.forget(targetId);
    this.#circuits.forget(targetId);
    this.#context.retries.forget(targetId);
    this.#lines.forget(targetId);
    this.#connections.forget(targetId);
    this.#rest.forget(targetId);
    this.#wire.forget(targetId);
  }

  async remove(target: UpstreamTarget): Promise<void> {
    try {
      if (target.transport === "stdio") await this.#wire.undefine(target);
    } catch (error) {
      const { code } = faultOf(target, error);
      this.#options.log.debug("upstream.definition_left", { upstream: target.slug, code });
    }
    this.forget(target.id);
  }

  async close(): Promise<void> {
    for (const listeners of [...this.#listeners.values()]) for (const listening of [...listeners]) listening.cancel();
    this.#connections.close();
    this.#recovery?.close();
    await this.#pool?.close();
    await this.#wire.close();
  }
}

async function fitted(personal: Personal, target: UpstreamTarget): Promise<UpstreamTarget> {
  try {
    return await personal.fit(target);
  } catch {
    return target;
  }
}

/** A target that is made for callers and reached by its id alone, for the caller behind this holder. */
function actedFor(target: UpstreamTarget, { actor }: Holder): UpstreamTarget {
  return target.actor === undefined && actor !== undefined && isPersonal(target) ? { ...target, actor } : target;
}
