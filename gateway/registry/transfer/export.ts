/** The registry as a document. */
import type { GatewayRecord, ItemDetail, ItemKind, ListQuery, ServerRecord, Store, Viewer } from "../../store/index.ts";
import { LIBRARY } from "../../store/index.ts";
import { invalid } from "../problems.ts";
import {
  type EntityType,
  FORMAT,
  type GatewayEntry,
  type GatewaySecrets,
  type HostedEntry,
  type ItemEntry,
  type RegistryExport,
  type ServerEntry,
  VERSION,
} from "./document.ts";
import { sealSecrets, secretNames } from "./secrets.ts";

export type ExportChoice = {
  readonly types: readonly EntityType[];
  /** Any of these; empty = all. */
  readonly tags: readonly string[];
  readonly includeInactive: boolean;
  /** Undefined: secrets are left out. */
  readonly passphrase: string | undefined;
  /** Names or ids by type, and nothing else but what these need where `withNeeded`; undefined: all. */
  readonly only?: Only;
};
export type Only = {
  readonly names: Readonly<Partial<Record<EntityType, readonly string[]>>>;
  readonly withNeeded: boolean;
};

const KINDS: readonly ItemKind[] = ["tool", "resource", "resourceTemplate", "prompt"];
const ALL: ListQuery = { limit: 0, after: 0, includeInactive: true };

/** What whoever may export sees: everything. */
export function overseer(id: string): Viewer {
  return { id, admin: true, teams: [] };
}

export async function exportRegistry(store: Store, by: string, choice: ExportChoice): Promise<RegistryExport> {
  const viewer = overseer(by);
  const items = (await store.listItems(KINDS, ALL, viewer)).rows;
  const isChosen = (one: { tags: readonly string[]; enabled: boolean }) =>
    (choice.includeInactive || one.enabled) &&
    (choice.tags.length === 0 || one.tags.some((tag) => choice.tags.includes(tag)));
  const all = await store.allGateways();
  const chosen = chosenBy(choice.only);
  const allServers = (await store.listServers(ALL, viewer)).rows;
  const servers = choice.types.includes("servers")
    ? allServers.filter(isChosen).filter(({ id, name }) => chosen.isNamed("servers", id, name))
    : [];
  const needed = neededBy(choice.only?.withNeeded === true ? servers : [], items);
  const records = choice.types.includes("gateways")
    ? all
        .filter((one) => one.source === "api")
        .filter(isChosen)
        .filter(({ id, slug }) => chosen.isNamed("gateways", id, slug) || needed.has(id))
    : [];
  const declared = choice.only === undefined ? all.filter(({ source }) => source === "config") : [];
  const hosted = items
    .filter(({ gatewayId }) => gatewayId === LIBRARY.id)
    .filter(isChosen)
    .filter(({ id, kind, originalName }) => {
      const type = kind === "prompt" ? "prompts" : "resources";
      return chosen.isNamed(type, id, originalName) || needed.has(id);
    });
  chosen.requireFound();
  const secrets = new Map(records.map((record) => [record.slug, secretsOf(record)]));
  const held = [...secrets].filter(([, one]) => secretNames(one).length > 0);
  return {
    format: FORMAT,
    version: VERSION,
    exportedAt: new Date().toISOString(),
    exportedBy: by,
    entities: {
      gateways: await Promise.all(records.map((record) => gatewayEntry(store, record, items))),
      resources: await hostedEntries(store, choice, "resources", hosted),
      prompts: await hostedEntries(store, choice, "prompts", hosted),
      servers: servers.map((record) => serverEntry(record, all, items)),
    },
    secrets: {
      ...(choice.passphrase === undefined
        ? {}
        : { sealed: await sealSecrets(Object.fromEntries(held), choice.passphrase) }),
      names: Object.fromEntries(held.map(([slug, one]) => [slug, secretNames(one)])),
    },
    leftOut: declared.map(({ slug }) => ({
      ...{ type: "gateways", name: slug },
      reason: "declared in the configuration file of this deployment",
    })),
  };
}

/** What was asked for by name, and whether all of it was there. */
function chosenBy(only: Only | undefined) {
  const asked = Object.entries(only?.names ?? {}).flatMap(([type, names]) => names.map((name) => `${type}.${name}`));
  const missing = new Set(asked);
  return {
    isNamed(type: EntityType, ...names: readonly string[]): boolean {
      if (only === undefined) return true;
      const found = names.filter((name) => only.names[type]?.includes(name) === true);
      for (const name of found) missing.delete(`${type}.${name}`);
      return found.length > 0;
    },
    /** Throws MCPS_ITEM_INVALID. */
    requireFound(): void {
      if (missing.size === 0) return;
      const allowed = "a name or id of something that is here, and is not declared in a configuration file";
      throw invalid(
        "export",
        [...missing].slice(0, 20).map((path) => ({ path: path.slice(0, 200), allowed })),
      );
    },
  };
}

