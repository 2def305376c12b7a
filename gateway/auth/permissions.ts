/** What a principal may do. Permissions are `resource.action`, named by the routes; roles will only add more ways to hold one. */
import { fault } from "../../contract/errors.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Permission } from "../../contract/routes.ts";

/** What everyone who was let in holds: to see what is shown to them and to use it. */
const EVERYONE: ReadonlySet<Permission> = new Set<Permission>([
  "gateways.read",
  "servers.read",
  "tools.read",
  "resources.read",
  "prompts.read",
  "servers.use",
]);

/** `undefined` is what any principal may. */
export function isPermitted(principal: Principal, permission: Permission | undefined): boolean {
  if (principal.kind === "scraper") return permission === "admin.metrics";
  if (permission === undefined) return true;
  return principal.permissions?.has(permission) ?? (principal.admin || EVERYONE.has(permission));
}

/** Throws MCPS_FORBIDDEN (403). */
export function basicRequirement(principal: Principal, permission: Permission | undefined): void {
  if (!isPermitted(principal, permission))
    throw fault("MCPS_FORBIDDEN", { principal: principal.id, action: permission ?? "do anything but admin.metrics" });
}
