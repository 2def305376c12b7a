/** What a compose file says beside environment and command: replicas, processors, memory, versions. */
import type { EnvEntry, Value } from "./report.ts";
import { serviceSized } from "./sized.ts";
import type { Assignment, FileProblem, Role } from "./source.ts";

export type ServiceFacts = { readonly entries: readonly EnvEntry[]; readonly problems: readonly FileProblem[] };

/** PgBouncer and PostgreSQL tag their images with what runs in them. */
const VERSION: Partial<Readonly<Record<Role, readonly [string, RegExp]>>> = {
  postgres: ["database.postgres.version", /:(\d{2})(?:[.-]|$)/],
  pgbouncer: ["database.pgbouncer.version", /:v?(1\.\d{1,2})(?:[.-]|$)/],
};

/** The gateway's replicas are pinned: a compose project scales by hand, and replaces containers without adding any. */
export function readServiceFacts(assignments: readonly Assignment[]): ServiceFacts {
  const entries: EnvEntry[] = [];
  const problems: FileProblem[] = [];
  for (const { name, value, line, role, kind } of assignments) {
    if (kind !== "service") continue;
    const add = (ours: string, read: Value, because: string) =>
      entries.push({ name, role, kind, line, verdict: "sized", ours, value: read, because });
    if (name === "image") {
      const [path, pattern] = VERSION[role] ?? [];
      const version = pattern?.exec(value)?.[1];
      if (path !== undefined && version !== undefined)
        add(path, role === "postgres" ? Number(version) : version, "input");
      continue;
    }
    if (name === "replicas" && role === "gateway") {
      const replicas = /^\s*[1-9]\d{0,4}\s*$/.test(value) ? Number(value) : undefined;
      if (replicas === undefined) problems.push({ line, message: "replicas has to be a whole number of at least 1" });
      else add("given.gateway.replicas.max", replicas, "pinned as the fewest and the most");
      continue;
    }
    const table = serviceSized[role] ?? {};
    const sized = Object.hasOwn(table, name) ? table[name] : undefined;
    if (sized === undefined) continue;
    const read = sized.read(value);
    if (read === undefined || (typeof read === "number" && read < (sized.least ?? 0)))
      problems.push({ line, message: `${name} of the ${role} service has to be ${sized.allowed} above 0` });
    else add(sized.to, read, sized.to.startsWith("given.") ? "pinned" : "input");
  }
  return { entries, problems };
}
