/** From what the database says of a user to what he may, narrowed to what his proof is for. */
import type { Permission } from "../../contract/permissions.ts";
import { isPermission, PERMISSIONS } from "../../contract/permissions.ts";
import type { Grants } from "../../contract/principal.ts";
import { EVERYONE, type Identity, type Standing } from "../auth/index.ts";
import type { RoleRecord, StandingRecord } from "../store/index.ts";

/** Permissions that come without an assignment: of the roles that settings name. */
export type DefaultRoles = {
  readonly user: readonly string[];
  readonly teamOwner: readonly string[];
  readonly teamMember: readonly string[];
};

const EVERYTHING: ReadonlySet<Permission> = new Set(PERMISSIONS);

/** By name; an empty name stands for none, and so does one that no role has (`unknown` is told of it). */
export function defaultRoles(
  names: { readonly user: string; readonly teamOwner: string; readonly teamMember: string },
  roles: readonly RoleRecord[],
  unknown: (name: string) => void,
): DefaultRoles {
  const of = (name: string): readonly string[] => {
    if (name === "") return [];
    const found = roles.find((role) => role.name === name);
    if (found === undefined) unknown(name);
    return found?.permissions ?? [];
  };
  return { user: of(names.user), teamOwner: of(names.teamOwner), teamMember: of(names.teamMember) };
}

function add(target: Set<Permission>, permissions: readonly string[]): void {
  for (const text of permissions) {
    if (text === "*") for (const each of EVERYTHING) target.add(each);
    else if (isPermission(text)) target.add(text);
  }
}

/**
 * Standing of a known user. Teams that the proof names only narrow: those that he is not in give nothing. A proof for certain teams is for
 * what belongs to them, so that an administrator is none in it.
 */
export function standingFor(identity: Identity, record: StandingRecord, defaults: DefaultRoles, now: number): Standing {
  if (!record.active) return { admitted: false, why: "inactive" };
  const { issuedAt, teams: asked, permissions } = identity;
  // Seconds in a token, milliseconds in the database: a token of the same second is still good.
  if (record.notBefore !== null && issuedAt !== undefined && issuedAt + 999 < record.notBefore)
    return { admitted: false, why: "revoked" };
  const chosen = record.teams.filter(({ id }) => asked === undefined || asked.includes(id));
  const teams = chosen.map(({ id }) => id);
  const live = record.roles.filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
  const everywhere = new Set<Permission>(EVERYONE);
  const own = new Set<Permission>();
  const byTeam = new Map(chosen.map(({ id }) => [id, new Set<Permission>()]));
  if (asked === undefined) {
    for (const each of EVERYONE) own.add(each);
    add(everywhere, defaults.user);
    if (record.admin) add(everywhere, ["*"]);
    for (const role of live) if (role.scope === "global") add(everywhere, role.permissions);
    for (const role of live) if (role.scope === "personal") add(own, role.permissions);
  }
  for (const { id, role } of chosen) {
    const team = byTeam.get(id) ?? new Set();
    add(team, role === "owner" ? defaults.teamOwner : defaults.teamMember);
    if (record.admin) add(team, ["*"]);
    for (const one of live) if (one.scope === "team" && one.scopeId === id) add(team, one.permissions);
  }
  const grants = narrowed({ everywhere, byTeam, own }, permissions);
  return {
    admitted: true,
    admin: isAdmin(grants),
    oversees: grants.everywhere.has("registry.oversee"),
    teams,
    grants,
  };
}

/** Who may give everything to everybody is one. */
function isAdmin({ everywhere }: Grants): boolean {
  return everywhere.size === EVERYTHING.size;
}

function narrowed(grants: Grants, permissions: readonly Permission[] | undefined): Grants {
  if (permissions === undefined) return grants;
  const asked = new Set(permissions);
  const of = (set: ReadonlySet<Permission>) => new Set([...set].filter((one) => asked.has(one)));
  return {
    everywhere: of(grants.everywhere),
    byTeam: new Map([...grants.byTeam].map(([id, set]) => [id, of(set)])),
    own: of(grants.own),
  };
}

/** Standing of somebody whose proof is good and whom the deployment does not know. */
export function strangerFor({ claimsAdmin, teams = [], permissions }: Identity): Standing {
  const everywhere: ReadonlySet<Permission> = claimsAdmin ? EVERYTHING : EVERYONE;
  const grants: Grants = { everywhere, byTeam: new Map(), own: EVERYONE };
  const isWhole = permissions === undefined;
  return {
    admitted: true,
    admin: claimsAdmin && isWhole,
    oversees: claimsAdmin && isWhole,
    teams,
    ...(isWhole ? {} : { grants: narrowed(grants, permissions) }),
  };
}
