/** What a new password has to be like. */
import type { Passwords } from "./passwords.ts";

export type PasswordPolicy = {
  /** Whether what it is made of is checked, beside its length. */
  readonly checksCharacters: boolean;
  /** Characters. */
  readonly minUser: number;
  readonly minAdmin: number;
  readonly upper: boolean;
  readonly lower: boolean;
  readonly digit: boolean;
  readonly special: boolean;
  /** Former ones that cannot be chosen again. */
  readonly history: number;
};

/** Longer ones only cost time to hash. */
export const MAX_PASSWORD_CHARS = 256;

/** What is wrong with it, in words; empty when nothing is. */
export function passwordProblems(
  policy: PasswordPolicy,
  password: string,
  user: { readonly email: string; readonly admin: boolean },
): string[] {
  const problems: string[] = [];
  const least = user.admin ? policy.minAdmin : policy.minUser;
  const length = [...password].length;
  if (length < least) problems.push(`at least ${least} characters`);
  if (length > MAX_PASSWORD_CHARS) problems.push(`at most ${MAX_PASSWORD_CHARS} characters`);
  if (password.toLowerCase().includes(user.email.toLowerCase())) problems.push("not the email");
  if (!policy.checksCharacters) return problems;
  const needs = [
    [policy.upper, /\p{Lu}/u, "an upper-case letter"],
    [policy.lower, /\p{Ll}/u, "a lower-case letter"],
    [policy.digit, /\p{Nd}/u, "a digit"],
    [policy.special, /[^\p{L}\p{Nd}]/u, "a character that is neither letter nor digit"],
  ] as const;
  for (const [isNeeded, pattern, text] of needs) if (isNeeded && !pattern.test(password)) problems.push(text);
  return problems;
}

/** Whether it is the present one or one of the last. Each comparison is a whole hash. */
export async function isUsedBefore(
  passwords: Passwords,
  password: string,
  hash: string | null,
  former: readonly string[],
  history: number,
): Promise<boolean> {
  for (const one of [...(hash === null ? [] : [hash]), ...former.slice(0, history)])
    if (await passwords.check(password, one)) return true;
  return false;
}
