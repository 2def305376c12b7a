/** Plain data of who may call: users, teams, roles, tokens, revocations. Times are ISO 8601. */
import type { Sql } from "./types.ts";

/** Runs statements on what the database says of callers. Failures become Faults. */
export type AccountsRunner = {
  /** One statement, or several that need not agree. */
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** A change of what somebody may: one transaction with the new identity version, which is told to `changed`. */
  change<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** What changes nobody's rights: counters, last use. */
  note<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
};

export type AccountRecord = {
  readonly email: string;
  readonly fullName: string;
  readonly hasPassword: boolean;
  readonly mustChangePassword: boolean;
  readonly passwordChangedAt: string | null;
  readonly active: boolean;
  readonly admin: boolean;
  readonly source: "local" | "sso";
  readonly failedLogins: number;
  readonly lockedUntil: string | null;
  readonly lastLoginAt: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
};
export type AccountInput = {
  readonly email: string;
  readonly fullName: string;
  readonly passwordHash: string | null;
  readonly mustChangePassword: boolean;
  readonly active: boolean;
  readonly admin: boolean;
  readonly source: AccountRecord["source"];
};
export type AccountPatch = Partial<Pick<AccountInput, "fullName" | "active" | "admin" | "mustChangePassword">>;

/** Secret: what a password is checked against. */
export type PasswordRecord = {
  readonly hash: string | null;
  readonly former: readonly string[];
  readonly active: boolean;
  readonly admin: boolean;
  readonly mustChangePassword: boolean;
  readonly changedAt: string | null;
  readonly failedLogins: number;
  readonly lockedUntil: string | null;
};

export type TeamRole = "owner" | "member";
export type TeamRecord = {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly description: string;
  readonly personal: boolean;
  readonly visibility: "private" | "public";
  readonly maxMembers: number | null;
  readonly createdBy: string;
  readonly members: number;
  readonly createdAt: string;
  readonly updatedAt: string;
};
export type TeamInput = Pick<
  TeamRecord,
  "name" | "slug" | "description" | "personal" | "visibility" | "maxMembers" | "createdBy"
>;
export type TeamPatch = Partial<Pick<TeamInput, "name" | "description" | "visibility" | "maxMembers">>;
export type MemberRecord = { readonly email: string; readonly role: TeamRole; readonly joinedAt: string };
export type InvitationRecord = {
  readonly id: string;
  readonly teamId: string;
  readonly email: string;
  readonly role: TeamRole;
  readonly invitedBy: string;
  readonly expiresAt: string;
  readonly createdAt: string;
};
export type JoinRequestRecord = {
  readonly id: string;
  readonly teamId: string;
  readonly email: string;
  readonly message: string;
  readonly createdAt: string;
};

export type RoleScope = "global" | "team" | "personal";
export type RoleRecord = {
  readonly id: string;
  readonly name: string;
  readonly scope: RoleScope;
  readonly description: string;
  /** `*` for all. */
  readonly permissions: readonly string[];
  readonly builtIn: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
};
export type AssignmentRecord = {
  readonly id: string;
  readonly email: string;
  readonly roleId: string;
  readonly roleName: string;
  readonly scope: RoleScope;
  readonly scopeId: string | null;
  readonly grantedBy: string;
  readonly grantedAt: string;
  readonly expiresAt: string | null;
};

/** Of the day, in a time zone: `from` to `to`, `HH:MM`, over midnight where `to` is earlier. */
export type TokenHours = {
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
  /** 0 is Sunday; absent: every day. */
  readonly days?: readonly number[] | undefined;
};
/** Requests: since the hour began, in 24 hours, in all. */
export type TokenLimits = {
  readonly perHour?: number | undefined;
  readonly perDay?: number | undefined;
  readonly total?: number | undefined;
};
export type TokenRecord = {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly email: string;
  readonly teamId: string | null;
  readonly serverId: string | null;
  readonly permissions: readonly string[] | null;
  readonly addresses: readonly string[];
  readonly hours: TokenHours | null;
  readonly limits: TokenLimits | null;
  readonly tags: readonly string[];
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
  readonly revokedBy: string | null;
  readonly createdAt: string;
};
export type TokenInput = Omit<TokenRecord, "id" | "lastUsedAt" | "revokedAt" | "revokedBy" | "createdAt">;
export type TokenPatch = Partial<
  Pick<TokenInput, "name" | "description" | "permissions" | "addresses" | "hours" | "limits" | "tags" | "expiresAt">
>;
/** What a token was used for in one hour. */
export type TokenUse = { readonly hour: string; readonly requests: number };
export type TokenUsage = { readonly hour: number; readonly day: number; readonly total: number };

/** All that the deployment says of one caller, read at once. */
export type StandingRecord = {
  readonly active: boolean;
  readonly admin: boolean;
  /** Epoch milliseconds; tokens made before it are no longer good. */
  readonly notBefore: number | null;
  readonly teams: readonly { readonly id: string; readonly role: TeamRole }[];
  readonly roles: readonly {
    readonly scope: RoleScope;
    readonly scopeId: string;
    readonly permissions: readonly string[];
    /** Epoch milliseconds. */
    readonly expiresAt: number | null;
  }[];
};
