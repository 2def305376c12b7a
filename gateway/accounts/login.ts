/**
 * Logging in with email and password. Whoever guesses learns nothing from words, status or time: an unknown user costs the same hash, a
 * failure is not answered sooner than a set time, and both user and address wait longer with each failure.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Fault, fault } from "../../contract/errors.ts";
import type { AccountOperations, Lockout, PasswordRecord } from "../store/index.ts";
import type { Passwords } from "./passwords.ts";

const DAY_MS = 86_400_000;

export type LoginOptions = {
  readonly store: Pick<AccountOperations, "passwordOf" | "loginSucceeded" | "loginFailed" | "addressBlockedUntil">;
  readonly passwords: Passwords;
  readonly ofAccount: Lockout;
  readonly ofAddress: Lockout;
  readonly minFailureMs: number;
  /** Days after which a password has to be changed; 0 never. */
  readonly maxAgeDays: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
};

export type LoginOutcome = "ok" | "wrong" | "locked";

export interface Logins {
  /**
   * The user whose password this is, active and not waiting. Throws MCPS_LOGIN for all others alike, MCPS_LOGIN_LOCKED for an address that
   * has to wait.
   */
  prove(email: string, password: string, address: string): Promise<PasswordRecord>;
  /** Why the password is good for nothing but choosing another; undefined when it is not so. */
  reasonToChange(record: PasswordRecord): string | undefined;
}

export function createLogins(options: LoginOptions): Logins {
  const { store, passwords, now } = options;

  async function prove(email: string, password: string, address: string): Promise<PasswordRecord> {
    const begun = performance.now();
    const blocked = await store.addressBlockedUntil(address);
    if (blocked !== null) throw locked(blocked);
    const record = await store.passwordOf(email);
    const isRight = await passwords.check(password, record?.hash ?? undefined);
    const isWaiting = record?.lockedUntil != null && Date.parse(record.lockedUntil) > now();
    if (record !== undefined && isRight && record.active && !isWaiting) {
      await store.loginSucceeded(email, address);
      return record;
    }
    // Who waits is refused with the right password too, or trying would tell; his wait gets no longer by it.
    const counted = record === undefined || isWaiting ? undefined : email;
    await store.loginFailed(counted, address, options.ofAccount, options.ofAddress);
    const rest = options.minFailureMs - (performance.now() - begun);
    if (rest > 0) await pause(rest);
    throw fault("MCPS_LOGIN");
  }

  function locked(until: string): Fault {
    const seconds = Math.max(1, Math.ceil((Date.parse(until) - now()) / 1000));
    return fault("MCPS_LOGIN_LOCKED", { seconds }, undefined, { "retry-after": String(seconds) });
  }

  return {
    prove,
    reasonToChange({ mustChangePassword, changedAt }) {
      if (mustChangePassword) return "it was given to you by somebody else";
      const age = changedAt === null ? 0 : now() - Date.parse(changedAt);
      return options.maxAgeDays > 0 && age > options.maxAgeDays * DAY_MS
        ? `it is older than ${options.maxAgeDays} days`
        : undefined;
    },
  };
}
