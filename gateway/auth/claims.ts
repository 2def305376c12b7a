/** What the token of another issuer says of its bearer, by that issuer's names. Never more than the issuer is trusted with. */
import type { JWTPayload } from "jose";
import { isPermission, type Permission } from "../../contract/permissions.ts";
import type { Identity } from "./directory.ts";
import type { TrustedIssuer } from "./issuers.ts";
import type { Resources } from "./resources.ts";
import { invalid, type Rejection, SAFE_ID } from "./verifiers.ts";

const MAX_VALUES = 1000;

/** `resources`: which `aud` is this gateway, or one virtual server of it. */
export function identityOfClaims(
  payload: JWTPayload,
  issuer: TrustedIssuer,
  resources: Resources,
): Identity | Rejection {
  const reach = resources.reachOf(textsOf(payload.aud), issuer.audiences);
  if (reach === undefined) return invalid("the token is for another audience");
  const subject = subjectOf(payload, issuer);
  if (subject === undefined) return invalid("the token names no usable subject");
  const { jti, iat, exp } = payload;
  if (jti !== undefined && !SAFE_ID.test(jti)) return invalid("a claim of the token cannot be used");
  const groups = textsOf(claimAt(payload, issuer.groupsClaim));
  const permissions = permissionsOf(payload, issuer);
  return {
    subject,
    kind: "jwt",
    issuer: issuer.issuer,
    claimsAdmin: groups.some((group) => issuer.adminGroups.includes(group)),
    ...(issuer.teams === undefined ? {} : { teams: teamsOf(groups, issuer.teams) }),
    ...(permissions === undefined ? {} : { permissions }),
    ...(reach.serverId === undefined ? {} : { serverId: reach.serverId }),
    ...(jti === undefined ? {} : { tokenId: jti }),
    ...(iat === undefined ? {} : { issuedAt: iat * 1000 }),
    ...(exp === undefined ? {} : { expiresAt: exp * 1000 }),
  };
}

/**
 * The email where the issuer has made sure of it and may speak for it; else a name that no other issuer can give: `host/path#sub`. So nobody
 * becomes somebody else by what he calls himself at some issuer.
 */
export function subjectOf(payload: JWTPayload, issuer: TrustedIssuer): string | undefined {
  const email = verifiedEmail(payload, issuer);
  if (email !== undefined) return email;
  const subject = claimAt(payload, issuer.subjectClaim);
  if (typeof subject !== "string" || subject === "") return undefined;
  const id = `${issuer.issuer.replace(/^https?:\/\//, "").replace(/\/$/, "")}#${subject}`;
  return SAFE_ID.test(id) ? id : undefined;
}

function verifiedEmail(payload: JWTPayload, issuer: TrustedIssuer): string | undefined {
  const email = claimAt(payload, issuer.emailClaim);
  const isVerified = payload.email_verified === true || (issuer.emailsVerified && payload.email_verified !== false);
  if (!isVerified || typeof email !== "string" || !SAFE_ID.test(email)) return undefined;
  const lower = email.toLowerCase();
  const [, domain] = /^[^@]+@([^@]+)$/.exec(lower) ?? [];
  if (domain === undefined) return undefined;
  return issuer.emailDomains.length === 0 || issuer.emailDomains.includes(domain) ? lower : undefined;
}

/** Undefined: not narrowed. */
function permissionsOf(payload: JWTPayload, issuer: TrustedIssuer): readonly Permission[] | undefined {
  if (issuer.scopes === "ignore") return undefined;
  const claimed = claimAt(payload, issuer.scopeClaim) ?? payload.scp;
  const scopes = typeof claimed === "string" ? claimed.split(" ") : textsOf(claimed);
  const known = scopes.filter(isPermission);
  return known.length === 0 && issuer.scopes === "narrow" ? undefined : known;
}

function teamsOf(groups: readonly string[], teams: Readonly<Record<string, string>>): readonly string[] {
  return groups.flatMap((group) => {
    const team = Object.hasOwn(teams, group) ? teams[group] : undefined;
    return team === undefined ? [] : [team];
  });
}

/** A claim by its name, else by a path of names with dots (`realm_access.roles`). */
export function claimAt(payload: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let at: unknown = payload;
  for (const part of name.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = Reflect.get(at, part);
  }
  return at;
}

/** One text, or the texts of a list. */
export function textsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((one) => typeof one === "string").slice(0, MAX_VALUES) : [];
}
