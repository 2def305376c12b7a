import type { Permission } from "./permissions.ts";

/** Who is asking. Made by the auth room only; every other room decides by it and never by a raw token. */
export type Principal = {
  /** Stable id, safe in keys, logs and metrics: the email, the token's subject, a name in the certificate. Never a token. */
  readonly id: string;
  /** `scraper`: may read the metrics and nothing else, not even what any principal may. */
  readonly kind: "jwt" | "api-token" | "certificate" | "anonymous" | "scraper";
  /** Sees and changes everything that its permissions reach. */
  readonly admin: boolean;
  readonly teams: readonly string[];
  /** What roles give and the token is narrowed to; absent: everything for an administrator, what everyone may for others. */
  readonly permissions?: ReadonlySet<Permission>;
  /** The token opens this virtual server and no other endpoint. */
  readonly serverId?: string;
  /** Of the token: `jti`, or the id of a stored one. For records, limits and revocation; never the token itself. */
  readonly tokenId?: string;
  /** Epoch milliseconds; absent for anonymous. */
  readonly expiresAt?: number;
};
