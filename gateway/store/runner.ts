/** How the store's operations run: reads and writes as Faults, a change with its new version of the catalogue, lists where they may be asked. */
import { type Fault, fault } from "../../contract/errors.ts";
import { databaseFault, errorField } from "./failures.ts";
import type { Database } from "./pool.ts";
import type { Reads, SeenVersion } from "./replica.ts";
import type { Sql } from "./types.ts";

/** Runs a read or a write and makes Faults of failures. */
export type Runner = {
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  write<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** A read that a replica may answer. */
  list<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
};

export function runner(database: Database, reads: Reads, seen: SeenVersion): Runner {
  return {
    async list(work) {
      try {
        return await reads.registry(work);
      } catch (error) {
        throw storeFault(error);
      }
    },
    async read(work) {
      try {
        return await work(database);
      } catch (error) {
        throw storeFault(error);
      }
    },
    async write(work) {
      try {
        const { result, version } = await database.transaction(async (sql) => {
          const [row] = await sql.query<{ version: string }>(
            "update catalogue set version = version + 1 returning version",
          );
          return { result: await work(sql), version: Number(row?.version ?? 0) };
        });
        seen.version = Math.max(seen.version, version);
        return result;
      } catch (error) {
        throw storeFault(error);
      }
    },
  };
}

/** What is run belongs to a transaction that somebody else ends. Failures stay the driver's: whether to begin anew is decided by them. */
export function within(sql: Sql): Runner {
  return { read: (work) => work(sql), write: (work) => work(sql), list: (work) => work(sql) };
}

const CONFLICTS: Readonly<Record<string, { kind: string; field: string }>> = {
  gateway_slug_key: { kind: "gateway", field: "slug" },
  virtual_server_name_key: { kind: "server", field: "name" },
  virtual_server_pkey: { kind: "server", field: "id" },
  item_gateway_id_kind_name_digest_key: { kind: "item", field: "name or URI" },
  account_pkey: { kind: "user", field: "email" },
  team_slug_key: { kind: "team", field: "slug" },
  role_name_key: { kind: "role", field: "name" },
  api_token_name: { kind: "token", field: "name" },
  item_custom_name: { kind: "item", field: "customName" },
};

const UNIQUE_VIOLATION = "23505";

/** MCPS_ITEM_CONFLICT for a name that is taken, MCPS_DATABASE otherwise. */
export function storeFault(error: unknown): Fault {
  const conflict = CONFLICTS[errorField(error, "constraint") ?? ""];
  if (errorField(error, "code") !== UNIQUE_VIOLATION || conflict === undefined) return databaseFault(error);
  return fault("MCPS_ITEM_CONFLICT", { ...conflict, value: "(as given)", owner: `another ${conflict.kind}` });
}
