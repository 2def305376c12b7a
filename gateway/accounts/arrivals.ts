/** People who signed in at the provider: users here from then on, administrators where one of their groups says so. */
import type { Person } from "../auth/index.ts";
import type { AccountOperations, AccountRecord } from "../store/index.ts";
import type { AccountDirectory } from "./directory.ts";
import { personalTeam } from "./personal-team.ts";

export type ArrivalOptions = {
  readonly store: Pick<AccountOperations, "getAccount" | "createAccount" | "updateAccount">;
  readonly directory: Pick<AccountDirectory, "changed">;
  /** Whether somebody whom nobody knows becomes a user. */
  readonly createUsers: boolean;
  /** Whether users of the provider are administrators as long as their groups say so. */
  readonly followGroups: boolean;
  readonly personalTeams: boolean;
  readonly personalTeamPrefix: string;
};

/** Answers whether the person is let in. Rejects with MCPS_DATABASE. */
export function createArrivals(options: ArrivalOptions): (person: Person) => Promise<boolean> {
  const { store, directory } = options;
  return async (person) => {
    const known = await store.getAccount(person.email);
    if (known === undefined && !options.createUsers) return false;
    const account = known ?? (await create(options, person));
    if (!account.active) return false;
    // Who was made here by hand is what he was made.
    if (known === undefined || known.source !== "sso" || !options.followGroups || known.admin === person.admin)
      return true;
    await store.updateAccount(person.email, { admin: person.admin });
    await directory.changed({ subject: person.email });
    return true;
  };
}

async function create(options: ArrivalOptions, { email, name, admin }: Person): Promise<AccountRecord> {
  const { store, directory, personalTeams, personalTeamPrefix } = options;
  const rest = { passwordHash: null, mustChangePassword: false, active: true, source: "sso" } as const;
  const team = personalTeams ? personalTeam(email, personalTeamPrefix) : undefined;
  try {
    const created = await store.createAccount({ email, fullName: name ?? "", admin, ...rest }, team);
    await directory.changed({ subject: email });
    return created;
  } catch (error) {
    // The same person signed in twice at once.
    const known = await store.getAccount(email);
    if (known === undefined) throw error;
    return known;
  }
}
