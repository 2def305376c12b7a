/** Rows of `virtual_server` with what is associated to it. */
import { randomUUID } from "node:crypto";
import { isoTime, listConditions, pageLimit, pageOf } from "./conditions.ts";
import type { ListQuery, Page, ServerInput, ServerRecord, Sql, Viewer } from "./types.ts";

type Row = {
  id: string;
  position: string;
  name: string;
  description: string;
  icon: string | null;
  tags: string[];
  prefix_mode: ServerRecord["prefixMode"];
  failure_mode: ServerRecord["failureMode"];
  visibility: ServerRecord["visibility"];
  team_id: string | null;
  owner_email: string | null;
  enabled: boolean;
  created_at: Date;
  updated_at: Date;
  gateway_ids: string[];
  item_ids: string[];
};

const SELECT = `select s.*,
  array(select a.gateway_id from virtual_server_gateway a join gateway g on g.id = a.gateway_id
    where a.server_id = s.id order by g.position) as gateway_ids,
  array(select a.item_id from virtual_server_item a join item i on i.id = a.item_id
    where a.server_id = s.id order by i.position) as item_ids
  from virtual_server s`;

function recordOf(row: Row): ServerRecord {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    icon: row.icon,
    tags: row.tags,
    gatewayIds: row.gateway_ids,
    itemIds: row.item_ids,
    prefixMode: row.prefix_mode,
    failureMode: row.failure_mode,
    visibility: row.visibility,
    teamId: row.team_id,
    ownerEmail: row.owner_email,
    enabled: row.enabled,
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
  };
}

const valuesOf = (input: ServerInput): unknown[] => [
  input.name,
  input.description,
  input.icon,
  input.tags,
  input.prefixMode,
  input.failureMode,
  input.visibility,
  input.teamId,
  input.ownerEmail,
  input.enabled,
];

async function associate(sql: Sql, id: string, input: ServerInput): Promise<void> {
  await sql.query("delete from virtual_server_gateway where server_id = $1", [id]);
  await sql.query("delete from virtual_server_item where server_id = $1", [id]);
  await sql.query(
    "insert into virtual_server_gateway (server_id, gateway_id) select distinct $1, id from gateway where id = any($2::text[])",
    [id, input.gatewayIds],
  );
  await sql.query(
    "insert into virtual_server_item (server_id, item_id) select distinct $1, id from item where id = any($2::text[])",
    [id, input.itemIds],
  );
}

export async function allServers(sql: Sql): Promise<ServerRecord[]> {
  return (await sql.query<Row>(`${SELECT} order by s.position`)).map(recordOf);
}

export async function listServers(sql: Sql, query: ListQuery, viewer: Viewer): Promise<Page<ServerRecord>> {
  const { text, values } = listConditions("s", query, viewer);
  const rows = await sql.query<Row>(`${SELECT} where ${text} order by s.position ${pageLimit(query)}`, values);
  return pageOf(rows, query, recordOf);
}

export async function getServer(sql: Sql, id: string): Promise<ServerRecord | undefined> {
  return (await sql.query<Row>(`${SELECT} where s.id = $1`, [id])).map(recordOf)[0];
}

/** `id` may be chosen by the caller of REST; answers the id. */
export async function insertServer(sql: Sql, input: ServerInput, id: string = randomUUID()): Promise<string> {
  await sql.query(
    `insert into virtual_server (id, name, description, icon, tags, prefix_mode, failure_mode, visibility, team_id, owner_email, enabled)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [id, ...valuesOf(input)],
  );
  await associate(sql, id, input);
  return id;
}

export async function updateServer(sql: Sql, id: string, input: ServerInput): Promise<void> {
  await sql.query(
    `update virtual_server set name = $2, description = $3, icon = $4, tags = $5, prefix_mode = $6, failure_mode = $7,
      visibility = $8, team_id = $9, owner_email = $10, enabled = $11, updated_at = now() where id = $1`,
    [id, ...valuesOf(input)],
  );
  await associate(sql, id, input);
}

export async function deleteServer(sql: Sql, id: string): Promise<boolean> {
  return (await sql.query("delete from virtual_server where id = $1 returning id", [id])).length === 1;
}
