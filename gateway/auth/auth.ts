/**
 * Who is asking. The answer for an Authorization header is kept for a while (AUTH_CACHE_TTL), so that the warm path is one look into
 * a map and no cryptography; a token that was refused is not kept.
 */
import { type Fault, fault } from "../../contract/errors.ts";
import type { ClientCertificate } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import { certificatePrincipal } from "./certificate.ts";
import { createJwtVerifier, type JwtOptions, type MintRequest, mintJwt } from "./hs256.ts";
import { createScraperVerifier } from "./scraper.ts";
import type { Verifier } from "./verifiers.ts";

const MAX_CACHED = 10_000;
const MAX_HEADER_CHARS = 16_384;

export type AuthOutcome = "ok" | "anonymous" | "missing" | "invalid" | "expired";
export type AuthOptions = Omit<JwtOptions, "secret"> & {
  /** Undefined only where nothing is required: then every caller is anonymous. */
  readonly secret: string | undefined;
  readonly algorithm: "HS256";
  readonly required: boolean;
  /** Opens the metrics and nothing else; undefined for none. */
  readonly metricsToken: string | undefined;
  /** How long a token that was found good is believed, ms. */
  readonly cacheMs: number;
  /** Right only where the gateway listens on a loopback address alone. */
  readonly anonymousIsAdmin: boolean;
  readonly count?: (outcome: AuthOutcome) => void;
};

export interface Auth {
  /**
   * A token decides where one is sent, else the certificate of the connection. Synchronous for a header seen before and for certificates.
   * Throws, or rejects with, MCPS_UNAUTHENTICATED with its WWW-Authenticate header (RFC 6750 §3).
   */
  authenticate(authorization: string | undefined, client?: ClientCertificate): Principal | Promise<Principal>;
  mint(request: MintRequest): Promise<string>;
}

/** Throws RangeError when tokens are required and there is no secret of 32 bytes. */
export function createAuth(options: AuthOptions): Auth {
  const { secret } = options;
  if (secret === undefined && options.required) throw new RangeError("authentication needs JWT_SECRET_KEY");
  const jwt = secret === undefined ? undefined : { ...options, secret };
  const verifiers = [
    ...(options.metricsToken === undefined ? [] : [createScraperVerifier(options.metricsToken)]),
    ...(jwt === undefined ? [] : [createJwtVerifier(jwt)]),
  ];
  return new TokenAuth(options, verifiers, jwt);
}

class TokenAuth implements Auth {
  readonly #options: AuthOptions;
  readonly #verifiers: readonly Verifier[];
  readonly #jwt: JwtOptions | undefined;
  readonly #anonymous: Principal;
  /** By raw header, the least recently used first. */
  readonly #known = new Map<string, { readonly principal: Principal; readonly until: number }>();

  /** By fingerprint: one object for all connections of a client. */
  readonly #certified = new Map<string, Principal>();

  constructor(options: AuthOptions, verifiers: readonly Verifier[], jwt: JwtOptions | undefined) {
    this.#options = options;
    this.#verifiers = verifiers;
    this.#jwt = jwt;
    this.#anonymous = Object.freeze({ id: "anonymous", kind: "anonymous", admin: options.anonymousIsAdmin, teams: [] });
  }

  authenticate(authorization: string | undefined, client?: ClientCertificate): Principal | Promise<Principal> {
    const known = authorization === undefined ? undefined : this.#recall(authorization);
    if (known !== undefined) {
      this.#options.count?.("ok");
      return known;
    }
    const hasNoToken = authorization === undefined || (!this.#options.required && this.#verifiers.length === 0);
    if (hasNoToken && client !== undefined) return this.#byCertificate(client);
    if (hasNoToken && !this.#options.required) {
      this.#options.count?.("anonymous");
      return this.#anonymous;
    }
    if (authorization === undefined) throw this.#refuse("missing", "send Authorization: Bearer <token>");
    return this.#verify(authorization);
  }

  mint(request: MintRequest): Promise<string> {
    if (this.#jwt === undefined) throw new RangeError("making tokens needs JWT_SECRET_KEY");
    return mintJwt(this.#jwt, request);
  }

  #byCertificate(client: ClientCertificate): Principal {
    if (this.#options.now() >= client.expiresAt)
      throw this.#refuse("expired", "the client certificate expired", "certificate");
    const known = this.#certified.get(client.fingerprint);
    const principal = known ?? certificatePrincipal(client);
    if (principal === undefined)
      throw this.#refuse("invalid", "the client certificate names no usable subject", "certificate");
    if (known === undefined) keep(this.#certified, client.fingerprint, principal);
    this.#options.count?.("ok");
    return principal;
  }

  #recall(authorization: string): Principal | undefined {
    const entry = this.#known.get(authorization);
    if (entry === undefined) return undefined;
    const isOver = this.#options.now() >= entry.until;
    // The order of insertion is the order of use; a map that is half empty need not keep it.
    if (isOver || this.#known.size > MAX_CACHED / 2) this.#known.delete(authorization);
    if (isOver) return undefined;
    if (this.#known.size >= MAX_CACHED / 2) this.#known.set(authorization, entry);
    return entry.principal;
  }

  async #verify(authorization: string): Promise<Principal> {
    const token = bearerToken(authorization);
    if (token === undefined) throw this.#refuse("invalid", "the Authorization header is not Bearer <token>");
    for (const verifier of this.#verifiers) {
      const found = await verifier.verify(token);
      if (found === undefined) continue;
      if ("rejected" in found) throw this.#refuse(found.rejected, found.reason);
      // Not kept, so that its token is only ever compared in constant time.
      if (found.kind !== "scraper") this.#remember(authorization, found);
      this.#options.count?.("ok");
      return found;
    }
    throw this.#refuse("invalid", "the token is of no known kind");
  }

  #remember(authorization: string, principal: Principal): void {
    const until = Math.min(principal.expiresAt ?? Infinity, this.#options.now() + this.#options.cacheMs);
    keep(this.#known, authorization, { principal: Object.freeze(principal), until });
  }

  /** Nothing was wrong with a token that is not there: then the challenge names no error (RFC 6750 §3.1). */
  #refuse(outcome: "missing" | "invalid" | "expired", reason: string, proof: "token" | "certificate" = "token"): Fault {
    this.#options.count?.(outcome);
    const hasToken = outcome !== "missing" && proof === "token";
    const detail = !hasToken ? "" : `, error="invalid_token", error_description="${reason}"`;
    return fault("MCPS_UNAUTHENTICATED", { reason }, undefined, {
      "www-authenticate": `Bearer realm="mcp-stack"${detail}`,
    });
  }
}

/** The oldest makes room. */
function keep<Value>(known: Map<string, Value>, key: string, value: Value): void {
  known.set(key, value);
  const [oldest] = known.size > MAX_CACHED ? known.keys() : [];
  if (oldest !== undefined) known.delete(oldest);
}

/** RFC 6750 §2.1: the scheme in any letter case, one token68. */
function bearerToken(authorization: string): string | undefined {
  if (authorization.length > MAX_HEADER_CHARS) return undefined;
  return /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization)?.[1];
}
