/** As whom processes run. Root starts them as somebody else: PostgreSQL and PgBouncer insist on it, and the others have no need of more. */
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Tier, Topology } from "../../topology/index.ts";

/** Undefined in place of one: as whoever starts the stack. */
export type User = { readonly name: string; readonly uid: number; readonly gid: number };

/** In the order of preference; the first that the machine knows. */
const USERS: Readonly<Record<Tier, readonly string[]>> = {
  nginx: ["www-data", "nginx", "nobody"],
  gateway: ["nobody"],
  pgbouncer: ["postgres", "nobody"],
  postgres: ["postgres", "nobody"],
  redis: ["redis", "nobody"],
  migrations: ["nobody"],
  backup: ["postgres", "nobody"],
  exporter: ["nobody"],
};

export type UserDatabase = (name: string) => User | undefined;

/** Lines as passwd(5) has them. */
export function usersOf(passwd: string): UserDatabase {
  const users = new Map(
    passwd.split("\n").flatMap((line) => {
      const [name = "", , uid = "", gid = ""] = line.split(":");
      return /^\d+$/.test(uid) && /^\d+$/.test(gid)
        ? [[name, { name, uid: Number(uid), gid: Number(gid) }] as const]
        : [];
    }),
  );
  return (name) => users.get(name);
}

/**
 * Whom the processes of a tier run as where root starts them; undefined where somebody else does. Throws RangeError where the machine
 * knows nobody who could.
 */
export function userOf(tier: Tier, callerUid: number, known: UserDatabase = systemUsers()): User | undefined {
  if (callerUid !== 0) return undefined;
  const found = USERS[tier].map(known).find((user) => user !== undefined && user.uid !== 0);
  if (found === undefined)
    throw new RangeError(`${tier} does not run as root, and this machine has no user ${USERS[tier].join(" or ")}`);
  return found;
}

/** By tier; a tier that is not in it runs as the caller. */
export type Users = Readonly<Partial<Record<Tier, User>>>;

/**
 * Whom every tier runs as. `reads`: what the gateway's processes have to read, this project and its Node; where their user may not get
 * there, they run as the caller, and `notes` says so.
 */
export function usersFor(
  workloads: Topology["workloads"],
  callerUid: number,
  reads: readonly string[],
): { readonly users: Users; readonly notes: readonly string[] } {
  const users: Partial<Record<Tier, User>> = {};
  const notes: string[] = [];
  for (const tier of new Set(workloads.map((workload) => workload.tier))) {
    const user = userOf(tier, callerUid);
    if (user === undefined) continue;
    const isOurs = tier === "gateway" || tier === "migrations";
    const closed = isOurs
      ? reads.map((path) => closedOnTheWay(dirname(path), user)).find((one) => one !== undefined)
      : undefined;
    if (closed === undefined) users[tier] = user;
    else notes.push(`${tier} runs as root: user ${user.name} may not enter ${closed}, where this project is`);
  }
  return { users, notes };
}

function systemUsers(): UserDatabase {
  return usersOf(readFileSync("/etc/passwd", "utf8"));
}

/** The first directory on the way to `path` that a stranger to its group may not enter; undefined where all are open. */
export function closedOnTheWay(path: string, user: User): string | undefined {
  const way: string[] = [];
  for (let at = path; ; at = dirname(at)) {
    way.unshift(at);
    if (dirname(at) === at) break;
  }
  return way.find((directory) => {
    const { mode, uid, gid } = statSync(directory);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    return (mode & bit) === 0;
  });
}
