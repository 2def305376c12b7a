/** What callers may send about accounts, and what they are shown. Keys are camelCase; snake_case is understood too. */
import { isIP } from "node:net";
import * as z from "zod";
import { isPermission } from "../../contract/permissions.ts";
import { isTimeZone } from "./hours.ts";

const text = (max: number) => z.string().max(max);
const name = z.string().trim().min(1).max(255);
/** As it is stored: one spelling of one user. */
export const email = z
  .email("has to be an email address")
  .max(254)
  .transform((value) => value.toLowerCase());
const password = z.string().min(1).max(1024);
const time = z.string();
const when = z.iso.datetime({ offset: true, error: "has to be a date and time by ISO 8601 with its offset" });
const role = z.enum(["owner", "member"]);
const permission = z.string().refine((value) => value === "*" || isPermission(value), "is no permission");

/** Keys of a nested object in either spelling. */
const either = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess(
    (value) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).map(([key, one]) => [camel(key), one]))
        : value,
    schema,
  );
const camel = (key: string) => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

export const login = z.strictObject({ email, password });
export const passwordChange = z.strictObject({ email, oldPassword: password, newPassword: password });
export const passwordReset = z.strictObject({ token: z.string().max(1000), newPassword: password });
export const passwordResetToken = z.object({ email: z.string(), token: z.string(), expiresAt: z.iso.datetime() });

export const userCreate = z.strictObject({
  email,
  password: password.optional(),
  fullName: text(255).default(""),
  isAdmin: z.boolean().default(false),
  isActive: z.boolean().default(true),
  passwordChangeRequired: z.boolean().default(true),
});
export const userPatch = z
  .strictObject({
    fullName: text(255),
    isAdmin: z.boolean(),
    isActive: z.boolean(),
    password,
    passwordChangeRequired: z.boolean(),
  })
  .partial();

const visibility = z.enum(["private", "public"]);
const maxMembers = z.int().min(1).max(100_000).nullable();
export const teamCreate = z.strictObject({
  name,
  slug: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "has to be [a-z0-9][a-z0-9-]* of at most 63 characters")
    .optional(),
  description: text(8192).default(""),
  visibility: visibility.default("private"),
  maxMembers: maxMembers.default(null),
});
export const teamPatch = z.strictObject({ name, description: text(8192), visibility, maxMembers }).partial();
export const memberCreate = z.strictObject({ email, role: role.default("member") });
export const memberPatch = z.strictObject({ role });
export const joinCreate = z.strictObject({ message: text(1000).default("") });

const permissions = z.array(permission).max(200);
export const roleCreate = z.strictObject({
  name,
  scope: z.enum(["global", "team", "personal"]),
  description: text(8192).default(""),
  permissions,
});
export const rolePatch = z.strictObject({ name, description: text(8192), permissions }).partial();
export const assignmentCreate = z.strictObject({
  roleId: z.string().min(1).max(255),
  /** The team, for roles of scope `team`. */
  scopeId: z.string().min(1).max(255).nullable().default(null),
  expiresAt: when.nullable().default(null),
});
export const permissionCheck = z.strictObject({
  userEmail: email.optional(),
  permission,
  teamId: z.string().min(1).max(255).optional(),
});

const address = z.string().refine(isAddress, "has to be an address or a network such as 10.0.0.0/8");
const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "has to be HH:MM");
const hours = either(
  z.strictObject({
    from: clock,
    to: clock,
    timeZone: z.string().max(100).refine(isTimeZone, "has to be a time zone such as Europe/Dublin").default("UTC"),
    days: z.array(z.int().min(0).max(6)).min(1).max(7).optional(),
  }),
);
const count = z.int().min(1).max(1_000_000_000).optional();
const limits = either(z.strictObject({ perHour: count, perDay: count, total: count }));
const scopeFields = z.strictObject({
  serverId: z.string().min(1).max(255).nullable().default(null),
  /** Absent or empty: everything that the owner may. */
  permissions: z.array(z.string().refine(isPermission, "is no permission")).max(200).default([]),
  ipRestrictions: z.array(address).max(100).default([]),
  timeRestrictions: hours.nullable().default(null),
  usageLimits: limits.nullable().default(null),
});
const tags = z.array(z.string().trim().min(1).max(100)).max(100);
export const tokenCreate = z.strictObject({
  name,
  description: text(8192).default(""),
  /** Absent: it never ends. */
  expiresInDays: z.number().min(0.001).max(3650).optional(),
  scope: either(scopeFields).optional(),
  tags: tags.default([]),
  teamId: z.string().min(1).max(255).optional(),
});
export const tokenPatch = z
  .strictObject({ name, description: text(8192), scope: either(scopeFields.omit({ serverId: true })), tags })
  .partial();

