/** Who signed in, as far as the provider is believed. */
import { claimAt, textsOf } from "../claims.ts";
import { SAFE_ID } from "../verifiers.ts";
import type { Claims } from "./provider.ts";

export type Person = {
  /** Lower case. */
  readonly email: string;
  readonly name: string | undefined;
  readonly groups: readonly string[];
  readonly admin: boolean;
  /** Id of the provider. */
  readonly provider: string;
};
export type PersonRules = {
  readonly provider: string;
  readonly groupsClaim: string;
  readonly adminGroups: readonly string[];
  /** Lower case; empty: any. */
  readonly trustedDomains: readonly string[];
  readonly adminEmail: string;
};

/** A sentence for whoever is refused. */
export function personOf(claims: Claims, rules: PersonRules): Person | string {
  const { email, email_verified: isVerified, name } = claims;
  if (typeof email !== "string" || !SAFE_ID.test(email)) return "the provider names no email address";
  const lower = email.toLowerCase();
  const [, domain] = /^[^@]+@([^@]+)$/.exec(lower) ?? [];
  if (domain === undefined) return "the provider names no email address";
  if (isVerified === false) return "the email address is not verified";
  const isTrusted = rules.trustedDomains.includes(domain);
  if (rules.trustedDomains.length > 0 && !isTrusted) return "email addresses of this domain are not let in";
  // Whoever has this address is an administrator: then somebody must have made sure that he has it.
  if (lower === rules.adminEmail.toLowerCase() && isVerified !== true && !isTrusted)
    return "nobody has verified this email address";
  const groups = textsOf(claimAt(claims, rules.groupsClaim));
  return {
    email: lower,
    name: typeof name === "string" ? name.slice(0, 200) : undefined,
    groups,
    admin: groups.some((group) => rules.adminGroups.includes(group)),
    provider: rules.provider,
  };
}
