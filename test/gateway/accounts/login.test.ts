/** Logging in, and what an API token is held to: with a store that remembers what it was told. */
import { describe, expect, it } from "vitest";
import type { Principal } from "../../../contract/principal.ts";
import { createLogins, createPasswords, createTokenGuards } from "../../../gateway/accounts/index.ts";
import type { TokenRecord, TokenUsage } from "../../../gateway/store/index.ts";
import { recordingLog } from "../coordination/log.ts";

const NOW = Date.parse("2026-11-20T10:00:00Z");
const passwords = createPasswords({ memoryKib: 64, passes: 1, lanes: 1 });
const WAITS = { limit: 2, baseSeconds: 10, maxSeconds: 60 };

async function logins(
  user: { active?: boolean; lockedUntil?: string | null } = {},
  blockedUntil: string | null = null,
) {
  const told: unknown[] = [];
  const hash = await passwords.hash("right");
  const record = {
    ...{ hash, former: [], admin: false, mustChangePassword: false, changedAt: null, failedLogins: 0 },
    ...{ active: user.active ?? true, lockedUntil: user.lockedUntil ?? null },
  };
  const made = createLogins({
    store: {
      passwordOf: async (email) => (email === "ann@example.com" ? record : undefined),
      loginSucceeded: async (...given) => void told.push(["ok", ...given]),
      loginFailed: async (email, address) => void told.push(["failed", email, address]),
      addressBlockedUntil: async () => blockedUntil,
    },
    passwords,
    ofAccount: WAITS,
    ofAddress: WAITS,
    minFailureMs: 0,
    maxAgeDays: 90,
    now: () => NOW,
  });
  return { ...made, told, record };
}

describe("a login", () => {
  it("proves who somebody is, and says so to the store", async () => {
    const { prove, told } = await logins();
    expect(await prove("ann@example.com", "right", "1.2.3.4")).toMatchObject({ active: true });
    expect(told).toEqual([["ok", "ann@example.com", "1.2.3.4"]]);
  });

  const past = new Date(NOW - 1000).toISOString();
  const later = new Date(NOW + 1000).toISOString();
  it.each([
    ["a wrong password", {}, "ann@example.com", "wrong", "ann@example.com"],
    ["nobody", {}, "bob@example.com", "right", undefined],
    ["a user who is not active", { active: false }, "ann@example.com", "right", "ann@example.com"],
    // His wait gets no longer by trying.
    ["a user who waits", { lockedUntil: later }, "ann@example.com", "right", undefined],
  ])("of %s is refused in the same words", async (_, user, email, password, counted) => {
    const { prove, told } = await logins(user);
    await expect(prove(email, password, "1.2.3.4")).rejects.toMatchObject({
      code: "MCPS_LOGIN",
      status: 401,
      message: "The email and the password do not belong together, or wait",
    });
    expect(told).toEqual([["failed", counted, "1.2.3.4"]]);
  });

  it("is free again when the wait is over", async () => {
    const { prove } = await logins({ lockedUntil: past });
    expect(await prove("ann@example.com", "right", "1.2.3.4")).toMatchObject({ active: true });
  });

  it("from an address that waits is not looked at", async () => {
    const { prove, told } = await logins({}, new Date(NOW + 1500).toISOString());
    await expect(prove("ann@example.com", "right", "1.2.3.4")).rejects.toMatchObject({
      code: "MCPS_LOGIN_LOCKED",
      headers: { "retry-after": "2" },
    });
    expect(told).toEqual([]);
  });

  it("with a password of somebody else's or of long ago is good for another password", async () => {
    const { reasonToChange, record } = await logins();
    const days = (count: number) => new Date(NOW - count * 86_400_000).toISOString();
    expect([
      reasonToChange(record),
      reasonToChange({ ...record, changedAt: days(90) }),
      reasonToChange({ ...record, changedAt: days(91) }),
      reasonToChange({ ...record, mustChangePassword: true }),
    ]).toEqual([undefined, undefined, "it is older than 90 days", "it was given to you by somebody else"]);
  });
});

