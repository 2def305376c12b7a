/** What callers of the matrix may, said once more by hand: the gateway's own rules are not asked. */
import type { Permission } from "../../../contract/permissions.ts";
import { PERMISSIONS } from "../../../contract/permissions.ts";
import type { Role, Scope, Visibility } from "./world.ts";

export type Caller = { readonly role: Role; readonly scope: Scope };

/** Every role with a login, and what a token is narrowed to for one who may something and for one who may everything. */
export const CALLERS: readonly Caller[] = [
  ...(["anonymous", "viewer", "developer", "teamAdmin", "otherAdmin", "platformViewer", "platformAdmin"] as const).map(
    (role): Caller => ({ role, scope: "whole" }),
  ),
  ...(["reading", "team", "server"] as const).flatMap((scope): Caller[] => [
    { role: "developer", scope },
    { role: "platformAdmin", scope },
  ]),
];

const REGISTRY = ["gateways", "servers", "tools", "resources", "prompts"] as const;
const EVERYONE: readonly Permission[] = [
  ...REGISTRY.map((kind): Permission => `${kind}.read`),
  "servers.use",
  "teams.create",
  "teams.read",
  "teams.join",
  "tokens.create",
  "tokens.read",
  "tokens.update",
  "tokens.revoke",
];
const MAKER: readonly Permission[] = REGISTRY.flatMap((kind): Permission[] => [
  `${kind}.create`,
  `${kind}.update`,
  `${kind}.delete`,
]);
const LEADER: readonly Permission[] = [...MAKER, "teams.update", "teams.delete", "teams.manage_members"];
const WATCHER: readonly Permission[] = [
  "users.read",
  "admin.metrics",
  "admin.security_audit",
  "admin.system_config",
  "registry.oversee",
];

/** Anywhere: what routes ask for. */
export function mayAnywhere({ role, scope }: Caller, permission: Permission): boolean {
  if (scope === "reading" && permission !== "servers.read" && permission !== "tools.read") return false;
  if (EVERYONE.includes(permission)) return role !== "anonymous";
  // An administrator is no member of the team that his token is for.
  if (role === "platformAdmin") return scope !== "team" && PERMISSIONS.includes(permission);
  if (role === "platformViewer") return WATCHER.includes(permission);
  if (role === "developer") return MAKER.includes(permission);
  return (role === "teamAdmin" || role === "otherAdmin") && LEADER.includes(permission);
}

export const isMember = ({ role }: Caller) => role === "viewer" || role === "developer" || role === "teamAdmin";
export const isAdmin = ({ role, scope }: Caller) =>
  role === "platformAdmin" && (scope === "whole" || scope === "server");
export const isWatcher = (caller: Caller) => isAdmin(caller) || caller.role === "platformViewer";

/** What he may use. */
export function uses(caller: Caller, visibility: Visibility): boolean {
  if (isAdmin(caller) || visibility === "public") return true;
  return visibility === "team" && isMember(caller);
}

/** What he is shown over REST. */
export const sees = (caller: Caller, visibility: Visibility) => isWatcher(caller) || uses(caller, visibility);
