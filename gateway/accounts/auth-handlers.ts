/** REST of logging in and out, and of one's own password. */

import { fault } from "../../contract/errors.ts";
import type { GatewayRequest, RestResponse } from "../../contract/http.ts";
import { clearCookie, ridesOnCookie, SESSION_COOKIE, setCookie } from "../auth/index.ts";
import { invalid, readBody } from "../registry/index.ts";
import type { PasswordRecord } from "../store/index.ts";
import { emailOf, requirePerson, requireWhole, unknown } from "./callers.ts";
import { isUsedBefore, passwordProblems } from "./password-policy.ts";
import { showUser } from "./present.ts";
import { login, passwordChange, passwordReset } from "./schemas.ts";
import type { AccountsParts, Call, Handlers } from "./types.ts";

export type OpenHandlers = Readonly<Record<string, (request: GatewayRequest) => Promise<RestResponse>>>;

async function session(parts: AccountsParts, email: string): Promise<RestResponse> {
  const { sessionMinutes } = parts.rules;
  const token = await parts.mint({ username: email, expMinutes: sessionMinutes });
  const body = { access_token: token, token_type: "bearer", expires_in: sessionMinutes * 60 };
  return { status: 200, body, subject: email };
}

/** A session that rides on a cookie goes on riding on it. */
async function renewed(parts: AccountsParts, email: string, request: GatewayRequest): Promise<RestResponse> {
  const { cookies: place } = parts;
  if (place === undefined || !ridesOnCookie(request)) return session(parts, email);
  const seconds = parts.rules.sessionMinutes * 60;
  const token = await parts.mint({ username: email, expMinutes: parts.rules.sessionMinutes });
  // No script shall read it, so the body does not hold it.
  const headers = { ...NOT_STORED, "set-cookie": setCookie(SESSION_COOKIE, token, seconds, place) };
  return { status: 200, headers, body: { token_type: "cookie", expires_in: seconds } };
}

const NOT_STORED = { "cache-control": "no-store" } as const;

/** What anybody may ask. */
export function openAuthHandlers(parts: AccountsParts): OpenHandlers {
  const { store, logins, policy, passwords, rules } = parts;

  function requireLogins(request: GatewayRequest): void {
    if (!rules.passwordLogin) throw fault("MCPS_NOT_FOUND", { path: request.path.slice(0, 200) });
  }

  async function requireGood(password: string, email: string, record: PasswordRecord): Promise<void> {
    const problems = passwordProblems(policy, password, { email, admin: record.admin });
    if (await isUsedBefore(passwords, password, record.hash, record.former, policy.history))
      problems.push("not one that was used before");
    if (problems.length === 0) return;
    throw invalid(
      "password",
      problems.map((allowed) => ({ path: "newPassword", allowed })),
    );
  }

  return {
    async "auth.login"(request) {
      requireLogins(request);
      const { email, password } = readBody(request, login, "login");
      const record = await logins.prove(email, password, parts.addressOf(request));
      const reason = logins.reasonToChange(record);
      if (reason !== undefined) throw fault("MCPS_PASSWORD_CHANGE", { reason });
      // Parameters were raised since: the password is here in plain text only now.
      if (record.hash !== null && passwords.isOutdated(record.hash))
        await store.rehashPassword(email, record.hash, await passwords.hash(password));
      return session(parts, email);
    },
    async "auth.password"(request) {
      requireLogins(request);
      const { email, oldPassword, newPassword } = readBody(request, passwordChange, "password");
      const record = await logins.prove(email, oldPassword, parts.addressOf(request));
      await requireGood(newPassword, email, record);
      await store.setPassword(email, await passwords.hash(newPassword), { mustChange: false, keep: policy.history });
      await parts.directory.changed({ subject: email });
      return session(parts, email);
    },
    async "auth.reset-password"(request) {
      requireLogins(request);
      if (rules.resetMinutes === 0) throw fault("MCPS_NOT_FOUND", { path: request.path.slice(0, 200) });
      const { token, newPassword } = readBody(request, passwordReset, "password");
      const email = parts.resetTokens.emailIn(token);
      const record = email === undefined ? undefined : await store.passwordOf(email);
      // All that is wrong with a token is told alike: whoever made one up learns nothing of users.
      if (email === undefined || record?.active !== true || !parts.resetTokens.isFor(token, record)) throw spent();
      await requireGood(newPassword, email, record);
      const hash = await passwords.hash(newPassword);
      const former = { former: record.hash };
      // Of two at once one is the first.
      if (!(await store.setPassword(email, hash, { mustChange: false, keep: policy.history, ...former })))
        throw spent();
      await parts.directory.changed({ subject: email });
      return session(parts, email);
    },
  };
}

function spent() {
  return invalid("password", [{ path: "token", allowed: "one that is not too old and was not used" }]);
}

export function authHandlers(parts: AccountsParts): Handlers {
  const { store, directory } = parts;

  async function revokeOwn({ principal }: Call, reason: string): Promise<string | undefined> {
    const { tokenId, expiresAt } = principal;
    if (tokenId === undefined) return undefined;
    const end = expiresAt === undefined ? null : new Date(expiresAt).toISOString();
    await store.revokeJti({ jti: tokenId, email: emailOf(principal), revokedBy: principal.id, reason, expiresAt: end });
    await directory.changed({ tokenId });
    return tokenId;
  }

  return {
    async "auth.logout"(call) {
      requirePerson(call.principal, "log out");
      const id = await revokeOwn(call, "logout");
      if (id === undefined)
        throw invalid("token", [{ path: "", allowed: "this proof has no id (jti) by which it could be revoked" }]);
      const headers =
        parts.cookies === undefined
          ? {}
          : { headers: { ...NOT_STORED, "set-cookie": clearCookie(SESSION_COOKIE, parts.cookies) } };
      return { status: 200, body: { status: "success", id }, ...headers };
    },
    async "auth.refresh"(call) {
      const email = emailOf(call.principal);
      // A stranger's token was made elsewhere, and so is his next one.
      if ((await store.getAccount(email)) === undefined) throw unknown("user", email);
      await requireWhole(directory, call.principal, "make another token");
      const made = await renewed(parts, email, call.request);
      await revokeOwn(call, "refreshed");
      return made;
    },
    async "auth.validate"({ principal }) {
      const { id, kind, admin, teams, grants, permissions, serverId = null, expiresAt } = principal;
      return {
        status: 200,
        body: {
          id,
          kind,
          isAdmin: admin,
          teams,
          permissions: [...(permissions ?? grants?.everywhere ?? [])].sort(),
          serverId,
          expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
        },
      };
    },
    async "auth.me"({ principal }) {
      const user = await store.getAccount(emailOf(principal));
      if (user === undefined) throw unknown("user", principal.id);
      return { status: 200, body: showUser(user) };
    },
  };
}
