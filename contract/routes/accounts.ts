/** Routes of who may call: logging in, users, teams, roles, tokens. */
import type { Permission } from "../permissions.ts";
import type { Route } from "./route.ts";

type More = { readonly permission?: Permission; readonly open?: true };

/** `method path`; a body where the method has one, unless the id is among those without. */
function account(id: string, line: string, summary: string, { permission, open }: More = {}): Route {
  const [method = "", path = ""] = line.split(" ");
  const takesBody = method === "PUT" || (method === "POST" && !WITHOUT_BODY.has(id));
  return {
    id,
    methods: [method],
    path,
    class: "control",
    auth: open === true ? "public" : "principal",
    ...(permission === undefined ? {} : { permission }),
    cache: "none",
    body: takesBody ? "json" : "none",
    summary,
    area: "accounts",
  };
}

const WITHOUT_BODY: ReadonlySet<string> = new Set([
  "auth.logout",
  "auth.refresh",
  "users.unlock",
  "users.logout",
  "users.reset-password",
  "invitations.accept",
  "joins.approve",
]);

const logins = [
  account("auth.login", "POST /auth/login", "Log in with email and password: a token", { open: true }),
  account("auth.login", "POST /auth/email/login", "Older name of /auth/login", { open: true }),
  account("auth.password", "POST /auth/email/change-password", "Choose another password", { open: true }),
  account("auth.reset-password", "POST /auth/email/reset-password", "Choose a password with a token for that", {
    open: true,
  }),
  account("auth.logout", "POST /auth/logout", "Revoke the token of this request"),
  account("auth.refresh", "POST /auth/refresh", "A new token for this one, which is revoked"),
  account("auth.validate", "GET /auth/validate", "Who is asking, and what he may"),
  account("auth.me", "GET /auth/email/me", "The user who is asking"),
];

const USERS = "/auth/email/admin/users";
const users = [
  account("users.list", `GET ${USERS}`, "List users, page by page", { permission: "users.read" }),
  account("users.create", `POST ${USERS}`, "Create a user", { permission: "admin.user_management" }),
  account("users.get", `GET ${USERS}/{email}`, "Get a user", { permission: "users.read" }),
  account("users.update", `PUT ${USERS}/{email}`, "Change a user", { permission: "admin.user_management" }),
  account("users.delete", `DELETE ${USERS}/{email}`, "Delete a user", { permission: "admin.user_management" }),
  account("users.unlock", `POST ${USERS}/{email}/unlock`, "End a user's wait after failed logins", {
    permission: "admin.user_management",
  }),
  account(
    "users.reset-password",
    `POST ${USERS}/{email}/reset-password`,
    "A token with which a user chooses another password, once",
    { permission: "admin.user_management" },
  ),
  account("users.logout", `POST ${USERS}/{email}/logout`, "Revoke every token that a user has", {
    permission: "admin.user_management",
  }),
];

const teams = [
  account("teams.list", "GET /teams", "List the caller's teams", { permission: "teams.read" }),
  account("teams.create", "POST /teams", "Create a team", { permission: "teams.create" }),
  account("teams.discover", "GET /teams/discover", "List public teams", { permission: "teams.read" }),
  account("teams.get", "GET /teams/{id}", "Get a team", { permission: "teams.read" }),
  account("teams.update", "PUT /teams/{id}", "Change a team", { permission: "teams.update" }),
  account("teams.delete", "DELETE /teams/{id}", "Delete a team", { permission: "teams.delete" }),
  account("members.list", "GET /teams/{id}/members", "List members", { permission: "teams.read" }),
  account("members.add", "POST /teams/{id}/members", "Add a member", { permission: "teams.manage_members" }),
  account("members.update", "PUT /teams/{id}/members/{email}", "Change a member's role", {
    permission: "teams.manage_members",
  }),
  account("members.remove", "DELETE /teams/{id}/members/{email}", "Remove a member", {
    permission: "teams.manage_members",
  }),
  account("teams.leave", "DELETE /teams/{id}/leave", "Leave a team"),
  account("invitations.create", "POST /teams/{id}/invitations", "Invite somebody", {
    permission: "teams.manage_members",
  }),
  account("invitations.list", "GET /teams/{id}/invitations", "List invitations", {
    permission: "teams.manage_members",
  }),
  account("invitations.accept", "POST /teams/invitations/{token}/accept", "Accept an invitation", {
    permission: "teams.join",
  }),
  account("invitations.cancel", "DELETE /teams/invitations/{id}", "Cancel an invitation", {
    permission: "teams.manage_members",
  }),
  account("joins.ask", "POST /teams/{id}/join", "Ask to join a public team", { permission: "teams.join" }),
  account("joins.list", "GET /teams/{id}/join-requests", "List who asks to join", {
    permission: "teams.manage_members",
  }),
  account("joins.approve", "POST /teams/{id}/join-requests/{request}/approve", "Let somebody join", {
    permission: "teams.manage_members",
  }),
  account("joins.reject", "DELETE /teams/{id}/join-requests/{request}", "Refuse somebody who asks to join", {
    permission: "teams.manage_members",
  }),
];

const roles = [
  account("roles.list", "GET /rbac/roles", "List roles"),
  account("roles.create", "POST /rbac/roles", "Create a role", { permission: "admin.user_management" }),
  account("roles.get", "GET /rbac/roles/{id}", "Get a role"),
  account("roles.update", "PUT /rbac/roles/{id}", "Change a role", { permission: "admin.user_management" }),
  account("roles.delete", "DELETE /rbac/roles/{id}", "Delete a role", { permission: "admin.user_management" }),
  account("roles.assign", "POST /rbac/users/{email}/roles", "Give a role to a user"),
  account("roles.of", "GET /rbac/users/{email}/roles", "Roles of a user"),
  account("roles.unassign", "DELETE /rbac/users/{email}/roles/{role}", "Take a role from a user"),
  account("roles.mine", "GET /rbac/my/roles", "Roles of the caller"),
  account("permissions.check", "POST /rbac/permissions/check", "Whether somebody has a permission"),
  account("permissions.of", "GET /rbac/permissions/user/{email}", "Permissions of a user"),
  account("permissions.available", "GET /rbac/permissions/available", "Every permission"),
  account("permissions.mine", "GET /rbac/my/permissions", "Permissions of the caller"),
];

const tokens = [
  account("tokens.list", "GET /tokens", "List the caller's API tokens", { permission: "tokens.read" }),
  account("tokens.create", "POST /tokens", "Create an API token; shown this once", { permission: "tokens.create" }),
  account("tokens.all", "GET /tokens/admin/all", "List everybody's API tokens", { permission: "users.read" }),
  account("tokens.end", "DELETE /tokens/admin/{id}", "Revoke anybody's API token", {
    permission: "admin.user_management",
  }),
  account("tokens.of-team", "GET /tokens/teams/{id}", "List API tokens of a team", { permission: "tokens.read" }),
  account("tokens.create-for-team", "POST /tokens/teams/{id}", "Create an API token for what belongs to a team", {
    permission: "tokens.create",
  }),
  account("tokens.get", "GET /tokens/{id}", "Get an API token", { permission: "tokens.read" }),
  account("tokens.update", "PUT /tokens/{id}", "Change an API token", { permission: "tokens.update" }),
  account("tokens.revoke", "DELETE /tokens/{id}", "Revoke an API token", { permission: "tokens.revoke" }),
  account("tokens.usage", "GET /tokens/{id}/usage", "What an API token was used for", { permission: "tokens.read" }),
];

export const accountRoutes: readonly Route[] = [...logins, ...users, ...teams, ...roles, ...tokens];
