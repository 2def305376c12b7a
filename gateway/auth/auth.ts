/**
 * Who is asking. A proof is verified, the directory says what the deployment knows of its bearer, and both make a principal, which is kept
 * for a while (AUTH_CACHE_TTL) by the header it came with: the warm path is one look into a map and no cryptography.
 */
import { Fault, fault } from "../../contract/errors.ts";
import type { ClientCertificate, RequestHead } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Permission, Route } from "../../contract/routes.ts";
import { type CertificateName, certificateIdentity } from "./certificate.ts";
import { type Guidance, insufficientScope, type Refusal, unauthenticated } from "./challenge.ts";
import type { Directory, Identity, Standing } from "./directory.ts";
import { isRejection } from "./jwt.ts";
import { PrincipalMemory } from "./memory.ts";
import { basicRequirement, isPermitted } from "./permissions.ts";
import { principalOf } from "./principal-of.ts";
import { Refusals } from "./refusals.ts";
import type { Resources } from "./resources.ts";
import { SCRAPER } from "./scraper.ts";
import { cookieOf, isSafeToRide } from "./session-cookie.ts";
import { Tenures } from "./tenures.ts";
import type { Verifier } from "./verifiers.ts";

const MAX_CACHED = 10_000;
const MAX_HEADER_CHARS = 16_384;
/** Between two tries to reach what does not answer, for a caller who is believed meanwhile. */
const STALE_RETRY_MS = 1000;

export type AuthOutcome = "ok" | "anonymous" | "missing" | "invalid" | "expired" | "stale" | "unknown";
export type TokenAuthParts = {
  /** Asked in this order. */
  readonly verifiers: readonly Verifier[];
  readonly directory: Directory;
  readonly required: boolean;
  /** Undefined where nothing may read the metrics alone. */
  readonly isScraper: ((token: string) => boolean) | undefined;
  /** How long a caller who was found good is believed, ms. */
  readonly cacheMs: number;
  /** How much longer when nobody can say better, ms; 0 refuses him then. */
  readonly staleMs: number;
  readonly anonymousIsAdmin: boolean;
  readonly certificateName: CertificateName;
  readonly resources: Resources | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly count: ((outcome: AuthOutcome) => void) | undefined;
};

type Found = { readonly principal: Principal; readonly isStale: boolean } | Refusal;

export class TokenAuth {
  readonly #parts: TokenAuthParts;
  readonly #anonymous: Principal;
  /** By raw header, and by fingerprint of the certificate. */
  readonly #known: PrincipalMemory;
  readonly #certified: PrincipalMemory;
  readonly #refusals: Refusals;
  /** Being found out, by raw header: many requests with one new token are one question. */
  readonly #asking = new Map<string, Promise<Found>>();
  readonly #identities = new WeakMap<Principal, Identity>();
  readonly #tenures: Tenures;
  /** Counts what was forgotten: what was found out before is not kept after. */
  #epoch = 0;

