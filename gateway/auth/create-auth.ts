/** The auth room put together: keys, verifiers, directory, resources. */
import type { RequestHead } from "../../contract/http.ts";
import type { JwtAlgorithm } from "../../contract/identity-settings.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Route } from "../../contract/routes.ts";
import { type AuthOutcome, TokenAuth } from "./auth.ts";
import type { CertificateName } from "./certificate.ts";
import { believing, type Directory } from "./directory.ts";
import { createForeignVerifier, type ForeignOptions } from "./foreign-tokens.ts";
import { readOwnKeys } from "./own-keys.ts";
import { createOwnVerifier, type MintRequest, mintToken, type TokenOptions } from "./own-tokens.ts";
import type { Resources } from "./resources.ts";
import { scraperToken } from "./scraper.ts";
import type { Verifier } from "./verifiers.ts";

export type AuthOptions = TokenOptions & {
  readonly algorithm: JwtAlgorithm;
  /** Of HS*. Undefined only where nothing is required: then every caller is anonymous. */
  readonly secret: string | undefined;
  readonly privateKeyPath?: string | undefined;
  readonly publicKeyPath?: string | undefined;
  readonly required: boolean;
  /** Opens the metrics and nothing else; undefined for none. */
  readonly metricsToken: string | undefined;
  /** How long a token that was found good is believed, ms. */
  readonly cacheMs: number;
  /** How much longer when what decides does not answer, ms. Absent: it is refused then. */
  readonly staleMs?: number;
  /** Right only where the gateway listens on a loopback address alone. */
  readonly anonymousIsAdmin: boolean;
  readonly certificateName?: CertificateName;
  /** What the deployment knows; absent: proofs are believed. */
  readonly directory?: Directory;
  /** Of further kinds of proof, asked first. */
  readonly verifiers?: readonly Verifier[];
  readonly foreign?: Omit<ForeignOptions, "resources" | "now" | "clockSkewSeconds">;
  readonly resources?: Resources;
  readonly count?: (outcome: AuthOutcome) => void;
};

export interface Auth {
  /**
   * A token decides where one is sent, else the certificate of the connection. Synchronous for who was seen before. Throws, or rejects with,
   * MCPS_UNAUTHENTICATED with its WWW-Authenticate header (RFC 6750 §3), and MCPS_IDENTITY_UNKNOWN where nobody can say.
   */
  callerOf(route: Route, head: RequestHead): Principal | Promise<Principal>;
  /** Throws MCPS_FORBIDDEN, as a challenge where a token with more scopes would do. */
  require(principal: Principal, route: Route, head: RequestHead): void;
  /** For a connection that stays: `end` is called when this principal's proof does not carry it any longer. The answer lets go. */
  hold(principal: Principal, end: () => void): () => void;
  /** As `callerOf`, for the proofs alone. */
  authenticate: TokenAuth["authenticate"];
  /** Whether this gateway makes tokens: not where it has public keys alone. */
  readonly mints: boolean;
  mint(request: MintRequest): Promise<string>;
}

/** Throws RangeError when tokens are required and there is no key, and MCPS_IDENTITY for keys that cannot be used. */
export function createAuth(options: AuthOptions): Auth {
  const keys = readOwnKeys(options);
  const { foreign, resources, now, clockSkewSeconds = 30 } = options;
  const verifiers: Verifier[] = [...(options.verifiers ?? [])];
  if (foreign !== undefined && resources !== undefined && foreign.issuers.length > 0)
    verifiers.push(createForeignVerifier({ ...foreign, resources, now, clockSkewSeconds }));
  if (keys !== undefined) verifiers.push(createOwnVerifier(keys, options));
  if (options.required && verifiers.length === 0)
    throw new RangeError(
      `authentication needs ${options.algorithm.startsWith("HS") ? "JWT_SECRET_KEY" : "a public key"}`,
    );
  const auth = new TokenAuth({
    verifiers,
    directory: options.directory ?? believing,
    required: options.required,
    isScraper: options.metricsToken === undefined ? undefined : scraperToken(options.metricsToken),
    cacheMs: options.cacheMs,
    staleMs: options.staleMs ?? 0,
    anonymousIsAdmin: options.anonymousIsAdmin,
    certificateName: options.certificateName ?? "auto",
    resources,
    now,
    count: options.count,
  });
  return {
    callerOf: (route, head) => auth.callerOf(route, head),
    require: (principal, route, head) => auth.require(principal, route, head),
    hold: (principal, end) => auth.hold(principal, end),
    authenticate: (authorization, client) => auth.authenticate(authorization, client),
    mints: keys?.signing !== undefined,
    mint(request) {
      if (keys === undefined) throw new RangeError("making tokens needs JWT_SECRET_KEY or JWT_PRIVATE_KEY_PATH");
      return mintToken(keys, options, request);
    },
  };
}
