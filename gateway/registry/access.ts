/** Who may see and who may change an item of the registry. Permissions of routes are decided before; this is about single items. */
import { fault } from "../../contract/errors.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Visibility } from "../store/index.ts";
import { invalid, type Problem } from "./problems.ts";

export type Owned = {
  readonly visibility: Visibility;
  readonly teamId: string | null;
  readonly ownerEmail: string | null;
};

export function isVisible(principal: Principal, item: Owned): boolean {
  return principal.admin || item.visibility === "public" || isMine(principal, item);
}

function isMine(principal: Principal, item: Owned): boolean {
  if (item.ownerEmail !== null && item.ownerEmail === principal.id) return true;
  return item.visibility === "team" && item.teamId !== null && principal.teams.includes(item.teamId);
}

/** The item when it may be seen; what may not be seen is not there (MCPS_ITEM_UNKNOWN). */
export function visible<T extends Owned>(principal: Principal, item: T | undefined, kind: string, id: string): T {
  if (item === undefined || !isVisible(principal, item)) {
    throw fault("MCPS_ITEM_UNKNOWN", { kind, id: id.slice(0, 200) });
  }
  return item;
}

/** Seen is not owned: MCPS_FORBIDDEN for what is somebody else's. */
export function changeable<T extends Owned>(principal: Principal, item: T | undefined, kind: string, id: string): T {
  const found = visible(principal, item, kind, id);
  if (!isChangeable(principal, found)) {
    throw fault("MCPS_FORBIDDEN", { principal: principal.id, action: `change ${kind} ${id.slice(0, 200)}` });
  }
  return found;
}

export function isChangeable(principal: Principal, item: Owned): boolean {
  return principal.admin || isMine(principal, item);
}

/** Nobody but an administrator gives things away or into teams of others; what a change leaves as it was is no gift. */
export function checkOwnership(principal: Principal, item: Owned, kind: string, former?: Owned): void {
  const problems: Problem[] = [];
  if (item.visibility === "team" && item.teamId === null) {
    problems.push({ path: "teamId", allowed: "needed with visibility team" });
  }
  if (!principal.admin) {
    const { ownerEmail, teamId } = item;
    if (ownerEmail !== null && ownerEmail !== principal.id && ownerEmail !== former?.ownerEmail) {
      problems.push({ path: "ownerEmail", value: item.ownerEmail, allowed: principal.id });
    }
    if (teamId !== null && !principal.teams.includes(teamId) && teamId !== former?.teamId) {
      problems.push({
        path: "teamId",
        value: item.teamId,
        allowed: principal.teams.join(", ") || "you are in no team",
      });
    }
  }
  if (problems.length > 0) throw invalid(kind, problems);
}
