/** What the store promises of people's ways into teams, of roles of a deployment's own, and of who is locked out, on any database. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { openStore, type Store } from "../../../gateway/store/index.ts";
import { silentLog } from "../coordination/log.ts";
import type { Asked } from "./asked.ts";
import { keyOf } from "./conformance.ts";

const BOUNDS = { perUser: 50, perTeam: 100 };

export function describePeople(name: string, urlOf: () => Promise<string>, asked: Asked): void {
  describe(`people on ${name}`, () => {
    let store: Store;
    beforeAll(async () => {
      const options = { poolSize: 4, poolTimeoutMs: 10_000, log: silentLog, sealing: createSealer([keyOf("k")]) };
      store = asked.watch(await openStore({ url: await urlOf(), ...options }));
    });
    afterAll(() => store.close());

    async function user(passwordHash: string | null = null): Promise<string> {
      const email = `u-${randomUUID()}@example.com`;
      const rest = { fullName: "U", mustChangePassword: false, active: true, admin: false, source: "local" } as const;
      await store.createAccount({ email, passwordHash, ...rest }, undefined);
      return email;
    }
    async function team(owner: string): Promise<string> {
      const slug = `t-${randomUUID()}`;
      const rest = { description: "", personal: false, visibility: "private", maxMembers: null } as const;
      return (await store.createTeam({ name: slug, slug, createdBy: owner, ...rest })).id;
    }

    it("knows who is in a team as what, and whom it takes in at once", async () => {
      const [owner, ...others] = [await user(), await user(), await user(), await user()];
      const id = await team(owner ?? "");
      expect(await store.updateTeam(id, { name: "Renamed", maxMembers: 3 })).toMatchObject({
        id,
        name: "Renamed",
        maxMembers: 3,
        members: 1,
      });
      expect(await store.updateTeam(randomUUID(), { name: "x" })).toBeUndefined();
      const joined = await Promise.all(others.map((email) => store.putMember(id, email, "member", BOUNDS)));
      expect(joined.toSorted()).toEqual(["joined", "joined", "team-full"]);
      const members = await store.listMembers(id);
      expect(members.map(({ role }) => role).toSorted()).toEqual(["member", "member", "owner"]);
      const [left] = others.filter((_, index) => joined[index] === "team-full");
      expect(await store.teamRoleOf(id, owner ?? "")).toBe("owner");
      expect(await store.teamRoleOf(id, left ?? "")).toBeUndefined();
      await store.deleteTeam(id);
    });

    it("takes a request to join once, and takes back an invitation", async () => {
      const [owner, email] = [await user(), await user()];
      const id = await team(owner);
      await store.askToJoin(id, email, "first");
      const request = await store.askToJoin(id, email, "second");
      expect(await store.listJoinRequests(id)).toEqual([request]);
      expect(request).toMatchObject({ teamId: id, email, message: "second" });
      const takers = await Promise.all([1, 2, 3].map(() => store.takeJoinRequest(id, request.id)));
      expect(takers.filter((taken) => taken !== undefined)).toEqual([request]);
      const expiresAt = new Date(Date.now() + 60_000).toISOString();
      const invited = await store.invite({ teamId: id, email, role: "member", invitedBy: owner, expiresAt }, "h");
      expect(await store.getInvitation(invited.id)).toEqual(invited);
      expect(await store.deleteInvitation(invited.id)).toBe(true);
      expect(await store.deleteInvitation(invited.id)).toBe(false);
      expect(await store.getInvitation(invited.id)).toBeUndefined();
    });

    it("keeps roles of a deployment's own, and takes them from everybody when they go", async () => {
      const email = await user();
      const named = `auditor-${randomUUID()}`;
      const input = { name: named, scope: "global", description: "", permissions: ["users.read"], createdBy: "x" };
      const role = await store.createRole({ ...input, scope: "global", permissions: ["users.read"] });
      await expect(store.createRole({ ...input, scope: "global", permissions: [] })).rejects.toMatchObject({
        code: "MCPS_ITEM_CONFLICT",
      });
      expect(await store.getRole(role.id)).toEqual(role);
      expect(await store.updateRole(role.id, { permissions: ["users.read", "teams.read"] })).toMatchObject({
        permissions: ["users.read", "teams.read"],
      });
      await store.assignRole({ email, roleId: role.id, scopeId: null, grantedBy: "x", expiresAt: null });
      expect(await store.assignmentsOf(email)).toMatchObject([{ email, roleId: role.id, roleName: named }]);
      expect((await store.standingOf(email))?.roles).toMatchObject([{ permissions: ["users.read", "teams.read"] }]);
      expect(await store.deleteRole(role.id)).toBe(true);
      expect(await store.assignmentsOf(email)).toEqual([]);
      expect(await store.getRole(role.id)).toBeUndefined();
    });

    it("lets a locked account in again, and ends what was given out before", async () => {
      const email = await user("h");
      const lockout = { limit: 1, baseSeconds: 600, maxSeconds: 600 };
      await store.loginFailed(email, randomUUID(), lockout, { ...lockout, limit: 0 });
      expect((await store.passwordOf(email))?.lockedUntil).not.toBeNull();
      expect(await store.unlockAccount(email)).toBe(true);
      expect(await store.passwordOf(email)).toMatchObject({ failedLogins: 0, lockedUntil: null });
      expect(await store.endTokensOf(email)).toBe(true);
      expect((await store.standingOf(email))?.notBefore).toBeGreaterThan(0);
      expect(await store.unlockAccount("nobody@example.com")).toBe(false);
      expect(await store.endTokensOf("nobody@example.com")).toBe(false);
      expect(await store.getAccount(email)).toMatchObject({ email, fullName: "U", active: true });
      expect(await store.getAccount("nobody@example.com")).toBeUndefined();
    });

    it("finds a token by its hash, also one that is over", async () => {
      const [email, hash] = [await user(), randomUUID()];
      const none = { description: "", teamId: null, serverId: null, permissions: null, addresses: [], hours: null };
      const made = await store.createToken(
        { ...none, limits: null, tags: [], expiresAt: null, email, name: "n" },
        hash,
      );
      expect(await store.findToken(hash)).toEqual(made);
      await store.revokeToken(made.id, email, "over");
      expect(await store.findToken(hash)).toMatchObject({ id: made.id, revokedBy: email });
      expect(await store.findToken(randomUUID())).toBeUndefined();
    });
  });
}