const TOKEN: TokenRecord = {
  ...{
    id: "t1",
    name: "ci",
    description: "",
    email: "ann@example.com",
    teamId: null,
    serverId: null,
    permissions: null,
  },
  ...{ addresses: [], hours: null, limits: null, tags: [], expiresAt: null, lastUsedAt: null, revokedAt: null },
  ...{ revokedBy: null, createdAt: "2026-01-01T00:00:00.000Z" },
};
const USER: Principal = { id: "ann@example.com", kind: "api-token", admin: false, teams: [], tokenId: "t1" };

function guards() {
  const clock = { now: NOW };
  const counted: [string, number][][] = [];
  const dropped: string[] = [];
  const usage: TokenUsage = { hour: 1, day: 5, total: 9 };
  const { log, lines } = recordingLog();
  let isAway = false;
  const made = createTokenGuards({
    store: {
      usageOf: async () => usage,
      async countUse(requests) {
        if (isAway) throw new Error("away");
        counted.push([...requests]);
        return new Map([...requests].map(([id, count]) => [id, { hour: 1 + count, day: 5 + count, total: 9 + count }]));
      },
    },
    now: () => clock.now,
    log,
    dropped: (id) => dropped.push(id),
  });
  const setAway = (value: boolean) => {
    isAway = value;
  };
  return { ...made, clock, counted, dropped, lines, setAway };
}

describe("what narrows an API token", () => {
  it.each([
    ["10.1.2.3", true],
    ["::ffff:10.1.2.3", true],
    ["11.0.0.1", false],
    ["192.0.2.7", true],
    ["192.0.2.8", false],
    ["2001:db8:1::5", true],
    ["2001:db9::5", false],
    ["", false],
  ])("by addresses lets %j in: %s", async (address, isIn) => {
    const { watch, admit, close } = guards();
    await watch({ ...TOKEN, addresses: ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"] });
    const use = () => admit(USER, address);
    if (isIn) use();
    else expect(use).toThrow(expect.objectContaining({ code: "MCPS_FORBIDDEN" }));
    await close();
  });

  it("by hours lets in within them", async () => {
    const { watch, admit, clock, close } = guards();
    await watch({ ...TOKEN, hours: { from: "09:00", to: "11:00", timeZone: "UTC" } });
    admit(USER, "");
    clock.now += 3_600_000;
    expect(() => admit(USER, "")).toThrow("ann@example.com may not use this token at this time");
    await close();
  });

  it.each([
    [{ perHour: 3 }, 2, "3 in an hour", { "retry-after": "3600" }],
    [{ perDay: 8 }, 3, "8 in 24 hours", { "retry-after": "3600" }],
    [{ total: 10 }, 1, "10 in all", {}],
  ])("by %j lets in %d times more after what was counted before", async (limits, left, words, headers) => {
    const { watch, admit, close } = guards();
    await watch({ ...TOKEN, limits });
    for (let count = 0; count < left; count++) admit(USER, "");
    expect(() => admit(USER, "")).toThrow(expect.objectContaining({ code: "MCPS_TOKEN_LIMIT", status: 429, headers }));
    expect(() => admit(USER, "")).toThrow(`This token was used as often as it may be: ${words}`);
    await close();
  });

  it("by the hour begins anew with the hour", async () => {
    const { watch, admit, flush, clock, close } = guards();
    await watch({ ...TOKEN, limits: { perHour: 2 } });
    admit(USER, "");
    await flush();
    expect(() => admit(USER, "")).toThrow("2 in an hour");
    clock.now += 3_600_000;
    admit(USER, "");
    await close();
  });

  it("is counted once, also across a database that was away and a guard that was made anew", async () => {
    const { watch, admit, flush, counted, lines, setAway, close } = guards();
    await watch({ ...TOKEN });
    admit(USER, "");
    setAway(true);
    await flush();
    expect(lines).toMatchObject([{ level: "warn" }]);
    admit(USER, "");
    await watch({ ...TOKEN, limits: { total: 100 } });
    setAway(false);
    await flush();
    await flush();
    admit(USER, "");
    await close();
    expect(counted).toEqual([[["t1", 2]], [["t1", 1]]]);
  });

  it("is asked of tokens alone, and of one that is not watched again", async () => {
    const { admit, dropped, close } = guards();
    admit({ ...USER, kind: "jwt" }, "");
    expect(() => admit(USER, "")).toThrow(expect.objectContaining({ code: "MCPS_UNAUTHENTICATED" }));
    expect(dropped).toEqual(["t1"]);
    await close();
  });
});
