/** Rows of API tokens (hashes only) and of what they were used for. */
import { randomUUID } from "node:crypto";
import type { AccountsRunner, TokenInput, TokenPatch, TokenRecord, TokenUsage, TokenUse } from "./account-types.ts";
import { isoColumn, pageLimit, pageOf } from "./conditions.ts";
import type { ListQuery, Page } from "./types.ts";

export type TokenList = Pick<ListQuery, "limit" | "after" | "includeInactive"> & {
  readonly email?: string;
  readonly teamId?: string;
};
export type TokenOperations = {
  listTokens(query: TokenList): Promise<Page<TokenRecord>>;
  getToken(id: string): Promise<TokenRecord | undefined>;
  /** Rejects with MCPS_ITEM_CONFLICT for a name that its owner uses already. */
  createToken(input: TokenInput, hash: string): Promise<TokenRecord>;
  /** Undefined: there is none, or it was revoked. */
  updateToken(id: string, patch: TokenPatch): Promise<TokenRecord | undefined>;
  revokeToken(id: string, by: string, why: string): Promise<boolean>;
  /** By the SHA-256 of the token; revoked and expired ones too. */
  findToken(hash: string): Promise<TokenRecord | undefined>;
  /** Requests since the last time, by token id: added to this hour. Answers what each was used for now. */
  countUse(requests: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, TokenUsage>>;
  usageOf(id: string): Promise<TokenUsage>;
  /** Hours of the last 30 days with any use, the newest first. */
  useByHour(id: string): Promise<readonly TokenUse[]>;
};

const COLUMNS = `id, name, description, email, team_id as "teamId", server_id as "serverId", permissions, addresses, hours, limits,
  tags, ${isoColumn("expires_at", "expiresAt")}, ${isoColumn("last_used_at", "lastUsedAt")},
  ${isoColumn("revoked_at", "revokedAt")}, revoked_by as "revokedBy", ${isoColumn("created_at", "createdAt")}`;
const USAGE = `coalesce(sum(requests) filter (where hour = date_trunc('hour', now())), 0)::float8 as hour,
  coalesce(sum(requests) filter (where hour > now() - interval '24 hours'), 0)::float8 as day,
  coalesce(sum(requests), 0)::float8 as total`;

const json = (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value));

export function tokenOperations({ read, change, note }: AccountsRunner): TokenOperations {
  return {
    listTokens: (query) =>
      read(async (sql) => {
        const rows = await sql.query<TokenRecord & { position: string }>(
          `select position, ${COLUMNS} from api_token where position > $1::bigint
             and ($2 or (revoked_at is null and (expires_at is null or expires_at > now())))
             and ($3::text is null or email = $3) and ($4::text is null or team_id = $4)
           order by position ${pageLimit(query)}`,
          [query.after, query.includeInactive, query.email ?? null, query.teamId ?? null],
        );
        return pageOf(rows, query, ({ position: _, ...record }): TokenRecord => record);
      }),
    getToken: (id) =>
      read(async (sql) => (await sql.query<TokenRecord>(`select ${COLUMNS} from api_token where id = $1`, [id]))[0]),
    createToken: (input, hash) =>
      change(async (sql) => {
        const [row] = await sql.query<TokenRecord>(
          `insert into api_token (id, hash, name, description, email, team_id, server_id, permissions, addresses, hours, limits, tags, expires_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning ${COLUMNS}`,
          [
            randomUUID(),
            hash,
            input.name,
            input.description,
            input.email,
            input.teamId,
            input.serverId,
            input.permissions,
            input.addresses,
            json(input.hours),
            json(input.limits),
            input.tags,
            input.expiresAt,
          ],
        );
        if (row === undefined) throw new Error("an insert answered no row");
        return row;
      }),
    updateToken: (id, patch) =>
      change(async (sql) => {
        const live = `select ${COLUMNS} from api_token where id = $1 and revoked_at is null for update`;
        const [former] = await sql.query<TokenRecord>(live, [id]);
        if (former === undefined) return undefined;
        const next = { ...former, ...patch };
        const rows = await sql.query<TokenRecord>(
          `update api_token set name = $2, description = $3, permissions = $4, addresses = $5, hours = $6, limits = $7, tags = $8,
             expires_at = $9 where id = $1 returning ${COLUMNS}`,
          [
            id,
            next.name,
            next.description,
            next.permissions,
            next.addresses,
            json(next.hours),
            json(next.limits),
            next.tags,
            next.expiresAt,
          ],
        );
        return rows[0];
      }),
    revokeToken: (id, by, why) =>
      change(async (sql) => {
        const rows = await sql.query(
          "update api_token set revoked_at = now(), revoked_by = $2, revoked_why = $3 where id = $1 and revoked_at is null returning id",
          [id, by, why],
        );
        return rows.length === 1;
      }),
    findToken: (hash) =>
      read(
        async (sql) => (await sql.query<TokenRecord>(`select ${COLUMNS} from api_token where hash = $1`, [hash]))[0],
      ),
    ...useOperations(read, note),
  };
}

function useOperations(
  read: AccountsRunner["read"],
  note: AccountsRunner["note"],
): Pick<TokenOperations, "countUse" | "usageOf" | "useByHour"> {
  return {
    countUse: (requests) =>
      note(async (sql) => {
        // In one order, so that two workers that count the same tokens never wait for each other in a circle.
        const ids = [...requests.keys()].sort();
        const counts = ids.map((id) => requests.get(id) ?? 0);
        await sql.query(
          `insert into api_token_use as known (token_id, hour, requests)
           select t.id, date_trunc('hour', now()), given.requests
           from unnest($1::text[], $2::bigint[]) with ordinality as given (id, requests, place) join api_token t on t.id = given.id
           order by given.place
           on conflict (token_id, hour) do update set requests = known.requests + excluded.requests`,
          [ids, counts],
        );
        await sql.query(
          `update api_token set last_used_at = now() where id in
             (select id from api_token where id = any($1::text[]) order by id for update)`,
          [ids],
        );
        const rows = await sql.query<TokenUsage & { id: string }>(
          `select token_id as id, ${USAGE} from api_token_use where token_id = any($1::text[]) group by token_id`,
          [ids],
        );
        return new Map(rows.map(({ id, ...usage }) => [id, usage]));
      }),
    usageOf: (id) =>
      read(async (sql) => {
        const rows = await sql.query<TokenUsage>(`select ${USAGE} from api_token_use where token_id = $1`, [id]);
        return rows[0] ?? { hour: 0, day: 0, total: 0 };
      }),
    useByHour: (id) =>
      read((sql) =>
        sql.query<TokenUse>(
          `select ${isoColumn("hour", "hour")}, requests::float8 as requests from api_token_use
           where token_id = $1 and api_token_use.hour > now() - interval '30 days' order by api_token_use.hour desc`,
          [id],
        ),
      ),
  };
}
