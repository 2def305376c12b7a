/**
 * Tokens that authorization servers gave for upstreams, and the clients that the gateway is registered as there. Sealed, bound to their
 * upstream and principal, so that a row copied to another place opens to nothing. No change here is one of the catalogue.
 */
import type { Sealing, Sql } from "./types.ts";

/** `value` is secret: what the owner of these rows keeps, as text. */
export type StoredToken = { readonly value: string; readonly version: number; readonly failure: string | null };
export type StoredClient = {
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  /** Secret. */
  readonly value: string;
};

/** Principal id of the gateway's own tokens. */
export const OWN_TOKEN = "";

export interface UpstreamTokens {
  /** Undefined: there is none, or its key is gone. */
  upstreamToken(gatewayId: string, principalId: string): Promise<StoredToken | undefined>;
  /**
   * Stores a token in place of the one with version `former` (0 = there is none). The new version, or undefined when another process was
   * faster: then its token counts.
   */
  putUpstreamToken(gatewayId: string, principalId: string, value: string, former: number): Promise<number | undefined>;
  /** Notes why version `former` could not be refreshed; the token stays. */
  failUpstreamToken(gatewayId: string, principalId: string, former: number, failure: string): Promise<void>;
  deleteUpstreamToken(gatewayId: string, principalId: string): Promise<boolean>;
  upstreamClient(gatewayId: string): Promise<StoredClient | undefined>;
  /** Stores a registration where there is none for this issuer and redirect URI; answers the one that stands. */
  putUpstreamClient(gatewayId: string, client: StoredClient): Promise<StoredClient>;
  deleteUpstreamClient(gatewayId: string): Promise<boolean>;
  /** Seals anew whatever an older key of the ring has sealed; how many rows. Safe in several processes at once. */
  resealCredentials(): Promise<number>;
}

type TokenRow = { sealed: string; version: string; failure: string | null };
type ClientRow = { issuer: string; client_id: string; redirect_uri: string; sealed: string };
type Read = <T>(work: (sql: Sql) => Promise<T>) => Promise<T>;

const TOKEN = "upstream-token";
const CLIENT = "upstream-client";
const MAX_FAILURE = 1000;
/** Rows that are sealed anew in one go. */
const RESEAL_ROWS = 500;

export function upstreamTokens(sealing: Sealing, run: Read): UpstreamTokens {
  const tokens = boundTo(sealing, TOKEN);
  const clients = boundTo(sealing, CLIENT);
  return {
    upstreamToken: (gatewayId, principalId) =>
      run(async (sql) => {
        const [row] = await sql.query<TokenRow>(
          "select sealed, version, failure from upstream_token where gateway_id = $1 and principal_id = $2",
          [gatewayId, principalId],
        );
        const value = row === undefined ? undefined : tokens.open([gatewayId, principalId], row.sealed);
        return row === undefined || value === undefined
          ? undefined
          : { value, version: Number(row.version), failure: row.failure };
      }),
    putUpstreamToken: (gatewayId, principalId, value, former) =>
      run(async (sql) => {
        const sealed = tokens.seal([gatewayId, principalId], value);
        // What no key opens any more counts as none.
        const [row] = await sql.query<{ version: string }>(
          `insert into upstream_token (gateway_id, principal_id, sealed, version) values ($1, $2, $3, 1)
           on conflict (gateway_id, principal_id) do update
             set sealed = excluded.sealed, version = upstream_token.version + 1, failure = null, updated_at = now()
             where upstream_token.version = $4 or $4 = 0
           returning version`,
          [gatewayId, principalId, sealed, former],
        );
        return row === undefined ? undefined : Number(row.version);
      }),
    failUpstreamToken: (gatewayId, principalId, former, failure) =>
      run(async (sql) => {
        await sql.query(
          `update upstream_token set failure = $4, updated_at = now()
           where gateway_id = $1 and principal_id = $2 and version = $3`,
          [gatewayId, principalId, former, failure.slice(0, MAX_FAILURE).replaceAll("\0", "")],
        );
      }),
    deleteUpstreamToken: (gatewayId, principalId) =>
      run(async (sql) => {
        const rows = await sql.query(
          "delete from upstream_token where gateway_id = $1 and principal_id = $2 returning version",
          [gatewayId, principalId],
        );
        return rows.length > 0;
      }),
    upstreamClient: (gatewayId) => run((sql) => clientOf(sql, gatewayId, clients)),
    putUpstreamClient: (gatewayId, client) =>
      run(async (sql) => {
        await sql.query(
          `insert into upstream_client (gateway_id, issuer, client_id, redirect_uri, sealed) values ($1, $2, $3, $4, $5)
           on conflict (gateway_id) do update set issuer = excluded.issuer, client_id = excluded.client_id,
             redirect_uri = excluded.redirect_uri, sealed = excluded.sealed, created_at = now()
           where upstream_client.issuer <> excluded.issuer or upstream_client.redirect_uri <> excluded.redirect_uri`,
          [gatewayId, client.issuer, client.clientId, client.redirectUri, clients.seal([gatewayId], client.value)],
        );
        return (await clientOf(sql, gatewayId, clients)) ?? client;
      }),
    deleteUpstreamClient: (gatewayId) =>
      run(async (sql) => {
        const rows = await sql.query("delete from upstream_client where gateway_id = $1 returning gateway_id", [
          gatewayId,
        ]);
        return rows.length > 0;
      }),
    resealCredentials: () => run((sql) => reseal(sql, sealing)),
  };
}

