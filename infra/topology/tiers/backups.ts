/** Backups of a PostgreSQL of our own, and the proof that they can be restored. */

import type { Workload } from "../model.ts";
import { fractionOfDay } from "../schedule.ts";
import { secretMarker } from "../secret-text.ts";
import { SECRETS } from "../secrets.ts";
import { DATABASE, postgresOf, ROLES, type Site } from "../site.ts";
import { ephemeralOf, plainFile, scratch, secretFile, TO_ITS_END, type Unsealed } from "../workload.ts";
import { postgresPath } from "./postgres.ts";

/** A backup that has been restored is worth more than a newer one: the test follows half a period later. */
const TEST_OFFSET = 0.5;
const SECONDS_PER_HOUR = 3600;
const MIB_PER_GIB = 1024;

/** None where somebody else runs the database, and on the local target, whose data directory is its own. */
export function backupWorkloads(site: Site): readonly Unsealed[] {
  const { deployment, ground } = site;
  if (deployment.postgres.variant !== "self-contained" || ground.target === "local") return [];
  return [backup(site), restoreTest(site)];
}

function backup(site: Site): Unsealed {
  const { plan, ground } = site;
  const directories = ground.directories("backup");
  const { host, port } = postgresOf(site);
  const volumes = [keptBackups(site), scratch("temporary", directories.temporary, 16)];
  const script = [
    "set -eu",
    `PGPASSWORD="$(cat "${directories.secrets}/password")"`,
    "export PGPASSWORD",
    `cd "${ground.directories("backup").data}"`,
    'name="$(date -u +%Y%m%dT%H%M%SZ).dump"',
    "rm -f ./*.part",
    "# A dump takes as long as it takes: the gateway's limit on statements is not for it.",
    `pg_dump --format=custom --no-password --host=${host} --port=${port} --username=${ROLES.backup} --file="$name.part" ${DATABASE}`,
    'pg_restore --list "$name.part" >/dev/null',
    'mv "$name.part" "$name"',
    `ls -1 ./*.dump | sort -r | tail -n +${plan.backup.retained + 1} | while read -r old; do rm -f "$old"; done`,
    "ls -l ./*.dump",
    "",
  ].join("\n");
  return {
    ...scheduleOf("backup", site, 0, volumes),
    command: ["sh", `${directories.config}/start`],
    files: [plainFile(directories, "start", script), secretFile(directories, "password", secretMarker(SECRETS.backup))],
    resources: { cpuRequest: 0.25, cpuLimit: 1, memoryMiB: 256, ephemeralMiB: ephemeralOf(volumes) },
  };
}

/** The newest backup, restored into a PostgreSQL that lives as long as the test and listens on nothing but a socket. */
function restoreTest(site: Site): Unsealed {
  const { plan, ground } = site;
  const directories = ground.directories("restore-test");
  const dumps = ground.directories("backup").data;
  const room = Math.ceil(plan.postgres.volumeGiB * MIB_PER_GIB);
  const volumes = [
    keptBackups(site),
    scratch("temporary", directories.temporary, room),
    scratch("run", directories.run, 1),
  ];
  const script = [
    "set -eu",
    `newest="$(ls -1 "${dumps}"/*.dump | sort | tail -n 1)"`,
    `data="${directories.temporary}/restore"`,
    `socket="${directories.run}"`,
    'initdb --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null',
    `pg_ctl --pgdata="$data" --wait --silent --log="$data/log" --options="-c listen_addresses='' -c unix_socket_directories=$socket -c fsync=off" start`,
    "trap 'pg_ctl --pgdata=\"$data\" --mode=immediate --silent stop' EXIT",
    `createdb --host="$socket" --username=postgres ${DATABASE}`,
    `pg_restore --host="$socket" --username=postgres --dbname=${DATABASE} --no-owner --no-privileges --exit-on-error "$newest"`,
    `applied="$(psql --no-psqlrc --host="$socket" --username=postgres --dbname=${DATABASE} --tuples-only --no-align --command='SELECT count(*) FROM schema_migration')"`,
    'if [ "$applied" -lt 1 ]; then echo "$newest was restored, and has no schema in it" >&2; exit 1; fi',
    'echo "$newest can be restored: $applied migrations"',
    "",
  ].join("\n");
  return {
    ...scheduleOf("restore-test", site, TEST_OFFSET, volumes),
    command: ["sh", `${directories.config}/start`],
    files: [plainFile(directories, "start", script)],
    resources: { cpuRequest: 0.25, cpuLimit: 1, memoryMiB: 512, ephemeralMiB: ephemeralOf(volumes) },
  };
}

function keptBackups({ plan, ground }: Site): Workload["volumes"][number] {
  return { kind: "kept", name: "backups", path: ground.directories("backup").data, sizeGiB: plan.backup.volumeGiB };
}

function scheduleOf(name: string, site: Site, offset: number, volumes: Workload["volumes"]) {
  const { plan, deployment } = site;
  return {
    name,
    tier: "backup" as const,
    shape: {
      kind: "schedule" as const,
      cron: fractionOfDay(plan.backup.periodH, offset),
      deadlineS: Math.ceil(plan.backup.windowH * SECONDS_PER_HOUR),
    },
    image: deployment.images.postgres,
    environment: { PATH: postgresPath(site) },
    ...TO_ITS_END,
    volumes,
    after: ["migrations"],
  };
}
