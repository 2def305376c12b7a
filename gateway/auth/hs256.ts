/** HS256 JWT (RFC 7519, RFC 8725): checks and makes them. The algorithm is ours to choose, never the token's. */
import { randomUUID } from "node:crypto";
import { errors, type JWTPayload, jwtVerify, SignJWT } from "jose";
import type { Principal } from "../../contract/principal.ts";
import { type Rejection, SAFE_ID, type Verifier } from "./verifiers.ts";

const CLOCK_SKEW_SECONDS = 30;
const ALGORITHM = "HS256";
const MIN_SECRET_BYTES = 32;
const MAX_TEAMS = 1000;

export type JwtOptions = {
  /** At least 32 bytes of UTF-8. */
  readonly secret: string;
  readonly audience: string;
  readonly issuer: string;
  /** Who has this id or email is an administrator; letter case does not matter. */
  readonly adminEmail: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
};
export type MintRequest = {
  readonly username: string;
  /** Minutes until it expires; 0 makes a token that never does. */
  readonly expMinutes: number;
  readonly admin?: boolean;
};

export function createJwtVerifier(options: JwtOptions): Verifier {
  const key = keyOf(options.secret);
  return {
    async verify(token) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [ALGORITHM],
          audience: options.audience,
          issuer: options.issuer,
          clockTolerance: CLOCK_SKEW_SECONDS,
          currentDate: new Date(options.now()),
        });
        return principalOf(payload, options.adminEmail);
      } catch (error) {
        return rejectionOf(error);
      }
    },
  };
}

/** Throws RangeError for a name or a time that cannot be put into a token. */
export function mintJwt(options: JwtOptions, request: MintRequest): Promise<string> {
  if (!SAFE_ID.test(request.username)) throw new RangeError("a username has 1 to 254 characters and no spaces");
  if (!Number.isFinite(request.expMinutes) || request.expMinutes < 0) throw new RangeError("minutes are 0 or more");
  const issuedAt = Math.floor(options.now() / 1000);
  const token = new SignJWT(request.admin === true ? { is_admin: true } : {})
    .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
    .setSubject(request.username)
    .setAudience(options.audience)
    .setIssuer(options.issuer)
    .setIssuedAt(issuedAt)
    .setJti(randomUUID());
  if (request.expMinutes > 0) token.setExpirationTime(issuedAt + Math.ceil(request.expMinutes * 60));
  return token.sign(keyOf(options.secret));
}

function keyOf(secret: string): Uint8Array {
  const key = new TextEncoder().encode(secret);
  if (key.length < MIN_SECRET_BYTES) throw new RangeError(`the JWT secret needs at least ${MIN_SECRET_BYTES} bytes`);
  return key;
}

function principalOf(payload: JWTPayload, adminEmail: string): Principal | Rejection {
  const id = [payload.sub, payload.username, payload.email].find((claim) => typeof claim === "string" && claim !== "");
  if (typeof id !== "string" || !SAFE_ID.test(id))
    return { rejected: "invalid", reason: "the token names no usable subject" };
  const { teams, email } = payload;
  const isPlatformAdmin = [id, email].some(
    (name) => typeof name === "string" && name.toLowerCase() === adminEmail.toLowerCase(),
  );
  return {
    id,
    kind: "jwt",
    admin: isPlatformAdmin || payload.is_admin === true || payload.admin === true,
    teams: Array.isArray(teams) ? teams.filter((team) => typeof team === "string").slice(0, MAX_TEAMS) : [],
    ...(payload.exp === undefined ? {} : { expiresAt: payload.exp * 1000 }),
  };
}

/** Fixed sentences: nothing of the token, and nothing that helps to guess a key. */
function rejectionOf(error: unknown): Rejection {
  if (error instanceof errors.JWTExpired) return { rejected: "expired", reason: "the token expired" };
  if (error instanceof errors.JWTClaimValidationFailed)
    return { rejected: "invalid", reason: claimReason(error.claim) };
  return { rejected: "invalid", reason: "the token is not a valid one of this gateway" };
}

function claimReason(claim: string): string {
  if (claim === "aud") return "the token is for another audience";
  if (claim === "iss") return "the token is of another issuer";
  return claim === "nbf" ? "the token is not valid yet" : "a claim of the token cannot be used";
}
