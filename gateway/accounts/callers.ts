/** Rules about callers that several handlers share. */
import { fault } from "../../contract/errors.ts";
import type { Permission } from "../../contract/permissions.ts";
import { isPermission, PERMISSIONS } from "../../contract/permissions.ts";
import type { Principal } from "../../contract/principal.ts";
import { type Directory, isPermitted } from "../auth/index.ts";

/** As users are stored. */
export function emailOf({ id }: Principal): string {
  return id.toLowerCase();
}

export function forbid(principal: Principal, action: string) {
  return fault("MCPS_FORBIDDEN", { principal: principal.id, action });
}

export function unknown(kind: string, id: string) {
  return fault("MCPS_ITEM_UNKNOWN", { kind, id: id.slice(0, 200) });
}

/** A token that leaks, or a machine, shall not make other tokens nor act for its owner: that needs somebody who logged in. */
export function requirePerson(principal: Principal, action: string): void {
  if (principal.kind !== "jwt") throw forbid(principal, `${action} by ${principal.kind}`);
}

/** Nor shall a login that is narrowed make what is not. */
export async function requireWhole(
  directory: Pick<Directory, "standingOf">,
  principal: Principal,
  action: string,
): Promise<void> {
  requirePerson(principal, action);
  // It ends when its issuer says so; what was made of it here would go on.
  if (principal.issuer !== undefined) throw forbid(principal, `${action} with a token of another issuer`);
  const whole = await directory.standingOf({ subject: principal.id, kind: "jwt", claimsAdmin: false });
  const { grants, teams, serverId } = principal;
  const isWhole =
    whole.admitted &&
    serverId === undefined &&
    teams.length === whole.teams.length &&
    grants?.everywhere.size === whole.grants?.everywhere.size &&
    grants?.own.size === whole.grants?.own.size;
  if (!isWhole) throw forbid(principal, `${action} with a token that is narrowed`);
}

/** In a team (`teamId`), or everywhere (null). */
export function mayIn(principal: Principal, permission: Permission, teamId: string | null): boolean {
  const { grants } = principal;
  if (grants === undefined) return principal.admin && isPermitted(principal, permission);
  if (grants.everywhere.has(permission)) return true;
  return teamId !== null && grants.byTeam.get(teamId)?.has(permission) === true;
}

/** Nobody gives what he has not: throws MCPS_FORBIDDEN for the first permission that the giver lacks there. */
export function requireHeld(principal: Principal, permissions: readonly string[], teamId: string | null): void {
  const all = permissions.includes("*") ? PERMISSIONS : permissions.filter(isPermission);
  const lacking = all.find((permission) => !mayIn(principal, permission, teamId));
  if (lacking !== undefined) throw forbid(principal, `give ${lacking} without having it`);
}
