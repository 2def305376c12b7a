/** What the store promises of users, teams, roles and tokens, on whatever database it has. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { type AccountInput, openStore, type Store, type TokenInput } from "../../../gateway/store/index.ts";
import { silentLog } from "../coordination/log.ts";
import type { Asked } from "./asked.ts";
import { gatewayInput, keyOf } from "./conformance.ts";

const BOUNDS = { perUser: 50, perTeam: 100 };

export function describeAccounts(name: string, urlOf: () => Promise<string>, asked: Asked): void {
  describe(`accounts on ${name}`, () => {
    let store: Store;
    beforeAll(async () => {
      const sealing = createSealer([keyOf("k")]);
      store = asked.watch(
        await openStore({ url: await urlOf(), poolSize: 4, poolTimeoutMs: 10_000, log: silentLog, sealing }),
      );
    });
    afterAll(() => store.close());

    const newEmail = () => `u-${randomUUID()}@example.com`;
    async function user(more: Partial<AccountInput> = {}): Promise<string> {
      const email = newEmail();
      const rest = { passwordHash: null, mustChangePassword: false, active: true, admin: false } as const;
      await store.createAccount({ email, fullName: "", source: "local", ...rest, ...more }, undefined);
      return email;
    }
    async function team(owner: string): Promise<string> {
      const slug = `t-${randomUUID()}`;
      const rest = { description: "", personal: false, visibility: "private", maxMembers: null } as const;
      return (await store.createTeam({ name: slug, slug, createdBy: owner, ...rest })).id;
    }
    const token = (email: string, more: Partial<TokenInput> = {}) => {
      const none = { description: "", teamId: null, serverId: null, permissions: null, addresses: [], hours: null };
      const input = { ...none, limits: null, tags: [], expiresAt: null, email, name: randomUUID(), ...more };
      return store.createToken(input, randomUUID());
    };
    const bumps = async (work: () => Promise<unknown>) => {
      const before = await store.identityVersion();
      await work();
      return (await store.identityVersion()) - before;
    };

    it("makes a user once, with a team of his own, and takes both away", async () => {
      const email = newEmail();
      const input = {
        fullName: "Ann",
        passwordHash: "h",
        mustChangePassword: true,
        active: true,
        admin: false,
      } as const;
      const personal = { name: email, slug: `p-${randomUUID()}` };
      const create = () => store.createAccount({ email, source: "local", ...input }, personal);
      expect(await bumps(create)).toBe(1);
      await expect(create()).rejects.toMatchObject({ code: "MCPS_ITEM_CONFLICT" });
      const list = await store.listTeams({ limit: 0, after: 0 }, { member: email });
      expect(list.rows).toMatchObject([{ personal: true, members: 1, maxMembers: 1, createdBy: email }]);
      expect(await store.standingOf(email)).toEqual({
        active: true,
        admin: false,
        notBefore: null,
        teams: [{ id: list.rows[0]?.id, role: "owner" }],
        roles: [],
      });
      expect(await store.deleteAccount(email)).toBe(true);
      expect(await store.standingOf(email)).toBeUndefined();
      expect(await store.getTeam(list.rows[0]?.id ?? "")).toBeUndefined();
    });

    it("keeps the last administrator, even when two leave at once", async () => {
      // One may be left of another run on this database.
      const known = await store.listAccounts({ limit: 0, after: 0, includeInactive: false });
      const before = known.rows.find(({ admin }) => admin)?.email;
      const [one, other] = [before ?? (await user({ admin: true })), await user({ admin: true })];
      const outcomes = await Promise.all([one, other].map((email) => store.updateAccount(email, { active: false })));
      const left = outcomes.filter((outcome) => outcome === "last-admin");
      expect(left).toHaveLength(1);
      const kept = outcomes[0] === "last-admin" ? one : other;
      expect(await store.deleteAccount(kept)).toBe("last-admin");
      expect(await store.updateAccount(kept, { admin: false })).toBe("last-admin");
    });

    it("remembers former passwords, and ends older tokens with a new one", async () => {
      const email = await user({ passwordHash: "h0" });
      for (const hash of ["h1", "h2", "h3"]) await store.setPassword(email, hash, { mustChange: false, keep: 2 });
      expect(await store.passwordOf(email)).toMatchObject({ hash: "h3", former: ["h2", "h1"], failedLogins: 0 });
      expect((await store.standingOf(email))?.notBefore).toBeGreaterThan(0);
      await store.rehashPassword(email, "other", "h9");
      expect((await store.passwordOf(email))?.hash).toBe("h3");
    });

    it("makes user and address wait longer with each failure, and forgets it with a success", async () => {
      const [email, address] = [await user({ passwordHash: "h" }), randomUUID()];
      const ofAccount = { limit: 2, baseSeconds: 100, maxSeconds: 300 };
      const ofAddress = { limit: 4, baseSeconds: 1000, maxSeconds: 5000 };
      const fail = async () => {
        await store.loginFailed(email, address, ofAccount, ofAddress);
        const { failedLogins, lockedUntil } = (await store.passwordOf(email)) ?? {};
        const blocked = await store.addressBlockedUntil(address);
        const seconds = (until: string | null | undefined) =>
          until == null ? 0 : Math.round((Date.parse(until) - Date.now()) / 50_000) * 50;
        return [failedLogins, seconds(lockedUntil), seconds(blocked)];
      };
      const waits: unknown[] = [];
      for (let count = 0; count < 5; count++) waits.push(await fail());
      expect(waits).toEqual([
        [1, 0, 0],
        [2, 100, 0],
        [3, 200, 0],
        [4, 300, 1000],
        [5, 300, 2000],
      ]);
      await store.loginFailed(undefined, address, ofAccount, { ...ofAddress, limit: 0 });
      expect(await store.addressBlockedUntil(address)).toBeNull();
      await store.loginSucceeded(email, address);
      expect(await store.passwordOf(email)).toMatchObject({ failedLogins: 0, lockedUntil: null });
    });

    it("never leaves a team without an owner, and fills none beyond its bounds", async () => {
      const [owner, other, third] = [await user(), await user(), await user()];
      const id = await team(owner);
      expect(await store.removeMember(id, owner)).toBe("last-owner");
      expect(await store.setMemberRole(id, owner, "member")).toBe("last-owner");
      expect(await store.putMember(id, other, "owner", { perUser: 1, perTeam: 2 })).toBe("joined");
      expect(await store.putMember(id, third, "member", { perUser: 1, perTeam: 2 })).toBe("team-full");
      expect(await store.putMember(id, newEmail(), "member", BOUNDS)).toBe("unknown-user");
      expect(await store.putMember(await team(third), other, "member", { perUser: 1, perTeam: 9 })).toBe("user-full");
      const outcomes = await Promise.all([owner, other].map((email) => store.removeMember(id, email)));
      expect(outcomes.sort()).toEqual(["done", "last-owner"]);
      expect(await store.removeMember(id, "nobody@example.com")).toBe("unknown");
    });

    it("takes with a membership its roles and the tokens for that team", async () => {
      const [owner, email] = [await user(), await user()];
      const id = await team(owner);
      await store.putMember(id, email, "member", BOUNDS);
      await store.assignRole({ email, roleId: "developer", scopeId: id, grantedBy: owner, expiresAt: null });
      const [inside, outside] = [await token(email, { teamId: id }), await token(email)];
      expect((await store.standingOf(email))?.roles).toMatchObject([{ scope: "team", scopeId: id }]);
      await store.removeMember(id, email);
      expect(await store.standingOf(email)).toMatchObject({ teams: [], roles: [] });
      expect((await store.getToken(inside.id))?.revokedAt).not.toBeNull();
      expect((await store.getToken(outside.id))?.revokedAt).toBeNull();
    });

    it("leaves what belonged to a team with its owners when the team goes", async () => {
      const owner = await user();
      const id = await team(owner);
      const slug = `g-${randomUUID()}`;
      const created = await store.createGateway(
        gatewayInput(slug, { visibility: "team", teamId: id, ownerEmail: owner }),
      );
      const version = await store.catalogueVersion();
      expect(await store.deleteTeam(id)).toBe(true);
      expect(await store.getGateway(created.id)).toMatchObject({
        visibility: "private",
        teamId: null,
        ownerEmail: owner,
      });
      expect(await store.catalogueVersion()).toBe(version + 1);
      await store.deleteGateway(created.id);
    });

    it("knows an invitation by its token's hash while it lasts, and one per person", async () => {
      const owner = await user();
      const [teamId, email] = [await team(owner), newEmail()];
      const invitation = { teamId, email, role: "member", invitedBy: owner } as const;
      const [hash, later] = [randomUUID(), new Date(Date.now() + 60_000).toISOString()];
      await store.invite({ ...invitation, expiresAt: later }, randomUUID());
      const second = await store.invite({ ...invitation, expiresAt: later }, hash);
      expect(await store.listInvitations(teamId)).toEqual([second]);
      expect(await store.findInvitation(hash)).toEqual(second);
      await store.invite({ ...invitation, expiresAt: new Date(Date.now() - 1000).toISOString() }, hash);
      expect(await store.findInvitation(hash)).toBeUndefined();
    });

    it("does not change the roles that came with it, nor gives roles to nobody", async () => {
      expect(await store.updateRole("viewer", { name: "x" })).toBeUndefined();
      expect(await store.deleteRole("viewer")).toBe(false);
      const names = (await store.listRoles()).filter(({ builtIn }) => builtIn).map(({ name: role }) => role);
      expect(names).toEqual(["platform_admin", "platform_viewer", "team_admin", "developer", "viewer"]);
      const given = { roleId: "platform_viewer", scopeId: null, grantedBy: "x", expiresAt: null };
      expect(await store.assignRole({ email: newEmail(), ...given })).toBeUndefined();
      const email = await user();
      const first = await store.assignRole({ email, ...given });
      const again = await store.assignRole({ email, ...given, expiresAt: new Date(Date.now() - 1000).toISOString() });
      expect(again?.id).toBe(first?.id);
      expect((await store.standingOf(email))?.roles).toEqual([]);
      expect(await store.unassignRole(email, "platform_viewer", null)).toBe(true);
    });

    it("counts uses by the hour, of several workers at once, and of no token that is gone", async () => {
      const email = await user();
      const [one, other] = [await token(email), await token(email)];
      const gone = randomUUID();
      const count = () =>
        store.countUse(
          new Map([
            [one.id, 3],
            [other.id, 1],
            [gone, 7],
          ]),
        );
      await Promise.all([count(), count(), count()]);
      expect(await store.usageOf(one.id)).toEqual({ hour: 9, day: 9, total: 9 });
      expect([...(await store.countUse(new Map([[other.id, 2]])))]).toEqual([
        [other.id, { hour: 5, day: 5, total: 5 }],
      ]);
      expect(await store.useByHour(one.id)).toEqual([
        { hour: expect.stringMatching(/T\d\d:00:00\.000Z$/), requests: 9 },
      ]);
      expect((await store.getToken(one.id))?.lastUsedAt).not.toBeNull();
    });

    it("has one live token of a name per user, and keeps what is revoked as it is", async () => {
      const email = await user();
      const first = await token(email, { name: "ci" });
      await expect(token(email, { name: "ci" })).rejects.toMatchObject({ code: "MCPS_ITEM_CONFLICT" });
      expect(await store.revokeToken(first.id, email, "over")).toBe(true);
      expect(await store.revokeToken(first.id, email, "again")).toBe(false);
      expect(await store.updateToken(first.id, { description: "x" })).toBeUndefined();
      const second = await token(email, { name: "ci", limits: { perDay: 5 }, addresses: ["10.0.0.0/8"] });
      expect(await store.updateToken(second.id, { permissions: ["tools.read"] })).toMatchObject({
        permissions: ["tools.read"],
        limits: { perDay: 5 },
        addresses: ["10.0.0.0/8"],
      });
      const page = await store.listTokens({ limit: 0, after: 0, includeInactive: false, email });
      expect(page.rows.map(({ id }) => id)).toEqual([second.id]);
    });

    it("revokes a token once and for all, with a new version", async () => {
      const jti = randomUUID();
      const input = { jti, email: null, revokedBy: "x", reason: "", expiresAt: null };
      expect(await store.isRevoked(jti)).toBe(false);
      expect(await bumps(() => store.revokeJti(input))).toBe(1);
      await store.revokeJti({ ...input, reason: "again" });
      expect(await store.isRevoked(jti)).toBe(true);
    });
  });
}