/** Ids of upstreams and of hosted items that these servers show something of. */
function neededBy(servers: readonly ServerRecord[], items: readonly ItemDetail[]): ReadonlySet<string> {
  const shown = new Set(servers.flatMap(({ itemIds }) => itemIds));
  return new Set([
    ...servers.flatMap(({ gatewayIds }) => gatewayIds),
    ...items.flatMap(({ id, gatewayId }) => (shown.has(id) ? [id, gatewayId] : [])),
  ]);
}

function secretsOf({ authHeaders, stdio, secrets, url }: GatewayRecord): GatewaySecrets {
  const query = url === null ? "" : new URL(url).search;
  return {
    ...(Object.keys(authHeaders).length === 0 ? {} : { headers: { ...authHeaders } }),
    ...(stdio === null || Object.keys(stdio.env).length === 0 ? {} : { env: { ...stdio.env } }),
    ...(secrets === undefined || Object.keys(secrets).length === 0 ? {} : { more: secrets }),
    ...(query === "" ? {} : { query }),
  };
}

async function gatewayEntry(store: Store, record: GatewayRecord, all: readonly ItemDetail[]): Promise<GatewayEntry> {
  const { stdio, url, id, transport } = record;
  const isRest = transport === "REST";
  const operations = new Map((isRest ? await store.restTools(id) : []).map((tool) => [tool.id, tool]));
  const from = isRest ? await store.restImport(id) : undefined;
  const { importedAt: _, ...imported } = from ?? { importedAt: "" };
  const items = all.filter(({ gatewayId }) => gatewayId === id);
  return {
    ...ownedOf(record),
    id,
    slug: record.slug,
    name: record.name,
    description: record.description,
    transport: transport === "BUILTIN" ? "REST" : transport,
    url: url === null ? null : url.replace(/\?.*$/s, ""),
    stdio:
      stdio === null
        ? null
        : { command: stdio.command, args: [...stdio.args], cwd: stdio.cwd, isolation: stdio.isolation },
    ...(record.isolation === undefined ? {} : { isolation: record.isolation }),
    era: record.era,
    authType: record.authType,
    ...(record.outbound === undefined ? {} : { outbound: record.outbound }),
    passthroughHeaders: [...record.passthroughHeaders],
    requestTimeoutMs: record.requestTimeoutMs,
    capabilities: record.capabilities,
    instructions: record.instructions,
    items: items.map((item) => itemEntry(item, operations.get(item.id))),
    ...("url" in imported ? { import: imported } : {}),
  };
}

type Owned = Pick<GatewayRecord, "visibility" | "teamId" | "ownerEmail" | "enabled" | "tags">;

function ownedOf({ visibility, teamId, ownerEmail, enabled, tags }: Owned) {
  return { visibility, teamId, ownerEmail, enabled, tags: [...tags] };
}

function itemEntry(item: ItemDetail, tool: { operation: string; sourceKey: string | null } | undefined): ItemEntry {
  const { kind, originalName, customName, displayName, description, definition } = item;
  return {
    ...ownedOf(item),
    ...{ kind, originalName, customName, displayName, description, definition },
    ...(tool === undefined ? {} : { operation: tool.operation, sourceKey: tool.sourceKey }),
  };
}

async function hostedEntries(
  store: Store,
  { types }: ExportChoice,
  type: "resources" | "prompts",
  items: readonly ItemDetail[],
): Promise<HostedEntry[]> {
  if (!types.includes(type)) return [];
  const entries = items.map(async (item): Promise<HostedEntry[]> => {
    const { kind, originalName, customName, displayName, definition } = item;
    if (kind === "tool" || (kind === "prompt") !== (type === "prompts")) return [];
    const held = await store.hostedBody(item.id);
    if (held === undefined) return [];
    return [{ ...ownedOf(item), kind, originalName, customName, displayName, definition, ...held }];
  });
  return (await Promise.all(entries)).flat();
}

function serverEntry(
  record: ServerRecord,
  gateways: readonly GatewayRecord[],
  items: readonly ItemDetail[],
): ServerEntry {
  const { id, name, description, icon, prefixMode, failureMode, gatewayIds, itemIds } = record;
  const chosen = new Set(itemIds);
  const whole = new Set(gatewayIds);
  return {
    ...ownedOf(record),
    ...{ id, name, description, icon, prefixMode, failureMode },
    gateways: gateways.filter((one) => whole.has(one.id)).map(({ slug }) => slug),
    items: items
      .filter((item) => chosen.has(item.id))
      .map(({ gatewaySlug, kind, originalName }) => ({ gateway: gatewaySlug, kind, name: originalName })),
  };
}
