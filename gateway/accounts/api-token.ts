/**
 * API tokens: 256 random bits behind a prefix that scanners for leaked secrets can find. Only the SHA-256 of one is ever stored, which
 * is enough for so many random bits (a slow hash is for what people choose).
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { isPermission } from "../../contract/permissions.ts";
import type { Identity, Rejection, Verifier } from "../auth/index.ts";
import type { AccountOperations, TokenRecord } from "../store/index.ts";

export const TOKEN_PREFIX = "mcps_";
const FORM = /^mcps_[A-Za-z0-9_-]{43}$/;

export function makeToken(): { readonly token: string; readonly hash: string } {
  const token = TOKEN_PREFIX + randomBytes(32).toString("base64url");
  return { token, hash: hashOf(token) };
}

export function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

export type TokenVerifierOptions = {
  readonly store: Pick<AccountOperations, "findToken">;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Told of a token that was found good, before it is believed: what narrows its use is watched from then on. */
  readonly found: (record: TokenRecord) => Promise<void>;
};

export function createTokenVerifier({ store, now, found }: TokenVerifierOptions): Verifier {
  return {
    async verify(token) {
      if (!token.startsWith(TOKEN_PREFIX)) return undefined;
      if (!FORM.test(token)) return UNKNOWN;
      const hash = hashOf(token);
      const record = await store.findToken(hash);
      if (record === undefined) return UNKNOWN;
      if (record.revokedAt !== null) return { rejected: "invalid", reason: "the token was revoked" };
      if (record.expiresAt !== null && now() >= Date.parse(record.expiresAt))
        return { rejected: "expired", reason: "the token expired" };
      await found(record);
      return identityOf(record);
    },
  };
}

const UNKNOWN: Rejection = { rejected: "invalid", reason: "the token is not a valid one of this gateway" };

function identityOf(record: TokenRecord): Identity {
  return {
    subject: record.email,
    kind: "api-token",
    claimsAdmin: false,
    tokenId: record.id,
    issuedAt: Date.parse(record.createdAt),
    ...(record.teamId === null ? {} : { teams: [record.teamId] }),
    ...(record.permissions === null ? {} : { permissions: record.permissions.filter(isPermission) }),
    ...(record.serverId === null ? {} : { serverId: record.serverId }),
    ...(record.expiresAt === null ? {} : { expiresAt: Date.parse(record.expiresAt) }),
  };
}

/** Equal in constant time; texts of one length, as hashes are. */
export function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
