/** Rows of the table `item`: what upstreams list, and what people set about it. */
import { createHash, randomUUID } from "node:crypto";
import { isoTime, listConditions, pageLimit, pageOf } from "./conditions.ts";
import type { ItemDetail, ItemKind, ItemPatch, ItemRecord, ListedItem, ListQuery, Page, Sql, Viewer } from "./types.ts";

type Row = {
  id: string;
  position: string;
  gateway_id: string;
  gateway_slug: string;
  gateway_reachable: boolean;
  kind: ItemKind;
  original_name: string;
  custom_name: string | null;
  display_name: string | null;
  description: string | null;
  definition: string;
  header_definition: string | null;
  repeatable: boolean;
  tags: string[];
  enabled: boolean;
  visibility: ItemRecord["visibility"];
  team_id: string | null;
  owner_email: string | null;
  created_at: Date;
  updated_at: Date;
};

const SELECT = `select i.*, g.slug as gateway_slug, g.reachable as gateway_reachable from item i join gateway g on g.id = i.gateway_id`;
const PRESENT = "i.vanished_at is null and not i.removed";
/**
 * Of the definition's JSON text: annotations hold no objects, and within a string the quotes would be escaped. What a title with a brace
 * hides from it counts as not declared.
 */
const REPEATABLE = '"annotations"\\s*:\\s*\\{[^{}]*"(readOnlyHint|idempotentHint)"\\s*:\\s*true';
const KINDS: readonly ItemKind[] = ["tool", "resource", "resourceTemplate", "prompt"];
/** Rows per statement: an upstream may list 100 000 items. */
const BATCH = 2000;

// The owner of new items is the owner of their upstream. An unchanged definition is not written again.
const UPSERT = `
insert into item (id, gateway_id, kind, original_name, name_digest, definition, visibility, team_id, owner_email)
select given.id, g.id, given.kind, given.name, given.digest, given.definition, g.visibility, g.team_id, g.owner_email
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality
  as given (id, kind, name, digest, definition, position)
join gateway g on g.id = $1
order by given.position
on conflict (gateway_id, kind, name_digest) do update
set definition = excluded.definition, vanished_at = null, updated_at = now()
where item.definition <> excluded.definition or item.vanished_at is not null`;

const VANISHED = `
update item set vanished_at = now() where gateway_id = $1 and vanished_at is null and kind = any($2::text[])
and (kind, name_digest) not in (select * from unnest($3::text[], $4::text[]))`;

const digestOf = (name: string) => createHash("sha256").update(name).digest("hex");

function detailOf(row: Row): ItemDetail {
  return {
    id: row.id,
    kind: row.kind,
    gatewayId: row.gateway_id,
    gatewaySlug: row.gateway_slug,
    reachable: row.gateway_reachable,
    originalName: row.original_name,
    customName: row.custom_name,
    displayName: row.display_name,
    description: row.description,
    definition: row.definition,
    tags: row.tags,
    enabled: row.enabled,
    visibility: row.visibility,
    teamId: row.team_id,
    ownerEmail: row.owner_email,
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
  };
}

/** The catalogue's view: removed ones stay in it as disabled, because their upstream still lists them. */
export async function catalogueItems(sql: Sql): Promise<ItemRecord[]> {
  const rows = await sql.query<Row>(
    `select id, kind, gateway_id, original_name, custom_name, enabled and not removed as enabled, visibility, team_id, owner_email,
            case when kind = 'tool' and strpos(definition, '"x-mcp-header"') > 0 then definition end as header_definition,
            kind = 'tool' and definition ~ $1 as repeatable
     from item where vanished_at is null order by position`,
    [REPEATABLE],
  );
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    gatewayId: row.gateway_id,
    originalName: row.original_name,
    customName: row.custom_name,
    enabled: row.enabled,
    visibility: row.visibility,
    teamId: row.team_id,
    ownerEmail: row.owner_email,
    headerDefinition: row.header_definition,
    repeatable: row.repeatable,
  }));
}

