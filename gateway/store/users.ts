/** Rows of `account`: users, their passwords (hashes only) and how their logins went. */
import type { AccountInput, AccountPatch, AccountRecord, AccountsRunner, PasswordRecord } from "./account-types.ts";
import { isoColumn, pageLimit, pageOf } from "./conditions.ts";
import { ensurePersonalTeam, type PersonalTeam } from "./teams.ts";
import type { ListQuery, Page, Sql } from "./types.ts";

export type AccountList = Pick<ListQuery, "limit" | "after" | "includeInactive">;
export type FailedLogin = { readonly failures: number; readonly blockedUntil: string | null };
/** After `limit` failures the wait is `baseSeconds`, and twice as long with each one more, `maxSeconds` at most. 0 failures: never. */
export type Lockout = { readonly limit: number; readonly baseSeconds: number; readonly maxSeconds: number };

export type UserOperations = {
  listAccounts(query: AccountList): Promise<Page<AccountRecord>>;
  getAccount(email: string): Promise<AccountRecord | undefined>;
  /** With a personal team when one is given. Rejects with MCPS_ITEM_CONFLICT for an email that is taken. */
  createAccount(input: AccountInput, personal: PersonalTeam | undefined): Promise<AccountRecord>;
  /** Undefined: nobody has that email. `keepsAdmin`: refused (false) when no active administrator would be left. */
  updateAccount(email: string, patch: AccountPatch): Promise<AccountRecord | "last-admin" | undefined>;
  deleteAccount(email: string): Promise<boolean | "last-admin">;
  passwordOf(email: string): Promise<PasswordRecord | undefined>;
  /**
   * `keep`: how many former hashes are remembered. Ends what was logged in before, and locks. `former`: only while that is the hash; false
   * where it is not, or there is no such user.
   */
  setPassword(
    email: string,
    hash: string,
    options: { mustChange: boolean; keep: number; former?: string | null },
  ): Promise<boolean>;
  /** The same password under another hash, unless it was changed meanwhile. */
  rehashPassword(email: string, former: string, hash: string): Promise<void>;
  /** Tokens of this user made until now are no longer good. */
  endTokensOf(email: string): Promise<boolean>;
  unlockAccount(email: string): Promise<boolean>;
  loginSucceeded(email: string, address: string): Promise<void>;
  loginFailed(email: string | undefined, address: string, ofAccount: Lockout, ofAddress: Lockout): Promise<void>;
  /** Of an address, when it has to wait. */
  addressBlockedUntil(address: string): Promise<string | null>;
};

const COLUMNS = `email, full_name as "fullName", password_hash is not null as "hasPassword",
  must_change_password as "mustChangePassword", ${isoColumn("password_changed_at", "passwordChangedAt")}, active, admin, source,
  failed_logins as "failedLogins", ${isoColumn("locked_until", "lockedUntil")}, ${isoColumn("last_login_at", "lastLoginAt")},
  ${isoColumn("created_at", "createdAt")}, ${isoColumn("updated_at", "updatedAt")}`;

async function one(sql: Sql, email: string): Promise<AccountRecord | undefined> {
  return (await sql.query<AccountRecord>(`select ${COLUMNS} from account where email = $1`, [email]))[0];
}

/** Locks the administrators, so that two of them cannot remove each other at once. */
async function isLastAdmin(sql: Sql, email: string): Promise<boolean> {
  const rows = await sql.query<{ email: string }>(
    "select email from account where admin and active order by email for update",
  );
  return rows.length === 1 && rows[0]?.email === email;
}

