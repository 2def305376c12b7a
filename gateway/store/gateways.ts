/** Rows of the table `gateway` and the records they stand for. */
import { createHash } from "node:crypto";
import type { Log } from "../telemetry/index.ts";
import { isoTime, listConditions, pageLimit, pageOf } from "./conditions.ts";
import { openCredentials, sealCredentials } from "./credentials.ts";
import { parseOutbound } from "./outbound.ts";
import type { GatewayInput, GatewayRecord, ListQuery, Page, Sealing, Sql, Viewer } from "./types.ts";

type Row = {
  id: string;
  position: string;
  slug: string;
  name: string;
  description: string;
  transport: GatewayRecord["transport"];
  url: string | null;
  command: string | null;
  args: string[];
  cwd: string | null;
  isolation: "session" | "shared";
  era: GatewayRecord["era"];
  auth_type: GatewayRecord["authType"];
  sealed: string | null;
  outbound: string;
  passthrough_headers: string[];
  request_timeout_ms: number | null;
  tags: string[];
  visibility: GatewayRecord["visibility"];
  team_id: string | null;
  owner_email: string | null;
  enabled: boolean;
  reachable: boolean;
  last_error: string | null;
  last_seen: Date | null;
  last_refresh_at: Date | null;
  capabilities: string | null;
  instructions: string | null;
  source: GatewayRecord["source"];
  revision: string;
  operations_version: string;
  created_at: Date;
  updated_at: Date;
};

const COLUMNS = [
  "slug",
  "name",
  "description",
  "transport",
  "url",
  "command",
  "args",
  "cwd",
  "isolation",
  "era",
  "auth_type",
  "sealed",
  "outbound",
  "passthrough_headers",
  "request_timeout_ms",
  "tags",
  "visibility",
  "team_id",
  "owner_email",
  "enabled",
  "source",
  "revision",
] as const;

const UNREADABLE =
  "its stored credentials cannot be decrypted: the key is no longer in AUTH_ENCRYPTION_SECRET; set them again";

/** A digest of what makes up the connection; says nothing about the credentials in it. */
export function revisionOf(input: GatewayInput): string {
  const { transport, url, stdio, era, authHeaders, outbound = {}, secrets = {} } = input;
  const more = [Object.entries(outbound).sort(), Object.entries(secrets).sort()].filter((part) => part.length > 0);
  return createHash("sha256")
    .update(JSON.stringify([transport, url, stdio, era, Object.entries(authHeaders).sort(), ...more]))
    .digest("base64url")
    .slice(0, 22);
}

function columnValues(sealing: Sealing, id: string, input: GatewayInput): unknown[] {
  const { stdio } = input;
  const sealed = sealCredentials(sealing, id, {
    headers: input.authHeaders,
    env: stdio?.env ?? {},
    ...(input.secrets === undefined ? {} : { secrets: input.secrets }),
  });
  return [
    input.slug,
    input.name,
    input.description,
    input.transport,
    input.url,
    stdio?.command ?? null,
    stdio?.args ?? [],
    stdio?.cwd ?? null,
    stdio?.isolation ?? input.isolation ?? "session",
    input.era,
    input.authType,
    sealed,
    JSON.stringify(input.outbound ?? {}),
    input.passthroughHeaders,
    input.requestTimeoutMs,
    input.tags,
    input.visibility,
    input.teamId,
    input.ownerEmail,
    input.enabled,
    input.source,
    revisionOf(input),
  ];
}

function recordOf(row: Row, sealing: Sealing, log: Log): GatewayRecord {
  const credentials = openCredentials(sealing, row.id, row.sealed);
  if (credentials === undefined) log.error("store.credentials_unreadable", { gateway: row.slug });
  const stdio =
    row.command === null
      ? null
      : {
          command: row.command,
          args: row.args,
          env: credentials?.env ?? {},
          cwd: row.cwd,
          isolation: row.isolation,
        };
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    description: row.description,
    transport: row.transport,
    url: row.url,
    stdio,
    ...(stdio === null && row.isolation === "shared" ? { isolation: row.isolation } : {}),
    era: row.era,
    authHeaders: credentials?.headers ?? {},
    authType: row.auth_type,
    ...(row.outbound === "{}" ? {} : { outbound: parseOutbound(row.outbound) }),
    ...(credentials?.secrets === undefined ? {} : { secrets: credentials.secrets }),
    passthroughHeaders: row.passthrough_headers,
    requestTimeoutMs: row.request_timeout_ms,
    tags: row.tags,
    visibility: row.visibility,
    teamId: row.team_id,
    ownerEmail: row.owner_email,
    // Without its credentials an upstream is asked nothing: an answer to a stranger is not what its users should get.
    enabled: row.enabled && credentials !== undefined,
    reachable: row.reachable && credentials !== undefined,
    lastError: credentials === undefined ? UNREADABLE : row.last_error,
    lastSeen: row.last_seen === null ? null : isoTime(row.last_seen),
    lastRefreshAt: row.last_refresh_at === null ? null : isoTime(row.last_refresh_at),
    capabilities: row.capabilities === null ? null : JSON.parse(row.capabilities),
    instructions: row.instructions,
    source: row.source,
    revision: Number(row.operations_version) === 0 ? row.revision : `${row.revision}.${row.operations_version}`,
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
  };
}

