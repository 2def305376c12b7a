/**
 * The store: every operation of the registry on the database. A change and the new catalogue version are one transaction; the
 * version's row is taken first, so that writers go one after the other and a version never shows half a change.
 */
import { randomUUID } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import { type AccountOperations, accountOperations } from "./accounts.ts";
import { databaseFault } from "./failures.ts";
import { gatewayRows } from "./gateways.ts";
import * as items from "./items.ts";
import { deleteHosted, libraryOperations } from "./library.ts";
import { cataloguePins, type PinOperations, pinOperations } from "./pins.ts";
import { type Database, openPool, type StoreFigures } from "./pool.ts";
import type { PoolOptions } from "./pool-options.ts";
import { type QuotaRepository, quotaRepository } from "./quotas.ts";
import { type RecordRepository, recordRepository } from "./records/index.ts";
import { primaryReads, replicaReads, type SeenVersion } from "./replica.ts";
import { type RestToolOperations, restToolOperations } from "./rest-tools.ts";
import { type Runner, runner, storeFault, within } from "./runner.ts";
import * as servers from "./servers.ts";
import { type SharedStateRepository, sharedStateRepository } from "./shared-state.ts";
import { untilAnswering } from "./starting.ts";
import type {
  CatalogueSnapshot,
  GatewayInput,
  GatewayRecord,
  HostedBody,
  HostedEntry,
  HostedInput,
  HostedPage,
  InspectionOutcome,
  ItemDetail,
  ItemKind,
  ItemPatch,
  ListQuery,
  Page,
  Sealing,
  ServerInput,
  ServerRecord,
  Sql,
  Viewer,
} from "./types.ts";
import { type UpstreamTokens, upstreamTokens } from "./upstream-tokens.ts";

/** All operations reject with a Fault: MCPS_DATABASE, MCPS_ITEM_CONFLICT for a name that is taken, MCPS_ITEM_UNKNOWN. */
export interface Store extends AccountOperations, UpstreamTokens, RestToolOperations, QuotaRepository, PinOperations {
  readonly sharedState: SharedStateRepository;
  readonly records: RecordRepository;
  loadSnapshot(): Promise<CatalogueSnapshot>;
  catalogueVersion(): Promise<number>;
  listGateways(query: ListQuery, viewer: Viewer): Promise<Page<GatewayRecord>>;
  getGateway(id: string): Promise<GatewayRecord | undefined>;
  allGateways(): Promise<readonly GatewayRecord[]>;
  createGateway(input: GatewayInput, outcome?: InspectionOutcome, id?: string): Promise<GatewayRecord>;
  updateGateway(id: string, patch: Partial<GatewayInput>): Promise<GatewayRecord>;
  deleteGateway(id: string): Promise<void>;
  /** Stores what asking the upstream brought; `restore` brings deleted items back. */
  recordInspection(id: string, outcome: InspectionOutcome, restore?: boolean): Promise<void>;
  listItems(kinds: readonly ItemKind[], query: ListQuery, viewer: Viewer): Promise<Page<ItemDetail>>;
  getItem(kinds: readonly ItemKind[], id: string): Promise<ItemDetail | undefined>;
  findItems(kinds: readonly ItemKind[], names: readonly string[], separator: string): Promise<readonly ItemDetail[]>;
  updateItem(kinds: readonly ItemKind[], id: string, patch: ItemPatch): Promise<ItemDetail>;
  /** An upstream's item stays out of sight; a hosted one is gone for good. */
  deleteItem(id: string): Promise<void>;
  /** The built-in upstream comes with the first one; MCPS_ITEM_CONFLICT when its slug or the item's name is taken. */
  createHosted(input: HostedInput, patch: ItemPatch): Promise<ItemDetail>;
  updateHosted(id: string, entry: HostedEntry, patch: ItemPatch): Promise<ItemDetail>;
  hostedBody(id: string): Promise<HostedBody | undefined>;
  findHosted(kind: ItemKind, name: string): Promise<HostedEntry | undefined>;
  /** Templates that may stand for this URI, oldest first. */
  hostedTemplates(uri: string): Promise<readonly string[]>;
  /** `after` is `next` of the page before; 0 = from the start. */
  listHosted(kind: ItemKind, after: number): Promise<HostedPage>;
  listServers(query: ListQuery, viewer: Viewer): Promise<Page<ServerRecord>>;
  getServer(id: string): Promise<ServerRecord | undefined>;
  createServer(input: ServerInput, id?: string): Promise<ServerRecord>;
  updateServer(id: string, patch: Partial<ServerInput>): Promise<ServerRecord>;
  deleteServer(id: string): Promise<void>;
  /**
   * Several changes of the registry as one: all of them, or none when `work` rejects. It holds a connection and keeps other changes waiting: it
   * asks nobody but the store that it is given. Run again when the database asks for that.
   */
  together<T>(work: (registry: RegistryStore) => Promise<T>): Promise<T>;
  ping(): Promise<void>;
  /** Connections of the pool now. */
  gauges(): { readonly total: number; readonly idle: number; readonly waiting: number };
  /** What has been sent since the start, and how often work was repeated. */
  figures(): StoreFigures;
  /** For a process that drains: connections are closed as soon as nothing needs them. */
  releaseIdle(): void;
  close(): Promise<void>;
}

