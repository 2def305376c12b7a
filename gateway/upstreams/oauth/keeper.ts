/**
 * Access tokens for upstreams: those of the gateway itself and those of single callers, kept apart by principal. In memory, so that a warm
 * request asks nobody; in the store, sealed, for every process. Refreshed ahead of their end, and once when an upstream refuses one.
 */
import { randomUUID } from "node:crypto";
import { Fault, fault } from "../../../contract/errors.ts";
import type { SharedState } from "../../coordination/index.ts";
import { OWN_TOKEN, type UpstreamTokens } from "../../store/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { BoundedMap } from "../bounded.ts";
import type { AccessToken, TokenSource } from "../personal.ts";
import type { UpstreamTarget } from "../types.ts";
import type { OAuthClients } from "./client.ts";
import { accessTokenOf, type Grant, isUsable, parseGrant } from "./grant.ts";
import { type Asserting, GrantGone, reasonOf, renewed, underLease } from "./renewal.ts";

export type KeeperParts = {
  readonly store: UpstreamTokens;
  readonly state: SharedState;
  readonly clients: OAuthClients;
  readonly asserting: Asserting;
  /** Where this actor authorises the gateway at this upstream; for an error that says so. */
  readonly authorizeUrl: (target: UpstreamTarget, principalId: string) => string;
  readonly workerId: string;
  readonly log: Log;
  /** Of the room, ms. */
  readonly now: () => number;
  /** Epoch ms. */
  readonly wallClock: () => number;
  /** Longest exchange with an authorization server, ms. */
  readonly timeoutMs: number;
};

type Held = { readonly grant: Grant; readonly version: number; readonly token: AccessToken; readonly revision: string };
/** `failure`: why its server gives no other one for it. */
type Stored = Held & { readonly failure: string | null };
type Refusal = { readonly error: Error; readonly until: number };

const MAX_HELD = 20_000;
/** A failure is believed this long, so that a caller in a loop is not one towards the authorization server. */
const FAILURE_MS = 2000;
const CHANNEL = "upstream-tokens";

export class TokenKeeper implements TokenSource {
  readonly #parts: KeeperParts;
  readonly #held = new BoundedMap<Held>(MAX_HELD);
  readonly #failed = new BoundedMap<Refusal>(MAX_HELD);
  readonly #running = new Map<string, Promise<Held>>();
  #leave: (() => Promise<void>) | undefined;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Hears of tokens that other processes stored or removed. */
  async listen(): Promise<void> {
    this.#leave = await this.#parts.state.subscribe(CHANNEL, (key) => this.#forget(key));
  }

  async close(): Promise<void> {
    await this.#leave?.();
  }

  known(target: UpstreamTarget): AccessToken | undefined {
    const key = keyOf(target);
    const held = this.#held.get(key);
    if (held === undefined || held.revision !== target.revision) return undefined;
    const now = this.#parts.now();
    if (held.token.usableUntil <= now) return undefined;
    if (held.token.refreshAt <= now && this.#failure(key) === undefined)
      this.#renew(target, held).catch(() => undefined);
    return held.token;
  }

  async token(target: UpstreamTarget): Promise<AccessToken> {
    const key = keyOf(target);
    const failure = this.#failure(key);
    if (failure !== undefined) throw failure;
    const known = this.known(target);
    if (known !== undefined) return known;
    return (await this.#once(target, () => this.#obtain(target))).token;
  }

  async replace(target: UpstreamTarget, refused: string): Promise<AccessToken> {
    const key = keyOf(target);
    const failure = this.#failure(key);
    if (failure !== undefined) throw failure;
    const held = this.#held.get(key);
    // Another request had the same refusal, and is done with it.
    if (held !== undefined && held.token.header !== refused && held.revision === target.revision) return held.token;
    return (await this.#renew(target, held)).token;
  }

  /** A token that a user has just authorised; stands for him in every process from now on. */
  async accept(target: UpstreamTarget, grant: Grant): Promise<void> {
    const { store } = this.#parts;
    await store.putUpstreamToken(target.id, principalOf(target), JSON.stringify(grant), 0);
    await this.#changed(keyOf(target));
  }

  /** Whether there is a token for the target's actor, and why it may be of no use. */
  async status(target: UpstreamTarget): Promise<{ authorised: boolean; expiresAt?: number; failure: string | null }> {
    const stored = await this.#parts.store.upstreamToken(target.id, principalOf(target));
    const grant = stored === undefined ? undefined : parseGrant(stored.value, target);
    if (stored === undefined || grant === undefined) return { authorised: false, failure: null };
    const lives = isUsable(grant, this.#parts.wallClock()) || grant.refreshToken !== undefined;
    const { expiresAt } = grant;
    const isAuthorised = lives && stored.failure === null;
    return { authorised: isAuthorised, failure: stored.failure, ...(expiresAt === undefined ? {} : { expiresAt }) };
  }

  async revoke(target: UpstreamTarget): Promise<boolean> {
    const removed = await this.#parts.store.deleteUpstreamToken(target.id, principalOf(target));
    await this.#changed(keyOf(target));
    return removed;
  }

  async #changed(key: string): Promise<void> {
    this.#forget(key);
    await this.#parts.state.publish(CHANNEL, key);
  }

  #forget(key: string): void {
    this.#held.delete(key);
    this.#failed.delete(key);
  }

  #failure(key: string): Error | undefined {
    const failed = this.#failed.get(key);
    return failed !== undefined && failed.until > this.#parts.now() ? failed.error : undefined;
  }

  /** One at a time per token in this process; what fails is remembered for a moment. */
  #once(target: UpstreamTarget, work: () => Promise<Held>): Promise<Held> {
    const key = keyOf(target);
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#guarded(target, key, work).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  async #guarded(target: UpstreamTarget, key: string, work: () => Promise<Held>): Promise<Held> {
    const { now, log } = this.#parts;
    try {
      if (target.oauth?.grantType !== "client_credentials" && target.actor === undefined)
        throw fault("MCPS_UPSTREAM_CREDENTIALS", {
          upstream: target.slug,
          reason: "its tokens belong to single callers, and none is asking",
        });
      return await work();
    } catch (error) {
      const failure = this.#faultOf(target, error);
      log.warn("upstream.no_token", { upstream: target.slug, code: failure.code, reason: reasonOf(error) });
      this.#failed.set(key, { error: failure, until: now() + FAILURE_MS });
      throw failure;
    }
  }

