/**
 * Which era an upstream speaks, found out once per revision of its definition and remembered for a while. Only an answer that can
 * come from a modern server counts as modern; refusals, server errors and network failures prove nothing and are reported. An upstream
 * that speaks both eras has a profile for each: whoever asks takes the one of its own era.
 */
import { Fault } from "../../contract/errors.ts";
import type { Prepared } from "./address.ts";
import { BoundedMap } from "./bounded.ts";
import type { Refusal } from "./call.ts";
import type { Circuits } from "./circuits.ts";
import { protocolFault } from "./failures.ts";
import { INITIALIZED, initializeBody, LATEST_LEGACY, readGreeting, readSessionId, requestBody } from "./handshake.ts";
import {
  instructionsOf,
  judgeDiscover,
  judgeStatus,
  LATEST_MODERN,
  modernHeaders,
  modernParams,
  type Verdict,
} from "./modern.ts";
import type { UpstreamProfile, UpstreamTarget } from "./types.ts";
import { faultOf, type Wire } from "./wire.ts";

export type ProfilesOptions = {
  readonly wire: Wire;
  readonly circuits: Circuits;
  readonly now: () => number;
  readonly idSource: () => string;
  readonly clientInfo: { readonly name: string; readonly version: string };
  /** How an HTTP+SSE upstream is asked. */
  readonly greetSse: (target: UpstreamTarget) => Promise<UpstreamProfile>;
};

/** A verdict is used for ten minutes, then renewed behind the back of the request that found it old. */
const FRESH_MS = 600_000;
/** Older ones are not used at all. */
const USABLE_MS = 3_600_000;
/** Verdicts younger than this are not doubted, so that an upstream that refuses much is not asked all the time. */
const DOUBT_MS = 5000;
const FAILURE_MS = 1000;
const MAX_PROFILES = 10_000;
const MAX_PROBE_MS = 30_000;
const CLEANUP_MS = 5000;

type Remembered = { readonly revision: string; readonly profile: UpstreamProfile; readonly at: number };
type Failure = { readonly revision: string; readonly fault: Fault; readonly at: number };

export type Preference = "legacy" | "modern";

type Slots = { readonly legacy: string; readonly modern: string };

/** Put together once per target: a key that is made anew would be hashed anew with every request. */
const slots = new WeakMap<UpstreamTarget, Slots>();

/** Where a verdict is kept: an upstream whose era is not configured may have one per era. */
function slotOf(target: UpstreamTarget, prefer: Preference): string {
  let known = slots.get(target);
  if (known === undefined) {
    const hasBoth = target.era === "auto" && target.transport !== "sse";
    const modern = slotNamed(target, "");
    known = { modern, legacy: hasBoth ? slotNamed(target, "legacy") : modern };
    slots.set(target, known);
  }
  return prefer === "legacy" ? known.legacy : known.modern;
}

function slotNamed({ id, actor }: UpstreamTarget, era: "" | "legacy"): string {
  if (actor === undefined) return era === "" ? id : `${id}\n${era}`;
  // What it says to one caller may not be what it says to another.
  return `${id}\n${era}\n${actor.id}`;
}

export class Profiles {
  readonly #options: ProfilesOptions;
  readonly #known = new BoundedMap<Remembered>(MAX_PROFILES);
  readonly #failed = new BoundedMap<Failure>(MAX_PROFILES);
  readonly #probing = new Map<string, Promise<UpstreamProfile>>();

  constructor(options: ProfilesOptions) {
    this.#options = options;
  }

