/**
 * Tokens with which a user chooses another password, once: signed over the password that there is, so that the first use, or any other change
 * of it, ends them all, and over whether the user is an administrator: one made for less does not open more. Nothing is stored of them.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { PasswordRecord } from "../store/index.ts";

type State = Pick<PasswordRecord, "hash" | "changedAt" | "admin">;

export interface ResetTokens {
  /** `expiresAt`: epoch milliseconds. */
  make(email: string, state: State): { readonly token: string; readonly expiresAt: number };
  /** Whose password it was made for; undefined for what was not made here, and for what is too old. */
  emailIn(token: string): string | undefined;
  /** Whether the password, and what it opens, are still those that it was made for. */
  isFor(token: string, state: State): boolean;
}

const MAX_TOKEN = 1000;

/** `secret`: the same in every replica. `now`: epoch milliseconds. */
export function createResetTokens(secret: string, minutes: number, now: () => number): ResetTokens {
  const key = Buffer.from(hkdfSync("sha256", secret, "", "mcp-stack password reset", 32));
  const macOf = (content: string) => createHmac("sha256", key).update(content).digest();

  /** Email, end and state of a token that was made here. */
  function read(token: string): readonly [email: string, end: number, state: string] | undefined {
    const [content = "", mac = "", ...more] = token.length > MAX_TOKEN ? [] : token.split(".");
    const given = Buffer.from(mac, "base64url");
    const expected = macOf(content);
    if (more.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const [email = "", end = "", state = ""] = Buffer.from(content, "base64url").toString("utf8").split(" ");
    return [email, Number(end), state];
  }

  return {
    make(email, state) {
      const expiresAt = now() + minutes * 60_000;
      const content = Buffer.from(`${email} ${expiresAt} ${digestOf(state)}`).toString("base64url");
      return { token: `${content}.${macOf(content).toString("base64url")}`, expiresAt };
    },
    emailIn(token) {
      const [email, end = 0] = read(token) ?? [];
      return now() < end ? email : undefined;
    },
    isFor: (token, state) => read(token)?.[2] === digestOf(state),
  };
}

function digestOf({ hash, changedAt, admin }: State): string {
  return createHash("sha256")
    .update(JSON.stringify([hash, changedAt, admin]))
    .digest("base64url");
}
