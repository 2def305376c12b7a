/** REST of roles, of who has them, and of permissions. Nobody gives what he has not. */
import { PERMISSIONS } from "../../contract/permissions.ts";
import type { Principal } from "../../contract/principal.ts";
import { invalid, readBody, readQuery } from "../registry/index.ts";
import type { RoleRecord } from "../store/index.ts";
import { emailOf, forbid, mayIn, requireHeld, unknown } from "./callers.ts";
import { assignmentCreate, permissionCheck, roleCreate, rolePatch } from "./schemas.ts";
import type { AccountsParts, Call, Handlers } from "./types.ts";

const KIND = "role";

export function roleHandlers(parts: AccountsParts): Handlers {
  return { ...roleRoutes(parts), ...assignmentRoutes(parts), ...permissionRoutes(parts) };
}

function roleRoutes({ store, directory }: AccountsParts): Handlers {
  async function own(id: string): Promise<RoleRecord> {
    const role = await store.getRole(id);
    if (role === undefined) throw unknown(KIND, id);
    if (role.builtIn) throw invalid(KIND, [{ path: "builtIn", value: true, allowed: "make a role of your own" }]);
    return role;
  }
  return {
    async "roles.list"() {
      return { status: 200, body: await store.listRoles() };
    },
    async "roles.get"({ params }) {
      const role = await store.getRole(params.id ?? "");
      if (role === undefined) throw unknown(KIND, params.id ?? "");
      return { status: 200, body: role };
    },
    async "roles.create"({ request, principal }) {
      const input = readBody(request, roleCreate, KIND);
      requireHeld(principal, input.permissions, null);
      const created = await store.createRole({ ...input, createdBy: emailOf(principal) });
      // One of the settings may name it.
      await directory.changed({});
      return { status: 201, headers: { location: `/v1/rbac/roles/${created.id}` }, body: created };
    },
    async "roles.update"({ params, request, principal }) {
      const { id } = await own(params.id ?? "");
      const patch = readBody(request, rolePatch, KIND);
      requireHeld(principal, patch.permissions ?? [], null);
      const given = Object.entries(patch).filter(([, value]) => value !== undefined);
      const updated = await store.updateRole(id, Object.fromEntries(given));
      if (updated === undefined) throw unknown(KIND, id);
      await directory.changed({});
      return { status: 200, body: updated };
    },
    async "roles.delete"({ params }) {
      const { id } = await own(params.id ?? "");
      await store.deleteRole(id);
      await directory.changed({});
      return { status: 200, body: { status: "success", id } };
    },
  };
}

function assignmentRoutes({ store, directory, now }: AccountsParts): Handlers {
  /** In a team, those who manage its members; everywhere, those who manage users. */
  function requireManager(principal: Principal, teamId: string | null): void {
    const isManager =
      mayIn(principal, "admin.user_management", null) ||
      (teamId !== null && mayIn(principal, "teams.manage_members", teamId));
    if (!isManager) throw forbid(principal, "give or take roles here");
  }

  return {
    async "roles.of"({ params, principal }) {
      const email = (params.email ?? "").toLowerCase();
      if (email !== emailOf(principal) && !mayIn(principal, "users.read", null))
        throw forbid(principal, "see the roles of others");
      return { status: 200, body: await store.assignmentsOf(email) };
    },
    async "roles.mine"({ principal }) {
      return { status: 200, body: await store.assignmentsOf(emailOf(principal)) };
    },
    async "roles.assign"({ params, request, principal }) {
      const email = (params.email ?? "").toLowerCase();
      const { roleId, scopeId, expiresAt } = readBody(request, assignmentCreate, "assignment");
      requireManager(principal, scopeId);
      const role = await store.getRole(roleId);
      if (role === undefined) throw invalid("assignment", [{ path: "roleId", value: roleId, allowed: "id of a role" }]);
      if ((role.scope === "team") !== (scopeId !== null))
        throw invalid("assignment", [{ path: "scopeId", allowed: "a team, for roles of scope team and no others" }]);
      if (scopeId !== null && (await store.teamRoleOf(scopeId, email)) === undefined)
        throw invalid("assignment", [{ path: "scopeId", value: scopeId, allowed: "a team that the user is in" }]);
      if (expiresAt !== null && Date.parse(expiresAt) <= now())
        throw invalid("assignment", [{ path: "expiresAt", value: expiresAt, allowed: "a time to come" }]);
      requireHeld(principal, role.permissions, scopeId);
      const assigned = await store.assignRole({ email, roleId, scopeId, grantedBy: emailOf(principal), expiresAt });
      if (assigned === undefined) throw unknown("user", email);
      await directory.changed({ subject: email });
      return { status: 201, body: assigned };
    },
    async "roles.unassign"({ params, request, principal }) {
      const email = (params.email ?? "").toLowerCase();
      const roleId = params.role ?? "";
      const scopeId = readQuery(request.query, ["scope", "scopeId"], "assignment").get("scopeId") ?? null;
      requireManager(principal, scopeId);
      if (!(await store.unassignRole(email, roleId, scopeId))) throw unknown("assignment", roleId);
      await directory.changed({ subject: email });
      return { status: 200, body: { status: "success", id: roleId } };
    },
  };
}

function permissionRoutes({ directory }: AccountsParts): Handlers {
  function requireSight(principal: Principal, email: string): void {
    if (email !== emailOf(principal) && !mayIn(principal, "users.read", null))
      throw forbid(principal, "see the permissions of others");
  }

  /** Of the caller as he stands here, of others by what the deployment knows. */
  async function grantsOf(principal: Principal, email: string) {
    if (email === emailOf(principal)) return principal;
    const standing = await directory.standingOf({ subject: email, kind: "jwt", claimsAdmin: false });
    if (!standing.admitted) throw unknown("user", email);
    return { ...principal, id: email, ...standing, oversees: true as const };
  }

  function shown({ grants, permissions }: Principal) {
    const byTeam = [...(grants?.byTeam ?? [])].map(([id, set]) => [id, [...set].sort()]);
    return {
      permissions: [...(grants?.everywhere ?? permissions ?? [])].sort(),
      byTeam: Object.fromEntries(byTeam),
    };
  }

  return {
    async "permissions.available"() {
      return { status: 200, body: { permissions: PERMISSIONS, byTeam: {} } };
    },
    async "permissions.mine"({ principal }) {
      return { status: 200, body: shown(principal) };
    },
    async "permissions.of"({ params, principal }) {
      const email = (params.email ?? "").toLowerCase();
      requireSight(principal, email);
      return { status: 200, body: shown(await grantsOf(principal, email)) };
    },
    async "permissions.check"({ request, principal }: Call) {
      const asked = readBody(request, permissionCheck, "permission");
      const email = asked.userEmail ?? emailOf(principal);
      requireSight(principal, email);
      const holder = await grantsOf(principal, email);
      const wanted = asked.permission === "*" ? PERMISSIONS : PERMISSIONS.filter((one) => one === asked.permission);
      const granted = wanted.every((permission) => mayIn(holder, permission, asked.teamId ?? null));
      return { status: 200, body: { permission: asked.permission, granted } };
    },
  };
}
