/** Who may see and who may change an item of the registry. Permissions of routes are decided before; this is about single items. */
import { fault } from "../../contract/errors.ts";
import { isPermission, type Permission } from "../../contract/permissions.ts";
import { countsAsOwner, type Principal } from "../../contract/principal.ts";
import { holds } from "../auth/index.ts";
import type { Viewer, Visibility } from "../store/index.ts";
import { invalid, type Problem } from "./problems.ts";

export type Owned = {
  readonly visibility: Visibility;
  readonly teamId: string | null;
  readonly ownerEmail: string | null;
};

/** Shown to him for use, or for looking at: who oversees sees everything and may use no more than others. */
export function isVisible(principal: Principal, item: Owned): boolean {
  return principal.oversees === true || isUsable(principal, item);
}

/** What may become part of something of his: a virtual server grants what it holds. */
export function isUsable(principal: Principal, item: Owned): boolean {
  return principal.admin || item.visibility === "public" || isMine(principal, item);
}

function isOwner(principal: Principal, { ownerEmail }: Owned): boolean {
  return ownerEmail !== null && ownerEmail === principal.id && countsAsOwner(principal);
}

function isMine(principal: Principal, item: Owned): boolean {
  if (isOwner(principal, item)) return true;
  return item.visibility === "team" && item.teamId !== null && principal.teams.includes(item.teamId);
}

/** The eyes of a list: the same rule in the database. */
export function viewerOf(principal: Principal): Viewer {
  const sees = principal.admin || principal.oversees === true;
  return { id: countsAsOwner(principal) ? principal.id : null, admin: sees, teams: principal.teams };
}

/** The item when it may be seen; what may not be seen is not there (MCPS_ITEM_UNKNOWN). */
export function visible<T extends Owned>(principal: Principal, item: T | undefined, kind: string, id: string): T {
  if (item === undefined || !isVisible(principal, item)) {
    throw fault("MCPS_ITEM_UNKNOWN", { kind, id: id.slice(0, 200) });
  }
  return item;
}

/** Seen is not owned: MCPS_FORBIDDEN for what his roles do not let him change. */
export function changeable<T extends Owned>(
  principal: Principal,
  item: T | undefined,
  kind: string,
  id: string,
  action: "update" | "delete" = "update",
): T {
  const found = visible(principal, item, kind, id);
  if (!isChangeable(principal, found, kind, action)) {
    throw fault("MCPS_FORBIDDEN", { principal: principal.id, action: `${action} ${kind} ${id.slice(0, 200)}` });
  }
  return found;
}

/** Without roles, members of a team and owners change what is theirs, once the route's permission lets them. */
export function isChangeable(
  principal: Principal,
  item: Owned,
  kind: string,
  action: "update" | "delete" = "update",
): boolean {
  if (principal.grants === undefined) return principal.admin || isMine(principal, item);
  // What is only overseen is not his to change, whatever roles he has elsewhere.
  if (!isUsable(principal, item)) return false;
  return holds(principal, permissionOf(kind, action), { teamId: item.teamId, mine: isOwner(principal, item) });
}

/** Throws RangeError for a kind that no permission is about. */
function permissionOf(kind: string, action: string): Permission {
  const name = `${kind}s.${action}`;
  if (!isPermission(name)) throw new RangeError(`there is no permission ${name}`);
  return name;
}

/**
 * Nobody but an administrator gives things away, or into teams in which he may not make such things; what a change leaves as it was is no
 * gift. `allowsPublic`: whether what belongs to a team may be public.
 */
export function checkOwnership(
  principal: Principal,
  item: Owned,
  kind: string,
  former?: Owned,
  allowsPublic = true,
): void {
  const problems: Problem[] = [];
  const { visibility, teamId } = item;
  if (visibility === "team" && teamId === null) {
    problems.push({ path: "teamId", allowed: "needed with visibility team" });
  }
  const isPublished = visibility === "public" && (former?.visibility !== "public" || former.teamId !== teamId);
  if (isPublished && teamId !== null && !allowsPublic) {
    problems.push({ path: "visibility", value: visibility, allowed: "private, team (ALLOW_PUBLIC_VISIBILITY)" });
  }
  if (!principal.admin) problems.push(...giftProblems(principal, item, kind, former));
  if (problems.length > 0) throw invalid(kind, problems);
}

function giftProblems(principal: Principal, item: Owned, kind: string, former: Owned | undefined): Problem[] {
  const problems: Problem[] = [];
  const { ownerEmail, teamId } = item;
  if (ownerEmail !== null && ownerEmail !== principal.id && ownerEmail !== former?.ownerEmail) {
    problems.push({ path: "ownerEmail", value: ownerEmail, allowed: principal.id });
  }
  if (former !== undefined && teamId === former.teamId) return problems;
  const permission = permissionOf(kind, "create");
  if (teamId === null) {
    if (principal.grants === undefined || holds(principal, permission, { teamId, mine: true })) return problems;
    throw fault("MCPS_FORBIDDEN", { principal: principal.id, action: `make a ${kind} that belongs to no team` });
  }
  const open = principal.teams.filter((id) => mayMakeIn(principal, permission, id));
  if (!open.includes(teamId)) {
    const allowed = open.join(", ") || (principal.teams.length === 0 ? "you are in no team" : "no team of yours");
    problems.push({ path: "teamId", value: teamId, allowed });
  }
  return problems;
}

function mayMakeIn(principal: Principal, permission: Permission, teamId: string): boolean {
  return principal.grants === undefined || holds(principal, permission, { teamId, mine: false });
}