/** The statements on `gateway`; each runs on the connection it is given. */
export function gatewayRows(sealing: Sealing, log: Log) {
  const read = (row: Row) => recordOf(row, sealing, log);
  return {
    async all(sql: Sql): Promise<GatewayRecord[]> {
      return (await sql.query<Row>("select * from gateway order by position")).map(read);
    },
    async list(sql: Sql, query: ListQuery, viewer: Viewer): Promise<Page<GatewayRecord>> {
      const { text, values } = listConditions("g", query, viewer);
      const rows = await sql.query<Row>(
        `select g.* from gateway g where ${text} order by g.position ${pageLimit(query)}`,
        values,
      );
      return pageOf(rows, query, read);
    },
    async get(sql: Sql, id: string): Promise<GatewayRecord | undefined> {
      return (await sql.query<Row>("select * from gateway where id = $1", [id])).map(read)[0];
    },
    async insert(sql: Sql, input: GatewayInput, id: string): Promise<GatewayRecord | undefined> {
      const slots = COLUMNS.map((_, index) => `$${index + 2}`).join(", ");
      const rows = await sql.query<Row>(
        `insert into gateway (id, ${COLUMNS.join(", ")}, reachable) values ($1, ${slots}, false) returning *`,
        [id, ...columnValues(sealing, id, input)],
      );
      return rows.map(read)[0];
    },
    async update(sql: Sql, id: string, input: GatewayInput): Promise<GatewayRecord | undefined> {
      const sets = COLUMNS.map((column, index) => `${column} = $${index + 2}`).join(", ");
      const values = columnValues(sealing, id, input);
      const kept = COLUMNS.indexOf("sealed");
      if (values[kept] === null && (input.authType !== "none" || input.stdio !== null)) {
        // The key may come back: an update that brings no credentials does not throw away those that cannot be opened now.
        const [row] = await sql.query<{ sealed: string | null }>("select sealed from gateway where id = $1", [id]);
        if (row !== undefined && openCredentials(sealing, id, row.sealed) === undefined) values[kept] = row.sealed;
      }
      const rows = await sql.query<Row>(`update gateway set ${sets}, updated_at = now() where id = $1 returning *`, [
        id,
        ...values,
      ]);
      return rows.map(read)[0];
    },
    async setEnabled(sql: Sql, id: string, enabled: boolean): Promise<GatewayRecord | undefined> {
      const rows = await sql.query<Row>(
        "update gateway set enabled = $2, updated_at = now() where id = $1 returning *",
        [id, enabled],
      );
      return rows.map(read)[0];
    },
    async delete(sql: Sql, id: string): Promise<boolean> {
      return (await sql.query("delete from gateway where id = $1 returning id", [id])).length === 1;
    },
    async seen(
      sql: Sql,
      id: string,
      capabilities: string,
      instructions: string | null,
      note: string | null,
    ): Promise<boolean> {
      const rows = await sql.query(
        `update gateway set reachable = true, last_error = $4, last_seen = now(), last_refresh_at = now(),
          capabilities = $2, instructions = $3 where id = $1 returning id`,
        [
          id,
          withoutNul(capabilities),
          instructions === null ? null : withoutNul(instructions),
          note === null ? null : withoutNul(note),
        ],
      );
      return rows.length === 1;
    },
    /** True when this changes what the catalogue shows. */
    async unreachable(sql: Sql, id: string, reason: string): Promise<boolean> {
      const rows = await sql.query<{ changed: boolean }>(
        `update gateway g set reachable = false, last_error = $2 from gateway former
         where g.id = $1 and former.id = g.id returning former.reachable or former.last_error is distinct from $2 as changed`,
        [id, withoutNul(reason.slice(0, 2000))],
      );
      return rows[0]?.changed === true;
    },
  };
}

/** PostgreSQL's text cannot hold U+0000; what upstreams say may. */
export function withoutNul(text: string): string {
  return text.replaceAll("\u0000", "\ufffd");
}
