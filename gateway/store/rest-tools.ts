/** Rows of REST upstreams' tools: an item of the catalogue with the HTTP operation behind it. */
import { createHash, randomUUID } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import { isoTime } from "./conditions.ts";
import { withoutNul } from "./gateways.ts";
import { getItem, updateItem } from "./items.ts";
import { approveTools, isSameTool } from "./pins.ts";
import type { Gateways, Runner } from "./store.ts";
import type { GatewayInput, GatewayRecord, ItemDetail, ItemPatch, Sql } from "./types.ts";

/** `definition` is what MCP shows, `operation` the HTTP request behind it; both raw JSON. */
export type RestToolRow = {
  readonly name: string;
  readonly definition: string;
  readonly operation: string;
  /** What it was imported from; null when it was written by hand. */
  readonly sourceKey: string | null;
};
/** As stored, removed ones too: they keep their name and come back only when somebody asks for them. */
export type StoredRestTool = RestToolRow & { readonly id: string; readonly removed: boolean };

export type RestImport = {
  /** Null for a document that was uploaded. */
  readonly url: string | null;
  /** Raw JSON. */
  readonly options: string;
  /** Of the document's bytes. */
  readonly digest: string;
  readonly title: string;
  readonly version: string;
};

/** What an import does to the tools of an upstream; each name is in one of the lists at most. */
export type RestToolChanges = {
  readonly added: readonly RestToolRow[];
  /** By id; names may change. */
  readonly changed: readonly (RestToolRow & { readonly id: string })[];
  /** Ids of tools that go for good. */
  readonly gone: readonly string[];
};

/** `approved`: names of tools that were not approved before as they are now. */
export type UpdatedRestTool = { readonly item: ItemDetail; readonly approved: readonly string[] };

export type RestToolOperations = {
  /** In the order of their lists. */
  restTools(gatewayId: string): Promise<readonly StoredRestTool[]>;
  restOperation(itemId: string): Promise<string | undefined>;
  /** Adds a tool, or takes back one that was removed; MCPS_ITEM_CONFLICT when the upstream has one of this name. `by` approves it with that. */
  createRestTool(gatewayId: string, tool: RestToolRow, patch: ItemPatch, by: string): Promise<ItemDetail>;
  /** Another name or definition is approved with that; what waits for a decision goes on waiting when neither changes. */
  updateRestTool(id: string, tool: RestToolRow, patch: ItemPatch, by: string): Promise<UpdatedRestTool>;
  /** The upstream with its first tools. It was not asked yet when `reachable` is false. */
  createRestGateway(
    input: GatewayInput,
    tools: readonly RestToolRow[],
    about: {
      readonly id: string;
      readonly capabilities: string;
      readonly reachable: boolean;
      readonly from?: RestImport;
    },
  ): Promise<GatewayRecord>;
  /** `by` approves what is added and changed with that; names of those that were not approved before. */
  changeRestTools(
    gatewayId: string,
    changes: RestToolChanges,
    by: string,
    from?: RestImport,
  ): Promise<readonly string[]>;
  restImport(gatewayId: string): Promise<(RestImport & { readonly importedAt: string }) | undefined>;
};

type Row = {
  id: string;
  original_name: string;
  definition: string;
  operation: string;
  source_key: string | null;
  removed: boolean;
};

const digestOf = (name: string) => createHash("sha256").update(name).digest("hex");
/** Rows per statement. */
const BATCH = 1000;

const INSERT_ITEMS = `
insert into item (id, gateway_id, kind, original_name, name_digest, definition, visibility, team_id, owner_email)
select given.id, g.id, 'tool', given.name, given.digest, given.definition, g.visibility, g.team_id, g.owner_email
from unnest($2::text[], $3::text[], $4::text[], $5::text[]) with ordinality as given (id, name, digest, definition, position)
join gateway g on g.id = $1
order by given.position`;

const INSERT_OPERATIONS = `
insert into rest_operation (item_id, operation, source_key)
select * from unnest($1::text[], $2::text[], $3::text[])`;

async function toolsOf(sql: Sql, gatewayId: string): Promise<StoredRestTool[]> {
  const rows = await sql.query<Row>(
    `select i.id, i.original_name, i.definition, i.removed, o.operation, o.source_key
     from item i join rest_operation o on o.item_id = i.id where i.gateway_id = $1 order by i.position`,
    [gatewayId],
  );
  return rows.map(({ original_name: name, source_key: sourceKey, ...rest }) => ({ ...rest, name, sourceKey }));
}

async function insertTools(sql: Sql, gatewayId: string, tools: readonly RestToolRow[]): Promise<string[]> {
  const ids = tools.map(() => randomUUID());
  for (let start = 0; start < tools.length; start += BATCH) {
    const batch = tools.slice(start, start + BATCH);
    const batchIds = ids.slice(start, start + BATCH);
    const names = batch.map(({ name }) => name);
    const definitions = batch.map(({ definition }) => withoutNul(definition));
    await sql.query(INSERT_ITEMS, [gatewayId, batchIds, names, names.map(digestOf), definitions]);
    const operations = batch.map(({ operation }) => withoutNul(operation));
    await sql.query(INSERT_OPERATIONS, [batchIds, operations, batch.map(({ sourceKey }) => sourceKey)]);
  }
  return ids;
}