  /** What is known without waiting. */
  remembered(target: UpstreamTarget, prefer: Preference = "modern"): UpstreamProfile | undefined {
    const known = this.#known.get(slotOf(target, prefer));
    if (known === undefined || known.revision !== target.revision) return undefined;
    const age = this.#options.now() - known.at;
    if (age > USABLE_MS) return undefined;
    if (age > FRESH_MS && this.#recentFailure(target, prefer) === undefined)
      this.#probe(target, prefer).catch(() => undefined);
    return known.profile;
  }

  async get(target: UpstreamTarget, prefer: Preference = "modern"): Promise<UpstreamProfile> {
    const known = this.remembered(target, prefer);
    if (known !== undefined) return known;
    const failure = this.#recentFailure(target, prefer);
    if (failure !== undefined) throw failure;
    this.#options.circuits.enter(target);
    return this.#probe(target, prefer);
  }

  /** Asks anew, whatever is remembered: what comes of it closes or opens the circuit. */
  renew(target: UpstreamTarget, prefer: Preference = "modern"): Promise<UpstreamProfile> {
    return this.#probe(target, prefer);
  }

  remember(target: UpstreamTarget, profile: UpstreamProfile, prefer: Preference = "modern"): void {
    this.#known.set(slotOf(target, prefer), { revision: target.revision, profile, at: this.#options.now() });
    this.#failed.delete(slotOf(target, prefer));
  }

  /** Something does not fit what is remembered: it is used on, but asked for anew soon. */
  doubt(target: UpstreamTarget, prefer: Preference = "modern"): void {
    const known = this.#known.get(slotOf(target, prefer));
    if (known === undefined || known.revision !== target.revision) return;
    const now = this.#options.now();
    if (now - known.at < DOUBT_MS || now - known.at > FRESH_MS) return;
    this.#known.set(slotOf(target, prefer), { ...known, at: now - FRESH_MS - 1 });
  }

  forget(targetId: string): void {
    for (const known of [this.#known, this.#failed])
      for (const [slot] of known.entries())
        if (slot === targetId || slot.startsWith(`${targetId}\n`)) known.delete(slot);
  }

  #recentFailure(target: UpstreamTarget, prefer: Preference): Fault | undefined {
    const failure = this.#failed.get(slotOf(target, prefer));
    if (failure === undefined || failure.revision !== target.revision) return undefined;
    return this.#options.now() - failure.at < FAILURE_MS ? failure.fault : undefined;
  }

  #probe(target: UpstreamTarget, prefer: Preference): Promise<UpstreamProfile> {
    const key = `${slotOf(target, prefer)}\n${target.revision}`;
    let probing = this.#probing.get(key);
    if (probing === undefined) {
      probing = this.#settle(target, prefer).finally(() => this.#probing.delete(key));
      this.#probing.set(key, probing);
    }
    return probing;
  }

  async #settle(target: UpstreamTarget, prefer: Preference): Promise<UpstreamProfile> {
    try {
      const profile = await (prefer === "legacy" && target.era === "auto"
        ? this.#findLegacy(target)
        : this.#find(target));
      this.remember(target, profile, prefer);
      this.#options.circuits.settle(target);
      return profile;
    } catch (error) {
      const fault = faultOf(target, error);
      this.#options.circuits.settle(target, fault);
      this.#failed.set(slotOf(target, prefer), { revision: target.revision, fault, at: this.#options.now() });
      throw fault;
    }
  }

  /** The legacy side of an upstream, where it has one; a modern-only one keeps its modern profile. */
  async #findLegacy(target: UpstreamTarget): Promise<UpstreamProfile> {
    const modern = this.remembered(target) ?? (await this.#probe(target, "modern"));
    if (modern.era === "legacy" || target.transport === "sse") return modern;
    try {
      return await this.#greet(this.#options.wire.prepared(target));
    } catch (error) {
      // It answered, and not as a legacy server: what it said of itself holds. A failure to reach it proves nothing.
      const { code } = faultOf(target, error);
      if (code === "MCPS_UPSTREAM_UNREACHABLE" || code === "MCPS_UPSTREAM_TIMEOUT") throw error;
      return modern;
    }
  }

  async #find(target: UpstreamTarget): Promise<UpstreamProfile> {
    if (target.transport === "sse") return this.#options.greetSse(target);
    const prepared = this.#options.wire.prepared(target);
    if (target.era === "legacy") return this.#greet(prepared);
    const verdict = await this.#discover(prepared);
    if (verdict.kind === "modern") return verdict.profile;
    if (verdict.kind === "refused") throw protocolFault(target, verdict.reason);
    if (target.era === "modern")
      throw protocolFault(target, "it does not answer server/discover as a modern server does");
    return this.#greet(prepared);
  }