  constructor(parts: TokenAuthParts) {
    this.#parts = parts;
    this.#known = new PrincipalMemory(MAX_CACHED, parts.now);
    this.#certified = new PrincipalMemory(MAX_CACHED, parts.now);
    this.#refusals = new Refusals(parts.now);
    this.#anonymous = Object.freeze({ id: "anonymous", kind: "anonymous", admin: parts.anonymousIsAdmin, teams: [] });
    this.#tenures = new Tenures({
      directory: parts.directory,
      identityOf: (principal) => this.#identities.get(principal),
      goesOnUnknown: parts.staleMs > 0,
      now: parts.now,
    });
    parts.directory.onChanged((change) => {
      this.#epoch++;
      this.#known.forget(change);
      this.#certified.forget(change);
      this.#tenures.changed(change);
    });
    for (const verifier of parts.verifiers)
      verifier.onKeysChanged?.(() => {
        this.#epoch++;
        this.#known.forget({});
        this.#refusals.clear();
      });
  }

  authenticate(authorization: string | undefined, client?: ClientCertificate): Principal | Promise<Principal> {
    const known = authorization === undefined ? undefined : this.#known.recall(authorization);
    if (known !== undefined) return this.#counted(known.principal, "ok");
    const { required, verifiers, isScraper } = this.#parts;
    const takesNone = !required && verifiers.length === 0 && isScraper === undefined;
    const hasNoToken = authorization === undefined || takesNone;
    if (hasNoToken && client !== undefined) return this.#byCertificate(client);
    if (hasNoToken && !required) return this.#counted(this.#anonymous, "anonymous");
    if (authorization === undefined)
      throw this.#refuse({ outcome: "missing", reason: "send Authorization: Bearer <token>", proof: "token" });
    return this.#byToken(authorization);
  }

  /** As `authenticate`, for a request: with its session's cookie where it has no header, and with what its client has to know. */
  callerOf(route: Route, head: RequestHead): Principal | Promise<Principal> {
    try {
      const found = this.authenticate(head.headers.authorization ?? this.#ridden(route, head), head.client);
      if (!(found instanceof Promise)) return found;
      return found.catch((error: unknown) => {
        throw this.#guided(error, route, head);
      });
    } catch (error) {
      throw this.#guided(error, route, head);
    }
  }

  /** For a connection that stays: `end` is called when this principal's proof does not carry it any longer. The answer lets go. */
  hold(principal: Principal, end: () => void): () => void {
    return this.#tenures.hold(principal, end);
  }

  /** Throws MCPS_FORBIDDEN (403), with what to ask for where the token is what falls short. */
  require(principal: Principal, { permission }: Route, head: RequestHead): void {
    if (isPermitted(principal, permission)) return;
    if (permission !== undefined && this.#fallsShort(principal, permission)) {
      const scope = [...new Set([...(this.#identities.get(principal)?.permissions ?? []), permission])];
      throw insufficientScope(principal, permission, { metadata: this.#parts.resources?.metadataUrl(head), scope });
    }
    basicRequirement(principal, permission);
  }

  /** Whether the bearer may, and the token alone does not cover it. */
  #fallsShort(principal: Principal, permission: Permission): boolean {
    const identity = this.#identities.get(principal);
    if (identity?.permissions === undefined || identity.permissions.includes(permission)) return false;
    const { permissions: _, ...whole } = identity;
    const standing = this.#parts.directory.standingOf(whole);
    // Cold callers are rare here; the client finds out with its next token.
    if (standing instanceof Promise) {
      standing.catch(() => undefined);
      return true;
    }
    return standing.admitted && isPermitted(principalOf(whole, standing), permission);
  }

  /** The cookie of a session, as a header. Never where MCP is spoken: its clients are programs, and a page must not speak for a person. */
  #ridden(route: Route, head: RequestHead): string | undefined {
    if (route.area === "mcp" || head.headers.cookie === undefined) return undefined;
    const token = cookieOf(head.headers.cookie);
    if (token === undefined) return undefined;
    if (!isSafeToRide(head)) throw fault("MCPS_ORIGIN", { value: "of a request with a session's cookie" });
    return `Bearer ${token}`;
  }

  #guided(error: unknown, route: Route, head: RequestHead): unknown {
    const metadata = this.#parts.resources?.metadataUrl(head);
    if (!(error instanceof Refused) || metadata === undefined) return error;
    const guidance: Guidance = { metadata, scope: route.permission === undefined ? [] : [route.permission] };
    return new Refused(error.refusal, guidance);
  }

  #byCertificate(client: ClientCertificate): Principal | Promise<Principal> {
    const refuse = (outcome: "expired" | "invalid", reason: string) =>
      this.#refuse({ outcome, reason, proof: "certificate" });
    if (this.#parts.now() >= client.expiresAt) throw refuse("expired", "the client certificate expired");
    const known = this.#certified.recall(client.fingerprint);
    if (known !== undefined) return this.#counted(known.principal, "ok");
    const identity = certificateIdentity(client, this.#parts.certificateName);
    if (identity === undefined) throw refuse("invalid", "the client certificate names no usable subject");
    const standing = this.#parts.directory.standingOf(identity);
    if (standing instanceof Promise)
      return this.#ask(this.#certified, client.fingerprint, async (epoch) =>
        this.#settled(this.#certified, client.fingerprint, identity, await standing, epoch),
      );
    return this.#answer(this.#settled(this.#certified, client.fingerprint, identity, standing, this.#epoch));
  }

  #byToken(authorization: string): Promise<Principal> {
    const token = bearerToken(authorization);
    if (token === undefined) {
      const reason = "the Authorization header is not Bearer <token>";
      return Promise.reject(this.#refuse({ outcome: "invalid", reason, proof: "token" }));
    }
    // Not kept, so that its token is only ever compared in constant time.
    if (this.#parts.isScraper?.(token) === true) return Promise.resolve(this.#counted(SCRAPER, "ok"));
    return this.#ask(this.#known, authorization, (epoch) => this.#verify(authorization, token, epoch));
  }

  async #verify(authorization: string, token: string, epoch: number): Promise<Found> {
    const before = this.#refusals.of(token);
    if (before !== undefined) return { outcome: before.rejected, reason: before.reason, proof: "token" };
    for (const verifier of this.#parts.verifiers) {
      const found = await verifier.verify(token);
      if (found === undefined) continue;
      if (!isRejection(found)) {
        const standing = await this.#parts.directory.standingOf(found);
        return this.#settled(this.#known, authorization, found, standing, epoch);
      }
      if (epoch === this.#epoch) this.#refusals.keep(token, found);
      return { outcome: found.rejected, reason: found.reason, proof: "token" };
    }
    return { outcome: "invalid", reason: "the token is of no known kind", proof: "token" };
  }

  /** One question for all that ask the same now. */
  #ask(memory: PrincipalMemory, key: string, find: (epoch: number) => Promise<Found>): Promise<Principal> {
    const name = `${memory === this.#known ? "t" : "c"}${key}`;
    let asking = this.#asking.get(name);
    if (asking === undefined) {
      asking = find(this.#epoch)
        .catch((error: unknown) => this.#fromBefore(memory, key, error))
        .finally(() => this.#asking.delete(name));
      this.#asking.set(name, asking);
    }
    return asking.then((found) => this.#answer(found));
  }

  #settled(memory: PrincipalMemory, key: string, identity: Identity, standing: Standing, epoch: number): Found {
    const proof = identity.kind === "certificate" ? "certificate" : "token";
    if (!standing.admitted) return { outcome: "invalid", reason: WHY[standing.why], proof };
    const principal = principalOf(identity, standing);
    this.#identities.set(principal, identity);
    // What changed meanwhile may have been about him.
    if (epoch === this.#epoch) this.#keep(memory, key, principal, identity);
    return { principal, isStale: false };
  }

  #keep(memory: PrincipalMemory, key: string, principal: Principal, identity: Identity): void {
    const { now, cacheMs, staleMs } = this.#parts;
    const end = identity.expiresAt ?? Infinity;
    const since = now();
    const until = Math.min(end, since + cacheMs);
    memory.keep(key, { principal, identity, since, until, staleUntil: Math.min(end, until + staleMs) });
  }

  /** Nobody can say who it is: who was known lately is believed for a while where that was chosen. */
  #fromBefore(memory: PrincipalMemory, key: string, error: unknown): Found {
    const known = this.#parts.staleMs > 0 ? memory.recallStale(key) : undefined;
    if (known === undefined) {
      this.#parts.count?.("unknown");
      const reason = error instanceof Fault ? error.code : "what decides does not answer";
      throw fault("MCPS_IDENTITY_UNKNOWN", { reason }, undefined, { "retry-after": "2" });
    }
    const until = Math.min(known.staleUntil, this.#parts.now() + STALE_RETRY_MS);
    memory.keep(key, { ...known, until });
    return { principal: known.principal, isStale: true };
  }

  #answer(found: Found): Principal {
    if ("principal" in found) return this.#counted(found.principal, found.isStale ? "stale" : "ok");
    throw this.#refuse(found);
  }

  #counted(principal: Principal, outcome: AuthOutcome): Principal {
    this.#parts.count?.(outcome);
    return principal;
  }

  #refuse(refusal: Refusal): Refused {
    this.#parts.count?.(refusal.outcome);
    return new Refused(refusal);
  }
}

const WHY = {
  inactive: "the account is not active",
  revoked: "the token was revoked",
  unknown: "the deployment does not know this caller",
} as const;

/** A 401 that can be said again with more of what the client has to know. */
class Refused extends Fault {
  readonly refusal: Refusal;
  constructor(refusal: Refusal, guidance?: Guidance) {
    const said = unauthenticated(refusal, guidance);
    super(said.code, said.message, said.data, said.headers);
    this.refusal = refusal;
  }
}

/** RFC 6750 §2.1: the scheme in any letter case, one token68. */
function bearerToken(authorization: string): string | undefined {
  if (authorization.length > MAX_HEADER_CHARS) return undefined;
  return /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization)?.[1];
}
