/**
 * What is asked of every JWT, whoever made it (RFC 7519, RFC 8725): header, signature, times, audience, issuer. Keys come from the caller;
 * nothing that stands in a token leads to a key but its `kid`.
 */
import type { KeyObject } from "node:crypto";
import { type CryptoKey, decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import { invalid, type Rejection } from "./verifiers.ts";

export type TokenHeader = { readonly alg: string; readonly kid?: string };
export type TokenRules = {
  readonly algorithms: readonly string[];
  /** Any of them; undefined: not asked. */
  readonly audience: readonly string[] | undefined;
  readonly issuer: string | undefined;
  readonly requiredClaims: readonly string[];
  readonly clockSkewSeconds: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
};
export type VerifyingKey = KeyObject | CryptoKey;

export const UNUSABLE = "the token is not a valid one of this gateway";
/** Keys that are tried for a token that names none. */
const MAX_TRIES = 8;
/** RFC 8725 §3.11: logout tokens, DPoP proofs and the like are signed by the same keys and are no access tokens. */
const TYPES: ReadonlySet<string> = new Set(["jwt", "at+jwt", "application/at+jwt", "application/jwt"]);
/** Keys that come with the token prove nothing (RFC 8725 §3.10). */
const OWN_KEYS = ["jwk", "jku", "x5u", "x5c"] as const;

/** The header when it may be looked at further, and `iss` as the token has it: not proved yet. */
export function readToken(token: string): { readonly header: TokenHeader; readonly issuer: unknown } | Rejection {
  try {
    const header = decodeProtectedHeader(token);
    const { alg, kid, typ, crit } = header;
    if (typeof alg !== "string" || alg.toLowerCase() === "none") return invalid("the token is not signed");
    if (crit !== undefined) return invalid("the token needs an extension that is not known here");
    if (OWN_KEYS.some((name) => header[name] !== undefined)) return invalid("the token brings a key of its own");
    if (typ !== undefined && (typeof typ !== "string" || !TYPES.has(typ.toLowerCase())))
      return invalid("the token is of another type");
    if (kid !== undefined && (typeof kid !== "string" || kid.length > 256)) return invalid(UNUSABLE);
    return { header: { alg, ...(kid === undefined ? {} : { kid }) }, issuer: decodeJwt(token).iss };
  } catch {
    return invalid(UNUSABLE);
  }
}

/** `keys` are those that the header leads to. Never rejects. */
export async function verifyJwt(
  token: string,
  keys: readonly VerifyingKey[],
  rules: TokenRules,
): Promise<JWTPayload | Rejection> {
  let refused: Rejection = { ...invalid(UNUSABLE), lasting: true };
  for (const key of keys.slice(0, MAX_TRIES)) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [...rules.algorithms],
        ...(rules.audience === undefined ? {} : { audience: [...rules.audience] }),
        ...(rules.issuer === undefined ? {} : { issuer: rules.issuer }),
        requiredClaims: [...rules.requiredClaims],
        clockTolerance: rules.clockSkewSeconds,
        currentDate: new Date(rules.now()),
      });
      return madeLater(payload, rules) ? invalid("the token was made in the future") : payload;
    } catch (error) {
      refused = rejectionOf(error);
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) return refused;
    }
  }
  return refused;
}

export function isRejection<Value extends object>(found: Value | Rejection): found is Rejection {
  return "rejected" in found;
}

function madeLater({ iat }: JWTPayload, { clockSkewSeconds, now }: TokenRules): boolean {
  return iat !== undefined && iat > now() / 1000 + clockSkewSeconds;
}

/** Fixed sentences: nothing of the token, and nothing that helps to guess a key. */
function rejectionOf(error: unknown): Rejection {
  if (error instanceof errors.JWTExpired) return { rejected: "expired", reason: "the token expired" };
  if (error instanceof errors.JWTClaimValidationFailed) return invalid(claimReason(error));
  return { ...invalid(UNUSABLE), lasting: true };
}

function claimReason({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (claim === "aud") return "the token is for another audience";
  if (claim === "iss") return "the token is of another issuer";
  if (claim === "exp" && reason === "missing") return "the token never expires";
  if (claim === "jti" && reason === "missing") return "the token has no id (jti)";
  return claim === "nbf" ? "the token is not valid yet" : "a claim of the token cannot be used";
}
