/** The gateway's own tokens: checks and makes them. */
import { randomUUID } from "node:crypto";
import { type JWTPayload, SignJWT } from "jose";
import * as z from "zod";
import { isPermission, type Permission } from "../../contract/permissions.ts";
import type { Identity } from "./directory.ts";
import { isRejection, readToken, type TokenRules, UNUSABLE, verifyJwt } from "./jwt.ts";
import type { OwnKeys } from "./own-keys.ts";
import { invalid, type Rejection, SAFE_ID, type Verifier } from "./verifiers.ts";

const MAX_TEAMS = 1000;

export type TokenOptions = {
  readonly audience: string;
  readonly issuer: string;
  /** Who has this id or email is an administrator; letter case does not matter. */
  readonly adminEmail: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly checksAudience?: boolean;
  readonly checksIssuer?: boolean;
  readonly needsExpiration?: boolean;
  readonly needsId?: boolean;
  /** 30 where absent. */
  readonly clockSkewSeconds?: number;
};
export type MintRequest = {
  readonly username: string;
  /** Minutes until it expires; 0 makes a token that never does. */
  readonly expMinutes: number;
  readonly admin?: boolean;
  /** `jti`; a random one where absent. */
  readonly id?: string;
  /** Absent: all of the caller's. */
  readonly teams?: readonly string[];
  /** What the token is narrowed to. */
  readonly permissions?: readonly Permission[];
  /** The token opens this virtual server alone. */
  readonly serverId?: string;
};

export function createOwnVerifier(keys: OwnKeys, options: TokenOptions): Verifier {
  const requiredClaims = [
    ...(options.needsExpiration === true ? ["exp"] : []),
    ...(options.needsId === true ? ["jti"] : []),
  ];
  const rules: TokenRules = {
    algorithms: [keys.algorithm],
    audience: options.checksAudience === false ? undefined : [options.audience],
    issuer: options.checksIssuer === false ? undefined : options.issuer,
    requiredClaims,
    clockSkewSeconds: options.clockSkewSeconds ?? 30,
    now: options.now,
  };
  return {
    async verify(token) {
      const read = readToken(token);
      if (isRejection(read)) return read;
      const { alg, kid } = read.header;
      if (alg !== keys.algorithm) return invalid(UNUSABLE);
      const named = keys.verifying.filter((key) => kid !== undefined && key.kid === kid);
      const candidates = named.length > 0 ? named : keys.verifying;
      const payload = await verifyJwt(
        token,
        candidates.map(({ key }) => key),
        rules,
      );
      return isRejection(payload) ? payload : identityOf(payload, options.adminEmail);
    },
  };
}

/** Throws RangeError for a name or a time that cannot be put into a token, and where there is no key to sign with. */
export function mintToken(keys: OwnKeys, options: TokenOptions, request: MintRequest): Promise<string> {
  const { signing } = keys;
  if (signing === undefined) throw new RangeError(`making ${keys.algorithm} tokens needs JWT_PRIVATE_KEY_PATH`);
  if (!SAFE_ID.test(request.username)) throw new RangeError("a username has 1 to 254 characters and no spaces");
  if (!Number.isFinite(request.expMinutes) || request.expMinutes < 0) throw new RangeError("minutes are 0 or more");
  const issuedAt = Math.floor(options.now() / 1000);
  const token = new SignJWT(claimsOf(request))
    .setProtectedHeader({ alg: keys.algorithm, typ: "JWT", ...(signing.kid === undefined ? {} : { kid: signing.kid }) })
    .setSubject(request.username)
    .setAudience(options.audience)
    .setIssuer(options.issuer)
    .setIssuedAt(issuedAt)
    .setJti(request.id ?? randomUUID());
  if (request.expMinutes > 0) token.setExpirationTime(issuedAt + Math.ceil(request.expMinutes * 60));
  return token.sign(signing.key);
}

function claimsOf({ admin, teams, permissions, serverId }: MintRequest): JWTPayload {
  const isScoped = permissions !== undefined || serverId !== undefined;
  return {
    ...(admin === true ? { is_admin: true } : {}),
    ...(teams === undefined ? {} : { teams: [...teams] }),
    ...(isScoped ? { scopes: { server_id: serverId ?? null, permissions: permissions ?? ["*"] } } : {}),
  };
}

function identityOf(payload: JWTPayload, adminEmail: string): Identity | Rejection {
  const { teams, email, jti, iat, exp } = payload;
  const subject = [payload.sub, payload.username, email].find((claim) => typeof claim === "string" && claim !== "");
  if (typeof subject !== "string" || !SAFE_ID.test(subject)) return invalid("the token names no usable subject");
  if (jti !== undefined && !SAFE_ID.test(jti)) return invalid("a claim of the token cannot be used");
  const narrowed = narrowedBy(payload.scopes);
  if (narrowed === undefined) return invalid("the scopes of the token cannot be used");
  const isPlatformAdmin = [subject, email].some(
    (name) => typeof name === "string" && name.toLowerCase() === adminEmail.toLowerCase(),
  );
  return {
    subject,
    kind: "jwt",
    claimsAdmin: isPlatformAdmin || payload.is_admin === true || payload.admin === true,
    ...(Array.isArray(teams) ? { teams: teams.filter((team) => typeof team === "string").slice(0, MAX_TEAMS) } : {}),
    ...narrowed,
    ...(jti === undefined ? {} : { tokenId: jti }),
    ...(iat === undefined ? {} : { issuedAt: iat * 1000 }),
    ...(exp === undefined ? {} : { expiresAt: exp * 1000 }),
  };
}

/** As tools of the sources write it: null or absent for "not narrowed", `*` for every permission. */
const Scopes = z
  .object({ server_id: z.string().min(1).nullish(), permissions: z.array(z.string()).nullish() })
  .nullish();

/** Undefined for what cannot be read: a token that was meant to be narrow never counts as one that is not. */
function narrowedBy(scopes: unknown): Pick<Identity, "permissions" | "serverId"> | undefined {
  const read = Scopes.safeParse(scopes);
  if (!read.success) return undefined;
  const serverId = read.data?.server_id ?? undefined;
  const names = read.data?.permissions ?? ["*"];
  return {
    ...(serverId === undefined ? {} : { serverId }),
    ...(names.includes("*") ? {} : { permissions: names.filter(isPermission) }),
  };
}
