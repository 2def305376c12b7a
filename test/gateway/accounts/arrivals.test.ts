/** People who come from the provider: who becomes a user, who is let in, who stays an administrator. */
import { describe, expect, it } from "vitest";
import { createArrivals } from "../../../gateway/accounts/index.ts";
import type { AccountInput, AccountRecord } from "../../../gateway/store/index.ts";

const NEVER = "2026-01-01T00:00:00.000Z";
const ANN = { email: "ann@example.com", name: "Ann", groups: [], admin: false, provider: "oidc" };

function record(changes: Partial<AccountRecord> = {}): AccountRecord {
  return {
    email: ANN.email,
    fullName: "Ann",
    hasPassword: false,
    mustChangePassword: false,
    passwordChangedAt: null,
    active: true,
    admin: false,
    source: "sso",
    failedLogins: 0,
    lockedUntil: null,
    lastLoginAt: null,
    createdAt: NEVER,
    updatedAt: NEVER,
    ...changes,
  };
}

function arrivals(known: AccountRecord | undefined, changes: Partial<Parameters<typeof createArrivals>[0]> = {}) {
  const done: unknown[] = [];
  let account = known;
  const store = {
    getAccount: async () => account,
    createAccount: async ({ email, fullName, admin, source }: AccountInput, team: unknown) => {
      done.push(["create", email, fullName, admin, source, team]);
      account = record({ admin });
      return account;
    },
    updateAccount: async (email: string, patch: object) => {
      done.push(["update", email, patch]);
      return account;
    },
  };
  const directory = { changed: async (change: object) => void done.push(["changed", change]) };
  const options = { createUsers: true, followGroups: true, personalTeams: true, personalTeamPrefix: "of " };
  return { done, admit: createArrivals({ store, directory, ...options, ...changes }) };
}

describe("somebody who signed in", () => {
  it("becomes a user with a team of his own", async () => {
    const { admit, done } = arrivals(undefined);
    expect(await admit({ ...ANN, admin: true })).toBe(true);
    expect(done).toEqual([
      ["create", ANN.email, "Ann", true, "sso", { name: "of ann@example.com", slug: "personal-ann-example-com" }],
      ["changed", { subject: ANN.email }],
    ]);
  });

  it("is not let in where only users are, or where he was made inactive", async () => {
    const strangers = arrivals(undefined, { createUsers: false });
    expect([await strangers.admit(ANN), strangers.done]).toEqual([false, []]);
    const inactive = arrivals(record({ active: false }));
    expect([await inactive.admit({ ...ANN, admin: true }), inactive.done]).toEqual([false, []]);
  });

  const followed = (admin: boolean) => [
    ["update", ANN.email, { admin }],
    ["changed", { subject: ANN.email }],
  ];
  it.each<[string, Partial<AccountRecord>, boolean, boolean, readonly unknown[]]>([
    ["becomes an administrator", {}, true, true, followed(true)],
    ["is one no longer", { admin: true }, false, true, followed(false)],
    ["stays what he is", { admin: true }, true, true, []],
    ["stays one where groups do not count", { admin: true }, false, false, []],
    ["stays what he was made by hand", { admin: true, source: "local" }, false, true, []],
  ])("%s", async (_, known, admin, followGroups, expected) => {
    const { admit, done } = arrivals(record(known), { followGroups });
    expect([await admit({ ...ANN, admin }), done]).toEqual([true, expected]);
  });

  it("may do so twice at once", async () => {
    let created = false;
    const { admit } = arrivals(undefined, {
      store: {
        getAccount: async () => (created ? record() : undefined),
        createAccount: async () => {
          created = true;
          throw new Error("there is one already");
        },
        updateAccount: async () => undefined,
      },
    });
    expect(await admit(ANN)).toBe(true);
  });
});