/** What of the store is the registry. */
export type RegistryStore = GatewayOperations &
  ItemOperations &
  ReturnType<typeof libraryOperations> &
  RestToolOperations &
  ServerOperations;

export type StoreOptions = PoolOptions & {
  readonly sealing: Sealing;
  /** A replica of the same database: lists and records are asked there while it keeps up. */
  readonly readUrl?: string | undefined;
  /** How long a database that refuses connections or is starting is waited for, ms; default 0. */
  readonly startTimeoutMs?: number;
};

/** How long a replica may keep a list waiting for a connection, ms. */
const REPLICA_TIMEOUT_MS = 2000;

export type { Runner } from "./runner.ts";

export type Gateways = ReturnType<typeof gatewayRows>;
/** Opens the pool and makes sure that the database answers. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const database = openPool(options);
  const gateways = gatewayRows(options.sealing, options.log);
  const seen: SeenVersion = { version: 0 };
  const replica = options.readUrl === undefined ? undefined : openReplica(options, options.readUrl);
  const reads = replica === undefined ? primaryReads(database) : replicaReads(database, replica, seen, options.log);
  const run = runner(database, reads, seen);
  const store: Store = {
    sharedState: sharedStateRepository(faultySql(database.as("state"))),
    records: recordRepository(database.as("records"), reads.records),
    ...quotaRepository(faultySql(database.as("state"))),
    ...catalogueOperations(database.as("catalogue"), gateways, seen),
    ...registryOperations(run, gateways),
    together: (work) => run.write((sql) => work(registryOperations(within(sql), gateways))),
    ...pinOperations(run),
    ...accountOperations(database, storeFault),
    // Looked at by a clock, as the catalogue's version is, and counted with it.
    identityVersion: () => accountOperations(database.as("catalogue"), storeFault).identityVersion(),
    ...upstreamTokens(options.sealing, run.read),
    ping: async () => void (await faultySql(database.as("ping")).query("select 1")),
    gauges: () => database.gauges(),
    figures: () => database.figures(),
    releaseIdle() {
      database.releaseIdle();
      replica?.releaseIdle();
    },
    close: async () => void (await Promise.all([database.close(), replica?.close()])),
  };
  try {
    await untilAnswering(options.url, options.startTimeoutMs ?? 0, options.log, () => database.query("select 1"));
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

function registryOperations(run: Runner, gateways: Gateways): RegistryStore {
  return {
    ...gatewayOperations(run, gateways),
    ...itemOperations(run),
    ...libraryOperations(run, gateways),
    ...restToolOperations(run, gateways),
    ...serverOperations(run),
  };
}

function faultySql(database: Database): Sql {
  return {
    async query<Row extends Record<string, unknown>>(text: string, values?: readonly unknown[]) {
      try {
        return await database.query<Row>(text, values);
      } catch (error) {
        throw databaseFault(error);
      }
    },
  };
}

/** A replica that is away is not waited for: the database itself is there. */
function openReplica(options: StoreOptions, url: string): Database {
  const poolTimeoutMs = Math.min(options.poolTimeoutMs, REPLICA_TIMEOUT_MS);
  return openPool({ ...options, url, poolTimeoutMs, maxRetries: 0 });
}

function catalogueOperations(
  database: Database,
  gateways: Gateways,
  seen: SeenVersion,
): Pick<Store, "loadSnapshot" | "catalogueVersion"> {
  const version = async (sql: Sql) => {
    const [row] = await sql.query<{ version: string }>("select version from catalogue");
    const now = Number(row?.version ?? 0);
    seen.version = Math.max(seen.version, now);
    return now;
  };
  return {
    async loadSnapshot() {
      try {
        return await database.transaction(
          async (sql) => ({
            version: await version(sql),
            gateways: await gateways.all(sql),
            servers: await servers.allServers(sql),
            items: await items.catalogueItems(sql),
            ...(await cataloguePins(sql)),
          }),
          "snapshot",
        );
      } catch (error) {
        throw storeFault(error);
      }
    },
    async catalogueVersion() {
      try {
        return await version(database);
      } catch (error) {
        throw storeFault(error);
      }
    },
  };
}

