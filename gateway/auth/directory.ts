/**
 * What the deployment knows of a caller whose proof was found good: whether he is still let in, his teams, what his roles give. A proof says
 * who somebody is; the directory has the last word on what he may.
 */
import type { Grants, Principal } from "../../contract/principal.ts";
import type { Permission } from "../../contract/routes.ts";

/** What a verified proof says, and nothing that it does not. */
export type Identity = {
  /** As it will stand in Principal.id. */
  readonly subject: string;
  readonly kind: Principal["kind"];
  /** The proof calls him a platform administrator. Believed only of somebody whom the deployment does not know. */
  readonly claimsAdmin: boolean;
  /** Teams that the proof is for; absent: it does not say, and all of his are meant. Of somebody known they only narrow. */
  readonly teams?: readonly string[];
  /** What the proof is narrowed to; absent: everything that he may. */
  readonly permissions?: readonly Permission[];
  /** The proof opens this virtual server and no other endpoint. */
  readonly serverId?: string;
  /** `jti`, or the id of a stored token. */
  readonly tokenId?: string;
  /** Who made the token, where that was not this gateway. */
  readonly issuer?: string;
  /** Epoch milliseconds. */
  readonly issuedAt?: number;
  readonly expiresAt?: number;
};

export type Standing =
  | {
      readonly admitted: true;
      readonly admin: boolean;
      /** Sees what everybody has; changes nothing by that. */
      readonly oversees: boolean;
      readonly teams: readonly string[];
      /** Already narrowed to the proof's; absent: everything for an administrator, what everyone may for others. */
      readonly grants?: Grants;
    }
  | {
      readonly admitted: false;
      /** `unknown`: nobody here has that name, and somebody has to. */
      readonly why: "inactive" | "revoked" | "unknown";
    };

/** Whose standing may be another now; neither given: anybody's. */
export type DirectoryChange = { readonly subject?: string; readonly tokenId?: string };

export interface Directory {
  /** Synchronous for who was asked for a short while ago. Rejects with MCPS_DATABASE when what decides cannot be read. */
  standingOf(identity: Identity): Standing | Promise<Standing>;
  /** Called in this process for changes made anywhere. What is remembered by standing has to be forgotten. Answers the way to end it. */
  onChanged(listener: (change: DirectoryChange) => void): () => void;
}

/** Believes proofs: for a gateway that keeps nothing about its callers. */
export const believing: Directory = {
  standingOf: ({ claimsAdmin, teams = [], permissions }) => ({
    admitted: true,
    admin: claimsAdmin,
    oversees: false,
    teams,
    ...(permissions === undefined
      ? {}
      : { grants: { everywhere: new Set(permissions), byTeam: new Map(), own: NOTHING } }),
  }),
  onChanged: () => () => undefined,
};
const NOTHING: ReadonlySet<Permission> = new Set();
