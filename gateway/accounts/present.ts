/** What REST shows of records of accounts. */
import type * as z from "zod";
import type { AccountRecord, TeamRecord, TokenRecord } from "../store/index.ts";
import type { teamRead, tokenRead, userRead } from "./schemas.ts";

export function showUser(record: AccountRecord): z.infer<typeof userRead> {
  return {
    email: record.email,
    fullName: record.fullName,
    isAdmin: record.admin,
    isActive: record.active,
    authProvider: record.source,
    hasPassword: record.hasPassword,
    passwordChangeRequired: record.mustChangePassword,
    failedLoginAttempts: record.failedLogins,
    lockedUntil: record.lockedUntil,
    lastLogin: record.lastLoginAt,
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
  };
}

export function showTeam({ members, ...record }: TeamRecord): z.infer<typeof teamRead> {
  return { ...record, memberCount: members };
}

/** `now` in epoch milliseconds: whether the token still opens anything. */
export function showToken(record: TokenRecord, now: number): z.infer<typeof tokenRead> {
  const { permissions, addresses, hours, limits, lastUsedAt, ...rest } = record;
  const isOver = record.expiresAt !== null && Date.parse(record.expiresAt) <= now;
  return {
    ...rest,
    tags: [...record.tags],
    permissions: [...(permissions ?? [])],
    ipRestrictions: [...addresses],
    timeRestrictions: hours,
    usageLimits: limits,
    lastUsed: lastUsedAt,
    isActive: record.revokedAt === null && !isOver,
  };
}