function known<T>(found: T | undefined, kind: string, id: string): T {
  if (found === undefined) throw fault("MCPS_ITEM_UNKNOWN", { kind, id: id.slice(0, 200) });
  return found;
}

async function record(sql: Sql, gateways: Gateways, id: string, outcome: InspectionOutcome): Promise<void> {
  if (!outcome.ok) return void (await gateways.unreachable(sql, id, outcome.reason));
  await gateways.seen(sql, id, outcome.capabilities, outcome.instructions, outcome.note);
  await items.replaceItems(sql, id, outcome.items, outcome.incomplete);
}

type GatewayOperations = Pick<
  Store,
  | "listGateways"
  | "getGateway"
  | "allGateways"
  | "createGateway"
  | "updateGateway"
  | "deleteGateway"
  | "recordInspection"
>;

function gatewayOperations({ read, write, list }: Runner, gateways: Gateways): GatewayOperations {
  return {
    listGateways: (query, viewer) => list((sql) => gateways.list(sql, query, viewer)),
    getGateway: (id) => read((sql) => gateways.get(sql, id)),
    allGateways: () => read((sql) => gateways.all(sql)),
    createGateway: (input, outcome, id = randomUUID()) =>
      write(async (sql) => {
        const created = known(await gateways.insert(sql, input, id), "gateway", input.slug);
        if (outcome === undefined) return created;
        await record(sql, gateways, created.id, outcome);
        return known(await gateways.get(sql, created.id), "gateway", created.id);
      }),
    updateGateway: (id, patch) =>
      write(async (sql) => {
        const keys = Object.keys(patch);
        // Switching on or off must not touch credentials that could not be read.
        if (keys.length === 1 && patch.enabled !== undefined) {
          return known(await gateways.setEnabled(sql, id, patch.enabled), "gateway", id);
        }
        const former = known(await gateways.get(sql, id), "gateway", id);
        return known(await gateways.update(sql, id, { ...former, ...patch }), "gateway", id);
      }),
    deleteGateway: (id) =>
      write(async (sql) => void known((await gateways.delete(sql, id)) || undefined, "gateway", id)),
    recordInspection: (id, outcome, restore = false) =>
      write(async (sql) => {
        if (restore) await items.restoreItems(sql, id);
        await record(sql, gateways, id, outcome);
      }),
  };
}

type ItemOperations = Pick<Store, "listItems" | "getItem" | "findItems" | "updateItem" | "deleteItem">;

function itemOperations({ read, write, list }: Runner): ItemOperations {
  return {
    listItems: (kinds, query, viewer) => list((sql) => items.listItems(sql, kinds, query, viewer)),
    getItem: (kinds, id) => read((sql) => items.getItem(sql, kinds, id)),
    findItems: (kinds, names, separator) => read((sql) => items.findItems(sql, kinds, names, separator)),
    updateItem: (kinds, id, patch) =>
      write(async (sql) => {
        await items.updateItem(sql, known(await items.getItem(sql, kinds, id), "item", id), patch);
        return known(await items.getItem(sql, kinds, id), "item", id);
      }),
    deleteItem: (id) =>
      write(async (sql) => {
        const done = (await deleteHosted(sql, id)) || (await items.removeItem(sql, id));
        known(done || undefined, "item", id);
      }),
  };
}

type ServerOperations = Pick<Store, "listServers" | "getServer" | "createServer" | "updateServer" | "deleteServer">;

function serverOperations({ read, write, list }: Runner): ServerOperations {
  return {
    listServers: (query, viewer) => list((sql) => servers.listServers(sql, query, viewer)),
    getServer: (id) => read((sql) => servers.getServer(sql, id)),
    createServer: (input, wanted) =>
      write(async (sql) => {
        const id = await servers.insertServer(sql, input, wanted);
        return known(await servers.getServer(sql, id), "server", id);
      }),
    updateServer: (id, patch) =>
      write(async (sql) => {
        const former = known(await servers.getServer(sql, id), "server", id);
        await servers.updateServer(sql, id, { ...former, ...patch });
        return known(await servers.getServer(sql, id), "server", id);
      }),
    deleteServer: (id) =>
      write(async (sql) => void known((await servers.deleteServer(sql, id)) || undefined, "server", id)),
  };
}