  #faultOf(target: UpstreamTarget, error: unknown): Fault {
    if (error instanceof Fault) return error;
    const upstream = target.slug;
    if (!(error instanceof GrantGone)) return fault("MCPS_UPSTREAM_CREDENTIALS", { upstream, reason: reasonOf(error) });
    const url = this.#parts.authorizeUrl(target, principalOf(target));
    const message = `Authorise this gateway to use ${upstream} for you`;
    return fault(
      "MCPS_UPSTREAM_AUTHORIZE",
      { upstream, url },
      { elicitations: [{ mode: "url", elicitationId: randomUUID(), url, message }] },
    );
  }

  /** What the store has, or a new one. */
  async #obtain(target: UpstreamTarget): Promise<Held> {
    const stored = await this.#stored(target);
    if (stored !== undefined && isUsable(stored.grant, this.#parts.wallClock())) return stored;
    return this.#renewed(target, stored);
  }

  #renew(target: UpstreamTarget, former: Held | undefined): Promise<Held> {
    return this.#once(target, () => this.#renewed(target, former));
  }

  /** Under the lease: what another process has stored meanwhile is taken, and nothing is asked for. */
  #renewed(target: UpstreamTarget, former: Held | undefined): Promise<Held> {
    const { store, clients, asserting, wallClock, log, timeoutMs } = this.#parts;
    const principal = principalOf(target);
    return underLease({ ...this.#parts, ttlMs: 2 * timeoutMs }, keyOf(target), async () => {
      const stored = await this.#stored(target);
      const isNewer = stored !== undefined && stored.version !== former?.version;
      if (isNewer && isUsable(stored.grant, wallClock())) return stored;
      // It was refused for good: asking again would only look like an attack.
      if (stored !== undefined && stored.failure !== null) throw new GrantGone(stored.failure);
      try {
        const client = await clients.of(target);
        const grant = await renewed(target, client, stored?.grant, asserting, wallClock());
        const version = await store.putUpstreamToken(target.id, principal, JSON.stringify(grant), stored?.version ?? 0);
        if (version === undefined) return (await this.#stored(target)) ?? this.#hold(target, grant, 0);
        log.debug("upstream.token_renewed", { upstream: target.slug, version });
        return this.#hold(target, grant, version);
      } catch (error) {
        // A server that is away for a moment has refused nothing.
        if (stored !== undefined && error instanceof GrantGone)
          await store.failUpstreamToken(target.id, principal, stored.version, reasonOf(error)).catch(() => undefined);
        throw error;
      }
    });
  }

  async #stored(target: UpstreamTarget): Promise<Stored | undefined> {
    const stored = await this.#parts.store.upstreamToken(target.id, principalOf(target));
    const grant = stored === undefined ? undefined : parseGrant(stored.value, target);
    if (stored === undefined || grant === undefined) return undefined;
    return { ...this.#hold(target, grant, stored.version), failure: stored.failure };
  }

  #hold(target: UpstreamTarget, grant: Grant, version: number): Held {
    const { now, wallClock } = this.#parts;
    const key = keyOf(target);
    const known = this.#held.get(key);
    if (known !== undefined && known.version === version && known.revision === target.revision) return known;
    const token = accessTokenOf(grant, now() - wallClock());
    const held = { grant, version, token, revision: target.revision };
    this.#held.set(key, held);
    this.#failed.delete(key);
    return held;
  }
}

/** Empty for a token of the gateway itself. */
function principalOf({ oauth, actor }: UpstreamTarget): string {
  return oauth?.grantType === "client_credentials" ? OWN_TOKEN : (actor?.id ?? OWN_TOKEN);
}

function keyOf(target: UpstreamTarget): string {
  return `${target.id}\n${principalOf(target)}`;
}