export async function listItems(
  sql: Sql,
  kinds: readonly ItemKind[],
  query: ListQuery,
  viewer: Viewer,
): Promise<Page<ItemDetail>> {
  const { text, values } = listConditions("i", query, viewer);
  const parts = [text, PRESENT, `i.kind = any($${values.push(kinds)}::text[])`];
  if (query.gatewayId !== undefined) parts.push(`i.gateway_id = $${values.push(query.gatewayId)}`);
  if (query.serverId !== undefined) {
    const server = `$${values.push(query.serverId)}`;
    parts.push(`(i.gateway_id in (select gateway_id from virtual_server_gateway where server_id = ${server})
      or i.id in (select item_id from virtual_server_item where server_id = ${server}))`);
  }
  const rows = await sql.query<Row>(
    `${SELECT} where ${parts.join(" and ")} order by i.position ${pageLimit(query)}`,
    values,
  );
  return pageOf(rows, query, detailOf);
}

export async function getItem(sql: Sql, kinds: readonly ItemKind[], id: string): Promise<ItemDetail | undefined> {
  const rows = await sql.query<Row>(`${SELECT} where i.id = $1 and i.kind = any($2::text[]) and ${PRESENT}`, [
    id,
    kinds,
  ]);
  return rows.map(detailOf)[0];
}

/** Items that any of these texts may mean: an id, a custom name, or `<slug><separator><name>` and the bare name. */
export async function findItems(
  sql: Sql,
  kinds: readonly ItemKind[],
  names: readonly string[],
  separator: string,
): Promise<ItemDetail[]> {
  const rows = await sql.query<Row>(
    `${SELECT} where ${PRESENT} and i.kind = any($1::text[]) and (i.id = any($2::text[]) or i.custom_name = any($2::text[])
      or i.original_name = any($2::text[]) or g.slug || $3::text || i.original_name = any($2::text[])
      or g.slug || '+' || i.original_name = any($2::text[]))`,
    [kinds, names, separator],
  );
  return rows.map(detailOf);
}

export async function updateItem(sql: Sql, item: ItemDetail, patch: ItemPatch): Promise<void> {
  const next = { ...item, ...patch };
  await sql.query(
    `update item set custom_name = $2, display_name = $3, description = $4, tags = $5, visibility = $6, team_id = $7,
      owner_email = $8, enabled = $9, updated_at = now() where id = $1`,
    [
      item.id,
      next.customName,
      next.displayName,
      next.description,
      next.tags,
      next.visibility,
      next.teamId,
      next.ownerEmail,
      next.enabled,
    ],
  );
}

export async function removeItem(sql: Sql, id: string): Promise<boolean> {
  const rows = await sql.query(
    "update item set removed = true, custom_name = null, updated_at = now() where id = $1 and not removed returning id",
    [id],
  );
  return rows.length === 1;
}

export async function restoreItems(sql: Sql, gatewayId: string): Promise<void> {
  await sql.query("update item set removed = false, updated_at = now() where gateway_id = $1 and removed", [gatewayId]);
}

/** New ones in, known ones keep id and settings, missing ones marked; lists in `incomplete` lose nothing. */
export async function replaceItems(
  sql: Sql,
  gatewayId: string,
  listed: readonly ListedItem[],
  incomplete: readonly ItemKind[],
): Promise<void> {
  const seen = new Map<string, ListedItem & { digest: string }>();
  for (const item of listed) {
    // PostgreSQL's text has no U+0000, and no protocol version allows it in a name.
    if (item.originalName.includes("\u0000")) continue;
    const digest = digestOf(item.originalName);
    if (!seen.has(item.kind + digest)) seen.set(item.kind + digest, { ...item, digest });
  }
  const items = [...seen.values()];
  for (let start = 0; start < items.length; start += BATCH) {
    const batch = items.slice(start, start + BATCH);
    await sql.query(UPSERT, [
      gatewayId,
      batch.map(() => randomUUID()),
      batch.map((item) => item.kind),
      batch.map((item) => item.originalName),
      batch.map((item) => item.digest),
      batch.map((item) => item.definition),
    ]);
  }
  const complete = KINDS.filter((kind) => !incomplete.includes(kind));
  await sql.query(VANISHED, [gatewayId, complete, items.map((item) => item.kind), items.map((item) => item.digest)]);
}
