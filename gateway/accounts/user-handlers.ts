/** REST of users, for those who may manage them. */
import { fault } from "../../contract/errors.ts";
import type { Principal } from "../../contract/principal.ts";
import { invalid, listResponse, readBody, readListQuery } from "../registry/index.ts";
import type { AccountRecord } from "../store/index.ts";
import { forbid, unknown } from "./callers.ts";
import { passwordProblems } from "./password-policy.ts";
import { personalTeam } from "./personal-team.ts";
import { showUser } from "./present.ts";
import { userCreate, userPatch } from "./schemas.ts";
import type { AccountsParts, Handlers } from "./types.ts";

const KIND = "user";

export function userHandlers(parts: AccountsParts): Handlers {
  const { store, directory, passwords, policy, rules } = parts;

  async function known(email: string): Promise<AccountRecord> {
    const record = await store.getAccount(email.toLowerCase());
    if (record === undefined) throw unknown(KIND, email);
    return record;
  }

  /** Who may manage users makes no administrators, and none of his own. */
  function requireAdmin(principal: Principal, isMeant: boolean): void {
    if (isMeant && !principal.admin) throw forbid(principal, "make, change or delete an administrator");
  }

  async function hashed(password: string, user: { email: string; admin: boolean }): Promise<string> {
    const problems = passwordProblems(policy, password, user);
    if (problems.length === 0) return passwords.hash(password);
    throw invalid(
      KIND,
      problems.map((allowed) => ({ path: "password", allowed })),
    );
  }

  const lastAdmin = () => fault("MCPS_LAST", { what: "this gateway", whom: "an active administrator" });

  return {
    async "users.list"({ request }) {
      const input = readListQuery(request.query, "users", KIND);
      return listResponse("users", await store.listAccounts(input.query), input, showUser);
    },
    async "users.get"({ params }) {
      return { status: 200, body: showUser(await known(params.email ?? "")) };
    },
    async "users.create"({ request, principal }) {
      const input = readBody(request, userCreate, KIND);
      requireAdmin(principal, input.isAdmin);
      const { email, password } = input;
      const created = await store.createAccount(
        {
          email,
          fullName: input.fullName,
          passwordHash: password === undefined ? null : await hashed(password, { email, admin: input.isAdmin }),
          mustChangePassword: password !== undefined && input.passwordChangeRequired,
          active: input.isActive,
          admin: input.isAdmin,
          source: "local",
        },
        rules.personalTeams ? personalTeam(email, rules.personalTeamPrefix) : undefined,
      );
      await directory.changed({ subject: email });
      const location = `/v1/auth/email/admin/users/${encodeURIComponent(email)}`;
      return { status: 201, headers: { location }, body: showUser(created) };
    },
    async "users.update"({ params, request, principal }) {
      const former = await known(params.email ?? "");
      const { email } = former;
      const { password, fullName, isAdmin, isActive, passwordChangeRequired } = readBody(request, userPatch, KIND);
      requireAdmin(principal, former.admin || isAdmin === true);
      const hash =
        password === undefined ? undefined : await hashed(password, { email, admin: isAdmin ?? former.admin });
      const updated = await store.updateAccount(email, {
        ...(fullName === undefined ? {} : { fullName }),
        ...(isAdmin === undefined ? {} : { admin: isAdmin }),
        ...(isActive === undefined ? {} : { active: isActive }),
        ...(passwordChangeRequired === undefined ? {} : { mustChangePassword: passwordChangeRequired }),
      });
      if (updated === "last-admin") throw lastAdmin();
      if (hash !== undefined)
        await store.setPassword(email, hash, { mustChange: passwordChangeRequired ?? true, keep: policy.history });
      await directory.changed({ subject: email });
      return { status: 200, body: showUser(await known(email)) };
    },
    async "users.delete"({ params, principal }) {
      const { email, admin } = await known(params.email ?? "");
      requireAdmin(principal, admin);
      if ((await store.deleteAccount(email)) === "last-admin") throw lastAdmin();
      await directory.changed({ subject: email });
      return { status: 200, body: { status: "success", id: email } };
    },
    async "users.unlock"({ params }) {
      const { email } = await known(params.email ?? "");
      await store.unlockAccount(email);
      return { status: 200, body: showUser(await known(email)) };
    },
    async "users.reset-password"({ params, principal, request }) {
      if (rules.resetMinutes === 0) throw fault("MCPS_NOT_FOUND", { path: request.path.slice(0, 200) });
      const { email, admin } = await known(params.email ?? "");
      requireAdmin(principal, admin);
      const record = await store.passwordOf(email);
      if (record === undefined) throw unknown(KIND, email);
      const { token, expiresAt } = parts.resetTokens.make(email, record);
      const headers = { "cache-control": "no-store" };
      return { status: 200, headers, body: { email, token, expiresAt: new Date(expiresAt).toISOString() } };
    },
    async "users.logout"({ params, principal }) {
      const { email, admin } = await known(params.email ?? "");
      requireAdmin(principal, admin);
      await store.endTokensOf(email);
      await directory.changed({ subject: email });
      return { status: 200, body: { status: "success", id: email } };
    },
  };
}
