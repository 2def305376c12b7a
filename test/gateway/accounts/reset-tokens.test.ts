/** Tokens for choosing a password: good for one password, for a while, and for nobody who makes them up. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createResetTokens } from "../../../gateway/accounts/index.ts";

const clock = { now: 1_780_000_000_000 };
const tokens = createResetTokens("a secret of all replicas", 60, () => clock.now);
const state = { hash: "$argon2id$1", changedAt: "2026-01-01T00:00:00.000Z", admin: false };

describe("tokens for choosing a password", () => {
  it("are good for the password that there is, for as long as they say", () => {
    const { token, expiresAt } = tokens.make("ann@example.com", state);
    expect(expiresAt).toBe(clock.now + 3_600_000);
    expect([tokens.emailIn(token), tokens.isFor(token, state)]).toEqual(["ann@example.com", true]);
    expect(tokens.isFor(token, { ...state, hash: "$argon2id$2" })).toBe(false);
    expect(tokens.isFor(token, { ...state, changedAt: "2026-01-01T00:00:00.001Z" })).toBe(false);
    expect(tokens.isFor(token, { ...state, hash: null, changedAt: null })).toBe(false);
    clock.now += 3_599_999;
    expect(tokens.emailIn(token)).toBe("ann@example.com");
    clock.now += 1;
    expect(tokens.emailIn(token)).toBe(undefined);
    clock.now -= 3_600_000;
  });

  it("do not outlive that their user becomes an administrator, or is none any more", () => {
    const administrator = { ...state, admin: true };
    const [less, more] = [state, administrator].map((made) => tokens.make("ann@example.com", made).token);
    expect([tokens.isFor(less ?? "", state), tokens.isFor(less ?? "", administrator)]).toEqual([true, false]);
    expect([tokens.isFor(more ?? "", administrator), tokens.isFor(more ?? "", state)]).toEqual([true, false]);
  });

  it("hold neither the password's hash nor anything that another secret would accept", () => {
    const { token } = tokens.make("ann@example.com", state);
    expect(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).not.toContain("argon2id");
    expect(createResetTokens("another secret", 60, () => clock.now).emailIn(token)).toBe(undefined);
  });

  it("open nothing once a character of them is another one", () => {
    const { token } = tokens.make("ann@example.com", state);
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom("a", "Z", "0", "-", ".", " "), (at, character) => {
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        // The last character of base64url has bits that say nothing.
        const isSame = changed === token || at === token.length - 1;
        expect(isSame || tokens.emailIn(changed) === undefined).toBe(true);
      }),
    );
    fc.assert(fc.property(fc.string({ maxLength: 2000 }), (text) => tokens.emailIn(text) === undefined));
  });
});
