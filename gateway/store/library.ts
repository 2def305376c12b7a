/** Rows of what the gateway hosts itself: items of the built-in upstream, which is there as long as it has items. */
import { createHash, randomUUID } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import { getItem, updateItem } from "./items.ts";
import type { Gateways, Runner, Store } from "./store.ts";
import type {
  GatewayInput,
  HostedBody,
  HostedEntry,
  HostedInput,
  HostedPage,
  ItemDetail,
  ItemKind,
  ItemPatch,
  Sql,
} from "./types.ts";

/** The built-in upstream. Its slug is a prefix like any other, so nobody else can have it meanwhile. */
export const LIBRARY = {
  id: "library",
  slug: "library",
  capabilities: '{"resources":{"listChanged":true},"prompts":{"listChanged":true}}',
} as const;

const LIBRARY_INPUT: GatewayInput = {
  slug: LIBRARY.slug,
  name: "library",
  description: "Resources and prompts that this gateway hosts itself",
  transport: "BUILTIN",
  url: null,
  stdio: null,
  era: "legacy",
  authHeaders: {},
  authType: "none",
  passthroughHeaders: [],
  requestTimeoutMs: null,
  tags: [],
  visibility: "public",
  teamId: null,
  ownerEmail: null,
  enabled: true,
  source: "builtin",
};

const KINDS: readonly ItemKind[] = ["resource", "resourceTemplate", "prompt"];
const PAGE = 1000;
const digestOf = (name: string) => createHash("sha256").update(name).digest("hex");

/** Throws MCPS_ITEM_CONFLICT when an upstream of somebody else has the slug. */
async function checkSlugFree(sql: Sql): Promise<void> {
  const [other] = await sql.query<{ name: string }>("select name from gateway where slug = $1 and id <> $2", [
    LIBRARY.slug,
    LIBRARY.id,
  ]);
  if (other === undefined) return;
  const owner = `the gateway ${other.name}; give it another slug, hosted items need this one`;
  throw fault("MCPS_ITEM_CONFLICT", { kind: "gateway", field: "slug", value: LIBRARY.slug, owner });
}

/** Answers the id of the new item. */
async function insertHosted(sql: Sql, input: HostedInput): Promise<string> {
  const id = randomUUID();
  await sql.query(
    `insert into item (id, gateway_id, kind, original_name, name_digest, definition, visibility, team_id, owner_email)
     values ($1, $2, $3, $4, $5, $6, 'private', null, null)`,
    [id, LIBRARY.id, input.kind, input.originalName, digestOf(input.originalName), input.definition],
  );
  await sql.query("insert into hosted_body (item_id, body, encoding) values ($1, $2, $3)", [
    id,
    input.body,
    input.encoding,
  ]);
  return id;
}

async function writeHosted(sql: Sql, id: string, entry: HostedEntry): Promise<void> {
  await sql.query("update item set original_name = $2, name_digest = $3, definition = $4 where id = $1", [
    id,
    entry.originalName,
    digestOf(entry.originalName),
    entry.definition,
  ]);
  await sql.query("update hosted_body set body = $2, encoding = $3 where item_id = $1", [
    id,
    entry.body,
    entry.encoding,
  ]);
}

/** True when it was one of the gateway's own. The last one takes the upstream with it. */
export async function deleteHosted(sql: Sql, id: string): Promise<boolean> {
  const gone = await sql.query("delete from item where id = $1 and gateway_id = $2 returning id", [id, LIBRARY.id]);
  if (gone.length === 0) return false;
  await sql.query("delete from gateway where id = $1 and not exists (select from item where gateway_id = $1)", [
    LIBRARY.id,
  ]);
  return true;
}

async function hostedBody(sql: Sql, id: string): Promise<HostedBody | undefined> {
  return (await sql.query<HostedBody>("select body, encoding from hosted_body where item_id = $1", [id]))[0];
}

/** By its own name: a prompt's name, a resource's URI, a template as it was written. */
async function findHosted(sql: Sql, kind: ItemKind, name: string): Promise<HostedEntry | undefined> {
  const rows = await sql.query<{ original_name: string; definition: string; body: string } & HostedBody>(
    `select i.original_name, i.definition, b.body, b.encoding from item i join hosted_body b on b.item_id = i.id
     where i.gateway_id = $1 and i.kind = $2 and i.name_digest = $3`,
    [LIBRARY.id, kind, digestOf(name)],
  );
  return rows.map(({ original_name: originalName, ...rest }) => ({ originalName, ...rest }))[0];
}

/** Templates whose text before the first variable begins this URI, oldest first. */
async function hostedTemplates(sql: Sql, uri: string): Promise<string[]> {
  const rows = await sql.query<{ original_name: string }>(
    `select original_name from item where gateway_id = $1 and kind = 'resourceTemplate'
     and starts_with($2, left(original_name, strpos(original_name, '{') - 1)) order by position`,
    [LIBRARY.id, uri],
  );
  return rows.map((row) => row.original_name);
}

async function listHosted(sql: Sql, kind: ItemKind, after: number): Promise<HostedPage> {
  const rows = await sql.query<{ definition: string; position: string }>(
    `select definition, position from item where gateway_id = $1 and kind = $2 and position > $3::bigint
     order by position limit ${PAGE + 1}`,
    [LIBRARY.id, kind, after],
  );
  const definitions = rows.slice(0, PAGE).map((row) => row.definition);
  const last = rows.length > PAGE ? rows[PAGE - 1] : undefined;
  return last === undefined ? { definitions } : { definitions, next: Number(last.position) };
}

/** What of the store is about hosted items. */
export function libraryOperations(
  { read, write }: Runner,
  gateways: Gateways,
): Pick<Store, "createHosted" | "updateHosted" | "hostedBody" | "findHosted" | "hostedTemplates" | "listHosted"> {
  const shaped = async (sql: Sql, id: string, patch: ItemPatch): Promise<ItemDetail> => {
    const hosted = async () => {
      const item = await getItem(sql, KINDS, id);
      if (item === undefined) throw fault("MCPS_ITEM_UNKNOWN", { kind: "item", id: id.slice(0, 200) });
      return item;
    };
    await updateItem(sql, await hosted(), patch);
    return hosted();
  };
  return {
    createHosted: (input, patch) =>
      write(async (sql) => {
        const { id, capabilities } = LIBRARY;
        await checkSlugFree(sql);
        if ((await gateways.get(sql, id)) === undefined) {
          await gateways.insert(sql, LIBRARY_INPUT, id);
          await gateways.seen(sql, id, capabilities, null, null);
        }
        return shaped(sql, await insertHosted(sql, input), patch);
      }),
    updateHosted: (id, entry, patch) =>
      write(async (sql) => {
        await writeHosted(sql, id, entry);
        return shaped(sql, id, patch);
      }),
    hostedBody: (id) => read((sql) => hostedBody(sql, id)),
    findHosted: (kind, name) => read((sql) => findHosted(sql, kind, name)),
    hostedTemplates: (uri) => read((sql) => hostedTemplates(sql, uri)),
    listHosted: (kind, after) => read((sql) => listHosted(sql, kind, after)),
  };
}
