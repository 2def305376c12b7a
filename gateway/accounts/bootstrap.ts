/** The first administrator: PLATFORM_ADMIN_EMAIL is a user from the first start on, without a password unless one is given. */
import type { AccountOperations } from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { AccountDirectory } from "./directory.ts";
import type { Passwords } from "./passwords.ts";
import { personalTeam } from "./personal-team.ts";

export type BootstrapOptions = {
  readonly store: Pick<AccountOperations, "getAccount" | "createAccount" | "updateAccount" | "setPassword">;
  readonly directory: Pick<AccountDirectory, "changed">;
  readonly passwords: Passwords;
  readonly log: Log;
  readonly email: string;
  readonly fullName: string;
  /** Taken once, for a user without one: what was chosen since stays. */
  readonly password: string | undefined;
  readonly mustChange: boolean;
  readonly personalTeams: boolean;
  readonly personalTeamPrefix: string;
};

/** Several processes may do it at once. */
export async function bootstrapAdmin(options: BootstrapOptions): Promise<void> {
  const { store, passwords, log } = options;
  const email = options.email.toLowerCase();
  const known = await store.getAccount(email);
  if (known === undefined) await create(options, email);
  else if (!known.admin) await store.updateAccount(email, { admin: true });
  if (options.password !== undefined && known?.hasPassword !== true) {
    const hash = await passwords.hash(options.password);
    await store.setPassword(email, hash, { mustChange: options.mustChange, keep: 0 });
    log.info("the administrator's first password was set", { email });
  }
  await options.directory.changed({ subject: email });
}

async function create({ store, fullName, personalTeams, personalTeamPrefix }: BootstrapOptions, email: string) {
  const rest = { passwordHash: null, mustChangePassword: false, active: true, admin: true, source: "local" } as const;
  const team = personalTeams ? personalTeam(email, personalTeamPrefix) : undefined;
  try {
    await store.createAccount({ email, fullName, ...rest }, team);
  } catch (error) {
    // Another process was faster.
    if ((await store.getAccount(email)) === undefined) throw error;
  }
}
