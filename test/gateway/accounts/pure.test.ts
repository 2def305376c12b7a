/** Parts of the accounts room that need nothing else: hashes, policy, hours, grants. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PERMISSIONS } from "../../../contract/permissions.ts";
import { hashOf, makeToken } from "../../../gateway/accounts/api-token.ts";
import { standingFor, strangerFor } from "../../../gateway/accounts/grants.ts";
import { isTimeZone, isWithin } from "../../../gateway/accounts/hours.ts";
import { isUsedBefore, type PasswordPolicy, passwordProblems } from "../../../gateway/accounts/password-policy.ts";
import { createPasswords } from "../../../gateway/accounts/passwords.ts";
import { EVERYONE, type Identity } from "../../../gateway/auth/index.ts";
import type { StandingRecord } from "../../../gateway/store/index.ts";

const COST = { memoryKib: 64, passes: 1, lanes: 1 };
const passwords = createPasswords(COST);

describe("passwords", () => {
  it("are known again, and by nobody else's hash", async () => {
    const hash = await passwords.hash("correct horse");
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(await passwords.hash("correct horse")).not.toBe(hash);
    expect([
      await passwords.check("correct horse", hash),
      await passwords.check("correct horsf", hash),
      await passwords.check("correct horse", undefined),
    ]).toEqual([true, false, false]);
  });

  it("are the same however their letters are composed", async () => {
    expect(await passwords.check("cafe\u0301", await passwords.hash("caf\u00e9"))).toBe(true);
  });

  it("of another program are read, and seen to be weaker than ours", async () => {
    // Made with the argon2 reference library: password "password", salt "somesalt".
    const foreign = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    expect(await passwords.check("password", foreign)).toBe(true);
    expect([passwords.isOutdated(foreign), passwords.isOutdated(await passwords.hash("x"))]).toEqual([true, false]);
  });

  it.each([
    "",
    "plain",
    "$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "$argon2id$v=19$m=8,t=1,p=2$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
  ])("have no hash like %j, which opens nothing and costs no more than ours", async (hash) => {
    expect(await passwords.check("password", hash)).toBe(false);
  });

  it("wait for each other, and too many are refused", async () => {
    const all = await Promise.allSettled(Array.from({ length: 60 }, () => passwords.check("x", undefined)));
    const refused = all.filter(({ status }) => status === "rejected");
    expect([all.length - refused.length, refused.length]).toEqual([34, 26]);
    expect(refused[0]).toMatchObject({ reason: { code: "MCPS_OVERLOADED", headers: { "retry-after": "2" } } });
    expect(await passwords.check("x", undefined)).toBe(false);
  });
});

const POLICY: PasswordPolicy = {
  checksCharacters: true,
  minUser: 12,
  minAdmin: 22,
  upper: true,
  lower: true,
  digit: true,
  special: true,
  history: 2,
};

describe("the policy of passwords", () => {
  it.each([
    ["Aa1-Aa1-Aa1-", false, []],
    ["Aa1-Aa1-Aa1", false, ["at least 12 characters"]],
    ["Aa1-Aa1-Aa1-", true, ["at least 22 characters"]],
    ["\u{1F600}".repeat(12), false, ["an upper-case letter", "a lower-case letter", "a digit"]],
    ["aaaaaaaaaaaa", false, ["an upper-case letter", "a digit", "a character that is neither letter nor digit"]],
    ["A1-xBob@Example.comx", false, ["not the email"]],
    [`Aa1-${"x".repeat(253)}`, false, ["at most 256 characters"]],
  ])("says of %j (administrator: %s) %j", (password, admin, problems) => {
    expect(passwordProblems(POLICY, password, { email: "bob@example.com", admin })).toEqual(problems);
  });

  it("asks for length alone where it is off", () => {
    const off = { ...POLICY, checksCharacters: false };
    expect(passwordProblems(off, "aaaaaaaaaaaa", { email: "b@example.com", admin: false })).toEqual([]);
  });

  it("knows the present password and as many before it as are remembered", async () => {
    const [now = "", ...former] = await Promise.all(["now", "one", "two", "three"].map((text) => passwords.hash(text)));
    const used = (text: string) => isUsedBefore(passwords, text, now, former, POLICY.history);
    expect(await Promise.all(["now", "one", "two", "three", "other"].map(used))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });
});

describe("hours", () => {
  const at = (text: string) => Date.parse(text);
  it.each([
    ["2026-11-20T09:00:00Z", "09:00", "17:00", undefined, true],
    ["2026-11-20T16:59:59Z", "09:00", "17:00", undefined, true],
    ["2026-11-20T17:00:00Z", "09:00", "17:00", undefined, false],
    // A Friday.
    ["2026-11-20T10:00:00Z", "09:00", "17:00", [5], true],
    ["2026-11-20T10:00:00Z", "09:00", "17:00", [6], false],
    // From Friday evening into Saturday.
    ["2026-11-21T01:00:00Z", "22:00", "06:00", [5], true],
    ["2026-11-21T01:00:00Z", "22:00", "06:00", [6], false],
    ["2026-11-20T12:00:00Z", "22:00", "06:00", undefined, false],
    ["2026-11-20T12:00:00Z", "08:00", "08:00", undefined, true],
  ])("%s is from %s to %s on %j: %s", (time, from, to, days, inside) => {
    expect(isWithin({ from, to, timeZone: "UTC", days }, at(time))).toBe(inside);
  });

  it("are those of the time zone, in summer and in winter", () => {
    const hours = { from: "09:00", to: "10:00", timeZone: "Europe/Dublin" };
    expect([at("2026-07-01T08:30:00Z"), at("2026-12-01T08:30:00Z")].map((time) => isWithin(hours, time))).toEqual([
      true,
      false,
    ]);
    expect(["Europe/Dublin", "UTC", "Mars/Olympus", ""].map(isTimeZone)).toEqual([true, true, false, false]);
  });

  it("and the rest of the day are the whole day", () => {
    const clock = fc.tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }));
    const spell = ([hour, minute]: [number, number]) =>
      `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`;
    fc.assert(
      fc.property(clock, clock, fc.integer({ min: 0, max: 4e12 }), (begin, end, time) => {
        const [from, to] = [spell(begin), spell(end)];
        if (from === to) return;
        const zone = { timeZone: "UTC" };
        expect(isWithin({ from, to, ...zone }, time)).toBe(!isWithin({ from: to, to: from, ...zone }, time));
      }),
    );
  });
});

describe("API tokens", () => {
  it("are long, random, and stored by a hash that says nothing of them", () => {
    const [one, other] = [makeToken(), makeToken()];
    expect(one.token).toMatch(/^mcps_[A-Za-z0-9_-]{43}$/);
    expect(one.token).not.toBe(other.token);
    expect(one.hash).toBe(hashOf(one.token));
    expect(one.hash).toMatch(/^[0-9a-f]{64}$/);
  });
});

const DEFAULTS = { user: [], teamOwner: ["teams.update"], teamMember: ["tools.update"] };
const KNOWN: StandingRecord = {
  active: true,
  admin: false,
  notBefore: null,
  teams: [
    { id: "t1", role: "member" },
    { id: "t2", role: "owner" },
  ],
  roles: [],
};
const WHO: Identity = { subject: "ann@example.com", kind: "jwt", claimsAdmin: true };
const sorted = (set: ReadonlySet<string> | undefined) => [...(set ?? [])].sort();
const standing = (record: Partial<StandingRecord>, identity: Partial<Identity> = {}) =>
  standingFor({ ...WHO, ...identity }, { ...KNOWN, ...record }, DEFAULTS, 1000);

describe("the standing of a user", () => {
  it("comes from what is known here, not from what the proof claims", () => {
    const found = standing({});
    expect(found).toMatchObject({ admitted: true, admin: false, oversees: false, teams: ["t1", "t2"] });
    if (!found.admitted) return;
    expect(sorted(found.grants?.everywhere)).toEqual(sorted(EVERYONE));
    expect([...(found.grants?.byTeam ?? [])].map(([id, set]) => [id, sorted(set)])).toEqual([
      ["t1", ["tools.update"]],
      ["t2", ["teams.update"]],
    ]);
  });

  it.each([
    [{ active: false }, {}, "inactive"],
    [{ notBefore: 5000 }, { issuedAt: 4000 }, "revoked"],
  ] as const)("with %j and %j is none: %s", (record, identity, why) => {
    expect(standing(record, identity)).toEqual({ admitted: false, why });
  });

  it("takes a token of the second in which older ones ended", () => {
    expect(standing({ notBefore: 4500 }, { issuedAt: 4000 })).toMatchObject({ admitted: true });
  });

  it("is an administrator's with every permission, and his no more in a proof for certain teams or permissions", () => {
    expect(standing({ admin: true })).toMatchObject({ admin: true, oversees: true });
    expect(standing({ admin: true }, { teams: ["t1"] })).toMatchObject({
      admin: false,
      oversees: false,
      teams: ["t1"],
    });
    expect(standing({ admin: true }, { permissions: ["tools.read"] })).toMatchObject({ admin: false, oversees: false });
  });

  it("counts roles where they were given, as long as they last", () => {
    const role = { permissions: ["gateways.create", "no.such"], scopeId: "" };
    const roles = [
      { ...role, scope: "global", permissions: ["users.read"], expiresAt: null },
      { ...role, scope: "team", scopeId: "t1", expiresAt: 1001 },
      { ...role, scope: "team", scopeId: "t2", expiresAt: 1000 },
      { ...role, scope: "team", scopeId: "t9", expiresAt: null },
      { ...role, scope: "personal", expiresAt: null },
    ] as const;
    const found = standing({ roles });
    if (!found.admitted || found.grants === undefined) throw new Error("was refused");
    const { everywhere, byTeam, own } = found.grants;
    expect([everywhere.has("users.read"), everywhere.has("gateways.create"), own.has("gateways.create")]).toEqual([
      true,
      false,
      true,
    ]);
    expect([...byTeam].map(([id, set]) => [id, set.has("gateways.create")])).toEqual([
      ["t1", true],
      ["t2", false],
    ]);
  });

  it("is never more than the proof is for, whatever that is", () => {
    const some = fc.subarray([...PERMISSIONS]);
    fc.assert(
      fc.property(some, fc.subarray(["t1", "t2", "t3"]), fc.boolean(), (permissions, teams, admin) => {
        const found = standing({ admin }, { permissions, teams });
        if (!found.admitted || found.grants === undefined) throw new Error("was refused");
        const { everywhere, byTeam, own } = found.grants;
        const held = [...everywhere, ...own, ...[...byTeam.values()].flatMap((set) => [...set])];
        expect(held.filter((one) => !permissions.includes(one))).toEqual([]);
        expect(found.teams.filter((id) => !teams.includes(id) || id === "t3")).toEqual([]);
      }),
    );
  });

  it("of a stranger is what his proof says, within what it is narrowed to", () => {
    expect(strangerFor({ ...WHO, teams: ["x"] })).toEqual({
      admitted: true,
      admin: true,
      oversees: true,
      teams: ["x"],
    });
    const narrowed = strangerFor({ ...WHO, permissions: ["tools.read", "tools.delete"] });
    expect(narrowed).toMatchObject({ admin: false, oversees: false });
    if (narrowed.admitted) expect(sorted(narrowed.grants?.everywhere)).toEqual(["tools.delete", "tools.read"]);
  });
});