  async #discover(prepared: Prepared): Promise<Verdict> {
    const method = "server/discover";
    const id = this.#options.idSource();
    let verdict: Verdict | undefined;
    const onRefused = ({ status, body }: Refusal): boolean => {
      verdict = judgeStatus(status, body);
      return false;
    };
    try {
      const answer = await this.#options.wire.ask(prepared, {
        headers: modernHeaders(prepared, LATEST_MODERN, { method }),
        body: requestBody(id, method, modernParams(LATEST_MODERN, this.#options.clientInfo)),
        method,
        id: JSON.stringify(id),
        timeoutMs: probeTimeout(prepared.target),
        onRefused,
      });
      if (answer === undefined) return { kind: "legacy" };
      return verdict ?? judgeDiscover(answer.raw, answer.envelope);
    } catch (error) {
      // An error status with a verdict, or an answer that no modern server gives (an HTML page, an empty 202).
      if (verdict !== undefined) return verdict;
      if (error instanceof Fault && error.code === "MCPS_UPSTREAM_PROTOCOL") return { kind: "legacy" };
      throw error;
    }
  }

  /** Initializes as nobody in particular and ends the session again. */
  async #greet(prepared: Prepared): Promise<UpstreamProfile> {
    const { wire, idSource, clientInfo } = this.#options;
    const id = idSource();
    const answer = await wire.ask(prepared, {
      headers: prepared.post,
      body: initializeBody(id, {
        protocolVersion: LATEST_LEGACY,
        clientCapabilities: Buffer.from("{}"),
        clientInfo: Buffer.from(JSON.stringify(clientInfo)),
      }),
      method: "initialize",
      id: JSON.stringify(id),
      timeoutMs: probeTimeout(prepared.target),
    });
    if (answer === undefined) throw protocolFault(prepared.target, "it gave no answer to initialize");
    const greeting = readGreeting(prepared.target, answer.raw, answer.envelope);
    const sessionId = readSessionId(prepared.target, answer.headers);
    if (sessionId !== undefined) await this.#leave(prepared, greeting.protocolVersion, sessionId);
    return {
      era: "legacy",
      protocolVersion: greeting.protocolVersion,
      sessionless: sessionId === undefined,
      capabilities: greeting.capabilities,
      serverInfo: greeting.serverInfo,
      ...instructionsOf(greeting.instructions),
    };
  }

  /** The handshake is completed before the end, because some servers cannot end a session that is half open. */
  async #leave(prepared: Prepared, version: string, sessionId: string): Promise<void> {
    const { wire } = this.#options;
    const session = ["mcp-protocol-version", version, "mcp-session-id", sessionId];
    try {
      await wire.ask(prepared, {
        headers: [...prepared.post, ...session],
        body: INITIALIZED,
        method: "notifications/initialized",
        id: undefined,
        timeoutMs: CLEANUP_MS,
      });
      await wire.plain(prepared, { method: "DELETE", headers: [...prepared.plain, ...session], timeoutMs: CLEANUP_MS });
    } catch (error) {
      const code = faultOf(prepared.target, error).code;
      wire.options.log.debug("upstream.probe_session_left", { upstream: prepared.target.slug, code });
    }
  }
}

function probeTimeout(target: UpstreamTarget): number {
  return target.requestTimeoutMs > 0 ? Math.min(target.requestTimeoutMs, MAX_PROBE_MS) : MAX_PROBE_MS;
}
