/** What a principal may do. Permissions are `resource.action`, named by the routes; roles give more of them, tokens narrow them. */
import { fault } from "../../contract/errors.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Permission } from "../../contract/routes.ts";

/** What everyone who was let in holds: to see what is shown to them and to use it, and to look after their own. */
export const EVERYONE: ReadonlySet<Permission> = new Set<Permission>([
  "gateways.read",
  "servers.read",
  "tools.read",
  "resources.read",
  "prompts.read",
  "servers.use",
  "teams.create",
  "teams.read",
  "teams.join",
  "tokens.create",
  "tokens.read",
  "tokens.update",
  "tokens.revoke",
]);

/** `undefined` is what any principal may. Held anywhere is enough here; the room that answers looks at the single thing. */
export function isPermitted(principal: Principal, permission: Permission | undefined): boolean {
  if (principal.kind === "scraper") return permission === "admin.metrics";
  if (permission === undefined) return true;
  return principal.permissions?.has(permission) ?? (principal.admin || EVERYONE.has(permission));
}

/** On what belongs to a team (`teamId`), or to nobody but its owner. */
export function holds(
  principal: Principal,
  permission: Permission,
  thing: { teamId: string | null; mine: boolean },
): boolean {
  const { grants } = principal;
  if (grants === undefined) return isPermitted(principal, permission) && (principal.admin || thing.mine);
  if (grants.everywhere.has(permission)) return true;
  if (thing.teamId !== null) return grants.byTeam.get(thing.teamId)?.has(permission) === true;
  return thing.mine && grants.own.has(permission);
}

/** Throws MCPS_FORBIDDEN (403). */
export function basicRequirement(principal: Principal, permission: Permission | undefined): void {
  if (!isPermitted(principal, permission))
    throw fault("MCPS_FORBIDDEN", { principal: principal.id, action: permission ?? "do anything but admin.metrics" });
}
