/** Every operation on who may call, on one runner: reads, changes with a new identity version, and notes. */
import type { AccountsRunner } from "./account-types.ts";
import { type TokenOperations, tokenOperations } from "./api-tokens.ts";
import type { Database } from "./pool.ts";
import { type RoleOperations, roleOperations } from "./roles.ts";
import { type StandingOperations, standingOperations } from "./standing.ts";
import { type TeamOperations, teamOperations } from "./teams.ts";
import type { Sql } from "./types.ts";
import { type UserOperations, userOperations } from "./users.ts";

/** All operations reject with a Fault: MCPS_DATABASE, or MCPS_ITEM_CONFLICT for what is taken. */
export type AccountOperations = UserOperations & TeamOperations & RoleOperations & TokenOperations & StandingOperations;

/** `faultOf`: the store's own words for a failure of the driver. */
export function accountOperations(database: Database, faultOf: (error: unknown) => Error): AccountOperations {
  const run = accountsRunner(database, faultOf);
  return {
    ...userOperations(run),
    ...teamOperations(run),
    ...roleOperations(run),
    ...tokenOperations(run),
    ...standingOperations(run),
  };
}

function accountsRunner(database: Database, faultOf: (error: unknown) => Error): AccountsRunner {
  async function told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw faultOf(error);
    }
  }
  return {
    read: (work) => told(() => work(database)),
    note: (work) => told(() => database.transaction(work)),
    change: (work) =>
      told(() =>
        database.transaction(async (sql: Sql) => {
          // First, so that changes go one after the other and a version never shows half of one.
          await sql.query("update identity_version set version = version + 1");
          return await work(sql);
        }),
      ),
  };
}