function isAddress(value: string): boolean {
  const [host = "", prefix, more] = value.split("/");
  const family = isIP(host);
  if (family === 0 || more !== undefined) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

export const sessionRead = z.object({
  /** Not where the session rides on a cookie. */
  access_token: z.string().optional(),
  token_type: z.enum(["bearer", "cookie"]),
  /** Seconds. */
  expires_in: z.number(),
});
export const userRead = z.object({
  email: z.string(),
  fullName: z.string(),
  isAdmin: z.boolean(),
  isActive: z.boolean(),
  authProvider: z.enum(["local", "sso"]),
  hasPassword: z.boolean(),
  passwordChangeRequired: z.boolean(),
  failedLoginAttempts: z.number(),
  lockedUntil: time.nullable(),
  lastLogin: time.nullable(),
  createdAt: time,
  updatedAt: time,
});
export const callerRead = z.object({
  id: z.string(),
  kind: z.string(),
  isAdmin: z.boolean(),
  teams: z.array(z.string()),
  permissions: z.array(z.string()),
  serverId: z.string().nullable(),
  expiresAt: time.nullable(),
});
export const teamRead = z.object({
  id: z.string(),
  name: z.string(),
  slug: z.string(),
  description: z.string(),
  personal: z.boolean(),
  visibility,
  maxMembers,
  memberCount: z.number(),
  createdBy: z.string(),
  createdAt: time,
  updatedAt: time,
});
export const memberRead = z.object({ email: z.string(), role, joinedAt: time });
export const invitationRead = z.object({
  id: z.string(),
  teamId: z.string(),
  email: z.string(),
  role,
  invitedBy: z.string(),
  expiresAt: time,
  createdAt: time,
  /** Shown this once, to be handed over; whoever has the invited email accepts with it. */
  token: z.string().optional(),
});
export const joinRead = z.object({
  id: z.string(),
  teamId: z.string(),
  email: z.string(),
  message: z.string(),
  createdAt: time,
});
export const roleRead = z.object({
  id: z.string(),
  name: z.string(),
  scope: z.enum(["global", "team", "personal"]),
  description: z.string(),
  permissions: z.array(z.string()),
  builtIn: z.boolean(),
  createdAt: time,
  updatedAt: time,
});
export const assignmentRead = z.object({
  id: z.string(),
  email: z.string(),
  roleId: z.string(),
  roleName: z.string(),
  scope: z.enum(["global", "team", "personal"]),
  scopeId: z.string().nullable(),
  grantedBy: z.string(),
  grantedAt: time,
  expiresAt: time.nullable(),
});
export const permissionsRead = z.object({
  permissions: z.array(z.string()),
  byTeam: z.record(z.string(), z.array(z.string())),
});
export const permissionRead = z.object({ permission: z.string(), granted: z.boolean() });
export const tokenRead = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  email: z.string(),
  teamId: z.string().nullable(),
  serverId: z.string().nullable(),
  permissions: z.array(z.string()),
  ipRestrictions: z.array(z.string()),
  timeRestrictions: z.unknown(),
  usageLimits: z.unknown(),
  tags: z.array(z.string()),
  expiresAt: time.nullable(),
  lastUsed: time.nullable(),
  isActive: z.boolean(),
  revokedAt: time.nullable(),
  revokedBy: z.string().nullable(),
  createdAt: time,
});
export const tokenMade = z.object({ access_token: z.string(), token: tokenRead });
export const usageRead = z.object({
  tokenId: z.string(),
  lastHour: z.number(),
  last24Hours: z.number(),
  total: z.number(),
  hours: z.array(z.object({ hour: time, requests: z.number() })),
});
export const done = z.object({ status: z.literal("success"), id: z.string() });