export function userOperations({ read, change, note }: AccountsRunner): UserOperations {
  return {
    listAccounts: (query) =>
      read(async (sql) => {
        const rows = await sql.query<AccountRecord & { position: string }>(
          `select position, ${COLUMNS} from account where position > $1::bigint and (active or $2) order by position ${pageLimit(query)}`,
          [query.after, query.includeInactive],
        );
        return pageOf(rows, query, ({ position: _, ...record }): AccountRecord => record);
      }),
    getAccount: (email) => read((sql) => one(sql, email)),
    createAccount: (input, personal) =>
      change(async (sql) => {
        const [created] = await sql.query<AccountRecord>(
          `insert into account (email, full_name, password_hash, must_change_password, active, admin, source, password_changed_at)
           values ($1, $2, $3, $4, $5, $6, $7, case when $3::text is null then null else now() end) returning ${COLUMNS}`,
          [
            input.email,
            input.fullName,
            input.passwordHash,
            input.mustChangePassword,
            input.active,
            input.admin,
            input.source,
          ],
        );
        if (created === undefined) throw new Error("an insert answered no row");
        if (personal !== undefined) await ensurePersonalTeam(sql, input.email, personal);
        return created;
      }),
    updateAccount: (email, patch) =>
      change(async (sql) => {
        const former = await one(sql, email);
        if (former === undefined) return undefined;
        const next = { ...former, ...patch };
        const gives = former.admin && former.active && !(next.admin && next.active);
        if (gives && (await isLastAdmin(sql, email))) return "last-admin";
        const [updated] = await sql.query<AccountRecord>(
          `update account set full_name = $2, active = $3, admin = $4, must_change_password = $5, updated_at = now()
           where email = $1 returning ${COLUMNS}`,
          [email, next.fullName, next.active, next.admin, next.mustChangePassword],
        );
        return updated;
      }),
    deleteAccount: (email) =>
      change(async (sql) => {
        if (await isLastAdmin(sql, email)) return "last-admin";
        await sql.query(
          "delete from team where personal and id in (select team_id from team_member where email = $1 and role = 'owner')",
          [email],
        );
        // Whoever gets the address next shall not get what its owner has authorised.
        await sql.query("delete from upstream_token where principal_id = $1", [email]);
        return (await sql.query("delete from account where email = $1 returning email", [email])).length === 1;
      }),
    passwordOf: (email) =>
      read(async (sql) => {
        const rows = await sql.query<PasswordRecord>(
          `select password_hash as hash, former_hashes as former, active, admin, must_change_password as "mustChangePassword",
             ${isoColumn("password_changed_at", "changedAt")}, failed_logins as "failedLogins",
             ${isoColumn("locked_until", "lockedUntil")} from account where email = $1`,
          [email],
        );
        return rows[0];
      }),
    setPassword: (email, hash, { mustChange, keep, former }) =>
      change(async (sql) => {
        const rows = await sql.query(
          `update account set password_hash = $2, must_change_password = $3, password_changed_at = now(), failed_logins = 0,
             locked_until = null, not_before = now(), updated_at = now(),
             former_hashes = (array_remove(array_prepend(password_hash, former_hashes), null))[1:$4::integer]
           where email = $1 and ($5::boolean or password_hash is not distinct from $6::text) returning email`,
          [email, hash, mustChange, keep, former === undefined, former ?? null],
        );
        return rows.length === 1;
      }),
    rehashPassword: (email, former, hash) =>
      note(async (sql) => {
        await sql.query("update account set password_hash = $3 where email = $1 and password_hash = $2", [
          email,
          former,
          hash,
        ]);
      }),
    endTokensOf: (email) =>
      change(async (sql) => {
        const rows = await sql.query("update account set not_before = now() where email = $1 returning email", [email]);
        return rows.length === 1;
      }),
    unlockAccount: (email) =>
      note(async (sql) => {
        const unlock = "update account set failed_logins = 0, locked_until = null where email = $1 returning email";
        return (await sql.query(unlock, [email])).length === 1;
      }),
    ...loginOperations(note, read),
  };
}

const DELAY = (limit: string, base: string, most: string, failures: string) =>
  `case when ${limit}::integer > 0 and ${failures} >= ${limit}::integer
     then now() + make_interval(secs => least(${most}::float8, ${base}::float8 * power(2, least(${failures} - ${limit}::integer, 30)))) end`;

function loginOperations(
  note: AccountsRunner["note"],
  read: AccountsRunner["read"],
): Pick<UserOperations, "loginSucceeded" | "loginFailed" | "addressBlockedUntil"> {
  return {
    loginSucceeded: (email, address) =>
      note(async (sql) => {
        await sql.query(
          "update account set failed_logins = 0, locked_until = null, last_login_at = now() where email = $1",
          [email],
        );
        await sql.query("delete from login_failure where address = $1", [address]);
      }),
    loginFailed: (email, address, ofAccount, ofAddress) =>
      note(async (sql) => {
        if (email !== undefined)
          await sql.query(
            `update account set failed_logins = failed_logins + 1, locked_until = ${DELAY("$2", "$3", "$4", "failed_logins + 1")}
             where email = $1`,
            [email, ofAccount.limit, ofAccount.baseSeconds, ofAccount.maxSeconds],
          );
        // What is a day old counts no longer.
        await sql.query(
          `insert into login_failure as known (address, failures, last_at) values ($1, 1, now())
           on conflict (address) do update set last_at = now(),
             failures = case when known.last_at < now() - interval '1 day' then 1 else known.failures + 1 end,
             blocked_until = ${DELAY("$2", "$3", "$4", "known.failures + 1")}`,
          [address, ofAddress.limit, ofAddress.baseSeconds, ofAddress.maxSeconds],
        );
        await sql.query("delete from login_failure where last_at < now() - interval '1 day'");
      }),
    addressBlockedUntil: (address) =>
      read(async (sql) => {
        const rows = await sql.query<{ until: string }>(
          `select ${isoColumn("blocked_until", "until")} from login_failure where address = $1 and blocked_until > now()`,
          [address],
        );
        return rows[0]?.until ?? null;
      }),
  };
}
