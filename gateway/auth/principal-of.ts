/** A proof and what the deployment knows of its bearer make a principal. */
import type { Grants, Principal } from "../../contract/principal.ts";
import type { Permission } from "../../contract/routes.ts";
import type { Identity, Standing } from "./directory.ts";

type Admitted = Extract<Standing, { admitted: true }>;

/**
 * Frozen. A certificate never makes an administrator, whatever its bearer is by other proofs (docs/adr/0053), and then nothing that an
 * administrator's roles give either.
 */
export function principalOf(identity: Identity, standing: Admitted): Principal {
  const { subject, kind, serverId, tokenId, issuer, expiresAt } = identity;
  const isMachine = kind === "certificate";
  const grants = isMachine && (standing.admin || standing.oversees) ? undefined : standing.grants;
  return Object.freeze({
    id: subject,
    kind,
    admin: standing.admin && !isMachine,
    ...(standing.oversees && !isMachine ? { oversees: true as const } : {}),
    teams: standing.teams,
    ...(grants === undefined ? {} : { permissions: everyPermission(grants), grants }),
    ...(serverId === undefined ? {} : { serverId }),
    ...(tokenId === undefined ? {} : { tokenId }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });
}

function everyPermission({ everywhere, byTeam, own }: Grants): ReadonlySet<Permission> {
  if (byTeam.size === 0 && own.size === 0) return everywhere;
  return new Set([...everywhere, ...own, ...[...byTeam.values()].flatMap((team) => [...team])]);
}

/** All that decides what this principal is shown; two tokens of one caller may reach differently far. */
export function reachOf({ admin, oversees, teams, permissions, grants, serverId }: Principal): readonly unknown[] {
  const sorted = (names: Iterable<string> = []) => [...new Set(names)].toSorted();
  const byTeam = [...(grants?.byTeam ?? [])].map(([team, held]) => [team, ...sorted(held)]);
  return [
    admin,
    ...sorted(teams),
    ...(oversees === true ? [["oversees"]] : []),
    ...(serverId === undefined ? [] : [["server", serverId]]),
    ...(permissions === undefined ? [] : [["permissions", ...sorted(permissions)]]),
    ...(grants === undefined ? [] : [["grants", sorted(grants.everywhere), sorted(grants.own), byTeam.toSorted()]]),
  ];
}