type Bound = ReturnType<typeof boundTo>;

/** Sealing whose payload says where it belongs. */
function boundTo(sealing: Sealing, purpose: string) {
  return {
    seal: (place: readonly string[], value: string) => sealing.seal(purpose, JSON.stringify([...place, value])),
    open(place: readonly string[], sealed: string): string | undefined {
      const plain = sealing.open(purpose, sealed)?.toString("utf8");
      if (plain === undefined) return undefined;
      const parts: unknown = JSON.parse(plain);
      if (!Array.isArray(parts) || parts.length !== place.length + 1) return undefined;
      const value: unknown = parts.at(-1);
      return place.every((part, index) => parts[index] === part) && typeof value === "string" ? value : undefined;
    },
  };
}

async function clientOf(sql: Sql, gatewayId: string, clients: Bound): Promise<StoredClient | undefined> {
  const [row] = await sql.query<ClientRow>(
    "select issuer, client_id, redirect_uri, sealed from upstream_client where gateway_id = $1",
    [gatewayId],
  );
  const value = row === undefined ? undefined : clients.open([gatewayId], row.sealed);
  if (row === undefined || value === undefined) return undefined;
  return { issuer: row.issuer, clientId: row.client_id, redirectUri: row.redirect_uri, value };
}

/** Tables with sealed values, the columns that name a row, and the purpose of the values. */
const SEALED = [
  { table: "gateway", key: ["id"], purpose: "upstream-credentials" },
  { table: "upstream_token", key: ["gateway_id", "principal_id"], purpose: TOKEN },
  { table: "upstream_client", key: ["gateway_id"], purpose: CLIENT },
] as const;

async function reseal(sql: Sql, sealing: Sealing): Promise<number> {
  // The key's id stands before the dot.
  const newest = `${sealing.seal(TOKEN, "").split(".")[0] ?? ""}.`;
  let done = 0;
  for (const { table, key, purpose } of SEALED) {
    const rows = await sql.query<Record<string, string>>(
      `select ${key.join(", ")}, sealed from ${table}
       where sealed is not null and not starts_with(sealed, $1) limit ${RESEAL_ROWS}`,
      [newest],
    );
    for (const row of rows) {
      const former = row.sealed ?? "";
      const plain = sealing.open(purpose, former);
      if (plain === undefined) continue;
      const where = key.map((column, index) => `${column} = $${index + 3}`).join(" and ");
      const changed = await sql.query(
        `update ${table} set sealed = $1 where sealed = $2 and ${where} returning ${key[0]}`,
        [sealing.seal(purpose, plain.toString("utf8")), former, ...key.map((column) => row[column])],
      );
      done += changed.length;
    }
  }
  return done;
}
