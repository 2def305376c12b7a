/** pg_hba.conf: who may come from where. The first line that fits decides, so what is never allowed stands first. */
import type { HbaPlace } from "./place.ts";
import { fileOf, nameOf, networkOf, PlaceError } from "./writing.ts";

/** Throws PlaceError. */
export function renderHba({ localUsers, grants }: HbaPlace): string {
  return fileOf([
    "# TYPE DATABASE USER ADDRESS METHOD",
    "local replication all reject",
    "host replication all all reject",
    ...localUsers.map((user, at) => `local all ${word(`postgres.hba.localUsers[${at}]`, user)} peer`),
    "local all all reject",
    ...grants.flatMap(({ database, user, networks }, at) => {
      const field = `postgres.hba.grants[${at}]`;
      if (networks.length === 0) throw new PlaceError(`${field}.networks`, [], "at least one network");
      return networks.map(
        (network, index) =>
          `host ${word(`${field}.database`, database)} ${word(`${field}.user`, user)} ${networkOf(`${field}.networks[${index}]`, network)} scram-sha-256`,
      );
    }),
    "host all all all reject",
  ]);
}

/** Quoted, so that a keyword (`all`), a role (`+x`) or a file (`@x`) is a plain name; a first slash is a pattern even then (since 16). */
function word(field: string, value: string): string {
  const name = nameOf(field, value);
  if (name.startsWith("/"))
    throw new PlaceError(field, value, "a name without a slash at its start: that would be a pattern");
  return `"${name.replaceAll('"', '""')}"`;
}
