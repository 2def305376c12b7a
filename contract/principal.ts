import type { Permission } from "./permissions.ts";

/** What roles give, by where it counts. */
export type Grants = {
  /** On everything that its holder may see. */
  readonly everywhere: ReadonlySet<Permission>;
  /** On what belongs to a team, by the team's id. */
  readonly byTeam: ReadonlyMap<string, ReadonlySet<Permission>>;
  /** On what its holder owns and no team does. */
  readonly own: ReadonlySet<Permission>;
};

/** Who is asking. Made by the auth room only; every other room decides by it and never by a raw token. */
export type Principal = {
  /** Stable id, safe in keys, logs and metrics: the email, the token's subject, a name in the certificate. Never a token. */
  readonly id: string;
  /** `scraper`: may read the metrics and nothing else, not even what any principal may. */
  readonly kind: "jwt" | "api-token" | "certificate" | "anonymous" | "scraper";
  /** Sees and changes everything that its permissions reach. */
  readonly admin: boolean;
  /** Sees what everybody has, and changes nothing by that. */
  readonly oversees?: true;
  readonly teams: readonly string[];
  /** What roles give anywhere and the token is narrowed to; absent: everything for an administrator, what everyone may for others. */
  readonly permissions?: ReadonlySet<Permission>;
  /** The same by where it counts; absent where nothing is known of roles. */
  readonly grants?: Grants;
  /** The token opens this virtual server and no other endpoint. */
  readonly serverId?: string;
  /** Of the token: `jti`, or the id of a stored one. For records, limits and revocation; never the token itself. */
  readonly tokenId?: string;
  /** Who made the token, where that was not this gateway. */
  readonly issuer?: string;
  /** Epoch milliseconds; absent for anonymous. */
  readonly expiresAt?: number;
};

/** Whether what he owns counts for him here: not in a proof that is for certain teams, or for things that an owner has no more of. */
export function countsAsOwner({ grants }: Principal): boolean {
  return grants === undefined || grants.own.size > 0;
}