async function writeTool(sql: Sql, id: string, tool: RestToolRow): Promise<void> {
  const { name } = tool;
  await sql.query(
    `update item set original_name = $2, name_digest = $3, definition = $4, updated_at = now() where id = $1`,
    [id, name, digestOf(name), withoutNul(tool.definition)],
  );
  await sql.query("update rest_operation set operation = $2, source_key = $3 where item_id = $1", [
    id,
    withoutNul(tool.operation),
    tool.sourceKey,
  ]);
}

/** Every process reads the operations again that have another version. */
async function touched(sql: Sql, gatewayId: string): Promise<void> {
  await sql.query("update gateway set operations_version = operations_version + 1, updated_at = now() where id = $1", [
    gatewayId,
  ]);
}

async function writeImport(sql: Sql, gatewayId: string, from: RestImport): Promise<void> {
  await sql.query(
    `insert into rest_import (gateway_id, url, options, digest, title, version) values ($1, $2, $3, $4, $5, $6)
     on conflict (gateway_id) do update set url = $2, options = $3, digest = $4, title = $5, version = $6, imported_at = now()`,
    [gatewayId, from.url, from.options, from.digest, withoutNul(from.title), withoutNul(from.version)],
  );
}

/** A tool that comes back is the one it was: virtual servers know it by its id. */
async function revived(sql: Sql, gatewayId: string, name: string): Promise<string | undefined> {
  const rows = await sql.query<{ id: string }>(
    `update item set removed = false where gateway_id = $1 and kind = 'tool' and name_digest = $2 and removed returning id`,
    [gatewayId, digestOf(name)],
  );
  return rows[0]?.id;
}

async function shaped(sql: Sql, id: string, patch: ItemPatch): Promise<ItemDetail> {
  const found = async () => {
    const item = await getItem(sql, ["tool"], id);
    if (item === undefined) throw fault("MCPS_ITEM_UNKNOWN", { kind: "tool", id: id.slice(0, 200) });
    return item;
  };
  await updateItem(sql, await found(), patch);
  return found();
}

/** Names may be swapped among the changed ones: they are all moved out of the way first. */
async function changeTools(sql: Sql, gatewayId: string, { added, changed, gone }: RestToolChanges): Promise<void> {
  await sql.query("delete from item where gateway_id = $1 and id = any($2::text[])", [gatewayId, gone]);
  await sql.query("update item set name_digest = id where gateway_id = $1 and id = any($2::text[])", [
    gatewayId,
    changed.map(({ id }) => id),
  ]);
  for (const tool of changed) await writeTool(sql, tool.id, tool);
  await insertTools(sql, gatewayId, added);
}

/** What of the store is about REST upstreams. */
export function restToolOperations({ read, write }: Runner, gateways: Gateways): RestToolOperations {
  return {
    restTools: (gatewayId) => read((sql) => toolsOf(sql, gatewayId)),
    restOperation: (itemId) =>
      read(async (sql) => {
        const rows = await sql.query<{ operation: string }>("select operation from rest_operation where item_id = $1", [
          itemId,
        ]);
        return rows[0]?.operation;
      }),
    createRestTool: (gatewayId, tool, patch, by) =>
      write(async (sql) => {
        const former = await revived(sql, gatewayId, tool.name);
        if (former !== undefined) await writeTool(sql, former, tool);
        const [id = ""] = former === undefined ? await insertTools(sql, gatewayId, [tool]) : [former];
        await approveTools(sql, gatewayId, [tool], by);
        await touched(sql, gatewayId);
        return shaped(sql, id, patch);
      }),
    updateRestTool: (id, tool, patch, by) =>
      write(async (sql) => {
        const [former] = await sql.query<Pick<RestToolRow, "name" | "definition">>(
          "select original_name as name, definition from item where id = $1 for update",
          [id],
        );
        await writeTool(sql, id, tool);
        const item = await shaped(sql, id, patch);
        const isSame = former !== undefined && isSameTool(former, tool);
        const approved = isSame ? [] : await approveTools(sql, item.gatewayId, [tool], by);
        await touched(sql, item.gatewayId);
        return { item, approved };
      }),
    createRestGateway: (input, tools, { id, capabilities, reachable, from }) =>
      write(async (sql) => {
        await gateways.insert(sql, input, id);
        if (reachable) await gateways.seen(sql, id, capabilities, null, null);
        await insertTools(sql, id, tools);
        if (from !== undefined) await writeImport(sql, id, from);
        const created = await gateways.get(sql, id);
        if (created === undefined) throw fault("MCPS_ITEM_UNKNOWN", { kind: "gateway", id });
        return created;
      }),
    changeRestTools: (gatewayId, changes, by, from) =>
      write(async (sql) => {
        await changeTools(sql, gatewayId, changes);
        const approved = await approveTools(sql, gatewayId, [...changes.added, ...changes.changed], by);
        if (from !== undefined) await writeImport(sql, gatewayId, from);
        await touched(sql, gatewayId);
        return approved;
      }),
    restImport: (gatewayId) =>
      read(async (sql) => {
        const rows = await sql.query<RestImport & { imported_at: Date }>(
          "select url, options, digest, title, version, imported_at from rest_import where gateway_id = $1",
          [gatewayId],
        );
        return rows.map(({ imported_at, ...rest }) => ({ ...rest, importedAt: isoTime(imported_at) }))[0];
      }),
  };
}
